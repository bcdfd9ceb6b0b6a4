//! The open request, which a client writes as the first bytes of every stream, and the server's one-byte answer.
//!
//! ```text
//! client → server   kind (1 byte, 0x01 = TCP stream) · target · the application's bytes, at once
//! server → client   open reply (1 byte) · the target's bytes, if the reply is Connected
//! ```

use std::fmt;

use thiserror::Error;

use crate::parse::Progress;
use crate::target::{MAX_TARGET_LEN, Target, TargetError, TargetParser};

/// Longest open request in bytes.
pub const MAX_OPEN_REQUEST_LEN: usize = 1 + MAX_TARGET_LEN;

/// Version and kind of a request in one byte: the first version, a TCP stream.
const KIND_TCP: u8 = 0x01;

/// Why bytes are not an open request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum OpenError {
    /// The first byte is none that this version knows.
    #[error("open request of kind {0:#04x}; this version knows {KIND_TCP:#04x} (TCP stream)")]
    UnknownKind(u8),
    /// The target is not one.
    #[error("open request: {0}")]
    Target(#[from] TargetError),
}

impl OpenError {
    /// What the server answers to such a request.
    pub const fn reply(self) -> OpenReply {
        match self {
            Self::UnknownKind(_) | Self::Target(TargetError::UnknownAddressType(_)) => OpenReply::Unsupported,
            Self::Target(_) => OpenReply::Failed,
        }
    }
}

/// A client's wish for one stream to a target.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct OpenRequest {
    /// Where the stream is to go.
    pub target: Target,
}

impl OpenRequest {
    /// Appends the wire form: the kind byte, then the target. At most [`MAX_OPEN_REQUEST_LEN`] bytes.
    pub fn encode(&self, out: &mut Vec<u8>) {
        out.push(KIND_TCP);
        self.target.encode(out);
    }
}

/// Reads one open request from the front of a stream.
///
/// The bytes behind it are the application's and stay with the caller. After a request the parser is as new,
/// after an error it is of no more use.
#[derive(Default)]
pub struct OpenRequestParser {
    kind: Option<u8>,
    target: TargetParser,
}

impl OpenRequestParser {
    /// A parser before its first byte.
    pub const fn new() -> Self {
        Self { kind: None, target: TargetParser::new() }
    }

    /// Takes the next bytes of the stream.
    ///
    /// # Errors
    /// The bytes are no open request, whatever may follow; [`OpenError::reply`] is the answer to give.
    pub fn feed(&mut self, input: &[u8]) -> Result<Progress<OpenRequest>, OpenError> {
        let (kind, rest) = match (self.kind, input.split_first()) {
            (Some(kind), _) => (kind, input),
            (None, Some((&kind, rest))) => (kind, rest),
            (None, None) => return Ok(Progress::NeedMore),
        };
        self.kind = Some(kind);
        if kind != KIND_TCP {
            return Err(OpenError::UnknownKind(kind));
        }
        Ok(match self.target.feed(rest)? {
            Progress::NeedMore => Progress::NeedMore,
            Progress::Done { value: target, consumed } => {
                self.kind = None;
                let consumed = input.len() - rest.len() + consumed;
                Progress::Done { value: OpenRequest { target }, consumed }
            }
        })
    }
}

/// The server's answer to an open request: one code for each way to fail.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum OpenReply {
    /// The target is connected; its bytes follow.
    Connected = 0,
    /// The target's host answered that nobody listens on the port.
    Refused = 1,
    /// There is no way to the host.
    HostUnreachable = 2,
    /// The name does not exist or has no address.
    NameUnknown = 3,
    /// The look-up or the connection took longer than its limit.
    TimedOut = 4,
    /// There is no way to the host's network.
    NetworkUnreachable = 5,
    /// The server's policy forbids this target.
    NotAllowed = 6,
    /// A limit on streams or another resource is reached.
    LimitReached = 7,
    /// The server does not know this kind of request or address.
    Unsupported = 8,
    /// Anything else.
    Failed = 9,
}

/// A reply byte that this version does not know.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("open reply {0:#04x} is unknown; 0x00 to 0x09 are known")]
pub struct UnknownOpenReply(pub u8);

impl OpenReply {
    /// Every reply, in the order of the wire codes.
    pub const ALL: [Self; 10] = [
        Self::Connected,
        Self::Refused,
        Self::HostUnreachable,
        Self::NameUnknown,
        Self::TimedOut,
        Self::NetworkUnreachable,
        Self::NotAllowed,
        Self::LimitReached,
        Self::Unsupported,
        Self::Failed,
    ];

    /// The reply that a byte stands for.
    ///
    /// # Errors
    /// No reply has this code.
    pub fn from_byte(byte: u8) -> Result<Self, UnknownOpenReply> {
        Self::ALL.get(usize::from(byte)).copied().ok_or(UnknownOpenReply(byte))
    }

    /// The wire code.
    pub const fn to_byte(self) -> u8 {
        self as u8
    }
}

impl fmt::Display for OpenReply {
    /// A sentence without its capital and full stop, for people.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Connected => "the target is connected",
            Self::Refused => "the target refused the connection",
            Self::HostUnreachable => "the server finds no way to the target's host",
            Self::NameUnknown => "the target's name does not exist or has no address",
            Self::TimedOut => "the target did not answer in time",
            Self::NetworkUnreachable => "the server finds no way to the target's network",
            Self::NotAllowed => "the server does not allow this target",
            Self::LimitReached => "the server has reached a limit; try again later",
            Self::Unsupported => "the server does not know this kind of request; it may be older than the client",
            Self::Failed => "the server could not open the target",
        })
    }
}
