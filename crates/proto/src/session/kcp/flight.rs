//! What a conversation has sent and the peer has not acknowledged.
//!
//! Segments lie in a ring by their serial number, so that an acknowledgement finds its segment at
//! once. Beside it stand their transmissions in the order in which they left: whoever looks for
//! losses or time-outs looks at the front of that and stops at the first that is neither, so that
//! no call looks at more segments than it does something about.

use super::segment::{self, is_before};
use super::slots::Slot;
use super::transit::{Arrived, Transit};
use std::collections::VecDeque;
use std::time::Instant;

/// In the fixed modes: transmissions after which a segment is not sent again before its time-out (`IKCP_FASTACK_LIMIT`).
const FAST_MAX: u16 = 5;

/// In `auto`: a segment that was lost so often leaves twice each time: few are, and all that follows waits for them.
const TWICE_AFTER: u16 = 2;

/// A segment sent so often may be too long for what the path has become.
const STUBBORN_AFTER: u16 = 6;

/// In the fixed modes: a segment sent so often without an answer means that the peer is gone (`IKCP_DEADLINK`). `auto`
/// leaves that to its link.
const DEAD_AFTER: u16 = 20;

/// Orders of transmissions, by how often a segment had been sent: those of one order time out in it.
const ORDERS: usize = DEAD_AFTER as usize;

/// In `auto` all transmissions are of one order.
const ONE_ORDER: usize = 0;

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Fate {
    Flying,
    /// To be sent again. `true`: it is taken for lost; else it only asks.
    Again(bool),
    Acknowledged,
}

#[derive(Clone, Copy, Debug)]
struct Sent {
    slot: Slot,
    length: u16,
    fate: Fate,
    /// How often it was sent.
    times: u16,
    /// The number of its last transmission, when that left, and the time stamp on it.
    number: u64,
    at: Instant,
    time: u32,
    /// So many from this one on are known to be acknowledged; 0: that was not looked at.
    run: u16,
}

/// A segment that is to be sent again.
#[derive(Clone, Copy, Debug)]
pub(super) struct Again {
    pub(super) serial: u32,
    pub(super) slot: Slot,
    pub(super) length: usize,
}

/// The send half of a conversation.
pub(super) struct Flight {
    /// The serial number of the first in `sent`: the peer has everything before it (`una`).
    first: u32,
    sent: VecDeque<Sent>,
    /// The number of the next transmission.
    number: u64,
    /// One more than the number of the newest transmission that has arrived, and of the newest that
    /// the packet that is being taken in acknowledges.
    newest: u64,
    packet: u64,
    /// The same of the packets that acknowledged most: what left before the least of them was passed
    /// by all of them.
    passed: Vec<u64>,
    /// Transmissions as they left: number and serial number.
    orders: [VecDeque<(u64, u32)>; ORDERS],
    /// What is to be sent again, in the order in which that was found.
    again: VecDeque<u32>,
    /// Bytes before `first`.
    delivered: u64,
    /// The data of all that is not acknowledged, bytes.
    held: usize,
    /// When the peer last said anything.
    heard: Option<Instant>,
    dead: bool,
    stubborn: bool,
}

impl Flight {
    pub(super) fn new() -> Self {
        Self {
            first: 0,
            sent: VecDeque::new(),
            number: 0,
            newest: 0,
            packet: 0,
            passed: Vec::new(),
            orders: Default::default(),
            again: VecDeque::new(),
            delivered: 0,
            held: 0,
            heard: None,
            dead: false,
            stubborn: false,
        }
    }

    #[cfg(test)]
    pub(super) fn begin_at(&mut self, serial: u32) {
        self.first = serial;
    }

    /// The serial number of the next segment (`snd_nxt`).
    pub(super) fn next(&self) -> u32 {
        self.first.wrapping_add(self.sent.len() as u32)
    }

    /// Segments between the first that is not acknowledged and the last that was sent.
    pub(super) fn span(&self) -> usize {
        self.sent.len()
    }

    /// Bytes that the peer has, without a gap, since the beginning.
    pub(super) fn delivered(&self) -> u64 {
        self.delivered
    }

    /// Bytes of data that are not acknowledged.
    pub(super) fn held(&self) -> usize {
        self.held
    }

    /// Takes note that the peer has said something.
    pub(super) fn heard(&mut self, now: Instant) {
        self.heard = Some(now);
    }

    /// The peer does not answer, however often one segment is sent.
    pub(super) fn is_dead(&self) -> bool {
        self.dead
    }

    /// Whether some segment does not arrive, however often it is sent: it may be too long for the
    /// path. Tells it once.
    pub(super) fn is_stubborn(&mut self) -> bool {
        std::mem::take(&mut self.stubborn)
    }

    /// A new segment leaves, and is to leave once more if it is asked for `twice`.
    pub(super) fn push(&mut self, now: Instant, data: &[u8], twice: bool, transit: &mut Transit) {
        let serial = self.next();
        transit.leaves(now, data.len(), None);
        let number = self.count();
        let (slot, time) = (transit.slots.store(data), transit.clock(now));
        let length = data.len() as u16;
        let fate = if twice { Fate::Again(false) } else { Fate::Flying };
        self.sent.push_back(Sent { slot, length, fate, times: 1, number, at: now, time, run: 0 });
        self.held += data.len();
        if twice {
            self.again.push_back(serial);
        } else {
            self.orders[ONE_ORDER].push_back((number, serial));
        }
    }

    /// The number of a transmission.
    fn count(&mut self) -> u64 {
        self.number += 1;
        self.number - 1
    }

    /// The next segment that is to be sent again.
    pub(super) fn again(&mut self) -> Option<Again> {
        while let Some(&serial) = self.again.front() {
            if let Some(sent) = self.get(serial).filter(|sent| matches!(sent.fate, Fate::Again(_))) {
                return Some(Again { serial, slot: sent.slot, length: sent.length.into() });
            }
            self.again.pop_front();
        }
        None
    }

    /// The segment that [`again`](Self::again) has told leaves now.
    pub(super) fn leaves_again(&mut self, now: Instant, transit: &mut Transit) {
        let Some(serial) = self.again.pop_front() else { return };
        let (at, number) = (serial.wrapping_sub(self.first) as usize, self.count());
        let Some(sent) = self.sent.get_mut(at) else { return };
        // A peer may answer and take nothing, while nobody reads there.
        let is_silent = self.heard.is_none_or(|heard| heard < sent.at);
        let before = (sent.fate == Fate::Again(false)).then_some(sent.at);
        transit.leaves(now, sent.length.into(), before);
        let twice = transit.is_auto() && sent.fate == Fate::Again(true) && sent.times >= TWICE_AFTER;
        (sent.fate, sent.number) = (Fate::Flying, number);
        // Copies that leave together tell the same of the path's round trip.
        let together = before == Some(now);
        (sent.at, sent.time) = (now, transit.clock(now));
        sent.times = sent.times.saturating_add(u16::from(!together));
        if twice {
            sent.fate = Fate::Again(false);
            self.again.push_back(serial);
            return;
        }
        self.stubborn |= sent.times > STUBBORN_AFTER;
        self.dead |= sent.times > DEAD_AFTER && is_silent && !transit.is_auto();
        let order = if transit.is_auto() { ONE_ORDER } else { (usize::from(sent.times) - 1).min(ORDERS - 1) };
        self.orders[order].push_back((sent.number, serial));
    }

    /// The peer has everything before this serial number. `false`: it cannot have.
    pub(super) fn acknowledge_before(&mut self, now: Instant, next: u32, transit: &mut Transit) -> bool {
        if is_before(self.next(), next) {
            return false;
        }
        while is_before(self.first, next) {
            self.arrived(now, self.first, None, transit);
            let Some(sent) = self.sent.pop_front() else { break };
            self.delivered += u64::from(sent.length);
            self.first = self.first.wrapping_add(1);
        }
        if self.sent.is_empty() {
            self.orders.iter_mut().for_each(VecDeque::clear);
            self.again.clear();
        }
        true
    }

    /// The peer has this segment; `time`: the time stamp that it bore. `false`: it cannot have.
    pub(super) fn acknowledge(&mut self, now: Instant, serial: u32, time: u32, transit: &mut Transit) -> bool {
        if !is_before(serial, self.next()) {
            return false;
        }
        self.arrived(now, serial, Some(time), transit);
        true
    }

    /// The same of a segment that may have been acknowledged before, and is no mistake then.
    pub(super) fn acknowledge_newest(&mut self, now: Instant, serial: u32, time: u32, transit: &mut Transit) {
        if !is_before(serial, self.first) {
            self.acknowledge(now, serial, time, transit);
        }
    }

    /// The peer has the segments from one serial number up to another. `false`: it cannot have.
    pub(super) fn acknowledge_range(&mut self, now: Instant, (start, end): (u32, u32), transit: &mut Transit) -> bool {
        if is_before(self.next(), end) || !is_before(start, end) {
            return false;
        }
        let mut serial = if is_before(start, self.first) { self.first } else { start };
        while is_before(serial, end) {
            self.arrived(now, serial, None, transit);
            serial = self.pass(serial, end);
        }
        true
    }

    /// Notes that a segment and all up to `end` are acknowledged. Returns the first after it of which that
    /// was not noted before: ranges are told again and again, and what they told before must cost nothing.
    fn pass(&mut self, serial: u32, end: u32) -> u32 {
        let Some(sent) = self.sent.get_mut(serial.wrapping_sub(self.first) as usize) else { return end };
        let before = sent.run.max(1);
        sent.run = sent.run.max(end.wrapping_sub(serial) as u16);
        serial.wrapping_add(before.into())
    }

    /// The segment with this serial number, if it is in the ring.
    fn get(&self, serial: u32) -> Option<&Sent> {
        self.sent.get(serial.wrapping_sub(self.first) as usize)
    }

    /// Takes note that a segment has arrived, if that is news.
    fn arrived(&mut self, now: Instant, serial: u32, time: Option<u32>, transit: &mut Transit) {
        let at = serial.wrapping_sub(self.first) as usize;
        let Some(sent) = self.sent.get_mut(at).filter(|sent| sent.fate != Fate::Acknowledged) else { return };
        let was_lost = sent.fate == Fate::Again(true);
        sent.fate = Fate::Acknowledged;
        self.held -= usize::from(sent.length);
        transit.slots.release(sent.slot);
        // The time stamp says which transmission it was.
        let ambiguous = sent.times > 1 && time.is_none_or(|time| time != sent.time);
        let arrived = Arrived { at: sent.at, bytes: sent.length.into(), ambiguous, was_lost };
        let number = sent.number;
        if transit.arrives(now, &arrived) {
            self.packet = self.packet.max(number + 1);
        }
    }

    /// Finds what is lost. `transit` must know what has arrived.
    pub(super) fn find_lost(&mut self, now: Instant, transit: &mut Transit) {
        self.end_packet(transit);
        let orders = if transit.is_auto() { 1 } else { ORDERS };
        for order in 0..orders {
            while let Some((serial, sent)) = self.head(order) {
                let late = self.late_at(&sent, transit).is_some_and(|late| now >= late);
                if !late && !self.is_passed(&sent, transit) {
                    break;
                }
                self.orders[order].pop_front();
                transit.is_lost(sent.at, sent.length.into());
                self.send_again(serial, true);
            }
        }
    }

    /// All that a packet acknowledges has been taken in.
    fn end_packet(&mut self, transit: &Transit) {
        let newest = std::mem::take(&mut self.packet);
        if newest == 0 {
            return;
        }
        self.newest = self.newest.max(newest);
        self.passed.push(newest);
        if self.passed.len() > transit.tuning().resend {
            self.passed.sort_unstable();
            self.passed.remove(0);
        }
    }

    /// Whether so many later transmissions of this lane have arrived that one is lost, or, in the
    /// fixed modes, so many packets have acknowledged later ones.
    fn is_passed(&self, sent: &Sent, transit: &Transit) -> bool {
        if transit.is_auto() {
            return transit.threshold().is_some_and(|threshold| sent.number + threshold < self.newest);
        }
        let all = self.passed.len() == transit.tuning().resend;
        all && sent.times <= FAST_MAX && self.passed.first().is_some_and(|least| sent.number + 1 < *least)
    }

    /// When a transmission is lost, if nothing is heard of it.
    fn late_at(&self, sent: &Sent, transit: &Transit) -> Option<Instant> {
        match transit.is_auto() {
            true => transit.late_at(sent.at),
            false => {
                let again = (usize::from(sent.times) - 1).min(ORDERS - 1);
                Some(sent.at + transit.estimator().backed_off(again as u32))
            }
        }
    }

    /// The oldest transmission of an order that is still in flight.
    fn head(&mut self, order: usize) -> Option<(u32, Sent)> {
        while let Some(&(number, serial)) = self.orders[order].front() {
            match self.get(serial) {
                // Serial numbers come again only after four thousand million of them.
                Some(sent) if sent.number == number && sent.fate == Fate::Flying => return Some((serial, *sent)),
                _ => self.orders[order].pop_front(),
            };
        }
        None
    }

    fn send_again(&mut self, serial: u32, lost: bool) {
        let at = serial.wrapping_sub(self.first) as usize;
        if let Some(sent) = self.sent.get_mut(at) {
            sent.fate = Fate::Again(lost);
            self.again.push_back(serial);
        }
    }

    /// When the oldest transmission in flight left.
    pub(super) fn oldest(&mut self) -> Option<Instant> {
        self.oldest_of_all().map(|(at, _, _)| at)
    }

    /// When it left, its order and its serial number.
    fn oldest_of_all(&mut self) -> Option<(Instant, usize, u32)> {
        (0..ORDERS).filter_map(|order| self.head(order).map(|(serial, sent)| (sent.at, order, serial))).min()
    }

    /// Sends the oldest transmission in flight again, without taking it for lost.
    pub(super) fn probe(&mut self) {
        if let Some((_, order, serial)) = self.oldest_of_all() {
            self.orders[order].pop_front();
            self.send_again(serial, false);
        }
    }

    /// When [`find_lost`](Self::find_lost) would find something, if nothing arrives.
    pub(super) fn poll_timeout(&mut self, transit: &Transit) -> Option<Instant> {
        let orders = if transit.is_auto() { 1 } else { ORDERS };
        (0..orders).filter_map(|order| self.head(order).and_then(|(_, sent)| self.late_at(&sent, transit))).min()
    }
}

/// Not more than this many segments are in flight, so that serial numbers stay comparable.
pub(super) const SPAN_MAX: usize = u16::MAX as usize;

const _: () = assert!(SPAN_MAX < (u32::MAX / 2) as usize && segment::HEADER == 24);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::session::kcp::mode::Mode;

    #[test]
    fn what_a_range_told_before_costs_nothing() {
        let now = Instant::now();
        let mut transit = Transit::new(Mode::Auto, None, None, now);
        let mut flight = Flight::new();
        (0..1000).for_each(|_| flight.push(now, b"data", false, &mut transit));
        for end in [500, 501, 900] {
            assert!(flight.acknowledge_range(now, (1, end), &mut transit));
            for mut serial in [1, 2, 300] {
                let mut steps = 0;
                while serial < end {
                    (serial, steps) = (flight.pass(serial, end), steps + 1);
                }
                assert!(steps <= 4, "{steps} steps to {end}");
            }
        }
        assert_eq!(flight.held(), 101 * b"data".len());
        assert!(!flight.acknowledge_range(now, (1, 1001), &mut transit), "from the future");
        assert!(!flight.acknowledge_range(now, (9, 9), &mut transit), "none");
    }
}
