//! A carrier's packet sockets, and what waits to be sent by them.

use super::Hop;
use super::frame::{Front, is_v4};
use super::socket::{Arrival, Buffers, PacketSocket};
use crate::batch::{SendOptions, Sent, is_passing};
use ginnel_proto::rawtcp::{Outgoing, Stamp};
use libc::sock_filter;
use std::collections::{BTreeSet, VecDeque};
use std::io;
use std::task::{Context, Poll};

/// Frames that may wait while the sockets are full: a batch in pieces, and answers. More of these are dropped.
const WAITING_MAX: usize = 256;

/// A frame that the system has not taken yet.
struct Waiting {
    is_v4: bool,
    interface: u32,
    bytes: Vec<u8>,
}

/// Sends and receives frames.
pub(super) struct Wire {
    /// One for each IP family.
    sockets: Vec<PacketSocket>,
    /// Whose turn it is to receive.
    turn: usize,
    buffers: Buffers,
    /// While something waits, nothing else is taken.
    waiting: VecDeque<Waiting>,
    /// Interfaces that have refused to cut a batch.
    plain: BTreeSet<u32>,
    /// None is asked.
    all_plain: bool,
    options: SendOptions,
    /// Frames that the sockets had no room for, in and out.
    dropped: u64,
}

impl Wire {
    /// Opens a socket for IPv4, one for IPv6, or both.
    pub(super) fn open(families: &[bool], filter: &[sock_filter], options: SendOptions) -> io::Result<Self> {
        let open = |&is_v4: &bool| PacketSocket::open(is_v4, filter, options.queue);
        Ok(Self {
            sockets: families.iter().map(open).collect::<io::Result<_>>()?,
            turn: 0,
            buffers: Buffers::new(),
            waiting: VecDeque::new(),
            plain: BTreeSet::new(),
            all_plain: false,
            options,
            dropped: 0,
        })
    }

    pub(super) fn set_filter(&self, filter: &[sock_filter]) -> io::Result<()> {
        self.sockets.iter().try_for_each(|socket| socket.set_filter(filter))
    }

    pub(super) fn set_options(&mut self, options: SendOptions) {
        self.options = options;
        self.sockets.iter().for_each(|socket| socket.set_queue(options.queue));
    }

    /// Has all interfaces cut batches again, until they refuse.
    pub(super) fn ask_again(&mut self) {
        self.plain.clear();
    }

    /// Cuts all batches itself from now on.
    pub(super) fn cut_here(&mut self) {
        self.all_plain = true;
    }

    /// Frames lost here since the last time: those that came too fast, and those that could not be sent.
    pub(super) fn dropped(&mut self) -> u64 {
        std::mem::take(&mut self.dropped) + self.sockets.iter().map(PacketSocket::dropped).sum::<u64>()
    }

    /// Receives one system call's worth. The families take turns.
    pub(super) fn poll_receive(
        &mut self,
        cx: &mut Context<'_>,
        mut take: impl FnMut(Arrival<'_>),
    ) -> Poll<io::Result<()>> {
        for _ in 0..self.sockets.len() {
            self.turn = (self.turn + 1) % self.sockets.len();
            let polled = self.sockets[self.turn].poll_receive(cx, &mut self.buffers, &mut take);
            if polled.is_ready() {
                return polled;
            }
        }
        Poll::Pending
    }

    /// Sends a batch. If the socket is full it is kept, and nothing more taken until it has gone: its headers have
    /// been written, and are not written again.
    pub(super) fn send(&mut self, stamp: &Stamp<Hop>, data: &[u8], segment: usize) -> Sent {
        let (interface, is_v4) = (stamp.hop.interface, is_v4(stamp.headers()));
        let is_many = data.len() > segment;
        if is_many && (self.all_plain || self.plain.contains(&interface)) {
            return self.send_cut(stamp, data, segment);
        }
        let Some(socket) = self.sockets.iter().find(|socket| socket.is_v4() == is_v4) else { return Sent::Refused };
        let front = Front::new(stamp, is_many.then_some(segment));
        let mut tries = 0;
        loop {
            match socket.send(interface, [front.bytes(), data]) {
                Ok(()) => return Sent::Taken,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    let bytes = [front.bytes(), data].concat();
                    self.waiting.push_back(Waiting { is_v4, interface, bytes });
                    return Sent::Taken;
                }
                Err(error) if is_passing(&error) && tries < self.options.retries => tries += 1,
                Err(error) if is_many && refuses_to_cut(&error) => {
                    self.plain.insert(interface);
                    return self.send_cut(stamp, data, segment);
                }
                Err(_) => return Sent::Refused,
            }
        }
    }

    fn send_cut(&mut self, stamp: &Stamp<Hop>, data: &[u8], segment: usize) -> Sent {
        let (interface, is_v4) = (stamp.hop.interface, is_v4(stamp.headers()));
        let count = data.len().div_ceil(segment);
        for (index, piece) in data.chunks(segment).enumerate() {
            let is_last = index + 1 == count;
            let front = Front::new(&stamp.part(index as u16, index * segment, piece.len(), is_last), None);
            self.waiting.push_back(Waiting { is_v4, interface, bytes: [front.bytes(), piece].concat() });
        }
        self.flush();
        Sent::Taken
    }

    /// Has a packet wait for [`flush`](Self::flush).
    pub(super) fn queue(&mut self, packet: &Outgoing<Hop>) {
        if self.waiting.len() >= WAITING_MAX {
            self.dropped += 1;
            return;
        }
        let stamp = &packet.stamp;
        let (is_v4, interface) = (is_v4(stamp.headers()), stamp.hop.interface);
        let bytes = [Front::new(stamp, None).bytes(), &packet.payload].concat();
        self.waiting.push_back(Waiting { is_v4, interface, bytes });
    }

    /// Sends what waits. `false`: a socket is full, something waits still.
    pub(super) fn flush(&mut self) -> bool {
        let mut tries = 0;
        while let Some(Waiting { is_v4, .. }) = self.waiting.front() {
            let Some(socket) = self.sockets.iter().find(|socket| socket.is_v4() == *is_v4) else {
                self.waiting.pop_front();
                continue;
            };
            let run = self.waiting.iter().take_while(|frame| frame.is_v4 == *is_v4);
            match socket.send_many(run.map(|frame| (frame.interface, &frame.bytes[..]))) {
                Ok(count) => {
                    tries = 0;
                    self.waiting.drain(..count.clamp(1, self.waiting.len()));
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return false,
                Err(error) if is_passing(&error) && tries < self.options.retries => tries += 1,
                Err(_) => {
                    tries = 0;
                    self.dropped += 1;
                    self.waiting.pop_front();
                }
            }
        }
        true
    }

    /// Ready when nothing waits and the socket that was full takes more.
    pub(super) fn poll_writable(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let Some(full) = self.waiting.front() else { return Poll::Ready(Ok(())) };
        let socket = self.sockets.iter().find(|socket| socket.is_v4() == full.is_v4);
        socket.map_or(Poll::Ready(Ok(())), |socket| socket.poll_writable(cx))
    }

    /// Sends what waits, as soon as the sockets take it.
    pub(super) fn poll_flush(&mut self, cx: &mut Context<'_>) {
        while !self.flush() {
            if self.poll_writable(cx).is_pending() {
                return;
            }
        }
    }
}

/// Whether a batch was refused because it is one.
fn refuses_to_cut(error: &io::Error) -> bool {
    matches!(error.raw_os_error(), Some(libc::EINVAL | libc::EMSGSIZE | libc::EIO | libc::EOPNOTSUPP))
}

#[cfg(test)]
#[path = "wire_tests.rs"]
mod tests;
