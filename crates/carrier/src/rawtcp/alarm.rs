//! Wakes a carrier's task in time.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Waker};
use std::time::{Duration, Instant};
use tokio::time::Sleep;

/// Until something is set.
const FAR: Duration = Duration::from_secs(24 * 60 * 60);

/// One clock for all times. It may ring early, for it is only ever set to earlier times: most times move away, again and
/// again, and to set a clock costs more than to be woken once for nothing.
pub(super) struct Alarm {
    sleep: Pin<Box<Sleep>>,
    /// When it rings, unless it has.
    set: Option<Instant>,
    waker: Waker,
}

impl Alarm {
    /// Must be called inside a tokio runtime.
    pub(super) fn new() -> Self {
        Self { sleep: Box::pin(tokio::time::sleep(FAR)), set: None, waker: Waker::noop().clone() }
    }

    /// Wakes the task of `cx` at `at`, or before. `true`: that is now.
    pub(super) fn poll(&mut self, at: Option<Instant>, cx: &mut Context<'_>) -> bool {
        if !self.waker.will_wake(cx.waker()) {
            self.waker = cx.waker().clone();
        }
        self.set(at);
        let rings = self.set.is_some() && self.sleep.as_mut().poll(cx).is_ready();
        if rings {
            self.set = None;
        }
        rings
    }

    /// Wakes the task that was last seen at `at`, if it would otherwise be woken later.
    pub(super) fn advance(&mut self, at: Option<Instant>) {
        if !self.set(at) {
            return;
        }
        let waker = self.waker.clone();
        if self.sleep.as_mut().poll(&mut Context::from_waker(&waker)).is_ready() {
            self.set = None;
            waker.wake();
        }
    }

    /// `true`: it has been set earlier.
    fn set(&mut self, at: Option<Instant>) -> bool {
        let Some(at) = at.filter(|at| self.set.is_none_or(|set| *at < set)) else { return false };
        self.set = Some(at);
        self.sleep.as_mut().reset(at.into());
        true
    }
}
