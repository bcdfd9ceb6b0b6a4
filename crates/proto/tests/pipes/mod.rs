//! Muxes, and what stands in their pipes.
#![allow(dead_code)] // each test file uses its own part

use bytes::Bytes;
use ginnel_proto::session::kcp::mux::frame::Frame;
use ginnel_proto::session::kcp::mux::parse::{Parser, Part};
use ginnel_proto::session::kcp::mux::{Mux, Settings, Violation};
use ginnel_proto::session::{Event, Gone, Read, StreamId, WriteError};
use std::collections::VecDeque;
use std::time::Instant;

/// What all streams may hold unsent, unless a test says otherwise.
pub(crate) const ROOM: u64 = 1 << 20;

/// A fill, as a segment of an ordinary path has it.
pub(crate) const FILL: usize = 1300;

/// The window of each stream.
pub(crate) const WINDOW: u32 = 64 << 10;

pub(crate) fn settings(is_client: bool) -> Settings {
    Settings {
        is_client,
        lanes: 1,
        streams: 100,
        streams_at_first: 100,
        may_open: 100,
        peer_window: WINDOW,
        stream_window: WINDOW,
        first_window: WINDOW,
    }
}

/// A mux, and a time that stands still unless a test moves it.
pub(crate) struct End {
    pub(crate) mux: Mux,
    pub(crate) now: Instant,
    pub(crate) parser: Parser,
}

impl End {
    pub(crate) fn client() -> Self {
        Self::with(settings(true))
    }

    pub(crate) fn with(settings: Settings) -> Self {
        Self { mux: Mux::new(settings), now: Instant::now(), parser: Parser::default() }
    }

    pub(crate) fn write(&mut self, id: StreamId, length: usize) -> Result<usize, WriteError> {
        self.mux.write(id, &mut VecDeque::from([Bytes::from(vec![7; length])]), ROOM)
    }

    pub(crate) fn open(&mut self) -> StreamId {
        self.mux.open().expect("a stream")
    }

    /// One fill of the first lane, taken apart.
    pub(crate) fn fill(&mut self, room: usize) -> Vec<Frame> {
        self.fill_lane(0, room)
    }

    pub(crate) fn fill_lane(&mut self, lane: usize, room: usize) -> Vec<Frame> {
        let mut out = vec![1, 2, 3];
        let had_work = self.mux.has_work(lane);
        let bytes = self.mux.fill(self.now, lane, room, &mut out);
        assert_eq!(out[..3], [1, 2, 3], "a fill appends");
        assert_eq!(bytes, out.len() - 3);
        assert!(bytes <= room);
        assert!(bytes > 0 || !had_work || room < 16, "there was work, and room for it");
        frames(&mut self.parser, &out[3..])
    }

    /// All that the first lane has to send now.
    pub(crate) fn drain(&mut self) -> Vec<Frame> {
        let mut all = Vec::new();
        while self.mux.has_work(0) {
            all.extend(self.fill(FILL));
        }
        assert_eq!(self.mux.fill(self.now, 0, FILL, &mut Vec::new()), 0, "no work is no work");
        all
    }

    /// The control frames that the first lane has to send now.
    pub(crate) fn drain_control(&mut self) {
        // With room for one more of the shortest, but for no data.
        while !self.fill(8).is_empty() {}
    }

    /// Frames come on the first lane; each PSH with its data, zeros.
    pub(crate) fn take(&mut self, frames: &[Frame]) -> Result<(), Violation> {
        self.take_on(0, frames)
    }

    pub(crate) fn take_on(&mut self, lane: usize, frames: &[Frame]) -> Result<(), Violation> {
        let mut bytes = Vec::new();
        for frame in frames {
            frame.encode(&mut bytes);
            if let Frame::Psh(_, length) = frame {
                bytes.resize(bytes.len() + usize::from(*length), 0);
            }
        }
        self.mux.receive(self.now, lane, bytes.into())
    }

    /// Data comes, in as many frames as it takes.
    pub(crate) fn take_data(&mut self, id: u32, mut length: usize) -> Result<(), Violation> {
        while length > 0 {
            let part = length.min(60_000);
            self.take(&[Frame::Psh(id, part as u16)])?;
            length -= part;
        }
        Ok(())
    }

    pub(crate) fn read(&mut self, id: StreamId, max: usize) -> Result<Read, Gone> {
        self.mux.read(id, max, &mut Vec::new())
    }

    pub(crate) fn events(&mut self) -> Vec<Event> {
        std::iter::from_fn(|| self.mux.poll_event()).collect()
    }

    /// Everything that was sent on the first lane has arrived.
    pub(crate) fn deliver(&mut self) {
        self.mux.delivered(0, u64::MAX);
    }

    pub(crate) fn assert_empty(&self) {
        let mux = &self.mux;
        assert_eq!((mux.streams(), mux.unread(), mux.unread_streams()), (0, 0, 0));
        assert_eq!((mux.unsent(), mux.undelivered()), (0, 0));
    }
}

/// The frames in bytes of a pipe, a PSH as its header alone.
pub(crate) fn frames(parser: &mut Parser, bytes: &[u8]) -> Vec<Frame> {
    let mut piece = Bytes::copy_from_slice(bytes);
    let parts = std::iter::from_fn(|| parser.next(&mut piece).expect("what a mux writes can be read"));
    parts
        .filter_map(|part| match part {
            Part::Frame(frame) => Some(frame),
            Part::Data(..) => None,
        })
        .collect()
}

/// Bytes of data for one stream among frames.
pub(crate) fn data_of(frames: &[Frame], stream: StreamId) -> usize {
    frames.iter().fold(0, |sum, frame| match frame {
        Frame::Psh(id, length) if u64::from(*id) == stream.0 => sum + usize::from(*length),
        _ => sum,
    })
}
