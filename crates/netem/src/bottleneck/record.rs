//! What became of a flow.

use ginnel_proto::congestion::Report;

/// Every so many round trips one is written down.
const RTT_SHARE: u64 = 4;
const MEGABYTE: u64 = 1_000_000;

/// What a flow had reached at a tick.
#[derive(Clone, Copy, Debug)]
pub struct Tick {
    /// Bytes that were delivered, and not taken for lost before.
    pub delivered: u64,
    /// Bytes sent.
    pub sent: u64,
    /// Bytes that were taken for lost.
    pub lost: u64,
    /// What the controller made of the path.
    pub report: Report,
}

/// What became of a flow. Times are in seconds since the beginning of all.
#[derive(Clone, Debug)]
pub struct Record {
    begins: f64,
    pub(super) sent: u64,
    pub(super) lost: u64,
    /// Bytes that came after they had been taken for lost.
    pub late: u64,
    delivered: u64,
    /// One every tenth of a second.
    pub ticks: Vec<Tick>,
    /// When each megabyte was there, in nanoseconds.
    megabytes: Vec<u64>,
    /// When it was seen, and the round trip, in microseconds.
    rtts: Vec<(u32, u32)>,
    seen_rtts: u64,
}

impl Record {
    pub(super) fn new(begins: f64) -> Self {
        Self {
            begins,
            sent: 0,
            lost: 0,
            late: 0,
            delivered: 0,
            ticks: Vec::new(),
            megabytes: Vec::new(),
            rtts: Vec::new(),
            seen_rtts: 0,
        }
    }

    pub(super) fn tick(&mut self, report: Report) {
        self.ticks.push(Tick { delivered: self.delivered, sent: self.sent, lost: self.lost, report });
    }

    pub(super) fn delivered(&mut self, now: u64) {
        self.delivered += super::PACKET;
        if self.delivered / MEGABYTE > self.megabytes.len() as u64 {
            self.megabytes.push(now);
        }
    }

    pub(super) fn rtt(&mut self, now: u64, rtt: u64) {
        self.seen_rtts += 1;
        if self.seen_rtts.is_multiple_of(RTT_SHARE) {
            self.rtts.push(((now / 1000) as u32, (rtt / 1000) as u32));
        }
    }

    /// Bytes delivered, sent and lost until then.
    fn until(&self, at: f64) -> (u64, u64, u64) {
        let ticks = ((at * 10.0).round() as usize).min(self.ticks.len());
        let last = ticks.checked_sub(1).map(|last| self.ticks[last]);
        last.map_or((0, 0, 0), |tick| (tick.delivered, tick.sent, tick.lost))
    }

    /// Mbit/s delivered between two times.
    pub fn rate(&self, from: f64, to: f64) -> f64 {
        (self.until(to).0 - self.until(from).0) as f64 * 8e-6 / (to - from)
    }

    /// The lowest rate of any half second between two times, in Mbit/s.
    pub fn lowest(&self, from: f64, to: f64) -> f64 {
        let halves = ((to - from) * 2.0) as usize;
        (0..halves).map(|half| from + half as f64 * 0.5).map(|at| self.rate(at, at + 0.5)).fold(f64::MAX, f64::min)
    }

    /// Bytes sent for each that was not lost, between two times.
    pub fn sent_per_delivered(&self, from: f64, to: f64) -> f64 {
        let ((_, before, lost_before), (_, sent, lost)) = (self.until(from), self.until(to));
        let (sent, lost) = ((sent - before) as f64, (lost - lost_before) as f64);
        sent / (sent - lost).max(1.0)
    }

    /// The part of all bytes sent that were taken for lost.
    pub fn lost(&self) -> f64 {
        self.lost as f64 / self.sent.max(1) as f64
    }

    /// Seconds from the flow's beginning until so many megabytes were there; infinite if they never were.
    pub fn time_to(&self, megabytes: usize) -> f64 {
        self.megabytes.get(megabytes - 1).map_or(f64::INFINITY, |&at| at as f64 * 1e-9 - self.begins)
    }

    /// The round trip that this part of all between two times was below, in milliseconds.
    pub fn rtt_between(&self, part: f64, from: f64, to: f64) -> f64 {
        let inside = |&&(at, _): &&(u32, u32)| (from..to).contains(&(f64::from(at) * 1e-6));
        let mut rtts: Vec<u32> = self.rtts.iter().filter(inside).map(|&(_, rtt)| rtt).collect();
        if rtts.is_empty() {
            return 0.0;
        }
        let index = ((rtts.len() as f64 * part) as usize).min(rtts.len() - 1);
        f64::from(*rtts.select_nth_unstable(index).1) * 1e-3
    }

    /// The same of the whole time.
    pub fn rtt_of_all(&self, part: f64) -> f64 {
        self.rtt_between(part, 0.0, f64::MAX)
    }
}
