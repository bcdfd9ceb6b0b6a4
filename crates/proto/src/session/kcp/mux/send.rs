//! From the streams into the pipes.

use super::frame::Frame;
use super::stream::Ending;
use super::{Mux, Totals};
use std::time::Instant;

impl Mux {
    /// Whether [`fill`](Self::fill) would append something, given room.
    pub fn has_work(&self, lane: usize) -> bool {
        let Some(lane) = self.lanes.get(lane) else { return false };
        self.theirs.is_due() || !lane.control.is_empty() || !lane.turns.is_empty()
    }

    /// Appends whole frames of at most `room` bytes in all: control frames first, then data. Returns
    /// how many bytes that was. What does not fit waits.
    pub fn fill(&mut self, now: Instant, lane: usize, room: usize, out: &mut Vec<u8>) -> usize {
        if lane >= self.lanes.len() {
            return 0;
        }
        self.clock.set(now);
        let start = out.len();
        if self.fill_control(lane, room, out) {
            self.fill_data(lane, start, room, out);
        }
        let bytes = out.len() - start;
        self.lanes[lane].lately.add(&self.clock, bytes);
        self.share_room();
        bytes
    }

    /// `false`: not all control frames had room.
    fn fill_control(&mut self, lane: usize, room: usize, out: &mut Vec<u8>) -> bool {
        let end = out.len().saturating_add(room);
        if self.theirs.is_due() {
            let grant = Frame::Grt(0);
            if out.len() + grant.wire_len() > end {
                return false;
            }
            Frame::Grt(self.theirs.grant()).encode(out);
            self.lanes[lane].written += grant.wire_len() as u64;
        }
        while let Some(key) = self.lanes[lane].control.front() {
            let Some(frame) = self.streams[key].next_signal() else { return false };
            if out.len() + frame.wire_len() > end {
                return false;
            }
            frame.encode(out);
            self.lanes[lane].written += frame.wire_len() as u64;
            if matches!(frame, Frame::Rst(..)) {
                self.mark_sent(key);
            }
            self.change(key, |stream| stream.signalled(frame));
        }
        true
    }

    /// `start` is where the fill began, and `room` what it had.
    fn fill_data(&mut self, lane: usize, start: usize, room: usize, out: &mut Vec<u8>) {
        self.lanes[lane].turns.begin(&mut self.streams, &self.clock);
        while let Some(key) = self.lanes[lane].turns.next() {
            let before = out.len();
            if !self.write_data(key, room - (before - start), out) {
                break;
            }
            let bytes = out.len() - before;
            self.lanes[lane].turns.sent(&mut self.streams, key, &self.clock, bytes);
        }
        self.lanes[lane].turns.end();
    }

    /// Appends data of one stream. `false`: nothing fits.
    fn write_data(&mut self, key: usize, room: usize, out: &mut Vec<u8>) -> bool {
        let start = out.len();
        let stream = &mut self.streams[key];
        let before = Totals::of(stream);
        if !stream.outgoing.write(stream.id, room, out) {
            return false;
        }
        self.totals.change(before, Totals::of(stream));
        self.lanes[stream.lane].written += (out.len() - start) as u64;
        self.mark_sent(key);
        self.settle(key);
        true
    }

    /// The last of what a stream has sent is where its pipe ends now.
    fn mark_sent(&mut self, key: usize) {
        let stream = &mut self.streams[key];
        let lane = &mut self.lanes[stream.lane];
        stream.last = lane.written;
        lane.sent.remove(&mut self.streams, key);
        lane.sent.push(&mut self.streams, key);
    }

    /// The peer has got all of the lane's pipe up to so many bytes since its beginning.
    pub fn delivered(&mut self, lane: usize, bytes: u64) {
        let Some(state) = self.lanes.get_mut(lane) else { return };
        let bytes = bytes.min(state.written);
        while let Some(key) = self.lanes[lane].sent.front()
            && self.streams[key].last <= bytes
        {
            self.lanes[lane].sent.remove(&mut self.streams, key);
            self.change(key, |stream| {
                if stream.outgoing.ending == Ending::Sent {
                    stream.outgoing.ending = Ending::Delivered;
                }
            });
        }
    }
}
