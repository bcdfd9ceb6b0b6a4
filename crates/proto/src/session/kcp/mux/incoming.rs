//! The peer's direction of a stream: what has come and was not read, and how much more may come.

use super::{Violation, WINDOW_MAX};
use crate::session::{Gone, READ_CHUNKS_MAX, Read};
use bytes::{Bytes, BytesMut};
use std::collections::VecDeque;

/// The peer is told of its window when such a part of it has been read.
const TOLD_PART: u32 = 8;

/// A stream keeps so many pieces as they came; what follows is copied together. A piece is a part
/// of something larger, which lives as long as the piece does: many small ones that nobody reads
/// would hold many times their own size.
const PIECES_MAX: usize = 256;

/// The same of all streams together.
const PIECES_OF_ALL_MAX: usize = 1024;

/// What is copied together goes into blocks of this size, bytes.
const BLOCK: usize = 16 << 10;

/// How far the peer's direction of a stream has come.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum State {
    Open,
    /// It ends after what is here.
    Ended,
    /// The peer has given it up, and we have not heard of it yet.
    Reset(u32),
    /// We have stopped it; its end is still to come.
    Stopped,
    /// The end has come, and was read or is not wanted.
    Over,
}

/// The peer's direction of a stream.
#[derive(Debug)]
pub(super) struct Incoming {
    state: State,
    chunks: VecDeque<Chunk>,
    /// What follows the chunks, copied together.
    block: BytesMut,
    /// Bytes in both.
    pub(super) unread: u64,
    /// Pieces among the chunks that are as they came.
    pub(super) pieces: usize,
    /// Bytes that have come or are announced, from the beginning.
    received: u64,
    /// Bytes that the application has read.
    consumed: u64,
    /// As many may come in all, as the peer knows.
    limit: u64,
    window: u32,
    /// What waits behind a gap of the lane counts to nobody's window.
    behind_gap: u32,
}

#[derive(Debug)]
struct Chunk {
    bytes: Bytes,
    is_piece: bool,
}

impl Incoming {
    /// `first` bytes may come before the peer hears of `window`.
    pub(super) fn new(first: u32, window: u32) -> Self {
        Self {
            state: State::Open,
            chunks: VecDeque::new(),
            block: BytesMut::new(),
            unread: 0,
            pieces: 0,
            received: 0,
            consumed: 0,
            limit: first.into(),
            window,
            behind_gap: 0,
        }
    }

    /// Whether the end has come and nobody waits for it.
    pub(super) fn is_over(&self) -> bool {
        self.state == State::Over
    }

    /// So many bytes are about to come.
    pub(super) fn announce(&mut self, id: u32, length: u16) -> Result<(), Violation> {
        if !matches!(self.state, State::Open | State::Stopped) {
            return Err(Violation::Ended(id));
        }
        self.received += u64::from(length);
        if self.received > self.limit { Err(Violation::Window(id)) } else { Ok(()) }
    }

    /// Keeps what has come, unless nobody wants it. `true`: it is kept. `pieces` is how many are
    /// kept as they came by all streams.
    pub(super) fn push(&mut self, data: Bytes, pieces: usize) -> bool {
        if self.state != State::Open {
            return false;
        }
        self.unread += data.len() as u64;
        if self.block.is_empty() && self.pieces < PIECES_MAX && pieces < PIECES_OF_ALL_MAX {
            self.pieces += 1;
            self.chunks.push_back(Chunk { bytes: data, is_piece: true });
            return true;
        }
        self.block.extend_from_slice(&data);
        if self.block.len() >= BLOCK {
            let bytes = std::mem::take(&mut self.block).freeze();
            self.chunks.push_back(Chunk { bytes, is_piece: false });
        }
        true
    }

    /// The peer's end: clean, or with the code it was given up with. `true`: the application wants
    /// to know.
    pub(super) fn end(&mut self, id: u32, code: Option<u32>) -> Result<bool, Violation> {
        self.state = match (self.state, code) {
            (State::Open, None) => State::Ended,
            (State::Open, Some(code)) => {
                self.clear();
                State::Reset(code)
            }
            (State::Stopped, _) => State::Over,
            (State::Ended | State::Reset(_) | State::Over, _) => return Err(Violation::Ended(id)),
        };
        Ok(self.state != State::Over)
    }

    /// As [`Session::read`](crate::session::Session::read).
    pub(super) fn read(&mut self, max: usize, out: &mut Vec<Bytes>) -> Result<Read, Gone> {
        match self.state {
            State::Open | State::Ended => {}
            State::Reset(code) => {
                self.state = State::Over;
                return Ok(Read::Reset(code));
            }
            State::Stopped | State::Over => return Err(Gone),
        }
        let mut bytes = 0;
        for _ in 0..READ_CHUNKS_MAX {
            let Some(chunk) = self.take(max - bytes) else { break };
            bytes += chunk.len();
            out.push(chunk);
        }
        self.unread -= bytes as u64;
        self.consumed += bytes as u64;
        Ok(if self.unread == 0 && self.state == State::Ended {
            self.state = State::Over;
            self.clear();
            Read::End(bytes)
        } else if bytes > 0 || max == 0 {
            Read::Data(bytes)
        } else {
            Read::Blocked
        })
    }

    fn take(&mut self, max: usize) -> Option<Bytes> {
        if max == 0 {
            return None;
        }
        let Some(front) = self.chunks.front_mut() else {
            if self.block.len() <= max {
                // The memory goes with it: a stream that is idle holds none.
                return Some(std::mem::take(&mut self.block).freeze()).filter(|block| !block.is_empty());
            }
            return Some(self.block.split_to(max).freeze());
        };
        if front.bytes.len() > max {
            return Some(front.bytes.split_to(max));
        }
        self.pieces -= usize::from(front.is_piece);
        self.chunks.pop_front().map(|chunk| chunk.bytes)
    }

    /// Nobody reads it any more. The peer's code for that, if it should be told: not one that has ended.
    pub(super) fn stop(&mut self) -> bool {
        self.clear();
        let tells = self.state == State::Open;
        self.state = match self.state {
            State::Open | State::Stopped => State::Stopped,
            State::Ended | State::Reset(_) | State::Over => State::Over,
        };
        tells
    }

    /// Drops what was not read, and the memory with it.
    fn clear(&mut self) {
        self.chunks = VecDeque::new();
        self.block = BytesMut::new();
        self.unread = 0;
        self.pieces = 0;
    }

    /// Whether the peer should be told of its window: a good part of it has been read, or it does
    /// not know yet how large it is and something flows.
    /// `behind_gap`: so many bytes wait behind a gap of the lane.
    pub(super) fn is_window_due(&mut self, behind_gap: u32) -> bool {
        let flows = self.received > 0 || self.limit == 0;
        let part = u64::from((self.window / TOLD_PART).max(1));
        self.behind_gap = behind_gap;
        self.state == State::Open && flows && self.consumed + u64::from(self.granted()) >= self.limit + part
    }

    fn granted(&self) -> u32 {
        self.window.saturating_add(self.behind_gap).min(WINDOW_MAX)
    }

    /// What to tell the peer: bytes read, modulo 2^32, and the window.
    pub(super) fn told(&self) -> (u32, u32) {
        (self.consumed as u32, self.granted())
    }

    /// The peer has been told.
    pub(super) fn tell(&mut self) {
        self.limit = self.limit.max(self.consumed + u64::from(self.granted()));
    }
}
