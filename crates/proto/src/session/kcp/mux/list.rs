//! Queues of streams: lists whose links are in the streams themselves.
//!
//! A stream that is given up leaves all its queues at once, wherever it stands in them, so that no
//! queue is longer than there are streams, and none ever has a stream in it that has nothing to do.

use super::stream::Stream;
use slab::Slab;

/// The kinds of queues. A stream is in at most one of each kind.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Kind {
    /// It has control frames to send.
    Control,
    /// It has data to send, or its end.
    Data,
    /// It has sent something that has not been delivered; in the order of the last of it.
    Sent,
    /// It wants to write and there is no room; the oldest first.
    Waiting,
}

/// A stream's places in its queues.
#[derive(Debug, Default)]
pub(super) struct Places([Option<Place>; 4]);

#[derive(Clone, Copy, Debug)]
struct Place {
    before: Option<usize>,
    behind: Option<usize>,
}

impl Places {
    /// Whether the stream is in a queue of this kind.
    pub(super) fn has(&self, kind: Kind) -> bool {
        self.0[kind as usize].is_some()
    }
}

/// One queue of streams, by their keys.
#[derive(Debug)]
pub(super) struct List {
    kind: Kind,
    ends: Option<(usize, usize)>,
}

impl List {
    pub(super) const fn new(kind: Kind) -> Self {
        Self { kind, ends: None }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.ends.is_none()
    }

    pub(super) fn front(&self) -> Option<usize> {
        self.ends.map(|(front, _)| front)
    }

    /// Appends a stream that is in no queue of this kind.
    pub(super) fn push(&mut self, streams: &mut Slab<Stream>, key: usize) {
        let before = self.ends.map(|(_, back)| back);
        self.set(streams, key, Some(Place { before, behind: None }));
        if let Some(back) = before {
            self.change(streams, back, |place| place.behind = Some(key));
        }
        self.ends = Some((self.front().unwrap_or(key), key));
    }

    /// Takes out a stream that is in this queue.
    pub(super) fn remove(&mut self, streams: &mut Slab<Stream>, key: usize) {
        let Some(place) = streams[key].places.0[self.kind as usize].take() else { return };
        if let Some(before) = place.before {
            self.change(streams, before, |other| other.behind = place.behind);
        }
        if let Some(behind) = place.behind {
            self.change(streams, behind, |other| other.before = place.before);
        }
        self.ends = self.ends.and_then(|(front, back)| {
            let front = if front == key { place.behind } else { Some(front) };
            let back = if back == key { place.before } else { Some(back) };
            front.zip(back)
        });
    }

    /// Takes out the first.
    pub(super) fn pop(&mut self, streams: &mut Slab<Stream>) -> Option<usize> {
        let key = self.front()?;
        self.remove(streams, key);
        Some(key)
    }

    fn set(&self, streams: &mut Slab<Stream>, key: usize, place: Option<Place>) {
        streams[key].places.0[self.kind as usize] = place;
    }

    fn change(&self, streams: &mut Slab<Stream>, key: usize, change: impl FnOnce(&mut Place)) {
        if let Some(place) = &mut streams[key].places.0[self.kind as usize] {
            change(place);
        }
    }
}
