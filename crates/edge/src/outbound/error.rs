//! The ways in which connecting to a target fails.

use std::io;
use std::net::SocketAddr;

use crate::resolver::LookupError;

/// Why there is no connection; one variant for each answer a client can get.
///
/// Of several attempts the most telling error is reported, in the order of the variants: what the
/// target said itself comes first, what holds for a whole family of addresses ("this machine has no
/// IPv6") comes late.
#[derive(Debug, thiserror::Error)]
pub enum ConnectError {
    /// The target is there and listens to nobody on this port.
    #[error("the target refused the connection")]
    Refused,
    /// No connection, or no answer from a name server, within the limit.
    #[error("the target did not answer in time")]
    TimedOut,
    /// Every address of the target is refused by the address policy, or this machine's own firewall
    /// or routing table prohibits it. (What a firewall elsewhere rejects looks unreachable.)
    #[error("the target is not allowed")]
    NotAllowed,
    /// A limit of this machine or program: descriptors, memory, local ports, look-ups under way.
    #[error("a limit of this server is reached")]
    LimitReached,
    /// The network says that the target cannot be reached.
    #[error("the target is unreachable")]
    HostUnreachable,
    /// Anything else; the cause says what. A name server that answers with an error is here, as is
    /// a machine without one.
    #[error("connecting failed")]
    Failed(#[source] io::Error),
    /// There is no route to the target's network, or this machine has no such family of addresses.
    #[error("the target's network is unreachable")]
    NetworkUnreachable,
    /// The name does not exist or has no address.
    #[error("the target's name is unknown")]
    NameUnknown,
}

impl ConnectError {
    /// What the system's `error` means when it is the outcome of dialling `address`.
    pub(super) fn from_io(error: io::Error, address: SocketAddr) -> Self {
        use io::ErrorKind as Kind;
        match error.kind() {
            // A reset before the connection stands is a refusal in other words.
            Kind::ConnectionRefused | Kind::ConnectionReset => Self::Refused,
            Kind::TimedOut => Self::TimedOut,
            Kind::PermissionDenied => Self::NotAllowed,
            Kind::HostUnreachable => Self::HostUnreachable,
            Kind::NetworkUnreachable | Kind::NetworkDown => Self::NetworkUnreachable,
            Kind::OutOfMemory => Self::LimitReached,
            // In IPv4 no local port is left. In IPv6 it is far more often a machine that has no
            // address of its own to dial from.
            Kind::AddrNotAvailable if address.is_ipv4() => Self::LimitReached,
            Kind::AddrNotAvailable => Self::NetworkUnreachable,
            _ => Self::from_number(error),
        }
    }

    /// The errors for which the standard library has no kind.
    #[cfg(unix)]
    fn from_number(error: io::Error) -> Self {
        match error.raw_os_error() {
            Some(libc::EMFILE | libc::ENFILE | libc::ENOBUFS) => Self::LimitReached,
            Some(libc::EHOSTDOWN) => Self::HostUnreachable,
            Some(libc::EAFNOSUPPORT) => Self::NetworkUnreachable,
            _ => Self::Failed(error),
        }
    }

    #[cfg(not(unix))]
    fn from_number(error: io::Error) -> Self {
        Self::Failed(error)
    }

    /// The more telling one; `self` if they say the same.
    pub(super) fn or_more_telling(self, other: Self) -> Self {
        if other.rank() < self.rank() { other } else { self }
    }

    /// Its place in the order of the variants.
    fn rank(&self) -> u8 {
        match self {
            Self::Refused => 0,
            Self::TimedOut => 1,
            Self::NotAllowed => 2,
            Self::LimitReached => 3,
            Self::HostUnreachable => 4,
            Self::Failed(_) => 5,
            Self::NetworkUnreachable => 6,
            Self::NameUnknown => 7,
        }
    }
}

impl From<LookupError> for ConnectError {
    fn from(error: LookupError) -> Self {
        match error {
            LookupError::Unknown | LookupError::BadName => Self::NameUnknown,
            LookupError::TimedOut => Self::TimedOut,
            LookupError::Busy => Self::LimitReached,
            LookupError::NoServer(_) | LookupError::Failed(_) => Self::Failed(io::Error::other(error)),
        }
    }
}

#[cfg(test)]
#[path = "error_tests.rs"]
mod tests;
