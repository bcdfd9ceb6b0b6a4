//! How a negotiation ends, and what the client is told about it.

use std::net::{IpAddr, SocketAddr};

use thiserror::Error;

use super::{LOGIN_VERSION, METHOD_NONE_ACCEPTABLE, VERSION};
use crate::open::OpenReply;
use crate::target::TargetError;

/// Reply codes (RFC 1928 §6).
pub(super) mod code {
    pub(in crate::socks5) const SUCCEEDED: u8 = 0x00;
    pub(in crate::socks5) const FAILURE: u8 = 0x01;
    pub(in crate::socks5) const NOT_ALLOWED: u8 = 0x02;
    pub(in crate::socks5) const NETWORK_UNREACHABLE: u8 = 0x03;
    pub(in crate::socks5) const HOST_UNREACHABLE: u8 = 0x04;
    pub(in crate::socks5) const REFUSED: u8 = 0x05;
    pub(in crate::socks5) const COMMAND_NOT_SUPPORTED: u8 = 0x07;
    pub(in crate::socks5) const ADDRESS_TYPE_NOT_SUPPORTED: u8 = 0x08;
}

/// Why a negotiation ended without a target. All but the last are the client's doing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum Socks5Error {
    /// The first byte is not a SOCKS5 greeting's; something else speaks here.
    #[error("this port speaks SOCKS5, but {}", guess_client(*.0))]
    NotSocks5(u8),
    /// The client offered no method that the server takes.
    #[error("the client offered no acceptable method; {}", wanted_method(*.login))]
    NoAcceptableMethod {
        /// Whether the server wants a login.
        login: bool,
    },
    /// The login's version byte is wrong.
    #[error("the login has version {0:#04x}; it must be 0x01 (RFC 1929)")]
    LoginVersion(u8),
    /// User name or password of no length, which RFC 1929 does not know.
    #[error("the login has an empty user name or password")]
    EmptyLogin,
    /// Another user name or password than the listener's.
    #[error("the user name or the password is wrong")]
    WrongLogin,
    /// The request's version byte is wrong.
    #[error("the request has version {0:#04x}; it must be 0x05 (RFC 1928)")]
    RequestVersion(u8),
    /// A command other than CONNECT.
    #[error("command {0:#04x} is not supported; only CONNECT (0x01) is")]
    UnsupportedCommand(u8),
    /// The request's target is not one.
    #[error("the request cannot be served: {0}")]
    Target(#[from] TargetError),
    /// [`Socks5::feed`](super::Socks5::feed) was called after it had given its result.
    #[error("the SOCKS5 negotiation is over")]
    Over,
}

/// What a connection that is not SOCKS5 looks like, from its first byte.
fn guess_client(first: u8) -> &'static str {
    match first {
        4 => "the client speaks SOCKS4; set it to SOCKS5",
        // CONNECT, DELETE, GET, HEAD, OPTIONS, POST or PUT or PATCH, TRACE
        b'C' | b'D' | b'G' | b'H' | b'O' | b'P' | b'T' => {
            "the client seems to speak HTTP; set it to a SOCKS5 proxy, not an HTTP proxy (socks5h://…)"
        }
        0x16 => "the client seems to speak TLS; set it to a SOCKS5 proxy (socks5h://…)",
        _ => "the client's first byte is not 0x05",
    }
}

fn wanted_method(login: bool) -> &'static str {
    if login {
        "this listener wants a user name and a password (method 0x02)"
    } else {
        "this listener wants none (method 0x00)"
    }
}

impl Socks5Error {
    /// What the client is told before the connection is closed; nothing if it may not speak SOCKS5 at all.
    pub(super) fn answer(self) -> Vec<u8> {
        match self {
            Self::NotSocks5(_) | Self::LoginVersion(_) | Self::RequestVersion(_) | Self::Over => Vec::new(),
            Self::NoAcceptableMethod { .. } => vec![VERSION, METHOD_NONE_ACCEPTABLE],
            Self::EmptyLogin | Self::WrongLogin => vec![LOGIN_VERSION, code::FAILURE],
            Self::UnsupportedCommand(_) => failure(code::COMMAND_NOT_SUPPORTED),
            Self::Target(TargetError::UnknownAddressType(_)) => failure(code::ADDRESS_TYPE_NOT_SUPPORTED),
            Self::Target(TargetError::BadPort) => failure(code::FAILURE),
            // All others are about the name: it cannot exist.
            Self::Target(_) => failure(code::HOST_UNREACHABLE),
        }
    }
}

/// The reply to a request, once the stream is open or has failed (RFC 1928 §6).
///
/// `bound` is the address the client is told for a connection; a failure has none and says `0.0.0.0:0`.
/// 10 bytes, or 22 with an IPv6 address.
pub fn reply(outcome: OpenReply, bound: SocketAddr) -> Vec<u8> {
    match outcome {
        OpenReply::Connected => encode_reply(code::SUCCEEDED, bound),
        OpenReply::Refused => failure(code::REFUSED),
        OpenReply::HostUnreachable | OpenReply::NameUnknown | OpenReply::TimedOut => failure(code::HOST_UNREACHABLE),
        OpenReply::NetworkUnreachable => failure(code::NETWORK_UNREACHABLE),
        OpenReply::NotAllowed => failure(code::NOT_ALLOWED),
        OpenReply::Unsupported => failure(code::COMMAND_NOT_SUPPORTED),
        OpenReply::LimitReached | OpenReply::Failed => failure(code::FAILURE),
    }
}

fn failure(code: u8) -> Vec<u8> {
    encode_reply(code, SocketAddr::from(([0, 0, 0, 0], 0)))
}

fn encode_reply(code: u8, bound: SocketAddr) -> Vec<u8> {
    let mut out = vec![VERSION, code, 0];
    // A listener on both families knows an IPv4 client under a mapped address.
    match bound.ip().to_canonical() {
        IpAddr::V4(address) => {
            out.push(1);
            out.extend_from_slice(&address.octets());
        }
        IpAddr::V6(address) => {
            out.push(4);
            out.extend_from_slice(&address.octets());
        }
    }
    out.extend_from_slice(&bound.port().to_be_bytes());
    out
}
