//! What a KCP session sends: acknowledgements, what is lost, what is new, in packets and batches of them.

use super::segment::HEADER;
use super::session::KcpSession;
use crate::envelope::OVERHEAD;
use crate::session::Batch;
use std::time::Instant;

/// Packets on a new path, or after a time-out, that leave whatever window and pacer say: one of them arrives.
const URGENT: u32 = 2;

/// Not worth beginning a segment for: a packet that lacks no more than this is full.
const SCRAP: usize = 96;

const _: () = assert!(SCRAP > HEADER);

/// Bytes written and not sent that are always welcome, of all streams together.
const UNSENT_LEAST: u64 = 256 << 10;

impl KcpSession {
    /// Tells the peer of room that reading has made.
    fn tell_windows(&mut self, now: Instant) {
        if !std::mem::take(&mut self.has_read) {
            return;
        }
        let taken = self.taken();
        self.full &= taken + u64::from(self.lengths.now()) > self.limits.link_window.into();
        for index in 0..self.lanes.len() {
            let window = self.window(&self.lanes[index], taken);
            self.lanes[index].window_changed(now, window);
        }
    }

    /// Bytes of data that were sent and are not acknowledged.
    pub(super) fn outstanding(&self) -> u64 {
        self.lanes.iter().map(|lane| lane.outstanding() as u64).sum()
    }

    /// Whether more may be in flight, as far as memory goes: short segments take as much as long ones.
    fn has_room(&self) -> bool {
        self.outstanding() < self.limits.send_window && self.transit.slots.bytes() < 2 * self.limits.send_window
    }

    /// Bytes that may be written and not sent.
    pub(super) fn room(&self) -> u64 {
        let left = self.limits.send_window.saturating_sub(self.outstanding());
        self.transit.window().min(left).max(UNSENT_LEAST)
    }

    /// Nothing has come for too long: asks with the oldest that is in flight.
    pub(super) fn probe(&mut self) {
        self.urgent = URGENT;
        for _ in 0..URGENT {
            let oldest = self.lanes.iter_mut().filter_map(|lane| lane.flight().oldest().map(|at| (at, lane)));
            if let Some((_, lane)) = oldest.min_by_key(|(at, _)| *at) {
                lane.flight().probe();
            }
        }
    }

    /// Fills one packet of at most `capacity` bytes at the end of `out`. Returns the spare bytes
    /// that it leaves, fewer than `spare` for a segment that is sent again and has no shorter form.
    fn fill(&mut self, now: Instant, (capacity, spare): (usize, usize), data: bool, out: &mut Vec<u8>) -> usize {
        let (start, taken) = (out.len(), self.taken());
        let (end, has_room) = (start + capacity, self.has_room());
        for index in 0..self.lanes.len() {
            let window = self.window(&self.lanes[index], taken);
            let lane = &mut self.lanes[index];
            if lane.acks_due().is_some_and(|due| due <= now) {
                self.questions += u64::from(lane.asks());
                lane.write_acks(now, window, end - out.len(), &self.transit, out);
            }
        }
        if !data {
            return spare;
        }
        if start == 0 && self.lanes.iter_mut().any(|lane| lane.again_len() > Some(capacity)) {
            // Acknowledgements leave first, by themselves.
            let most = capacity + spare - OVERHEAD;
            if !out.is_empty() || self.fill_long(now, capacity, most, taken, out) {
                return (capacity + spare).saturating_sub(out.len()).max(OVERHEAD).min(spare);
            }
        }
        let lanes = self.lanes.len();
        for index in (0..lanes).map(|offset| (self.turn + offset) % lanes) {
            let window = self.window(&self.lanes[index], taken);
            let lane = &mut self.lanes[index];
            while let Some(length) = lane.again_len() {
                let room = end - out.len();
                if length > room || !lane.send_again(now, window, room, false, &mut self.transit, out) {
                    break;
                }
            }
            let room = end - out.len();
            if lane.again_len().is_none() && has_room && room >= SCRAP && self.mux.has_work(index) && lane.may_send(now)
            {
                let mux = &mut self.mux;
                lane.send(now, window, room, &mut self.transit, out, |room, out| {
                    let filled = mux.fill(now, index, room, out);
                    room - filled >= SCRAP && !mux.has_work(index)
                });
            }
        }
        self.turn = (self.turn + 1) % lanes;
        spare
    }

    /// Sends a segment again that is too long for a packet of `capacity` bytes, in one of up to `most`
    /// bytes, or the next part of it. Alone, for it leaves less to spare than the others of a batch,
    /// and before them, or they would keep it waiting. The lanes take turns in that, too.
    fn fill_long(&mut self, now: Instant, capacity: usize, most: usize, taken: u64, out: &mut Vec<u8>) -> bool {
        let lanes = self.lanes.len();
        for index in (0..lanes).map(|offset| (self.turn + offset) % lanes) {
            if self.lanes[index].again_len().is_some_and(|length| length > capacity) {
                let window = self.window(&self.lanes[index], taken);
                if self.lanes[index].send_again(now, window, most, true, &mut self.transit, out) {
                    self.turn = (index + 1) % lanes;
                    return true;
                }
            }
        }
        false
    }

    /// Whether something is there that could be sent, were it allowed.
    fn has_data(&mut self, now: Instant) -> bool {
        let (mux, has_room) = (&self.mux, self.has_room());
        let mut lanes = self.lanes.iter_mut().enumerate();
        lanes.any(|(index, lane)| lane.again_len().is_some() || (has_room && mux.has_work(index) && lane.may_send(now)))
    }

    /// Packets with data that may leave now; what stops them is noted.
    fn allowed(&mut self, now: Instant, max: usize) -> usize {
        if self.urgent > 0 {
            return 1;
        }
        let (pace, length) = (self.transit.pace(), self.lengths.now());
        if self.transit.in_flight() >= self.transit.window() {
            self.app_limited = false;
            return 0;
        }
        self.pacer.set_mtu(length);
        let allowance = self.pacer.allowance(now, pace);
        if allowance == 0 {
            self.app_limited = false;
            self.paced_until = Some(self.pacer.ready_at(now, pace));
        }
        let free = self.transit.window() - self.transit.in_flight();
        let packets = usize::try_from(allowance.min(free) / u64::from(length)).unwrap_or(max);
        if allowance == 0 { 0 } else { packets.clamp(1, max) }
    }

    /// Writes packets that may leave now.
    pub(super) fn transmit(&mut self, now: Instant, max: usize, spare: usize, out: &mut Vec<u8>) -> Option<Batch> {
        self.tell_windows(now);
        self.paced_until = None;
        let has_data = self.has_data(now);
        let allowed = if has_data { self.allowed(now, max) } else { 0 };
        let length = usize::from(self.lengths.now());
        let capacity = length - spare;
        let (mut segment, mut left) = (0, spare);
        for index in 0..max {
            let (start, data) = (out.len(), index < allowed);
            left = self.fill(now, (capacity, spare), data, out);
            let content = out.len() - start;
            if content == 0 {
                break;
            }
            let missing = capacity.saturating_sub(content);
            let is_full = missing < SCRAP && left == spare;
            if is_full {
                // What is missing is padding, so that a batch goes on.
                out.resize(out.len() + missing, 0);
            }
            out.resize(out.len() + left, 0);
            let paced = self.transit.take_unpaced();
            self.pacer.spend(paced);
            self.urgent = self.urgent.saturating_sub(u32::from(paced > 0));
            if index == 0 {
                segment = out.len();
            }
            if !is_full {
                break;
            }
        }
        if segment == 0 {
            if !has_data {
                self.app_limited = true;
                self.urgent = 0;
            }
            return None;
        }
        self.mux.made_room(self.room());
        Some(Batch { segment, spare: left, is_probe: false })
    }
}
