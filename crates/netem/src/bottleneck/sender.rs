//! The near end: sends what its controller and its pacer let, and finds out what was lost.

use super::demand::Backlog;
use super::path::PACKET;
use super::record::Record;
use super::{Flow, NEVER};
use ginnel_proto::congestion::Controller;
use ginnel_proto::congestion::pacer::Pacer;
use std::collections::VecDeque;
use std::time::{Duration, Instant};

/// A packet is lost when one that was sent so many later has been acknowledged (RFC 9002, section 6.1.1).
const THRESHOLD: u64 = 3;
/// All in flight is lost after so many smoothed round trips without an acknowledgement, and this time at least.
const TIMEOUT: (u64, u64) = (3, 200_000_000);
/// The first timeout, before there was a round trip.
const FIRST_TIMEOUT: u64 = 1_000_000_000;

#[derive(Clone, Copy)]
struct Packet {
    sent: u64,
    /// Neither acknowledged nor lost.
    open: bool,
}

/// One flow's sender.
pub(super) struct Sender {
    origin: Instant,
    controller: Box<dyn Controller>,
    pacer: Pacer,
    backlog: Backlog,
    app_limited: bool,
    /// Packets whose fate may be open; the first has the number `base`.
    packets: VecDeque<Packet>,
    base: u64,
    /// Every packet below this number was acknowledged or lost.
    settled: u64,
    /// The largest number that was acknowledged.
    largest: u64,
    in_flight: u64,
    smoothed: u64,
    last_activity: u64,
    /// When the pacer or the application will have something.
    pub(super) send_at: u64,
    pub(super) record: Record,
}

impl Sender {
    pub(super) fn new(flow: &Flow, origin: Instant, seed: u64) -> Self {
        let began = origin + Duration::from_secs_f64(flow.begins);
        Self {
            origin,
            controller: flow.congestion.controller(began, PACKET as u16, seed),
            pacer: Pacer::new(began, PACKET as u16),
            backlog: Backlog::new(flow.demand.clone()),
            app_limited: false,
            packets: VecDeque::new(),
            base: 0,
            settled: 0,
            largest: 0,
            in_flight: 0,
            smoothed: 0,
            last_activity: 0,
            send_at: NEVER,
            record: Record::new(flow.begins),
        }
    }

    fn instant(&self, at: u64) -> Instant {
        self.origin + Duration::from_nanos(at)
    }

    pub(super) fn begin(&mut self, now: u64) {
        self.last_activity = now;
    }

    pub(super) fn tick(&mut self) {
        self.record.tick(self.controller.report());
    }

    /// Sends what may leave now: the numbers of the packets go to `batch`.
    pub(super) fn send(&mut self, now: u64, batch: &mut Vec<u64>) {
        let (time, pace) = (self.instant(now), self.controller.pace());
        let wanted = self.backlog.bytes(now);
        let room = self.controller.window().saturating_sub(self.in_flight);
        self.app_limited = wanted == 0 && room >= PACKET;
        self.send_at = self.backlog.next_at();
        if wanted == 0 || room < PACKET {
            return;
        }
        let allowed = self.pacer.allowance(time, pace);
        let count = (room / PACKET).min(allowed / PACKET).min(wanted.div_ceil(PACKET));
        if count > 0 {
            self.transmit(now, time, count, batch);
        }
        if self.backlog.bytes(now) == 0 {
            self.app_limited = self.controller.window() >= self.in_flight + PACKET;
        } else if self.in_flight + PACKET <= self.controller.window() {
            let ready = self.pacer.ready_at(time, pace).saturating_duration_since(self.origin).as_nanos() as u64;
            self.send_at = self.send_at.min(ready.max(now + 1));
        }
    }

    fn transmit(&mut self, now: u64, time: Instant, count: u64, batch: &mut Vec<u64>) {
        let bytes = count * PACKET;
        if self.in_flight == 0 {
            self.last_activity = now;
        }
        let first = self.base + self.packets.len() as u64;
        batch.extend(first..first + count);
        self.packets.extend((0..count).map(|_| Packet { sent: now, open: true }));
        self.in_flight += bytes;
        self.record.sent += bytes;
        self.backlog.take(bytes);
        self.pacer.spend(bytes);
        self.controller.on_sent(time, bytes);
    }

    /// An acknowledgement reports `packets`.
    pub(super) fn acknowledged(&mut self, now: u64, packets: impl Iterator<Item = u64>) {
        let time = self.instant(now);
        self.last_activity = now;
        let mut newest = None;
        for number in packets {
            let open = number.checked_sub(self.base).and_then(|index| self.packets.get_mut(index as usize));
            let Some(packet) = open.filter(|packet| packet.open) else {
                // It was taken for lost, and was sent once more.
                self.record.late += PACKET;
                continue;
            };
            packet.open = false;
            let sent = packet.sent;
            self.in_flight -= PACKET;
            self.largest = self.largest.max(number);
            newest = newest.max(Some(sent));
            self.controller.on_ack(time, self.origin + Duration::from_nanos(sent), PACKET);
            self.record.delivered(now);
        }
        if let Some(sent) = newest {
            let rtt = now - sent;
            self.smoothed = if self.smoothed == 0 { rtt } else { (7 * self.smoothed + rtt) / 8 };
            self.record.rtt(now, rtt);
            self.controller.on_end_acks(time, self.in_flight, self.app_limited);
        }
        self.find_lost(time, self.largest.saturating_sub(THRESHOLD - 1));
    }

    /// Every packet below the number `end` that is still open is lost.
    fn find_lost(&mut self, time: Instant, end: u64) {
        let (mut lost, mut newest) = (0, 0);
        while self.settled < end {
            let packet = &mut self.packets[(self.settled - self.base) as usize];
            if std::mem::take(&mut packet.open) {
                lost += PACKET;
                newest = packet.sent;
            }
            self.settled += 1;
        }
        self.packets.drain(..(self.settled - self.base) as usize);
        self.base = self.settled;
        if lost > 0 {
            self.in_flight -= lost;
            self.record.lost += lost;
            self.controller.on_loss(time, self.origin + Duration::from_nanos(newest), lost);
        }
    }

    pub(super) fn timeout_at(&self) -> u64 {
        if self.in_flight == 0 {
            return NEVER;
        }
        let patience = if self.smoothed == 0 { FIRST_TIMEOUT } else { (TIMEOUT.0 * self.smoothed).max(TIMEOUT.1) };
        self.last_activity + patience
    }

    /// No acknowledgement for long: all in flight is lost.
    pub(super) fn timeout(&mut self, now: u64) {
        self.last_activity = now;
        let end = self.base + self.packets.len() as u64;
        self.find_lost(self.instant(now), end);
    }
}
