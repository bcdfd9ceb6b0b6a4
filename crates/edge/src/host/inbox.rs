//! The inbox: replies, events and records of the log on their way to whoever holds the host, and a descriptor that is
//! readable while there are any.

use super::CommandError;
use super::command::{Event, Message, Outcome};
use std::collections::VecDeque;
use std::io::{self, Read, Write};
use std::os::fd::{AsRawFd, RawFd};
use std::os::unix::net::UnixStream;
use std::sync::{Mutex, MutexGuard, PoisonError};

#[derive(Default)]
struct Queue {
    messages: VecDeque<Message>,
    /// Commands whose reply has not been pushed, or not been taken out.
    reserved: usize,
    events: usize,
    dropped: u64,
    /// What of `dropped` an event has told.
    dropped_told: u64,
    logs: usize,
    logs_dropped: u64,
    /// What of `logs_dropped` a record has told.
    logs_dropped_told: u64,
    /// Why nothing more will come.
    closed: Option<String>,
}

/// Replies and events of one host.
pub struct Inbox {
    queue: Mutex<Queue>,
    replies_max: usize,
    events_max: usize,
    logs_max: usize,
    bell: UnixStream,
    ear: UnixStream,
}

impl Inbox {
    pub(super) fn new(replies_max: usize, events_max: usize, logs_max: usize) -> io::Result<Self> {
        let (bell, ear) = UnixStream::pair()?;
        bell.set_nonblocking(true)?;
        ear.set_nonblocking(true)?;
        Ok(Self { queue: Mutex::default(), replies_max, events_max, logs_max, bell, ear })
    }

    /// Readable from when the inbox went from empty to non-empty until it is drained.
    pub fn descriptor(&self) -> RawFd {
        self.ear.as_raw_fd()
    }

    /// Takes everything out. An error: nothing is there, and nothing will come; it says why.
    pub fn drain(&self) -> Result<Vec<Message>, String> {
        let mut queue = self.lock();
        let mut rung = [0; 64];
        // Nothing to read is fine: the queue says what there is.
        while matches!((&self.ear).read(&mut rung), Ok(length) if length == rung.len()) {}
        let mut messages: Vec<Message> = queue.messages.drain(..).collect();
        if messages.is_empty()
            && let Some(reason) = &queue.closed
        {
            return Err(reason.clone());
        }
        let untold = queue.dropped - queue.dropped_told;
        if untold > 0 {
            queue.dropped_told = queue.dropped;
            let facts = vec![("count", i64::try_from(untold).unwrap_or(i64::MAX).into())];
            messages.push(Message::Event(Event { name: "dropped", facts }));
        }
        let untold = queue.logs_dropped - queue.logs_dropped_told;
        if untold > 0 {
            queue.logs_dropped_told = queue.logs_dropped;
            messages.push(Message::Event(logs_dropped(untold)));
        }
        queue.reserved -= messages.iter().filter(|message| matches!(message, Message::Reply(..))).count();
        queue.events = 0;
        queue.logs = 0;
        Ok(messages)
    }

    /// Events, and records of the log, that nobody took out in time.
    pub fn dropped(&self) -> (u64, u64) {
        let queue = self.lock();
        (queue.dropped, queue.logs_dropped)
    }

    /// Sets room for one reply aside.
    pub(super) fn reserve(&self) -> Result<(), CommandError> {
        let mut queue = self.lock();
        if queue.closed.is_some() {
            return Err(CommandError::Closed);
        }
        if queue.reserved >= self.replies_max {
            return Err(CommandError::TooMany);
        }
        queue.reserved += 1;
        Ok(())
    }

    pub(super) fn push_reply(&self, ticket: u64, outcome: Outcome) {
        self.push(self.lock(), Message::Reply(ticket, outcome));
    }

    pub(super) fn push_event(&self, event: Event) {
        let mut queue = self.lock();
        if queue.events >= self.events_max {
            queue.dropped += 1;
            return;
        }
        queue.events += 1;
        self.push(queue, Message::Event(event));
    }

    /// Takes in a record of the log. Records have a bound of their own: a flood of them costs no
    /// event.
    pub(super) fn push_log(&self, record: Event) {
        let mut queue = self.lock();
        if queue.logs >= self.logs_max {
            queue.logs_dropped += 1;
            return;
        }
        queue.logs += 1;
        self.push(queue, Message::Event(record));
    }

    /// Tells that a handed-over stream broke. Never dropped, or a reset would look like a clean end;
    /// there are no more of these than handed-over sockets, which descriptors bound.
    pub(super) fn push_reset(&self, stream: u64) {
        let facts = vec![("stream", i64::try_from(stream).unwrap_or(i64::MAX).into())];
        self.push(self.lock(), Message::Event(Event { name: "stream_reset", facts }));
    }

    /// The engine is gone: nothing more will come.
    pub(super) fn close(&self, reason: String) {
        self.lock().closed = Some(reason);
        let _ = (&self.bell).write(&[1]);
    }

    fn push(&self, mut queue: MutexGuard<'_, Queue>, message: Message) {
        queue.messages.push_back(message);
        if queue.messages.len() == 1 {
            // A full pair means that the bell has been rung often enough.
            let _ = (&self.bell).write(&[1]);
        }
    }

    fn lock(&self) -> MutexGuard<'_, Queue> {
        // No call under the lock can leave the queue half changed.
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The record that tells of those that were dropped.
fn logs_dropped(count: u64) -> Event {
    let facts = vec![
        ("level", "warning".into()),
        ("area", "engine".into()),
        ("message", "log records dropped, which came too fast to show".into()),
        ("count", i64::try_from(count).unwrap_or(i64::MAX).into()),
    ];
    Event { name: "log", facts }
}
