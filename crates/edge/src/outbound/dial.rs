//! Several addresses, one connection: happy eyeballs (RFC 8305).
//!
//! Attempts begin with IPv6 and alternate between the families, each with a head start over the
//! next; when one fails, the next begins at once. Answers join the race as they come. The first
//! connection wins; the other attempts are dropped, and with them their sockets.

use std::collections::VecDeque;
use std::future::{Future, poll_fn};
use std::io;
use std::net::SocketAddr;
use std::pin::{Pin, pin};
use std::task::Poll;

use socket2::SockRef;
use tokio::net::{TcpSocket, TcpStream};
use tokio::time::{Instant, sleep, sleep_until};

use super::{ConnectError, OutboundOptions};
use crate::socket::{self, SocketOptions};

/// Makes one connection to one address. Dropping the future gives the attempt up.
pub(super) trait Dialler {
    type Connection;
    fn dial(&self, address: SocketAddr) -> impl Future<Output = io::Result<Self::Connection>>;
}

/// The kernel's TCP.
#[derive(Debug)]
pub(super) struct TcpDialler(SocketOptions);

impl TcpDialler {
    pub(super) fn new(options: SocketOptions) -> Self {
        Self(options)
    }
}

impl Dialler for TcpDialler {
    type Connection = TcpStream;

    async fn dial(&self, address: SocketAddr) -> io::Result<TcpStream> {
        let socket = match address {
            SocketAddr::V4(_) => TcpSocket::new_v4()?,
            SocketAddr::V6(_) => TcpSocket::new_v6()?,
        };
        socket::apply(SockRef::from(&socket), &self.0)?;
        socket.connect(address).await
    }
}

/// The addresses of one family: at least one, or why none.
pub(super) type Targets = Result<Vec<SocketAddr>, ConnectError>;

/// Connects to the first target that answers. `v6` and `v4` are look-ups under way.
///
/// # Errors
/// The most telling of all that went wrong; after `connect_timeout` at least
/// [`ConnectError::TimedOut`].
pub(super) async fn race<D: Dialler>(
    dialler: &D,
    options: &OutboundOptions,
    v6: impl Future<Output = Targets>,
    v4: impl Future<Output = Targets>,
) -> Result<D::Connection, ConnectError> {
    let mut race = Race::new(dialler, options);
    let mut deadline = pin!(sleep(options.connect_timeout));
    let (mut v6, mut v4) = (pin!(v6), pin!(v4));
    let (mut v6_open, mut v4_open) = (true, true);
    loop {
        race.start_what_is_due();
        if race.is_idle() && !v6_open && !v4_open {
            return Err(race.verdict());
        }
        tokio::select! {
            biased;
            outcome = first_of(&mut race.attempts), if !race.attempts.is_empty() => match outcome {
                Ok(connection) => return Ok(connection),
                Err(error) => race.failed(error),
            },
            answer = &mut v6, if v6_open => {
                v6_open = false;
                race.answered(answer);
                race.open_by(Instant::now());
            }
            answer = &mut v4, if v4_open => {
                v4_open = false;
                race.answered(answer);
                if v6_open {
                    race.open_by(Instant::now() + options.resolution_delay);
                }
            }
            () = sleep_until(race.next_start), if race.may_start() => {}
            () = &mut deadline => {
                race.note(ConnectError::TimedOut);
                return Err(race.verdict());
            }
        }
    }
}

type Attempt<'a, C> = Pin<Box<dyn Future<Output = Result<C, ConnectError>> + 'a>>;

struct Race<'a, D: Dialler> {
    dialler: &'a D,
    options: &'a OutboundOptions,
    candidates: Candidates,
    /// Bounded by `options.max_attempts`.
    attempts: Vec<Attempt<'a, D::Connection>>,
    started: usize,
    /// Before this, no attempt begins.
    next_start: Instant,
    /// The most telling error so far.
    error: Option<ConnectError>,
}

impl<'a, D: Dialler> Race<'a, D> {
    fn new(dialler: &'a D, options: &'a OutboundOptions) -> Self {
        Self {
            dialler,
            options,
            candidates: Candidates::default(),
            attempts: Vec::new(),
            started: 0,
            next_start: Instant::now(),
            error: None,
        }
    }

    fn may_start(&self) -> bool {
        self.started < self.options.max_attempts.max(1) && !self.candidates.is_empty()
    }

    fn start_what_is_due(&mut self) {
        let now = Instant::now();
        if !self.may_start() || now < self.next_start {
            return;
        }
        if let Some(address) = self.candidates.next() {
            let dialler = self.dialler;
            self.attempts.push(Box::pin(async move {
                let outcome = dialler.dial(address).await;
                outcome.map_err(|error| ConnectError::from_io(error, address))
            }));
            self.started += 1;
            self.next_start = now + self.options.attempt_delay;
        }
    }

    /// Neither under way nor able to be, unless another answer comes.
    fn is_idle(&self) -> bool {
        self.attempts.is_empty() && !self.may_start()
    }

    fn answered(&mut self, answer: Targets) {
        match answer {
            Ok(targets) => self.candidates.add(targets),
            Err(error) => self.note(error),
        }
    }

    /// Sets the time of the first attempt, if there was none yet.
    fn open_by(&mut self, at: Instant) {
        if self.started == 0 {
            self.next_start = at;
        }
    }

    /// An attempt failed: the next one need not wait for it any more.
    fn failed(&mut self, error: ConnectError) {
        self.note(error);
        self.next_start = Instant::now();
    }

    fn note(&mut self, error: ConnectError) {
        self.error = Some(match self.error.take() {
            Some(known) => known.or_more_telling(error),
            None => error,
        });
    }

    fn verdict(&mut self) -> ConnectError {
        // Two answers without an address and no error are two names without an address.
        self.error.take().unwrap_or(ConnectError::NameUnknown)
    }
}

/// Addresses still to be tried, by family, each family in the order it was answered.
#[derive(Default)]
struct Candidates {
    v6: VecDeque<SocketAddr>,
    v4: VecDeque<SocketAddr>,
    last_was_v6: bool,
}

impl Candidates {
    fn add(&mut self, targets: Vec<SocketAddr>) {
        for target in targets {
            match target {
                SocketAddr::V6(_) => self.v6.push_back(target),
                SocketAddr::V4(_) => self.v4.push_back(target),
            }
        }
    }

    fn is_empty(&self) -> bool {
        self.v6.is_empty() && self.v4.is_empty()
    }

    /// The other family's next, if it has one; IPv6 first of all.
    fn next(&mut self) -> Option<SocketAddr> {
        let turn_of_v6 = !self.last_was_v6;
        self.last_was_v6 = if turn_of_v6 { !self.v6.is_empty() } else { self.v4.is_empty() };
        if self.last_was_v6 { self.v6.pop_front() } else { self.v4.pop_front() }
    }
}

/// The outcome of the attempt that ends first; it leaves the list. Waits for ever on an empty list.
async fn first_of<C>(attempts: &mut Vec<Attempt<'_, C>>) -> Result<C, ConnectError> {
    poll_fn(|context| {
        for slot in 0..attempts.len() {
            if let Poll::Ready(outcome) = attempts[slot].as_mut().poll(context) {
                drop(attempts.swap_remove(slot));
                return Poll::Ready(outcome);
            }
        }
        Poll::Pending
    })
    .await
}

#[cfg(test)]
#[path = "dial_tests.rs"]
mod tests;
