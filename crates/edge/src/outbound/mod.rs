//! Where streams leave: TCP connections to targets.
//!
//! A target is a name or an address. Names are resolved, each address is held against the
//! [`AddressPolicy`], and what remains is raced (RFC 8305). The address that was checked is the
//! address that is dialled: no second look-up lies between, so that a name which changes its answer
//! in the meantime gains nothing.

mod dial;
mod error;
mod policy;

use ginnel_proto::limits::Limits;
pub use ginnel_proto::limits::{ATTEMPT_DELAY, CONNECT_TIMEOUT, MAX_ATTEMPTS, RESOLUTION_DELAY};
use std::cell::RefCell;
use std::net::{IpAddr, SocketAddr};
use std::rc::Rc;
use std::time::Duration;

use tokio::net::TcpStream;

use crate::resolver::{Answer, Family, Resolver};
use crate::socket::SocketOptions;
use dial::{Dialler, TcpDialler};
pub use error::ConnectError;
pub use policy::AddressPolicy;

/// How connections are made; the defaults are the constants of [`limits`](ginnel_proto::limits).
#[derive(Clone, Debug)]
pub struct OutboundOptions {
    /// See [`CONNECT_TIMEOUT`].
    pub connect_timeout: Duration,
    /// See [`ATTEMPT_DELAY`].
    pub attempt_delay: Duration,
    /// See [`RESOLUTION_DELAY`].
    pub resolution_delay: Duration,
    /// See [`MAX_ATTEMPTS`]. At least 1 is used.
    pub max_attempts: usize,
    /// Set on each dialled socket, before it connects.
    pub socket: SocketOptions,
}

impl OutboundOptions {
    /// As the limits say.
    pub fn new(limits: &Limits) -> Self {
        Self { connect_timeout: limits.connect_time, socket: SocketOptions::new(limits), ..Self::default() }
    }
}

impl Default for OutboundOptions {
    fn default() -> Self {
        Self {
            connect_timeout: CONNECT_TIMEOUT,
            attempt_delay: ATTEMPT_DELAY,
            resolution_delay: RESOLUTION_DELAY,
            max_attempts: MAX_ATTEMPTS,
            socket: SocketOptions::default(),
        }
    }
}

/// The TCP outbound. Cheap to clone; lives on one thread, in a `tokio` `LocalSet` or `LocalRuntime`.
#[derive(Clone, Debug)]
pub struct Outbound(Rc<Inner>);

#[derive(Debug)]
struct Inner {
    resolver: Resolver,
    /// Each connection keeps those that it began with.
    manner: RefCell<Rc<Manner>>,
}

/// What may be dialled, and how.
#[derive(Debug)]
struct Manner {
    policy: AddressPolicy,
    options: OutboundOptions,
    dialler: TcpDialler,
}

impl Manner {
    fn new(policy: AddressPolicy, options: OutboundOptions) -> Rc<Self> {
        let dialler = TcpDialler::new(options.socket.clone());
        Rc::new(Self { policy, options, dialler })
    }
}

impl Outbound {
    /// An outbound that asks `resolver` and dials what `policy` permits.
    pub fn new(resolver: Resolver, policy: AddressPolicy, options: OutboundOptions) -> Self {
        Self(Rc::new(Inner { resolver, manner: RefCell::new(Manner::new(policy, options)) }))
    }

    /// Dials in another way from now on.
    pub fn change(&self, policy: AddressPolicy, options: OutboundOptions) {
        *self.0.manner.borrow_mut() = Manner::new(policy, options);
    }

    /// The resolver that is asked.
    pub fn resolver(&self) -> &Resolver {
        &self.0.resolver
    }

    fn manner(&self) -> Rc<Manner> {
        self.0.manner.borrow().clone()
    }

    /// Connects to the first address of `name` that answers. A name that is an address in letters
    /// is dialled as that address. Dropping the future closes everything that it began.
    ///
    /// # Errors
    /// The most telling one of all attempts: see [`ConnectError`].
    pub async fn connect_name(&self, name: &str, port: u16) -> Result<TcpStream, ConnectError> {
        if let Ok(address) = name.parse::<IpAddr>() {
            return self.connect_addr(SocketAddr::new(address, port)).await;
        }
        let manner = self.manner();
        let v6 = self.targets(name, Family::V6, port, &manner.policy);
        let v4 = self.targets(name, Family::V4, port, &manner.policy);
        dial::race(&manner.dialler, &manner.options, v6, v4).await
    }

    /// Connects to one address. An IPv4 address written as an IPv6 one (`::ffff:192.0.2.1`) is
    /// dialled as IPv4.
    ///
    /// # Errors
    /// See [`ConnectError`].
    pub async fn connect_addr(&self, address: SocketAddr) -> Result<TcpStream, ConnectError> {
        let (address, manner) = (canonical(address), self.manner());
        if !manner.policy.permits(address.ip()) {
            return Err(ConnectError::NotAllowed);
        }
        let dialled = manner.dialler.dial(address);
        match tokio::time::timeout(manner.options.connect_timeout, dialled).await {
            Ok(outcome) => outcome.map_err(|error| ConnectError::from_io(error, address)),
            Err(_) => Err(ConnectError::TimedOut),
        }
    }

    async fn targets(
        &self,
        name: &str,
        family: Family,
        port: u16,
        policy: &AddressPolicy,
    ) -> Result<Vec<SocketAddr>, ConnectError> {
        let answer = self.0.resolver.look_up(name, family).await;
        permitted(answer, policy, port)
    }
}

/// The part of an answer that may be dialled. An answer of which nothing remains is
/// [`ConnectError::NotAllowed`].
fn permitted(answer: Answer, policy: &AddressPolicy, port: u16) -> Result<Vec<SocketAddr>, ConnectError> {
    let found = answer?;
    let targets = found
        .iter()
        .map(|&address| canonical(SocketAddr::new(address, port)))
        .filter(|target| policy.permits(target.ip()));
    let targets: Vec<_> = targets.collect();
    if targets.is_empty() {
        return Err(ConnectError::NotAllowed);
    }
    Ok(targets)
}

/// One address has one form, so that the policy and the kernel see the same.
fn canonical(address: SocketAddr) -> SocketAddr {
    match address.ip().to_canonical() {
        IpAddr::V4(v4) => SocketAddr::new(v4.into(), address.port()),
        // As it came: a link-local address carries its scope.
        IpAddr::V6(_) => address,
    }
}

#[cfg(test)]
#[path = "mod_tests.rs"]
mod tests;
