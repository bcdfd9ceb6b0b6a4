//! The wire form of a target: that of RFC 1928 §5, in open requests as in SOCKS5.

use super::{Host, Target, TargetError};
use crate::parse::{Gather, Progress};

/// Longest encoding of a target: type, length byte, 255 bytes of name, port.
pub const MAX_TARGET_LEN: usize = 1 + 1 + 255 + 2;

/// Address type of four bytes (RFC 1928 §5, as all three).
const TYPE_V4: u8 = 1;
/// Address type of a length byte and that many bytes of name.
const TYPE_NAME: u8 = 3;
/// Address type of sixteen bytes.
const TYPE_V6: u8 = 4;

impl Target {
    /// Appends the wire form, that of RFC 1928 §5: type byte (1 IPv4, 3 name, 4 IPv6), the address
    /// (a name has a length byte before it), the port in network order. At most [`MAX_TARGET_LEN`] bytes.
    pub fn encode(&self, out: &mut Vec<u8>) {
        match &self.host {
            Host::V4(address) => {
                out.push(TYPE_V4);
                out.extend_from_slice(&address.octets());
            }
            Host::V6(address) => {
                out.push(TYPE_V6);
                out.extend_from_slice(&address.octets());
            }
            Host::Name(name) => {
                let bytes = name.as_str().as_bytes();
                // A name has at most MAX_NAME_LEN bytes, which fits a byte.
                out.extend_from_slice(&[TYPE_NAME, bytes.len() as u8]);
                out.extend_from_slice(bytes);
            }
        }
        out.extend_from_slice(&self.port.to_be_bytes());
    }
}

/// A complete encoding whose content nobody has judged yet.
///
/// Apart from [`Target`] because a SOCKS5 server has to take a request in whole before it may refuse what is in it.
pub(crate) struct Unchecked<'a> {
    address: Address<'a>,
    port: u16,
}

enum Address<'a> {
    V4([u8; 4]),
    V6([u8; 16]),
    Name(&'a [u8]),
}

impl<'a> Unchecked<'a> {
    /// Reads one encoding from the front of `bytes`, with its length; `None` while it is not complete.
    pub(crate) fn decode(bytes: &'a [u8]) -> Result<Option<(Self, usize)>, TargetError> {
        let Some((&kind, rest)) = bytes.split_first() else {
            return Ok(None);
        };
        let split = match kind {
            TYPE_V4 => rest.split_first_chunk().map(|(octets, rest)| (Address::V4(*octets), rest)),
            TYPE_V6 => rest.split_first_chunk().map(|(octets, rest)| (Address::V6(*octets), rest)),
            TYPE_NAME => rest
                .split_first()
                .and_then(|(&len, rest)| rest.split_at_checked(len.into()))
                .map(|(name, rest)| (Address::Name(name), rest)),
            other => return Err(TargetError::UnknownAddressType(other)),
        };
        let Some((address, rest)) = split else {
            return Ok(None);
        };
        let Some((port, rest)) = rest.split_first_chunk() else {
            return Ok(None);
        };
        let whole = Self { address, port: u16::from_be_bytes(*port) };
        Ok(Some((whole, bytes.len() - rest.len())))
    }

    /// Judges the content.
    pub(crate) fn check(&self) -> Result<Target, TargetError> {
        let host = match self.address {
            Address::V4(octets) => Host::V4(octets.into()),
            Address::V6(octets) => Host::V6(octets.into()),
            Address::Name(text) => Host::from_bytes(text)?,
        };
        Target::new(host, self.port)
    }
}

/// Reads encoded targets from a byte stream, one after another.
///
/// The sender's spelling does not matter: upper case, a trailing dot, or an address written as a name
/// come out as the one form that [`Target::encode`] writes. After an error the parser is of no more use.
pub struct TargetParser {
    gather: Gather<MAX_TARGET_LEN>,
}

impl TargetParser {
    /// A parser before its first byte.
    pub const fn new() -> Self {
        Self { gather: Gather::new() }
    }

    /// Takes the next bytes of the stream.
    ///
    /// # Errors
    /// The bytes are no target, whatever may follow.
    pub fn feed(&mut self, input: &[u8]) -> Result<Progress<Target>, TargetError> {
        self.gather.feed(input, |bytes| {
            let Some((unchecked, len)) = Unchecked::decode(bytes)? else {
                return Ok(None);
            };
            Ok(Some((unchecked.check()?, len)))
        })
    }
}

impl Default for TargetParser {
    fn default() -> Self {
        Self::new()
    }
}
