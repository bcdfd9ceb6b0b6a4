//! A stream of a link, as tasks of the shard use it.

use crate::shard::{Core, Shard};
use crate::trace::{Stage, Trace, Way};
use crate::usage::Account;
use bytes::Bytes;
use ginnel_proto::hub::LinkId;
use ginnel_proto::link::Side;
use ginnel_proto::session::{Gone, Read, StreamId, WriteError};
use std::cell::Cell;
use std::collections::VecDeque;
use std::fmt;
use std::future::poll_fn;
use std::rc::Rc;
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant};
use thiserror::Error;
use tracing::debug;

/// Codes that streams are reset and stopped with.
pub mod code {
    /// The target or the application broke the connection.
    pub const BROKEN: u32 = 1;
    /// Whoever used the stream went away without ending it, or this end takes no more streams.
    pub const ABANDONED: u32 = 2;
    /// No complete open request came in time, or the stream broke off before. A wrong one is
    /// answered with a reply instead.
    pub const BAD_REQUEST: u32 = 3;
    /// Nothing has moved in the stream for too long.
    pub const IDLE: u32 = 4;
    /// The end was short of memory, or what nobody reads filled the link's window, and the stream had
    /// been stuck for long.
    pub const SHED: u32 = 5;
}

/// Why a stream ended other than cleanly.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Error)]
pub enum StreamError {
    /// The far side gave it up.
    #[error("the far side reset the stream (code {0})")]
    Reset(u32),
    /// The far side reads no more.
    #[error("the far side reads no more (code {0})")]
    Stopped(u32),
    /// Its link is gone.
    #[error("the link is down")]
    LinkDown,
    /// This end was short of memory, and the stream had been stuck for long.
    #[error("given up for want of memory")]
    Shed,
}

impl From<Gone> for StreamError {
    fn from(_: Gone) -> Self {
        Self::LinkDown
    }
}

impl From<WriteError> for StreamError {
    fn from(error: WriteError) -> Self {
        match error {
            WriteError::Stopped(code) => Self::Stopped(code),
            WriteError::Gone(gone) => gone.into(),
        }
    }
}

/// Who waits for what on a stream.
#[derive(Default)]
pub(crate) struct StreamState {
    reader: Option<Waker>,
    writer: Option<Waker>,
    stopped: Option<u32>,
    /// Who wants to know that the stream is shed.
    watcher: Option<Waker>,
    shed: bool,
    /// Since when what has come waits for a reader, and what shall go for the peer's.
    stuck: [Option<Instant>; 2],
}

impl StreamState {
    pub(crate) fn readable(&mut self) {
        if let Some(reader) = self.reader.take() {
            reader.wake();
        }
    }

    /// Since when the stream has been stuck: its reader pauses, or its peer's.
    pub(crate) fn stuck_since(&self) -> Option<Instant> {
        self.stuck.into_iter().flatten().min().filter(|_| !self.shed)
    }

    /// Since when its reader at this end pauses.
    pub(crate) fn unread_since(&self) -> Option<Instant> {
        self.stuck[Direction::In as usize].filter(|_| !self.shed)
    }

    /// Gives the stream up: whoever uses it is told.
    pub(crate) fn shed(&mut self) {
        self.shed = true;
        for waker in [&mut self.reader, &mut self.writer, &mut self.watcher] {
            if let Some(waker) = waker.take() {
                waker.wake();
            }
        }
    }

    pub(crate) fn writable(&mut self) {
        if let Some(writer) = self.writer.take() {
            writer.wake();
        }
    }

    pub(crate) fn stopped(&mut self, code: u32) {
        self.stopped = Some(code);
        self.writable();
    }

    pub(crate) fn gone(mut self) {
        self.readable();
        self.writable();
        if let Some(watcher) = self.watcher.take() {
            watcher.wake();
        }
    }
}

/// A direction of a stream, as this end sees it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Direction {
    /// From the peer.
    In,
    /// To the peer.
    Out,
}

/// What was read of a stream before its relay began.
#[derive(Default)]
pub struct Early {
    /// Bytes that belong to the relay.
    pub chunks: Vec<Bytes>,
    /// The peer's clean end came with them.
    pub ended: bool,
}

/// One end of a two-way stream. Dropping it gives up whatever direction has not ended: an error
/// never looks like a clean end, and a clean end never becomes an error.
pub struct Stream {
    shard: Shard,
    link: LinkId,
    id: StreamId,
    wrote_end: Cell<bool>,
    read_end: Cell<bool>,
    stuck: Cell<[bool; 2]>,
    account: Rc<Account>,
    trace: Trace,
}

impl Stream {
    pub(crate) fn new(shard: Shard, link: LinkId, id: StreamId, account: Rc<Account>) -> Self {
        let (wrote_end, read_end, trace) = (Cell::new(false), Cell::new(false), Trace::new());
        Self { shard, link, id, wrote_end, read_end, stuck: Cell::default(), account, trace }
    }

    /// The link that the stream is in.
    pub fn link(&self) -> LinkId {
        self.link
    }

    /// Its number in the link.
    pub fn id(&self) -> StreamId {
        self.id
    }

    /// When a stream that the peer has opened may go on, so that its link opens no more of them in a
    /// second than it may. `None`: it would have to wait for too long.
    pub fn turn(&self) -> Option<Duration> {
        let core = &mut *self.shard.0.borrow_mut();
        let (rate, most) = (core.limits.opens_per_second, core.limits.step_time);
        let Some(link) = core.links.get_mut(&self.link) else { return Some(Duration::ZERO) };
        let turn = link.opens.take(rate, most, Instant::now());
        match turn {
            Some(wait) if wait.is_zero() => {}
            Some(_) => core.counters.opens_delayed += 1,
            None => core.counters.opens_refused += 1,
        }
        if turn.is_none_or(|wait| !wait.is_zero()) {
            core.notices.limit_reached("opens_per_second");
        }
        turn
    }

    /// The shard that the stream is on.
    pub fn shard(&self) -> &Shard {
        &self.shard
    }

    /// Appends what has come, up to `max` bytes, to `out`. `true`: that was the clean end.
    pub fn poll_read(&self, cx: &mut Context<'_>, max: usize, out: &mut Vec<Bytes>) -> Poll<Result<bool, StreamError>> {
        let core = &mut *self.shard.0.borrow_mut();
        let session = core.hub.session(self.link).ok_or(StreamError::LinkDown)?;
        let read = session.read(self.id, max, out)?;
        if let Read::Data(bytes) | Read::End(bytes) = read {
            self.account.change(|usage| usage.bytes_received += bytes as u64);
            if self.trace.passed(Way::In, bytes as u64) {
                self.end_stage_in(core, Stage::FirstByte, Instant::now());
            }
        }
        let result = match read {
            Read::Data(_) => Ok(false),
            Read::End(_) => {
                self.read_end.set(true);
                Ok(true)
            }
            Read::Reset(code) => {
                self.read_end.set(true);
                Err(StreamError::Reset(code))
            }
            Read::Blocked => {
                if let Some(state) = core.links.get_mut(&self.link).and_then(|link| link.streams.get_mut(&self.id)) {
                    state.reader = Some(cx.waker().clone());
                }
                return Poll::Pending;
            }
        };
        // What was read makes room: the peer wants to know.
        core.wake_driver();
        Poll::Ready(result)
    }

    /// Takes what fits now from the front of `data`; pending while nothing fits.
    pub fn poll_write(&self, cx: &mut Context<'_>, data: &mut VecDeque<Bytes>) -> Poll<Result<usize, StreamError>> {
        let core = &mut *self.shard.0.borrow_mut();
        let session = core.hub.session(self.link).ok_or(StreamError::LinkDown)?;
        let written = session.write(self.id, data)?;
        if written == 0 && !data.is_empty() {
            if let Some(state) = core.links.get_mut(&self.link).and_then(|link| link.streams.get_mut(&self.id)) {
                if state.shed {
                    return Poll::Ready(Err(StreamError::Shed));
                }
                state.writer = Some(cx.waker().clone());
                self.mark_stuck(state, Direction::Out, true);
            }
            return Poll::Pending;
        }
        self.account.change(|usage| usage.bytes_sent += written as u64);
        if self.trace.passed(Way::Out, written as u64) {
            self.end_stage_in(core, Stage::FirstByte, Instant::now());
        }
        if self.is_stuck(Direction::Out)
            && let Some(state) = core.links.get_mut(&self.link).and_then(|link| link.streams.get_mut(&self.id))
        {
            self.mark_stuck(state, Direction::Out, false);
        }
        core.wake_driver();
        Poll::Ready(Ok(written))
    }

    /// Ready when the peer reads no more, or the link is gone.
    pub fn poll_stopped(&self, cx: &mut Context<'_>) -> Poll<StreamError> {
        let core = &mut *self.shard.0.borrow_mut();
        let state = core.links.get_mut(&self.link).and_then(|link| link.streams.get_mut(&self.id));
        match state {
            None => Poll::Ready(StreamError::LinkDown),
            Some(StreamState { stopped: Some(code), .. }) => Poll::Ready(StreamError::Stopped(*code)),
            Some(state) => {
                if !state.writer.as_ref().is_some_and(|writer| writer.will_wake(cx.waker())) {
                    state.writer = Some(cx.waker().clone());
                }
                Poll::Pending
            }
        }
    }

    /// Takes note that whoever gets what has come takes no more now, or takes it again.
    pub fn set_stuck(&self, stuck: bool) {
        if self.is_stuck(Direction::In) != stuck {
            let core = &mut *self.shard.0.borrow_mut();
            let Some(link) = core.links.get_mut(&self.link) else { return };
            let Some(state) = link.streams.get_mut(&self.id) else { return };
            self.mark_stuck(state, Direction::In, stuck);
            link.stuck = if stuck { link.stuck + 1 } else { link.stuck - 1 };
        }
    }

    /// Whether a direction waits for somebody to read.
    pub fn is_stuck(&self, direction: Direction) -> bool {
        self.stuck.get()[direction as usize]
    }

    fn mark_stuck(&self, state: &mut StreamState, direction: Direction, stuck: bool) {
        let mut ours = self.stuck.get();
        if ours[direction as usize] != stuck {
            ours[direction as usize] = stuck;
            self.stuck.set(ours);
            state.stuck[direction as usize] = stuck.then(Instant::now);
        }
    }

    /// Ready when the stream has been given up for want of memory, or the link is gone.
    pub fn poll_shed(&self, cx: &mut Context<'_>) -> Poll<StreamError> {
        let core = &mut *self.shard.0.borrow_mut();
        let state = core.links.get_mut(&self.link).and_then(|link| link.streams.get_mut(&self.id));
        match state {
            None => Poll::Ready(StreamError::LinkDown),
            Some(StreamState { shed: true, .. }) => Poll::Ready(StreamError::Shed),
            Some(state) => {
                if !state.watcher.as_ref().is_some_and(|watcher| watcher.will_wake(cx.waker())) {
                    state.watcher = Some(cx.waker().clone());
                }
                Poll::Pending
            }
        }
    }

    /// Reads what has come, as [`poll_read`](Self::poll_read).
    pub async fn read(&self, max: usize, out: &mut Vec<Bytes>) -> Result<bool, StreamError> {
        poll_fn(|cx| self.poll_read(cx, max, out)).await
    }

    /// Writes everything.
    pub async fn write_all(&self, bytes: Bytes) -> Result<(), StreamError> {
        self.write_queue(&mut VecDeque::from([bytes])).await
    }

    /// The same with a queue, which is left empty unless there is an error.
    pub(crate) async fn write_queue(&self, queue: &mut VecDeque<Bytes>) -> Result<(), StreamError> {
        while !queue.is_empty() {
            poll_fn(|cx| self.poll_write(cx, queue)).await?;
        }
        Ok(())
    }

    /// Ends our direction cleanly, after what was written. Never waits.
    pub fn finish(&self) {
        if !self.wrote_end.replace(true) {
            self.call(|session, id| session.finish(id));
        }
    }

    /// Gives our direction up.
    pub fn reset(&self, code: u32) {
        if !self.wrote_end.replace(true) {
            self.call(|session, id| session.reset(id, code));
        }
    }

    /// Tells the peer that we read no more.
    pub fn stop(&self, code: u32) {
        if !self.read_end.replace(true) {
            self.call(|session, id| session.stop(id, code));
        }
    }

    /// A stage of the stream's opening has ended now.
    pub fn end_stage(&self, stage: Stage) {
        self.end_stage_in(&mut self.shard.0.borrow_mut(), stage, Instant::now());
    }

    /// The stages began earlier than the stream, and the first has ended at `now`.
    pub(crate) fn end_first_stage(&self, stage: Stage, began: Instant, now: Instant) {
        self.trace.begin_at(began);
        self.end_stage_in(&mut self.shard.0.borrow_mut(), stage, now);
    }

    fn end_stage_in(&self, core: &mut Core, stage: Stage, now: Instant) {
        let time = self.trace.end(stage, now);
        core.open_times.record(stage, time);
    }

    /// The target is connected. Its first byte is the next that comes at a client, and the next
    /// that goes at a server; its reply must have been sent.
    pub fn await_first_byte(&self) {
        let way = match self.shard.0.borrow().hub.side() {
            Side::Client => Way::In,
            Side::Server => Way::Out,
        };
        self.trace.await_first(way);
    }

    /// Says in the log that the target is connected.
    pub fn log_opened(&self, target: &dyn fmt::Display) {
        debug!(target: "stream", link = %self.link, stream = self.id.0, to = %target, "stream opened");
    }

    /// Says in the log how the stream ended, how long each stage of its opening took, and what it
    /// carried.
    pub fn log_ended(&self, how: &dyn fmt::Display) {
        let seconds = |stage| self.trace.seconds(stage);
        debug!(
            target: "stream",
            link = %self.link,
            stream = self.id.0,
            %how,
            received = self.trace.received.get(),
            sent = self.trace.sent.get(),
            queued = seconds(Stage::Queued),
            opened = seconds(Stage::Opened),
            requested = seconds(Stage::Requested),
            connected = seconds(Stage::Connected),
            first_byte = seconds(Stage::FirstByte),
            "stream ended"
        );
    }

    fn call(&self, call: impl FnOnce(&mut dyn ginnel_proto::session::Session, StreamId)) {
        let mut core = self.shard.0.borrow_mut();
        if let Some(session) = core.hub.session(self.link) {
            call(session, self.id);
            core.wake_driver();
        }
    }
}

impl Drop for Stream {
    fn drop(&mut self) {
        self.reset(code::ABANDONED);
        self.stop(code::ABANDONED);
        let mut core = self.shard.0.borrow_mut();
        let removed = core.links.get_mut(&self.link).and_then(|link| {
            link.stuck -= usize::from(self.is_stuck(Direction::In));
            link.streams.remove(&self.id)
        });
        if removed.is_some() {
            core.counters.streams -= 1;
            self.account.change(|usage| usage.streams -= 1);
        }
    }
}
