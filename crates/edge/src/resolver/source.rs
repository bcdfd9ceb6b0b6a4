//! What a resolver asks, and what it can hear back.

use std::error::Error;
use std::future::Future;
use std::net::IpAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

/// Which addresses are asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Family {
    /// IPv4: A records.
    V4,
    /// IPv6: AAAA records.
    V6,
}

impl Family {
    /// Whether `address` is of this family.
    pub fn has(self, address: IpAddr) -> bool {
        match self {
            Self::V4 => address.is_ipv4(),
            Self::V6 => address.is_ipv6(),
        }
    }
}

/// Why there is no address.
#[derive(Clone, Debug, thiserror::Error)]
pub enum LookupError {
    /// The name does not exist, or has no address of this family.
    #[error("the name does not exist or has no address of this kind")]
    Unknown,
    /// No host can have this name; nobody was asked.
    #[error("not a host name: labels of 1 to 63 letters, digits, '-' or '_', at most 253 in all")]
    BadName,
    /// No answer within the limit.
    #[error("no name server answered in time")]
    TimedOut,
    /// Too many look-ups are under way; nobody was asked.
    #[error("too many look-ups are under way")]
    Busy,
    /// This machine has no usable name server, so that only addresses and the names of its hosts
    /// file work. The cause says what is wrong with its configuration.
    #[error("this machine has no usable name server (see its resolv.conf)")]
    NoServer(#[source] Arc<dyn Error + Send + Sync>),
    /// The name servers answered, but with an error, or could not be reached.
    #[error("the look-up failed")]
    Failed(#[source] Arc<dyn Error + Send + Sync>),
}

/// What a source found out.
#[derive(Clone, Debug)]
pub struct Reply {
    /// The addresses in their order, or why there are none. Empty means [`LookupError::Unknown`].
    pub result: Result<Vec<IpAddr>, LookupError>,
    /// How long the name's owner lets this be kept; `None` if nothing is said.
    pub ttl: Option<Duration>,
}

impl From<LookupError> for Reply {
    fn from(error: LookupError) -> Self {
        Self { result: Err(error), ttl: None }
    }
}

/// A look-up under way at a source. It owns what it needs.
pub type ReplyFuture = Pin<Box<dyn Future<Output = Reply>>>;

/// Where a resolver asks. It neither caches nor merges nor limits: the resolver does, and may drop a
/// look-up at any moment.
pub trait DnsSource {
    /// Asks for the addresses of `name`: lower case, labels of letters, digits, `-` and `_`, no
    /// trailing dot, and absolute all the same.
    fn look_up(&self, name: &str, family: Family) -> ReplyFuture;
}
