//! Where a stream is to go: a host and a port, and the one door through which they come in.
//!
//! The server refuses private and other addresses by policy, so a host must not be able to reach the
//! resolver under a spelling that a resolver would read as an address. Hence: text that is an address
//! *becomes* one here, and text whose last label is a number but which is no plain address
//! (`127.1`, `2130706433`, `0x7f.1`, `010.0.0.1`) is refused, as the WHATWG URL standard does
//! ("ends in a number").

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::str::FromStr;

use thiserror::Error;

mod name;
mod wire;

pub use name::{MAX_LABEL_LEN, MAX_NAME_LEN, Name};
pub(crate) use wire::Unchecked;
pub use wire::{MAX_TARGET_LEN, TargetParser};

/// Why bytes or text are not a target.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum TargetError {
    /// The name has no characters.
    #[error("the host name is empty")]
    EmptyName,
    /// The name is longer than [`MAX_NAME_LEN`].
    #[error("the host name has {0} bytes; at most {MAX_NAME_LEN} are allowed")]
    NameTooLong(usize),
    /// A label (the part between two dots) is empty or longer than [`MAX_LABEL_LEN`].
    #[error("a label of the host name has {0} bytes; 1 to {MAX_LABEL_LEN} are allowed between two dots")]
    BadLabel(usize),
    /// The name has a byte that is no letter, digit, hyphen, underscore or dot.
    #[error(
        "the host name has '{}' as its byte {at}; letters, digits, '-', '_' and '.' are allowed \
         (write an international name in its xn-- form)",
        .byte.escape_ascii()
    )]
    BadCharacter {
        /// The byte.
        byte: u8,
        /// Where it stands, counted from 1.
        at: usize,
    },
    /// The last label is a number, but the whole is no address: `127.1`, `0x7f.1`, `1.2.3.256`.
    #[error("the host ends in a number but is no IPv4 address of the form 192.0.2.1")]
    EndsInNumber,
    /// An address in brackets is not an IPv6 address.
    #[error("what stands in brackets is not an IPv6 address")]
    BadBrackets,
    /// Port 0, or text that is no number up to 65535.
    #[error("the port is not a number from 1 to 65535")]
    BadPort,
    /// Text without `:port` behind the host.
    #[error("the port is missing; write host:port or [IPv6 address]:port")]
    MissingPort,
    /// An address type other than 1 (IPv4), 3 (name) and 4 (IPv6).
    #[error("address type {0:#04x} is unknown; 1 (IPv4), 3 (name) and 4 (IPv6) are known")]
    UnknownAddressType(u8),
}

/// A host: an address, or a name that somebody still has to resolve.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Host {
    /// An IPv4 address.
    V4(Ipv4Addr),
    /// An IPv6 address, kept as written; see [`Host::canonical`].
    V6(Ipv6Addr),
    /// A domain name.
    Name(Name),
}

impl Host {
    /// Reads a host as applications write it: an IPv4 address, an IPv6 address (bare or in brackets) or a name.
    ///
    /// # Errors
    /// As [`Name::new`]; a byte that is not ASCII is a [`TargetError::BadCharacter`].
    pub fn from_bytes(text: &[u8]) -> Result<Self, TargetError> {
        if let Some(index) = text.iter().position(|byte| !byte.is_ascii()) {
            return Err(TargetError::BadCharacter { byte: text[index], at: index + 1 });
        }
        // ASCII is UTF-8: the lossy form is the text itself, and borrowed.
        String::from_utf8_lossy(text).parse()
    }

    /// The address, unless the host is a name.
    pub fn ip(&self) -> Option<IpAddr> {
        match self {
            Self::V4(address) => Some(IpAddr::V4(*address)),
            Self::V6(address) => Some(IpAddr::V6(*address)),
            Self::Name(_) => None,
        }
    }

    /// The host that a connection would really reach: an IPv4-mapped address (`::ffff:a.b.c.d`,
    /// RFC 4291 §2.5.5.2) becomes the IPv4 address inside it. Address policy judges this form.
    #[must_use]
    pub fn canonical(&self) -> Self {
        match self {
            Self::V6(address) => address.to_canonical().into(),
            other => other.clone(),
        }
    }
}

impl FromStr for Host {
    type Err = TargetError;

    fn from_str(text: &str) -> Result<Self, TargetError> {
        if let Some(inside) = text.strip_prefix('[') {
            let address = inside.strip_suffix(']').and_then(|inside| inside.parse().ok());
            return address.map(Self::V6).ok_or(TargetError::BadBrackets);
        }
        if let Ok(address) = text.parse() {
            return Ok(Self::V6(address));
        }
        // "127.0.0.1." is the same address with the root's dot, and resolvers take it for one.
        if let Ok(address) = text.strip_suffix('.').unwrap_or(text).parse() {
            return Ok(Self::V4(address));
        }
        Name::new(text).map(Self::Name)
    }
}

impl From<IpAddr> for Host {
    fn from(address: IpAddr) -> Self {
        match address {
            IpAddr::V4(address) => Self::V4(address),
            IpAddr::V6(address) => Self::V6(address),
        }
    }
}

impl fmt::Display for Host {
    /// An IPv6 address is written without brackets.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::V4(address) => address.fmt(f),
            Self::V6(address) => address.fmt(f),
            Self::Name(name) => name.fmt(f),
        }
    }
}

/// Where a stream is to go. Text form: `host:port` or `[IPv6 address]:port`.
///
/// [`Target::new`] checks; the fields are public to be read and matched.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Target {
    /// The host.
    pub host: Host,
    /// The TCP port, 1 to 65535.
    pub port: u16,
}

impl Target {
    /// A target, if the port is not 0.
    ///
    /// # Errors
    /// [`TargetError::BadPort`].
    pub fn new(host: Host, port: u16) -> Result<Self, TargetError> {
        if port == 0 { Err(TargetError::BadPort) } else { Ok(Self { host, port }) }
    }
}

impl FromStr for Target {
    type Err = TargetError;

    fn from_str(text: &str) -> Result<Self, TargetError> {
        let (host, port) = text.rsplit_once(':').ok_or(TargetError::MissingPort)?;
        // An IPv6 address outside brackets has no port that could be told from its last group.
        if host.contains(':') && !host.ends_with(']') {
            return Err(TargetError::MissingPort);
        }
        if port.is_empty() || !port.bytes().all(|byte| byte.is_ascii_digit()) {
            return Err(TargetError::BadPort);
        }
        Self::new(host.parse()?, port.parse().map_err(|_| TargetError::BadPort)?)
    }
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.host {
            Host::V6(address) => write!(f, "[{address}]:{}", self.port),
            host => write!(f, "{host}:{}", self.port),
        }
    }
}
