//! How fast the path delivers: delivery-rate samples
//! (draft-cheng-iccrg-delivery-rate-estimation), one for each acknowledgement.

use super::State;
use super::sent::{Batch, SentLog};
use crate::congestion::clock::{MILLISECOND, SECOND, seconds};

/// Batches count for this long and four smoothed round trips: later acknowledgements find nothing.
const HORIZON: u64 = 50 * MILLISECOND;
/// See `HORIZON`.
const HORIZON_ROUND_TRIPS: u64 = 4;
/// After such a time with nothing in flight, memory of the past is given back.
const IDLE: u64 = SECOND;
/// No call counts for more bytes than this.
const MAX_BYTES: u64 = 1 << 32;

/// What one acknowledgement tells of the path.
#[derive(Clone, Copy, Debug)]
pub(super) struct Sample {
    /// The newest batch that it acknowledged.
    pub(super) batch: Batch,
    /// Its round trip, in nanoseconds.
    pub(super) rtt: u64,
    /// Bytes per second, where the interval is long enough to tell.
    pub(super) rate: Option<f64>,
}

/// Counts what is delivered.
#[derive(Clone, Debug)]
pub(super) struct Delivery {
    log: SentLog,
    /// Bytes delivered so far, and when the last of them were acknowledged.
    delivered: u64,
    delivered_at: u64,
    /// When the newest acknowledged batch had left.
    first_sent: u64,
    /// What is sent until so much is delivered counts as limited by the application.
    app_limited_until: u64,
    /// The newest batch of the acknowledgement that is being read, and when its newest packet left.
    newest: Option<(Batch, u64)>,
}

impl Delivery {
    pub(super) fn new(now: u64) -> Self {
        Self {
            log: SentLog::default(),
            delivered: 0,
            delivered_at: now,
            first_sent: now,
            app_limited_until: 0,
            newest: None,
        }
    }

    /// A batch leaves. `idle`: nothing was in flight.
    pub(super) fn sent(&mut self, now: u64, idle: bool, smoothed_rtt: u64, state: State, pace: f64) {
        if idle {
            if now > self.delivered_at + IDLE {
                self.log.clear();
            }
            self.first_sent = now;
            self.delivered_at = now;
        }
        let batch = Batch {
            sent: now,
            delivered: self.delivered,
            delivered_at: self.delivered_at,
            first_sent: self.first_sent,
            app_limited: self.app_limited_until > self.delivered,
            state,
            pace: pace as f32,
        };
        self.log.push(batch, HORIZON + HORIZON_ROUND_TRIPS * smoothed_rtt);
    }

    /// A packet was acknowledged. Returns its batch, if that is known.
    pub(super) fn acked(&mut self, now: u64, sent: u64, bytes: u64) -> Option<Batch> {
        self.delivered = self.delivered.saturating_add(bytes.min(MAX_BYTES));
        self.delivered_at = now;
        let batch = match self.newest {
            // Most packets of an acknowledgement left in one batch.
            Some((batch, at)) if at == sent => batch,
            _ => self.log.find(sent)?,
        };
        if self.newest.is_none_or(|(_, at)| at <= sent) {
            self.newest = Some((batch, sent));
        }
        Some(batch)
    }

    /// The batch of what left at `sent`.
    pub(super) fn batch_of(&mut self, sent: u64) -> Option<Batch> {
        self.log.find(sent)
    }

    /// What is in flight, and was sent before now, is limited by the application.
    pub(super) fn app_limited(&mut self, in_flight: u64) {
        self.app_limited_until = self.delivered.saturating_add(in_flight.max(1));
    }

    /// The acknowledgement is read. `min_interval`, in nanoseconds: a shorter one measures bursts.
    pub(super) fn sample(&mut self, now: u64, min_interval: u64) -> Option<Sample> {
        let (batch, sent) = self.newest.take()?;
        // The slower of the rates of sending and of acknowledging: acknowledgements come in clumps.
        let interval = batch.sent.saturating_sub(batch.first_sent).max(now.saturating_sub(batch.delivered_at));
        self.first_sent = batch.sent;
        let delivered = self.delivered.saturating_sub(batch.delivered);
        let rate = (interval > 0 && interval >= min_interval).then(|| delivered as f64 / seconds(interval));
        Some(Sample { batch, rtt: now.saturating_sub(sent).max(1), rate })
    }

    /// Bytes delivered so far.
    pub(super) fn total(&self) -> u64 {
        self.delivered
    }
}
