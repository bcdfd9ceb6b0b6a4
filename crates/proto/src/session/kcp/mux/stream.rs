//! One stream: what waits to be sent, what waits to be read, and how each direction ends.

use super::frame::{DATA_MAX, Frame, HEADER_LEN};
use super::incoming::Incoming;
use super::list::Places;
use super::schedule::{Lately, Rank};
use super::{LITTLE, Violation, WINDOW_MAX};
use bytes::{Buf, Bytes};
use std::collections::VecDeque;

/// How far our direction of a stream has come.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Ending {
    /// It is open.
    Open,
    /// The end follows what is queued.
    Finish,
    /// It is given up; the pipe does not know yet.
    Reset(u32),
    /// The pipe has the end.
    Sent,
    /// The peer has it.
    Delivered,
}

/// Our direction of a stream.
#[derive(Debug)]
pub(super) struct Outgoing {
    queue: VecDeque<Bytes>,
    /// Bytes in the queue.
    pub(super) unsent: u64,
    /// Bytes in the pipe, from the beginning.
    sent: u64,
    /// Bytes that the peer has read, by its own word.
    consumed: u64,
    /// As many may be sent in all.
    limit: u64,
    pub(super) ending: Ending,
    /// The peer reads no more, with this code.
    pub(super) stopped: Option<u32>,
    /// The application has ended the direction: it will not ask again.
    pub(super) is_released: bool,
    /// The application has found no room.
    pub(super) wants_room: bool,
}

impl Outgoing {
    fn new(window: u32) -> Self {
        Self {
            queue: VecDeque::new(),
            unsent: 0,
            sent: 0,
            consumed: 0,
            limit: window.min(WINDOW_MAX).into(),
            ending: Ending::Open,
            stopped: None,
            is_released: false,
            wants_room: false,
        }
    }

    /// What the peer takes beyond what is queued.
    fn beyond(&self) -> u64 {
        self.limit.saturating_sub(self.sent + self.unsent)
    }

    /// Whether the peer's window, not ours, is what stands against more.
    pub(super) fn is_held_up(&self) -> bool {
        self.beyond() == 0
    }

    /// How much may be queued now, with so much room for all streams. What the peer would not take
    /// yet is not queued, but for a little: a reader that pauses must not fill the room of others.
    pub(super) fn room(&self, room: u64) -> u64 {
        LITTLE.saturating_sub(self.unsent).max(room.min(self.beyond()))
    }

    /// Queues up to `max` bytes from the front of `data`.
    pub(super) fn take(&mut self, data: &mut VecDeque<Bytes>, max: u64) -> usize {
        let max = usize::try_from(max).unwrap_or(usize::MAX);
        let mut left = max;
        while let Some(front) = data.front_mut() {
            if left == 0 && !front.is_empty() {
                break;
            }
            let piece = front.split_to(front.len().min(left));
            left -= piece.len();
            if front.is_empty() {
                data.pop_front();
            }
            if !piece.is_empty() {
                self.queue.push_back(piece);
            }
        }
        self.unsent += (max - left) as u64;
        max - left
    }

    /// Drops what is queued, and the memory with it.
    fn drop_queue(&mut self) {
        self.queue = VecDeque::new();
        self.unsent = 0;
    }

    pub(super) fn finish(&mut self) {
        self.is_released = true;
        if self.ending == Ending::Open {
            self.ending = Ending::Finish;
        }
    }

    /// Gives the direction up, unless its end is in the pipe. `true`: it was not.
    pub(super) fn give_up(&mut self, code: u32) -> bool {
        if !matches!(self.ending, Ending::Open | Ending::Finish) {
            return false;
        }
        self.drop_queue();
        self.ending = Ending::Reset(code);
        true
    }

    /// Takes in what the peer has read and how much more it takes. A window may shrink: then
    /// nothing is sent until it has been made up for. A huge one is taken for [`WINDOW_MAX`].
    pub(super) fn update(&mut self, id: u32, consumed: u32, window: u32) -> Result<(), Violation> {
        // Never more than `WINDOW_MAX` is sent and unread, so the low 32 bits tell all.
        let unread = u64::from((self.sent as u32).wrapping_sub(consumed));
        if unread > self.sent - self.consumed {
            return Err(Violation::Consumed(id));
        }
        self.consumed = self.sent - unread;
        self.limit = self.consumed + u64::from(window.min(WINDOW_MAX));
        Ok(())
    }

    fn window(&self) -> u64 {
        self.limit.saturating_sub(self.sent)
    }

    /// Whether there is data that may be sent, or the end.
    pub(super) fn can_send(&self) -> bool {
        match self.ending {
            Ending::Open => self.unsent > 0 && self.window() > 0,
            Ending::Finish => self.unsent == 0 || self.window() > 0,
            Ending::Reset(_) | Ending::Sent | Ending::Delivered => false,
        }
    }

    /// Whether something waits to get into the pipe.
    pub(super) fn is_waiting(&self) -> bool {
        self.unsent > 0 || matches!(self.ending, Ending::Finish | Ending::Reset(_))
    }

    /// Appends one PSH, and the end if it is that and fits, in up to `room` bytes. `false`: not
    /// even the least of it fits.
    pub(super) fn write(&mut self, id: u32, room: usize, out: &mut Vec<u8>) -> bool {
        let start = out.len();
        if self.unsent > 0 {
            let room = room.saturating_sub(HEADER_LEN).min(DATA_MAX) as u64;
            let length = room.min(self.window()).min(self.unsent) as usize;
            if length == 0 {
                return false;
            }
            // At most `DATA_MAX`.
            Frame::Psh(id, length as u16).encode(out);
            self.copy(length, out);
        }
        let fits = room - (out.len() - start) >= HEADER_LEN;
        if self.unsent == 0 && self.ending == Ending::Finish && fits {
            Frame::Fin(id).encode(out);
            self.ending = Ending::Sent;
            self.drop_queue();
        }
        out.len() > start
    }

    fn copy(&mut self, length: usize, out: &mut Vec<u8>) {
        let mut left = length;
        while left > 0
            && let Some(front) = self.queue.front_mut()
        {
            let taken = left.min(front.len());
            out.extend_from_slice(&front[..taken]);
            left -= taken;
            if taken == front.len() {
                self.queue.pop_front();
            } else {
                front.advance(taken);
            }
        }
        self.unsent -= length as u64;
        self.sent += length as u64;
    }
}

/// Control frames of a stream that are to be sent, beside the reset in [`Ending`].
#[derive(Debug, Default)]
pub(super) struct Signals {
    pub(super) syn: bool,
    pub(super) window: bool,
    pub(super) stop: Option<u32>,
}

/// One stream.
#[derive(Debug)]
pub(super) struct Stream {
    pub(super) id: u32,
    pub(super) lane: usize,
    /// Whether this end has opened it.
    pub(super) is_ours: bool,
    pub(super) outgoing: Outgoing,
    pub(super) incoming: Incoming,
    pub(super) signals: Signals,
    pub(super) places: Places,
    /// Which of its lane's queues it is in, how much it has sent in this turn, and lately.
    pub(super) rank: Rank,
    pub(super) turn: usize,
    pub(super) lately: Lately,
    /// Where in its lane's pipe the last of its data or its end is over.
    pub(super) last: u64,
    /// Counted among those that have something undelivered.
    pub(super) is_undelivered: bool,
    /// The application knows that there is something to read.
    pub(super) told_readable: bool,
}

impl Stream {
    pub(super) fn new(id: u32, lane: usize, is_ours: bool, send_window: u32, incoming: Incoming) -> Self {
        Self {
            id,
            lane,
            is_ours,
            outgoing: Outgoing::new(send_window),
            incoming,
            signals: Signals { syn: is_ours, ..Signals::default() },
            places: Places::default(),
            rank: Rank::default(),
            turn: 0,
            lately: Lately::default(),
            last: 0,
            is_undelivered: false,
            told_readable: false,
        }
    }

    /// The next control frame to send.
    pub(super) fn next_signal(&self) -> Option<Frame> {
        if self.signals.syn {
            return Some(Frame::Syn(self.id));
        }
        if self.signals.window {
            let (consumed, window) = self.incoming.told();
            return Some(Frame::Upd(self.id, consumed, window));
        }
        if let Some(code) = self.signals.stop {
            return Some(Frame::Stp(self.id, code));
        }
        match self.outgoing.ending {
            Ending::Reset(code) => Some(Frame::Rst(self.id, code)),
            _ => None,
        }
    }

    /// That frame is in the pipe.
    pub(super) fn signalled(&mut self, frame: Frame) {
        match frame {
            Frame::Syn(_) => self.signals.syn = false,
            Frame::Upd(..) => {
                self.signals.window = false;
                self.incoming.tell();
            }
            Frame::Stp(..) => self.signals.stop = None,
            _ => self.outgoing.ending = Ending::Sent,
        }
    }

    /// Both directions are over, at both ends, and nobody will ask for the stream again.
    pub(super) fn is_over(&self) -> bool {
        self.outgoing.ending == Ending::Delivered && self.outgoing.is_released && self.incoming.is_over()
    }
}
