//! What a KCP session takes in: segments to their lanes, pieces of pipes to the mux.

use super::conversation::{Conversation, Refused};
use super::segment::Segment;
use super::session::KcpSession;
use crate::session::Event;
use bytes::Bytes;
use std::time::{Duration, Instant};

/// Memory for segments goes back when nothing was in flight for so long.
const TRIM_AFTER: Duration = Duration::from_secs(1);

/// What came from the peer and was not taken in, by why.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Refusals {
    /// No segment, or a length that cannot be.
    pub malformed: u64,
    /// A conversation that the link does not have.
    pub foreign: u64,
    /// Beyond the window that the peer was told of.
    pub outside: u64,
    /// Acknowledges what was never sent.
    pub future: u64,
}

impl Refusals {
    /// All of them.
    pub(super) fn all(&self) -> u64 {
        self.malformed + self.foreign + self.outside + self.future
    }
}

impl KcpSession {
    /// Bytes that are here and nobody has read: in streams, and behind gaps of all lanes.
    pub(super) fn taken(&self) -> u64 {
        let held: usize = self.lanes.iter().map(Conversation::memory).sum();
        self.mux.unread() + held as u64
    }

    /// So many segments the peer may send beyond the last in order on a lane, where so many bytes are
    /// `taken` in all. What waits behind a gap of the lane has its place among those segments.
    pub(super) fn window(&self, lane: &Conversation, taken: u64) -> u16 {
        let left = u64::from(self.limits.link_window).saturating_sub(taken - lane.memory() as u64);
        // The peer's may be longer: then it is a little more.
        let segments = left / u64::from(self.lengths.now());
        segments.min(self.limits.kcp.lane_window().into()) as u16
    }

    /// Takes a packet apart.
    pub(super) fn take_in(&mut self, now: Instant, mut packet: Bytes) {
        loop {
            let (segment, data) = match Segment::read(&mut packet) {
                Ok(Some(taken)) => taken,
                Ok(None) => return,
                Err(_) => {
                    self.refusals.malformed += 1;
                    return;
                }
            };
            let index = segment.conversation.wrapping_sub(1) as usize;
            let Some(window) = self.lanes.get(index).map(|lane| self.window(lane, self.taken())) else {
                self.refusals.foreign += 1;
                continue;
            };
            let lane = &mut self.lanes[index];
            let handled = lane.handle(now, (segment, data), window, &mut self.transit, &mut self.pieces);
            match handled {
                Ok(()) => {}
                Err(Refused::Outside) => self.refusals.outside += 1,
                Err(Refused::Future) => self.refusals.future += 1,
                Err(Refused::Malformed) => self.refusals.malformed += 1,
            }
            // The peer has more, and there is no room for it.
            let asked = window == 0 && (lane.is_asked() || handled == Err(Refused::Outside));
            let mut taken = self.pieces.drain(..).map(|piece| self.mux.receive(now, index, piece));
            if taken.any(|taken| taken.is_err()) {
                drop(taken);
                self.fail();
                return;
            }
            if asked && !self.full {
                self.full = true;
                self.events.push_back(Event::Crowded);
            }
        }
    }

    /// The session is over: the peer does not keep to the protocol, or is gone.
    pub(super) fn fail(&mut self) {
        self.pieces.clear();
        if !self.closed {
            self.closed = true;
            self.events.push_back(Event::Closed);
        }
    }

    /// Looks for losses on all lanes, and lets what was acknowledged make room.
    pub(super) fn settle(&mut self, now: Instant) {
        for lane in &mut self.lanes {
            lane.find_lost(now, &mut self.transit);
        }
        self.transit.end_losses(now);
        for (index, lane) in self.lanes.iter_mut().enumerate() {
            self.mux.delivered(index, lane.flight().delivered());
            self.mux.behind_gap(index, lane.held());
        }
        if self.mux.is_used_up() || self.lanes.iter_mut().any(|lane| lane.flight().is_dead()) {
            self.fail();
        }
        self.trim_at = (!self.transit.is_flying()).then(|| now + TRIM_AFTER);
    }
}
