//! When has something last moved in a relay? One that rests for too long is given up, and so is
//! one that was stuck when memory ran short.

use crate::relay::RelayError;
use crate::stream::{Direction, Stream};
use std::cell::Cell;
use std::future::{Future, poll_fn};
use std::pin::pin;
use std::task::Poll;
use std::time::Duration;
use tokio::time::{Instant, sleep_until};

/// Watches over one relay.
pub(crate) struct Activity<'a> {
    stream: &'a Stream,
    last: Cell<Instant>,
}

impl<'a> Activity<'a> {
    pub(crate) fn new(stream: &'a Stream) -> Self {
        Self { stream, last: Cell::new(Instant::now()) }
    }

    /// Something has moved.
    pub(crate) fn moved(&self) {
        self.last.set(Instant::now());
    }

    /// Ready when nothing has moved for `patience`, or for `stuck_patience` while something waits
    /// for a reader; or when the stream is given up otherwise.
    pub(crate) async fn over(&self, patience: Duration, stuck_patience: Duration) -> RelayError {
        let mut alarm = pin!(sleep_until(self.last.get() + patience));
        poll_fn(|cx| {
            if let Poll::Ready(error) = self.stream.poll_shed(cx) {
                return Poll::Ready(RelayError::Stream(error));
            }
            while alarm.as_mut().poll(cx).is_ready() {
                let (now, last) = (Instant::now(), self.last.get());
                let due = last + if self.is_stuck() { stuck_patience } else { patience };
                if due <= now {
                    return Poll::Ready(RelayError::Idle);
                }
                // Not much later than it would be due if the reader went on now.
                alarm.as_mut().reset(due.min(now + patience));
            }
            Poll::Pending
        })
        .await
    }

    /// Waits for `work`, unless nothing moves for so long meanwhile.
    pub(crate) async fn guard<T>(
        &self,
        (patience, stuck_patience): (Duration, Duration),
        work: impl Future<Output = Result<T, RelayError>>,
    ) -> Result<T, RelayError> {
        tokio::select! {
            biased;
            result = work => result,
            error = self.over(patience, stuck_patience) => Err(error),
        }
    }

    fn is_stuck(&self) -> bool {
        self.stream.is_stuck(Direction::In) || self.stream.is_stuck(Direction::Out)
    }
}
