//! Places for streams: how many are served at once, bounded by the limits and by what descriptors
//! the process may open.

use ginnel_proto::limits::{DESCRIPTORS_KEPT, Limits};
use rustix::process::{Resource, getrlimit};
use std::cell::Cell;
use std::rc::Rc;
use tokio::sync::Notify;

/// All places of one engine. Cloning is cheap; it never leaves its thread.
#[derive(Clone)]
pub struct Places(Rc<State>);

struct State {
    most: Cell<usize>,
    taken: Cell<usize>,
    freed: Notify,
}

impl Places {
    /// As many as the limits and the descriptors of the process allow.
    pub fn new(limits: &Limits) -> Self {
        let places = Self(Rc::new(State { most: Cell::new(0), taken: Cell::new(0), freed: Notify::new() }));
        places.set_limits(limits);
        places
    }

    /// Allows another number. Whoever has a place keeps it.
    pub fn set_limits(&self, limits: &Limits) {
        let descriptors = descriptors_left().saturating_add(self.0.taken.get());
        self.0.most.set(limits.streams.min(descriptors).max(1));
        self.0.freed.notify_one();
    }

    /// Takes a place, if there is one.
    pub fn try_take(&self) -> Option<Place> {
        if self.0.taken.get() >= self.0.most.get() {
            return None;
        }
        self.0.taken.set(self.0.taken.get() + 1);
        Some(Place(self.clone()))
    }

    /// Takes a place, waiting for one.
    pub async fn take(&self) -> Place {
        loop {
            if let Some(place) = self.try_take() {
                if self.0.taken.get() < self.0.most.get() {
                    // Others who wait may go on as well.
                    self.0.freed.notify_one();
                }
                return place;
            }
            self.0.freed.notified().await;
        }
    }
}

/// One place; dropping it makes room.
pub struct Place(Places);

impl Drop for Place {
    fn drop(&mut self) {
        let state = &self.0.0;
        state.taken.set(state.taken.get() - 1);
        state.freed.notify_one();
    }
}

/// Descriptors that the process may still open, without those kept for everything else: attempts
/// at connections, look-ups, files.
fn descriptors_left() -> usize {
    let most =
        getrlimit(Resource::Nofile).current.map_or(usize::MAX, |most| usize::try_from(most).unwrap_or(usize::MAX));
    let open = std::fs::read_dir("/proc/self/fd").map_or(0, Iterator::count);
    let kept = (most / 8).clamp(*DESCRIPTORS_KEPT.start(), *DESCRIPTORS_KEPT.end());
    most.saturating_sub(open).saturating_sub(kept)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::future::Future;
    use std::pin::pin;
    use std::task::{Context, Waker};

    #[test]
    fn a_place_that_is_given_back_goes_to_whoever_waits() {
        let places = Places::new(&Limits { streams: 1, ..Limits::server() });
        let place = places.try_take().unwrap();
        assert!(places.try_take().is_none());
        let mut cx = Context::from_waker(Waker::noop());
        let mut waiting = pin!(places.take());
        assert!(waiting.as_mut().poll(&mut cx).is_pending());
        drop(place);
        assert!(waiting.as_mut().poll(&mut cx).is_ready());
    }

    #[test]
    fn a_lower_limit_takes_no_place_away_and_a_higher_one_counts_at_once() {
        let limits = |streams| Limits { streams, ..Limits::server() };
        let places = Places::new(&limits(3));
        let taken: Vec<_> = std::iter::from_fn(|| places.try_take()).collect();
        assert_eq!(taken.len(), 3);
        places.set_limits(&limits(1));
        drop(taken);
        assert!(places.try_take().is_some_and(|_one| places.try_take().is_none()));
        places.set_limits(&limits(2));
        assert!(places.try_take().is_some_and(|_one| places.try_take().is_some()));
    }
}
