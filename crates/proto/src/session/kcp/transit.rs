//! What the lanes of a link have in common: one path, and what is on its way there.
//!
//! What left before something that has arrived, and has not been acknowledged when its round trip
//! is over, is lost: so a lane that has one segment in flight learns of its loss from the others,
//! long before a time-out. (On its own lane it need not wait: see `flight`. Between lanes time has to
//! decide, for each lane's acknowledgements leave when they are due.)

use super::mode::{Mode, Tuning};
use super::slots::Slots;
use super::timeout::Estimator;
use crate::congestion::Controller;
use std::time::{Duration, Instant};

/// So many later transmissions must have arrived at first before one is taken for lost, as in QUIC
/// (RFC 9002, section 6.1.1). More on a path that was seen to change their order.
const THRESHOLD: u64 = 3;
/// From here on time alone decides.
const THRESHOLD_MAX: u64 = 256;

/// A part of a round trip that order may be lost by: an eighth (RFC 9002, section 6.1.2), doubled each
/// time that it was too little.
const ORDER_PART: u32 = 8;

/// An answer to a retransmission that comes sooner than this part of the shortest round trip is
/// not one: what was sent first has arrived.
const TOO_SOON: (u32, u32) = (7, 8);

/// What the peer may wait before it acknowledges, and its timer's grain.
pub(super) const ACK_DELAY: Duration = Duration::from_millis(5);

/// `auto` waits no longer for an answer than this, or four of its own time-outs: what is sent then
/// is two packets, and after a black-out they are what finds out that it is over.
const PROBE_MAX: Duration = Duration::from_millis(1500);

/// Waits are stretched by up to this part, each by another, so that they keep step with nothing.
const PROBE_SPREAD: f64 = 0.5;

/// The golden ratio's fraction: its multiples, less their whole part, fall everywhere.
const GOLDEN: f64 = 0.618_033_988_749_895;

/// What each segment counts beside its data, bytes, as if it had a packet of its own: the header and
/// the envelope.
pub(super) const AROUND: usize = super::segment::HEADER + crate::envelope::OVERHEAD;

/// Each segment's fate counts so much in the share of those that are lost.
const LOSS_PART: f64 = 1.0 / 512.0;

/// A path is lossy on which more are: two of a few hundred.
const LOSSY: f64 = 0.003;

/// One transmission that has arrived.
#[derive(Clone, Copy, Debug)]
pub(super) struct Arrived {
    pub(super) at: Instant,
    pub(super) bytes: usize,
    /// It may be an earlier transmission of the same segment that has arrived.
    pub(super) ambiguous: bool,
    /// It had been taken for lost.
    pub(super) was_lost: bool,
}

/// The path of a link, as its lanes share it.
pub(super) struct Transit {
    pub(super) slots: Slots,
    mode: Mode,
    tuning: Tuning,
    origin: Instant,
    estimator: Estimator,
    controller: Option<Box<dyn Controller>>,
    /// When the newest transmission left that has arrived.
    newest: Option<Instant>,
    threshold: u64,
    /// How often order was lost by more than was allowed for.
    disorder: u32,
    in_flight: u64,
    /// Segments on their way, those of a former path included.
    flying: usize,
    /// What left before this went another path: it says nothing of this one.
    path_since: Instant,
    /// Bytes that have left since the pacer was last told.
    unpaced: u64,
    /// Time-outs in a row, and when something last left that has to be acknowledged.
    timeouts: u32,
    last_sent: Option<Instant>,
    sent: u64,
    lost: u64,
    /// The share of segments that was lost of late.
    loss: f64,
    /// Of the packet that is being taken in.
    packet: Packet,
}

#[derive(Clone, Copy, Debug, Default)]
struct Packet {
    /// When the newest left that it acknowledges beyond doubt, and how long the answer took.
    sample: Option<(Instant, Duration)>,
    progress: bool,
    lost: Option<(Instant, u64)>,
}

impl Transit {
    /// A path of which nothing is known but, perhaps, its first round trip. Without a controller it
    /// is as fast as windows let.
    pub(super) fn new(
        mode: Mode,
        controller: Option<Box<dyn Controller>>,
        rtt: Option<Duration>,
        now: Instant,
    ) -> Self {
        let tuning = mode.tuning();
        let mut estimator = Estimator::new(tuning);
        rtt.into_iter().for_each(|rtt| estimator.sample(rtt));
        Self {
            slots: Slots::default(),
            mode,
            tuning,
            origin: now,
            estimator,
            controller,
            newest: None,
            threshold: THRESHOLD,
            disorder: 0,
            in_flight: 0,
            flying: 0,
            path_since: now,
            unpaced: 0,
            timeouts: 0,
            last_sent: None,
            sent: 0,
            lost: 0,
            loss: 0.0,
            packet: Packet::default(),
        }
    }

    /// The path is another one. What is on the former one is not forgotten, but counts no more.
    pub(super) fn path_changed(&mut self, now: Instant, controller: Option<Box<dyn Controller>>) {
        self.controller = controller;
        self.path_since = now;
        self.in_flight = 0;
        self.estimator.begin_anew();
        self.newest = None;
        // The old path's disorder says nothing of the new one's.
        (self.threshold, self.disorder) = (THRESHOLD, 0);
        self.timeouts = 0;
    }

    pub(super) fn is_auto(&self) -> bool {
        self.mode == Mode::Auto
    }

    pub(super) fn tuning(&self) -> &Tuning {
        &self.tuning
    }

    pub(super) fn estimator(&self) -> &Estimator {
        &self.estimator
    }

    pub(super) fn controller(&mut self) -> Option<&mut dyn Controller> {
        // Not `as_deref_mut`: that would ask for a trait object that lives for ever.
        match &mut self.controller {
            Some(controller) => Some(&mut **controller),
            None => None,
        }
    }

    /// Milliseconds on this end's clock, as segments bear them.
    pub(super) fn clock(&self, now: Instant) -> u32 {
        now.saturating_duration_since(self.origin).as_millis() as u32
    }

    /// Bytes that may be in flight.
    pub(super) fn window(&self) -> u64 {
        self.controller.as_ref().map_or(u64::MAX, |controller| controller.window())
    }

    /// Bytes a second; `None`: as fast as the windows let.
    pub(super) fn pace(&self) -> Option<u64> {
        self.controller.as_ref().and_then(|controller| controller.pace())
    }

    /// Bytes in flight.
    pub(super) fn in_flight(&self) -> u64 {
        self.in_flight
    }

    /// Whether anything is on its way.
    pub(super) fn is_flying(&self) -> bool {
        self.flying > 0
    }

    /// Whether the path loses so much that a segment for which somebody waits had better leave twice.
    pub(super) fn is_lossy(&self) -> bool {
        self.is_auto() && self.loss > LOSSY
    }

    /// Segments sent so far, and those of them that were found lost.
    pub(super) fn counts(&self) -> (u64, u64) {
        (self.sent, self.lost)
    }

    /// A segment with `data` bytes leaves. `before`: since when it has been in flight already.
    pub(super) fn leaves(&mut self, now: Instant, data: usize, before: Option<Instant>) {
        let bytes = (data + AROUND) as u64;
        self.flying += usize::from(before.is_none());
        if before.is_none_or(|at| !self.is_of_path(at)) {
            self.in_flight += bytes;
        }
        self.unpaced += bytes;
        self.sent += 1;
        self.last_sent = Some(now);
        if let Some(controller) = &mut self.controller {
            controller.on_sent(now, bytes);
        }
    }

    /// Whether what left at this time went the path that is now.
    fn is_of_path(&self, at: Instant) -> bool {
        at >= self.path_since
    }

    /// Bytes that have left since this was last asked, for the pacer: what the controller has been told
    /// of, and no more, or each would make the other slower and slower.
    pub(super) fn take_unpaced(&mut self) -> u64 {
        std::mem::take(&mut self.unpaced)
    }

    /// A segment is acknowledged. Returns whether it was its last transmission that has arrived, as
    /// far as can be told.
    pub(super) fn arrives(&mut self, now: Instant, arrived: &Arrived) -> bool {
        let Arrived { at, bytes, ambiguous, was_lost } = *arrived;
        self.packet.progress = true;
        let took = now.saturating_duration_since(at);
        let (part, whole) = TOO_SOON;
        let too_soon = ambiguous && self.estimator.shortest().is_none_or(|shortest| took < shortest / whole * part);
        if too_soon || was_lost {
            // What was sent first has come, late: order was lost, nothing else.
            self.widen();
        }
        let is_of_path = self.is_of_path(at);
        if !too_soon && is_of_path {
            self.newest = self.newest.max(Some(at));
            if !ambiguous && self.packet.sample.is_none_or(|(newest, _)| at >= newest) {
                self.packet.sample = Some((at, took));
            }
        }
        if was_lost {
            return !too_soon;
        }
        self.flying = self.flying.saturating_sub(1);
        self.loss -= self.loss * LOSS_PART;
        if !is_of_path {
            return !too_soon;
        }
        self.in_flight = self.in_flight.saturating_sub((bytes + AROUND) as u64);
        // A round trip that may be none would be believed to be the shortest.
        if let Some(controller) = self.controller.as_mut().filter(|_| !too_soon) {
            controller.on_ack(now, at, (bytes + AROUND) as u64);
        }
        !too_soon
    }

    fn widen(&mut self) {
        self.threshold = (self.threshold * 2).min(THRESHOLD_MAX);
        self.disorder = (self.disorder + 1).min(ORDER_PART.ilog2());
    }

    /// A segment of `data` bytes that left at `at` is taken for lost.
    pub(super) fn is_lost(&mut self, at: Instant, data: usize) {
        let bytes = (data + AROUND) as u64;
        self.flying = self.flying.saturating_sub(1);
        self.lost += 1;
        self.loss += (1.0 - self.loss) * LOSS_PART;
        if !self.is_of_path(at) {
            return;
        }
        self.in_flight = self.in_flight.saturating_sub(bytes);
        let (newest, lost) = self.packet.lost.unwrap_or((at, 0));
        self.packet.lost = Some((newest.max(at), lost + bytes));
    }

    /// All acknowledgements of a packet have been taken in.
    pub(super) fn end_acks(&mut self, now: Instant, app_limited: bool) {
        let packet = std::mem::take(&mut self.packet);
        if let Some((_, took)) = packet.sample {
            self.estimator.sample(took);
        }
        if packet.progress {
            self.timeouts = 0;
            if let Some(controller) = &mut self.controller {
                controller.on_end_acks(now, self.in_flight, app_limited);
            }
        }
    }

    /// Tells the controller of the losses that were found.
    pub(super) fn end_losses(&mut self, now: Instant) {
        if let (Some((newest, bytes)), Some(controller)) = (self.packet.lost.take(), &mut self.controller) {
            controller.on_loss(now, newest, bytes);
        }
    }

    /// So many later transmissions of its lane must have arrived before one is taken for lost. `None`:
    /// the path changes the order so much that it says nothing.
    pub(super) fn threshold(&self) -> Option<u64> {
        Some(self.threshold).filter(|threshold| *threshold < THRESHOLD_MAX)
    }

    /// When a transmission is lost, if it is not acknowledged by then. `None`: none that left later
    /// has arrived.
    pub(super) fn late_at(&self, at: Instant) -> Option<Instant> {
        let round = self.estimator.current();
        let patience = round + round / ORDER_PART * (1 << self.disorder) + ACK_DELAY;
        (self.newest > Some(at)).then(|| at + patience)
    }

    /// When to ask the path with something that is in flight, for nothing has come for too long.
    pub(super) fn probe_at(&self) -> Option<Instant> {
        let last = self.last_sent.filter(|_| self.flying > 0 && self.is_auto())?;
        let timeout = self.estimator.timeout() + ACK_DELAY;
        let backed_off = timeout.mul_f64(1.5_f64.powi(self.timeouts.min(20) as i32));
        let stretch = 1.0 + PROBE_SPREAD * (f64::from(self.timeouts) * GOLDEN).fract();
        Some(last + backed_off.min(PROBE_MAX.max(4 * timeout)).mul_f64(stretch))
    }

    /// The time of [`probe_at`](Self::probe_at) has come: for how often in a row.
    pub(super) fn timed_out(&mut self, now: Instant) -> u32 {
        self.timeouts += 1;
        self.last_sent = Some(now);
        self.timeouts
    }
}
