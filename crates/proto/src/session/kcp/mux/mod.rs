//! The mux: streams in the pipes of a few lanes, after smux version 2.
//!
//! A *lane* is one conversation of the link; its *pipe* carries the bytes of one direction in order
//! and without loss. The mux cuts streams into frames and frames into streams again; it knows nothing
//! of segments. A stream lives on one lane. Streams have windows of their own, and each direction
//! ends by itself: cleanly, by a reset of its sender or after a stop by its reader.
//!
//! It is a packet machine like the session that it is a part of: after a call, drain
//! [`Mux::poll_event`], and [`Mux::fill`] what [`Mux::has_work`].

pub mod frame;
mod grants;
mod incoming;
mod lane;
mod list;
pub mod parse;
mod receive;
mod schedule;
mod send;
mod stream;

use crate::session::{Event, Gone, Read, StreamId, WriteError};
use bytes::Bytes;
use grants::{Ours, Theirs};
use incoming::Incoming;
use lane::Lane;
use list::{Kind, List};
use rustc_hash::FxHashMap;
use schedule::Clock;
use slab::Slab;
use std::collections::VecDeque;
use stream::Stream;
use thiserror::Error;

/// The largest window that is believed, bytes.
pub const WINDOW_MAX: u32 = 1 << 30;

/// A gap that has grown by this part of a stream's window is worth telling of.
const GAP_PART: u32 = 8;

/// A stream with less than this unsent is always let in, bytes: a bulk stream locks nobody out.
pub const LITTLE: u64 = 16 << 10;

/// What two ends have agreed on, and what this one allows.
#[derive(Clone, Copy, Debug)]
pub struct Settings {
    /// Whether this is the client's end, whose streams are odd.
    pub is_client: bool,
    /// Lanes of the link, at least one.
    pub lanes: usize,
    /// Streams that the peer may have open at once here.
    pub streams: u32,
    /// Streams that our parameters have granted it, in all.
    pub streams_at_first: u32,
    /// Streams that the peer's parameters have granted us, in all.
    pub may_open: u32,
    /// Bytes that the peer takes on a new stream.
    pub peer_window: u32,
    /// Bytes that a stream may hold unread here.
    pub stream_window: u32,
    /// What our parameters said of that; the peer hears of a larger one when a stream flows.
    pub first_window: u32,
}

/// What a peer must not do. It ends the session.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Error)]
pub enum Violation {
    /// A frame of another version.
    #[error("frame of version {0}")]
    Version(u8),
    /// A command that does not exist.
    #[error("unknown command {0}")]
    Command(u8),
    /// A frame whose length is not its command's.
    #[error("command {command} with {length} bytes")]
    Length {
        /// The command.
        command: u8,
        /// The length it gave.
        length: u16,
    },
    /// A frame that is for no stream names one, or one that is for a stream names none.
    #[error("stream {0} is not what this frame is for")]
    Stream(u32),
    /// The peer opens a stream with a number that is ours.
    #[error("stream {0} is not the peer's to open")]
    Parity(u32),
    /// The peer opens a stream with a number that was used, or that is lower than the last on the lane.
    #[error("stream {0} is opened out of order")]
    Order(u32),
    /// The peer opens more streams than were granted.
    #[error("more streams than the {0} that were granted")]
    Granted(u32),
    /// More data than the window allows.
    #[error("stream {0} overruns its window")]
    Window(u32),
    /// Data or another end behind the end of a direction.
    #[error("stream {0} goes on after its end")]
    Ended(u32),
    /// The peer has read what was not sent, or takes back what it has read.
    #[error("stream {0} was not read as far as the peer says")]
    Consumed(u32),
    /// Bytes on a lane that the link does not have.
    #[error("there is no lane {0}")]
    Lane(usize),
}

/// Streams of both ends in the pipes of a link's lanes.
#[derive(Debug)]
pub struct Mux {
    settings: Settings,
    streams: Slab<Stream>,
    keys: FxHashMap<u32, usize>,
    lanes: Vec<Lane>,
    ours: Ours,
    theirs: Theirs,
    /// At most a few for each stream: none is told twice what it has not looked at.
    events: VecDeque<Event>,
    /// Streams that want to write and found no room, the oldest first.
    waiting: List,
    /// What all streams together may hold unsent, as last heard, bytes.
    room: u64,
    totals: Totals,
    undelivered: usize,
    ignored: u64,
    clock: Clock,
}

/// What all streams together hold.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
struct Totals {
    unread: u64,
    unread_streams: usize,
    pieces: usize,
    unsent: u64,
}

impl Totals {
    fn of(stream: &Stream) -> Self {
        let unread = stream.incoming.unread;
        let unread_streams = usize::from(unread > 0);
        Self { unread, unread_streams, pieces: stream.incoming.pieces, unsent: stream.outgoing.unsent }
    }

    fn change(&mut self, before: Self, after: Self) {
        self.unread = self.unread - before.unread + after.unread;
        self.unread_streams = self.unread_streams - before.unread_streams + after.unread_streams;
        self.pieces = self.pieces - before.pieces + after.pieces;
        self.unsent = self.unsent - before.unsent + after.unsent;
    }
}

impl Mux {
    /// A mux without streams.
    pub fn new(settings: Settings) -> Self {
        Self {
            settings,
            streams: Slab::new(),
            keys: FxHashMap::default(),
            lanes: (0..settings.lanes.max(1)).map(|_| Lane::new()).collect(),
            ours: Ours::new(settings.is_client, settings.may_open),
            theirs: Theirs::new(settings.is_client, settings.streams, settings.streams_at_first),
            events: VecDeque::new(),
            waiting: List::new(Kind::Waiting),
            room: 0,
            totals: Totals::default(),
            undelivered: 0,
            ignored: 0,
            clock: Clock::default(),
        }
    }

    /// Opens a stream, on the emptiest lane. `None`: the peer allows no more now; wait for
    /// [`Event::MayOpen`].
    pub fn open(&mut self) -> Option<StreamId> {
        let id = self.ours.open()?;
        let lane = lane::emptiest(&self.lanes, &self.clock);
        self.add(id, lane, true);
        Some(name(id))
    }

    /// All numbers of our streams are used up: the session cannot go on for long.
    pub fn is_used_up(&self) -> bool {
        self.ours.is_used_up()
    }

    /// As [`Session::write`](crate::session::Session::write). `room` is how many bytes all streams
    /// together may hold unsent.
    pub fn write(&mut self, id: StreamId, data: &mut VecDeque<Bytes>, room: u64) -> Result<usize, WriteError> {
        self.room = room;
        let key = self.key(id).ok_or(Gone)?;
        let outgoing = &self.streams[key].outgoing;
        if let Some(code) = outgoing.stopped {
            return Err(WriteError::Stopped(code));
        }
        if outgoing.is_released {
            return Err(Gone.into());
        }
        let room = outgoing.room(room.saturating_sub(self.totals.unsent));
        let (written, wants) = self.change(key, |stream| {
            let written = stream.outgoing.take(data, room);
            (written, written == 0 && !data.is_empty())
        });
        if wants {
            self.wait(key);
        }
        Ok(written)
    }

    /// As [`Session::read`](crate::session::Session::read).
    pub fn read(&mut self, id: StreamId, max: usize, out: &mut Vec<Bytes>) -> Result<Read, Gone> {
        let key = self.key(id).ok_or(Gone)?;
        self.change(key, |stream| {
            stream.told_readable = false;
            stream.incoming.read(max, out)
        })
    }

    /// As [`Session::finish`](crate::session::Session::finish).
    pub fn finish(&mut self, id: StreamId) {
        if let Some(key) = self.key(id) {
            self.change(key, |stream| stream.outgoing.finish());
        }
    }

    /// As [`Session::reset`](crate::session::Session::reset). A stream that the peer has not heard of
    /// is made known all the same: it may still be read from, and the peer's end of it must come.
    pub fn reset(&mut self, id: StreamId, code: u32) {
        if let Some(key) = self.key(id) {
            self.change(key, |stream| {
                stream.outgoing.is_released = true;
                stream.outgoing.give_up(code);
            });
            self.share_room();
        }
    }

    /// As [`Session::stop`](crate::session::Session::stop).
    pub fn stop(&mut self, id: StreamId, code: u32) {
        if let Some(key) = self.key(id) {
            self.change(key, |stream| {
                if stream.incoming.stop() {
                    stream.signals.stop = Some(code);
                }
            });
        }
    }

    /// The next thing to tell: Opened, MayOpen, Readable, Writable or Stopped.
    pub fn poll_event(&mut self) -> Option<Event> {
        self.events.pop_front()
    }

    /// How many streams have something written that the peer has not got.
    pub fn undelivered(&self) -> usize {
        self.undelivered
    }

    /// Bytes that have come and were not read.
    pub fn unread(&self) -> u64 {
        self.totals.unread
    }

    /// Streams with such bytes.
    pub fn unread_streams(&self) -> usize {
        self.totals.unread_streams
    }

    /// Bytes that were written and are in no pipe yet.
    pub fn unsent(&self) -> u64 {
        self.totals.unsent
    }

    /// Streams that exist.
    pub fn streams(&self) -> usize {
        self.streams.len()
    }

    /// Frames for streams that are gone, or never were.
    pub fn ignored(&self) -> u64 {
        self.ignored
    }

    /// All streams together may hold so many bytes unsent now: those that found no room hear of it,
    /// the oldest first.
    pub fn made_room(&mut self, room: u64) {
        self.room = room;
        self.share_room();
    }

    /// So many bytes of a lane's pipe have come and wait behind a gap. Nobody can read them yet, so
    /// that they must not count as unread: the windows of the lane's streams are larger by them.
    pub fn behind_gap(&mut self, lane: usize, bytes: usize) {
        let (bytes, lane) = (u32::try_from(bytes).unwrap_or(u32::MAX), &mut self.lanes[lane]);
        lane.behind_gap = bytes;
        lane.gap_told = lane.gap_told.min(bytes);
        // Reading tells of it as well, but behind a long gap nothing is read.
        if bytes - lane.gap_told > self.settings.stream_window / GAP_PART {
            lane.gap_told = bytes;
            if let Some(key) = lane.receiving.and_then(|id| self.keys.get(&id)).copied() {
                self.settle(key);
            }
        }
    }

    fn key(&self, id: StreamId) -> Option<usize> {
        self.keys.get(&u32::try_from(id.0).ok()?).copied()
    }

    fn add(&mut self, id: u32, lane: usize, is_ours: bool) -> usize {
        let incoming = Incoming::new(self.settings.first_window, self.settings.stream_window.min(WINDOW_MAX));
        let key = self.streams.insert(Stream::new(id, lane, is_ours, self.settings.peer_window, incoming));
        self.keys.insert(id, key);
        self.lanes[lane].streams += 1;
        self.settle(key);
        key
    }

    /// Changes a stream, and then all that follows from it. The stream may be gone afterwards.
    fn change<R>(&mut self, key: usize, change: impl FnOnce(&mut Stream) -> R) -> R {
        let stream = &mut self.streams[key];
        let before = Totals::of(stream);
        let result = change(stream);
        self.totals.change(before, Totals::of(stream));
        self.settle(key);
        result
    }

    /// Puts a stream into the queues in which it belongs now.
    fn settle(&mut self, key: usize) {
        let stream = &mut self.streams[key];
        stream.signals.window = stream.incoming.is_window_due(self.lanes[stream.lane].behind_gap);
        let is_undelivered = stream.outgoing.is_waiting() || stream.places.has(Kind::Sent);
        if is_undelivered != std::mem::replace(&mut stream.is_undelivered, is_undelivered) {
            self.undelivered = if is_undelivered { self.undelivered + 1 } else { self.undelivered - 1 };
        }
        if stream.outgoing.wants_room && stream.outgoing.unsent <= LITTLE / 2 {
            self.tell_room(key);
        }
        let stream = &mut self.streams[key];
        let (signals, can_send, is_over) =
            (stream.next_signal().is_some(), stream.outgoing.can_send(), stream.is_over());
        let lane = &mut self.lanes[stream.lane];
        let is_in = stream.places.has(Kind::Control);
        if signals && !is_in {
            lane.control.push(&mut self.streams, key);
        } else if is_in && !signals {
            lane.control.remove(&mut self.streams, key);
        }
        lane.turns.update(&mut self.streams, key, can_send);
        if is_over {
            self.remove(key);
        }
    }

    /// Nobody will ask for the stream again. It has nothing to send, and nothing undelivered.
    fn remove(&mut self, key: usize) {
        self.waiting.remove(&mut self.streams, key);
        let lane = &mut self.lanes[self.streams[key].lane];
        lane.control.remove(&mut self.streams, key);
        lane.streams -= 1;
        let stream = self.streams.remove(key);
        self.keys.remove(&stream.id);
        if !stream.is_ours {
            self.theirs.close();
        }
    }

    /// The stream has found no room. If the peer takes no more of it, only the peer can make some.
    fn wait(&mut self, key: usize) {
        let stream = &mut self.streams[key];
        stream.outgoing.wants_room = true;
        if !stream.outgoing.is_held_up() && !stream.places.has(Kind::Waiting) {
            self.waiting.push(&mut self.streams, key);
        }
    }

    /// Tells a stream that waits of room.
    fn tell_room(&mut self, key: usize) {
        self.waiting.remove(&mut self.streams, key);
        let stream = &mut self.streams[key];
        stream.outgoing.wants_room = false;
        // One that was stopped or given up has heard of that.
        if matches!(stream.outgoing.ending, stream::Ending::Open) {
            self.events.push_back(Event::Writable(name(stream.id)));
        }
    }

    /// Tells as many streams as find room, the oldest first. Whoever is left out goes on when what
    /// it has unsent is [`LITTLE`]: nobody waits for ever.
    fn share_room(&mut self) {
        let mut left = self.room.saturating_sub(self.totals.unsent);
        while left >= LITTLE
            && let Some(key) = self.waiting.front()
        {
            left -= LITTLE;
            self.tell_room(key);
        }
    }
}

fn name(id: u32) -> StreamId {
    StreamId(id.into())
}
