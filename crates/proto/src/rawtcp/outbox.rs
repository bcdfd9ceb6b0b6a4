//! What a machine has to say, and what all its parts share.

use super::cookie::PERIOD;
use super::flow::{Clock, Flow, TELL_WITHIN};
use super::stamp::Stamp;
use super::strangers::Hour;
use super::tuple::Tuple;
use super::{Counts, Outgoing, Settings};
use rand::{SeedableRng, rngs::StdRng};
use std::collections::VecDeque;
use std::time::Instant;

/// Packets of the machine's own that may wait to be fetched. Beyond it they are lost, as on any network.
const WAITING_MAX: usize = 1024;

/// What the parts of a machine share.
pub(super) struct Outbox<H> {
    pub(super) settings: Settings,
    pub(super) counts: Counts,
    pub(super) rng: StdRng,
    epoch: Instant,
    packets: VecDeque<Outgoing<H>>,
    /// Flows that owe an acknowledgement, and when it is due; each at most once.
    owing: VecDeque<(Instant, Tuple)>,
}

impl<H: Copy> Outbox<H> {
    pub(super) fn new(now: Instant, settings: Settings, seed: [u8; 32]) -> Self {
        Self {
            settings,
            counts: Counts::default(),
            rng: StdRng::from_seed(seed),
            epoch: now,
            packets: VecDeque::new(),
            owing: VecDeque::new(),
        }
    }

    /// A flow's clock.
    pub(super) fn clock(&self, offset: u32) -> Clock {
        Clock { epoch: self.epoch, offset }
    }

    /// The time for strangers.
    pub(super) fn hour(&self, now: Instant) -> Hour {
        let age = now.saturating_duration_since(self.epoch);
        Hour { clock: self.clock(0).at(now), period: (age.as_secs() / PERIOD) as u32 }
    }

    /// Sends a packet of the machine's own.
    pub(super) fn push(&mut self, stamp: Stamp<H>, payload: Vec<u8>) {
        if self.packets.len() < WAITING_MAX {
            self.packets.push_back(Outgoing { stamp, payload });
        }
    }

    /// Sends a segment of a flow without payload.
    pub(super) fn bare(&mut self, now: Instant, flow: &mut Flow<H>, flags: u8) {
        let stamp = flow.bare(now, flags, &mut self.rng);
        self.push(stamp, Vec::new());
    }

    /// As [`bare`](Self::bare), for the end of everything: there are never more of them than flows.
    pub(super) fn last(&mut self, now: Instant, flow: &mut Flow<H>, flags: u8) {
        let stamp = flow.bare(now, flags, &mut self.rng);
        self.packets.push_back(Outgoing { stamp, payload: Vec::new() });
    }

    /// Nobody is owed anything any more.
    pub(super) fn close(&mut self) {
        self.owing.clear();
    }

    pub(super) fn poll(&mut self) -> Option<Outgoing<H>> {
        self.packets.pop_front()
    }

    /// Sees to it that a flow that owes an acknowledgement gives it.
    pub(super) fn owe(&mut self, now: Instant, tuple: Tuple, flow: &mut Flow<H>) {
        use super::segment::flag::ACK;
        if flow.owes_much() {
            self.bare(now, flow, ACK);
        } else if flow.owing.is_some() && !flow.listed {
            flow.listed = true;
            self.owing.push_back((now + TELL_WITHIN, tuple));
        }
    }

    /// When the first acknowledgement is due.
    pub(super) fn due(&self) -> Option<Instant> {
        self.owing.front().map(|(due, _)| *due)
    }

    /// The next flow of which an acknowledgement may be due.
    pub(super) fn poll_due(&mut self, now: Instant) -> Option<Tuple> {
        self.owing.front().filter(|(due, _)| *due <= now)?;
        self.owing.pop_front().map(|(_, tuple)| tuple)
    }

    /// Such a flow: what it owes may be younger than its entry, for data has taken along what was older.
    pub(super) fn tell(&mut self, now: Instant, tuple: Tuple, flow: &mut Flow<H>) {
        flow.listed = false;
        match flow.owing {
            Some(since) if since + TELL_WITHIN <= now => self.bare(now, flow, super::segment::flag::ACK),
            Some(_) => self.owe(now, tuple, flow),
            None => {}
        }
    }
}
