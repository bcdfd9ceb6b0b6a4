//! One end of a stream at work: sends a pattern or an echo, and checks what comes.

use crate::pattern::Pattern;
use bytes::Bytes;
use ginnel_proto::session::{Read, Session, StreamId, WriteError};
use std::collections::VecDeque;

/// Bytes of pattern made at once.
const CHUNK: usize = 64 << 10;

/// Bytes that an echo holds; beyond it, it does not read, as a relay would not.
const ECHO_MAX: usize = 1 << 20;

/// What a server does with a stream that a client opens.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Service {
    /// Sends back what comes, and ends after the client has ended.
    Echo,
    /// Checks what comes against the client's pattern, and sends so many bytes of its own.
    Exchange(u64),
}

enum Work {
    Echo,
    Exchange { send: Pattern, total: u64, expect: Pattern },
}

/// One end of one stream.
pub struct Flow {
    work: Work,
    /// Taken for sending, but not yet by the session.
    queue: VecDeque<Bytes>,
    queued: usize,
    sent: u64,
    received: u64,
    finished: bool,
    ended: bool,
    broken: Option<String>,
}

impl Flow {
    /// The client's end: sends `total` bytes, and checks what the service sends.
    pub fn client(stream: StreamId, total: u64, service: Service) -> Self {
        let (up, down) = patterns(stream);
        let expect = if service == Service::Echo { up } else { down };
        Self::new(Work::Exchange { send: up, total, expect })
    }

    /// The server's end.
    pub fn server(stream: StreamId, service: Service) -> Self {
        let (up, down) = patterns(stream);
        Self::new(match service {
            Service::Echo => Work::Echo,
            Service::Exchange(total) => Work::Exchange { send: down, total, expect: up },
        })
    }

    fn new(work: Work) -> Self {
        let queue = VecDeque::new();
        Self { work, queue, queued: 0, sent: 0, received: 0, finished: false, ended: false, broken: None }
    }

    /// Bytes that the session has taken.
    pub fn sent(&self) -> u64 {
        self.sent
    }

    /// Bytes received, each of them checked (an echo's at the other end).
    pub fn received(&self) -> u64 {
        self.received
    }

    /// Whether all has been sent and the peer has ended cleanly.
    pub fn is_done(&self) -> bool {
        self.finished && self.ended && self.broken.is_none()
    }

    /// Why nothing will come of this stream any more.
    pub fn broken(&self) -> Option<&str> {
        self.broken.as_deref()
    }

    /// Reads and writes what goes now.
    pub fn pump(&mut self, session: &mut dyn Session, id: StreamId) {
        while self.broken.is_none() {
            let wrote = self.write(session, id);
            let read = self.read(session, id);
            if !wrote && !read {
                break;
            }
        }
    }

    fn write(&mut self, session: &mut dyn Session, id: StreamId) -> bool {
        if self.finished {
            return false;
        }
        if let Work::Exchange { send, total, .. } = self.work
            && self.queue.is_empty()
        {
            let length = (total - self.sent).min(CHUNK as u64) as usize;
            self.queue.extend((length > 0).then(|| send.bytes(self.sent, length)));
            self.queued = length;
        }
        let written = if self.queue.is_empty() { Ok(0) } else { session.write(id, &mut self.queue) };
        match written {
            Ok(written) => {
                self.sent += written as u64;
                self.queued -= written;
                if self.has_written_all() {
                    session.finish(id);
                    self.finished = true;
                }
                written > 0
            }
            Err(WriteError::Stopped(code)) => self.break_off(format!("stopped with {code}")),
            Err(WriteError::Gone(_)) => self.break_off("gone".into()),
        }
    }

    fn has_written_all(&self) -> bool {
        match self.work {
            Work::Echo => self.ended && self.queue.is_empty(),
            Work::Exchange { total, .. } => self.sent == total,
        }
    }

    fn read(&mut self, session: &mut dyn Session, id: StreamId) -> bool {
        if self.ended || (matches!(self.work, Work::Echo) && self.queued >= ECHO_MAX) {
            return false;
        }
        let mut chunks = Vec::new();
        let Ok(read) = session.read(id, ECHO_MAX, &mut chunks) else { return self.break_off("gone".into()) };
        for chunk in chunks {
            let position = self.received;
            self.received += chunk.len() as u64;
            match &self.work {
                Work::Exchange { expect, .. } => expect.check(position, &chunk),
                Work::Echo => {
                    self.queued += chunk.len();
                    self.queue.push_back(chunk);
                }
            }
        }
        match read {
            Read::Data(bytes) => bytes > 0,
            Read::Blocked => false,
            Read::End(_) => {
                self.ended = true;
                true
            }
            Read::Reset(code) => self.break_off(format!("reset with {code}")),
        }
    }

    /// Returns that nothing more happens.
    pub(crate) fn break_off(&mut self, why: String) -> bool {
        self.broken.get_or_insert(why);
        false
    }
}

/// What the client and what the server sends on a stream.
fn patterns(stream: StreamId) -> (Pattern, Pattern) {
    (Pattern(stream.0 * 2), Pattern(stream.0 * 2 + 1))
}
