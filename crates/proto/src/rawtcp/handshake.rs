//! A client's request for a connection, as a current Linux makes it, until it is answered.

use super::Segment;
use super::flow::{Beginning, Clock, Flow, STAMPS, first_id};
use super::outbox::Outbox;
use super::segment::{Options, flag};
use super::stamp::{Network, Stamp, Transport};
use super::strangers::{first_options, first_window, largest_segment};
use super::window::SCALE;
use crate::session::DATAGRAM_MIN;
use rand::RngExt;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

/// When it is asked again, and after the last given up (RFC 6298, 5.5; Linux' first four).
const AGAIN: [Duration; 4] =
    [Duration::from_secs(1), Duration::from_secs(2), Duration::from_secs(4), Duration::from_secs(8)];

pub(super) struct Handshake<H> {
    pub(super) local: SocketAddr,
    pub(super) hop: H,
    remote: SocketAddr,
    /// The longest segment that fits our interface.
    segment: u16,
    /// Our initial sequence number.
    number: u32,
    clock: Clock,
    label: u32,
    id: u16,
    tries: usize,
    /// When it is asked again or given up.
    pub(super) due: Instant,
}

impl<H: Copy> Handshake<H> {
    /// Sends the first request.
    pub(super) fn begin(
        now: Instant,
        remote: SocketAddr,
        local: SocketAddr,
        hop: H,
        mtu: u32,
        out: &mut Outbox<H>,
    ) -> Self {
        let clock = out.rng.random();
        let mut handshake = Self {
            local,
            hop,
            remote,
            segment: largest_segment(local, mtu),
            number: out.rng.random(),
            clock: out.clock(clock),
            label: out.rng.random_range(0..1 << 20),
            id: first_id(&mut out.rng),
            tries: 0,
            due: now,
        };
        handshake.ask(now, out);
        handshake
    }

    /// Asks, again if it has before. False: it has asked often enough.
    pub(super) fn ask(&mut self, now: Instant, out: &mut Outbox<H>) -> bool {
        let Some(pause) = AGAIN.get(self.tries) else { return false };
        let options = Options {
            mss: Some(self.segment),
            scale: Some(SCALE),
            selective: true,
            timestamps: Some((self.clock.at(now), 0)),
        };
        let (bytes, length) = first_options(&options);
        let stamp = self.stamp(flag::SYN, first_window(self.segment), &bytes[..length]);
        out.push(stamp, Vec::new());
        self.id = self.id.wrapping_add(1);
        self.tries += 1;
        self.due = now + *pause;
        true
    }

    fn stamp(&self, flags: u8, window: u16, options: &[u8]) -> Stamp<H> {
        let network = Network { source: self.local, destination: self.remote, id: self.id, label: self.label };
        // A reset comes behind the request, which has taken a number.
        let sequence = self.number.wrapping_add(u32::from(flags & flag::SYN == 0));
        Stamp::write(self.hop, &network, &Transport { sequence, acknowledgement: 0, flags, window, options }, 0)
    }

    /// Takes it back.
    pub(super) fn reset(&self, out: &mut Outbox<H>) {
        let stamp = self.stamp(flag::RST, 0, &[]);
        out.push(stamp, Vec::new());
    }

    /// The flow, if this segment is the answer.
    pub(super) fn answered(&self, now: Instant, segment: &Segment, out: &mut Outbox<H>) -> Option<Flow<H>> {
        let is_answer = segment.flags & (flag::SYN | flag::ACK | flag::RST | flag::FIN) == flag::SYN | flag::ACK;
        let next = self.number.wrapping_add(1);
        if !is_answer || segment.acknowledgement != next {
            return None;
        }
        // What every host takes, if it does not say (RFC 9293, 3.7.1).
        let default = if segment.source.is_ipv4() { 536 } else { 1220 };
        let mss = segment.options.mss.unwrap_or(default).min(self.segment);
        // A flow that could not carry any session's datagram is none, whoever has made it so.
        let stamps = if segment.options.timestamps.is_some() { STAMPS } else { 0 };
        if mss < DATAGRAM_MIN + stamps || usize::from(segment.window) < usize::from(DATAGRAM_MIN) {
            return None;
        }
        let beginning = Beginning {
            local: self.local,
            remote: self.remote,
            hop: self.hop,
            sent: next,
            received: segment.sequence.wrapping_add(1),
            // The window of a first segment is not scaled (RFC 7323, 2.2).
            open: u32::from(segment.window),
            scale: segment.options.scale,
            mss,
            echo: segment.options.timestamps.map(|(value, _)| value),
            clock: self.clock,
            label: self.label,
            id: self.id,
        };
        Some(Flow::new(now, beginning, &mut out.rng))
    }
}
