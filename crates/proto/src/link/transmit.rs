//! What a link sends: junk, control messages, and the session's packets, sealed and in their sizes.

use super::{BATCH_PACKETS, Link, Lost, Path, Transmit};
use crate::envelope::OVERHEAD;
use crate::envelope::control::{self, Control};
use crate::envelope::header::Kind;
use crate::session::Batch;
use rand::CryptoRng;
use std::time::Instant;

/// The longest control datagram fits in every path's smallest.
const _: () = assert!(control::DATAGRAM_MAX <= 1200);

/// The link's counters are used up.
struct Worn;

impl Link {
    /// Fills `out`, which must be empty, with a batch of at most `packets_max` sealed datagrams.
    /// `None`: nothing to send.
    pub fn poll_transmit(
        &mut self,
        now: Instant,
        packets_max: usize,
        out: &mut Vec<u8>,
        rng: &mut impl CryptoRng,
    ) -> Option<Transmit> {
        if let Some(code) = self.farewell.take() {
            self.control.clear();
            self.control.push_back((Control::Close(code), *self.roaming.path()));
        }
        if let Some(transmit) = self.transmit_waiting(out, rng) {
            return Some(transmit);
        }
        let mut transmit = None;
        while let Some((control, path)) = self.control.pop_front() {
            transmit = self.transmit_control(now, control, path, out, rng);
            if transmit.is_some() {
                break;
            }
        }
        if transmit.is_none() && !self.lost {
            transmit = self.transmit_session(now, packets_max, out, rng);
        }
        self.lead(now, transmit?, out, rng)
    }

    /// Sees to where a batch goes and what goes ahead of it: on a client, to the port in use or the
    /// next one, and behind junk where this pair of addresses needs it.
    fn lead(
        &mut self,
        now: Instant,
        mut transmit: Transmit,
        out: &mut Vec<u8>,
        rng: &mut impl CryptoRng,
    ) -> Option<Transmit> {
        let current = *self.roaming.path();
        let Some(hopper) = self.hopper.as_mut().filter(|_| transmit.path == current) else { return Some(transmit) };
        if let Some(port) = hopper.before_sending(now, current.remote.port(), rng) {
            self.roaming.hop(port);
            transmit.path = *self.roaming.path();
        }
        if !hopper.has_junk() {
            return Some(transmit);
        }
        self.waiting = Some((transmit, std::mem::take(out)));
        self.transmit_waiting(out, rng)
    }

    /// Uses another port of the server when an answer is owed for long: this one may be blocked.
    pub(super) fn hop_from_silence(&mut self, now: Instant, rng: &mut impl CryptoRng) {
        let port = self.roaming.path().remote.port();
        let Some(hopper) = self.hopper.as_mut().filter(|_| self.liveness.asked_since().is_some()) else { return };
        if let Some(port) = hopper.hop(now, port, rng) {
            self.roaming.hop(port);
        }
    }

    /// The next datagram of junk, or the batch that it goes ahead of.
    fn transmit_waiting(&mut self, out: &mut Vec<u8>, rng: &mut impl CryptoRng) -> Option<Transmit> {
        // Where the link is now: it may have hopped since.
        let path = self.waiting.as_ref().map(|_| *self.roaming.path())?;
        if self.hopper.as_mut().is_some_and(|hopper| hopper.poll_junk(out, rng)) {
            return Some(Transmit { path, segment: out.len() });
        }
        let (transmit, batch) = self.waiting.take()?;
        *out = batch;
        Some(Transmit { path, ..transmit })
    }

    fn transmit_session(
        &mut self,
        now: Instant,
        packets_max: usize,
        out: &mut Vec<u8>,
        rng: &mut impl CryptoRng,
    ) -> Option<Transmit> {
        let plan = self.shaper.plan(now, rng);
        let max = if plan.single { 1 } else { packets_max.clamp(1, BATCH_PACKETS) };
        // An acknowledgement alone is not answered; only the first question of several matters.
        let before = self.liveness.asked_since().is_none().then(|| self.session.asked());
        let batch = self.guarded(|session| session.poll_transmit(now, max, plan.spare, out)).flatten();
        self.settle();
        let Some(batch) = batch.filter(|_| !self.lost) else {
            out.clear();
            return None;
        };
        self.shaper.sent(now);
        let Ok(segment) = self.seal_batch(batch, plan.single, out, rng) else {
            self.lose(Lost::Worn);
            out.clear();
            return None;
        };
        match before {
            Some(before) if self.session.asked() > before => self.liveness.asked(now, self.session.stats().rtt, rng),
            _ => self.liveness.sent(now),
        }
        if let Some(ask) = self.rekey.used(now, out.len(), rng) {
            self.send_control(ask, *self.roaming.path());
        }
        Some(Transmit { path: *self.roaming.path(), segment })
    }

    /// Seals what the session has written, each packet where it is or, where packets are made
    /// smaller than the session was told, moved up to the one before it while it is still in the
    /// processor's nearest cache. Returns the length of each but the last.
    fn seal_batch(
        &mut self,
        batch: Batch,
        single: bool,
        out: &mut Vec<u8>,
        rng: &mut impl CryptoRng,
    ) -> Result<usize, Worn> {
        let Batch { segment, spare, is_probe } = batch;
        if out.len() <= segment {
            let (content, max) = (out.len() - spare, self.session.datagram_len().max(segment));
            let plan = super::shape::Plan { single, spare };
            let (kind, padded) = self.shaper.lone(plan, content, max, is_probe, out, rng);
            self.seal(kind, padded, out)?;
            return Ok(out.len());
        }
        let cut = spare - OVERHEAD;
        let shorter = segment - cut;
        let whole = out.len() / segment;
        for index in 0..whole {
            let start = index * segment;
            self.seal(Kind::Session, false, &mut out[start..start + shorter])?;
            if cut > 0 && index > 0 {
                out.copy_within(start..start + shorter, index * shorter);
            }
        }
        let (from, to, length) = (whole * segment, whole * shorter, out.len() - whole * segment);
        if length == 0 {
            out.truncate(to);
            return Ok(shorter);
        }
        let content = length - spare;
        out.copy_within(from..from + content, to);
        out.truncate(to + content);
        let padded = self.shaper.last(to, shorter, out, rng);
        self.seal(Kind::Session, padded, &mut out[to..])?;
        Ok(shorter)
    }

    fn seal(&mut self, kind: Kind, padded: bool, packet: &mut [u8]) -> Result<(), Worn> {
        self.sealer.seal(kind, padded, packet).map_err(|_| Worn)
    }

    /// Seals a control message; `None` if its path may not be sent so much, or never again.
    fn transmit_control(
        &mut self,
        now: Instant,
        control: Control,
        path: Path,
        out: &mut Vec<u8>,
        rng: &mut impl CryptoRng,
    ) -> Option<Transmit> {
        control.encode_padded(self.control_padding, rng, out);
        out.resize(out.len() + OVERHEAD, 0);
        if !self.roaming.may_send(&path, out.len()) {
            out.clear();
            return None;
        }
        if self.seal(Kind::Control, true, out).is_err() {
            self.lose(Lost::Worn);
            out.clear();
            return None;
        }
        if matches!(control, Control::Probe(_)) {
            self.liveness.asked(now, self.session.stats().rtt, rng);
        }
        self.roaming.sent(&path, out.len());
        Some(Transmit { path, segment: out.len() })
    }
}
