//! What goes through a carrier, whichever it is.

use crate::rawtcp::Mark;
use bytes::BytesMut;
use std::io;
use std::net::SocketAddr;

/// Datagrams of one length from one address, as the system put them together.
pub struct Received {
    /// Who sent them.
    pub remote: SocketAddr,
    /// The local address and port that they were sent to; the address is unspecified where the
    /// system does not tell.
    pub local: SocketAddr,
    /// Length of each datagram; the last may be shorter.
    pub segment: usize,
    /// All of them, end to end, in an allocation of their own.
    pub data: BytesMut,
    /// What the carrier wants to be told of their judgement, where it does.
    pub mark: Option<Mark>,
}

/// What became of a batch.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Sent {
    /// The system has it.
    Taken,
    /// The socket is full: wait until it is writable and offer it again.
    Full,
    /// The system would not have it.
    Refused,
}

/// How a carrier sends.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct SendOptions {
    /// Packets that may wait in the sockets. Many ports share them out, but each may hold 256, or this if it is less.
    pub queue: usize,
    /// How often a batch is offered again that was refused for a passing reason.
    pub retries: u32,
}

/// Whether the same batch may be taken the next time.
pub(crate) fn is_passing(error: &io::Error) -> bool {
    matches!(error.raw_os_error(), Some(libc::ENOBUFS | libc::ENOMEM | libc::EINTR))
}
