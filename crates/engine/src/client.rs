//! A client's way to its server: the pool of its links, driven, and whoever waits for one.

use crate::clocks::Clocks;
use crate::shard::{Shard, now};
use crate::stream::Stream;
use crate::trace::Stage;
use ginnel_proto::carrier::CarrierKind;
use ginnel_proto::envelope::handshake::ClientKeys;
use ginnel_proto::envelope::hello::SessionKind;
use ginnel_proto::hub::{Event, Hub, LinkId, Time};
use ginnel_proto::keeper::pool::Pool;
use ginnel_proto::keeper::{Action, Candidate, Kept};
use ginnel_proto::limits::{CLOCK_TICK, SERVER_ADDRESSES, SERVER_LOOKUP_TIME};
use ginnel_proto::link::{self, Lost};
use ginnel_proto::ports::Ports;
use rustc_hash::FxHashMap;
use std::cell::RefCell;
use std::net::SocketAddr;
use std::pin::pin;
use std::rc::Rc;
use std::time::{Duration, Instant};
use thiserror::Error;
use tokio::sync::Notify;
use tokio::task::{AbortHandle, JoinSet};
use tokio::time::timeout;

/// A server as a share link names it.
#[derive(Clone, Debug)]
pub struct ServerAddress {
    /// How datagrams get there.
    pub carrier: CarrierKind,
    /// A name or an IP address.
    pub host: String,
    /// Its ports.
    pub ports: Ports,
    /// The keys to use with it.
    pub keys: ClientKeys,
}

impl ServerAddress {
    fn candidate(&self) -> Candidate {
        Candidate { carrier: self.carrier, keys: self.keys.clone(), ports: Some(self.ports.clone()) }
    }
}

/// A stream that can be had at once is had, however little patience there is.
const OPEN_LEAST: Duration = Duration::from_millis(1);

/// What a client reports of its links.
#[derive(Clone, PartialEq, Debug)]
pub enum Report {
    /// A link is up, and has carried something.
    Up {
        /// Which link.
        link: LinkId,
        /// The server's address.
        peer: SocketAddr,
        /// Its session.
        session: SessionKind,
        /// How its datagrams travel.
        carrier: CarrierKind,
        /// How long the handshake took.
        rtt: Duration,
        /// How far this machine's clock is ahead of the server's, seconds.
        clock_ahead: f64,
    },
    /// A link is down.
    Down {
        /// Which link.
        link: LinkId,
        /// The server's address.
        peer: SocketAddr,
        /// Why.
        why: Lost,
    },
    /// There is no link; the next round begins after a pause.
    Retry {
        /// The server that will be tried first, as the share link names it.
        peer: String,
        /// The pause.
        pause: Duration,
    },
}

/// Why a round-trip time could not be measured.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Error)]
pub enum ProbeError {
    /// There is no link.
    #[error("the link is down")]
    LinkDown,
    /// The link is up, and nothing came back in time.
    #[error("no answer on the link")]
    NoAnswer,
}

#[derive(Default)]
struct State {
    /// The pool's links, in order of their members.
    kept: Vec<Kept>,
    /// How many wait for a link.
    waiting: usize,
    /// The last echo of each link that is kept, and how many have come: whoever waits takes the next.
    echoes: FxHashMap<LinkId, (u64, Duration)>,
    keeping: Option<AbortHandle>,
}

impl State {
    /// Those links to use that are good: one that is doubted is waited for, whether it be trusted again or replaced.
    fn usable(&self, good: impl Fn(&Kept) -> bool) -> impl Iterator<Item = Kept> {
        self.kept.iter().copied().filter(move |kept| !kept.doubted && good(kept))
    }

    fn echoes(&self, link: LinkId) -> u64 {
        self.echoes.get(&link).map_or(0, |(count, _)| *count)
    }
}

/// A client's way to its server. Cloning is cheap.
#[derive(Clone)]
pub struct Client {
    shard: Shard,
    state: Rc<RefCell<State>>,
    /// Told whenever `state` has changed.
    changed: Rc<Notify>,
    /// Told when the first begins to wait for a link, and when nobody does any more.
    wanted: Rc<Notify>,
}

/// Somebody waits for a link.
struct Waiting<'a>(&'a Client);

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.wait(|waiting| waiting - 1);
    }
}

impl Client {
    /// Starts to keep so many links, from 1 to [`POOL_MAX`](ginnel_proto::limits::POOL_MAX), to the first of `servers` that answers.
    pub fn start(shard: Shard, servers: Vec<ServerAddress>, links: u16, report: impl Fn(Report) + 'static) -> Self {
        let client = Self { shard, state: Rc::default(), changed: Rc::default(), wanted: Rc::default() };
        let candidates: Vec<Candidate> = servers.iter().map(ServerAddress::candidate).collect();
        let pool = Pool::new(Instant::now(), links, &candidates, rand::random());
        let keeping = Keeping { client: client.clone(), pool, servers, lookups: JoinSet::new(), clocks: Clocks::new() };
        let keeping = tokio::task::spawn_local(keeping.run(report));
        client.state.borrow_mut().keeping = Some(keeping.abort_handle());
        client
    }

    /// The shard that the links are on.
    pub fn shard(&self) -> &Shard {
        &self.shard
    }

    /// Keeps the links no longer: when one goes, it is not brought up again.
    pub fn stop(&self) {
        if let Some(keeping) = self.state.borrow_mut().keeping.take() {
            keeping.abort();
        }
    }

    /// A link, its server's address and the time of its handshake: of those that can be used the one with the fewest
    /// streams. Waits for any of them up to `patience`. It need not have carried anything yet, though one that has goes
    /// first: the first stream travels with the confirmation of the handshake.
    pub async fn link(&self, patience: Duration) -> Option<(LinkId, SocketAddr, Duration)> {
        self.wait_for_link(patience, |_| true).await
    }

    /// The same, of a link that has carried something.
    pub async fn proven_link(&self, patience: Duration) -> Option<(LinkId, SocketAddr, Duration)> {
        self.wait_for_link(patience, |kept| kept.proven).await
    }

    async fn wait_for_link(
        &self,
        patience: Duration,
        good: impl Fn(&Kept) -> bool,
    ) -> Option<(LinkId, SocketAddr, Duration)> {
        let at_once = self.emptiest(&self.state.borrow(), &good);
        let kept = match at_once {
            Some(kept) => kept,
            None => {
                self.wait(|waiting| waiting + 1);
                let _waiting = Waiting(self);
                timeout(patience, self.wait_for(|state| self.emptiest(state, &good))).await.ok()?
            }
        };
        Some((kept.link, kept.peer, kept.rtt))
    }

    /// Of the links to use that are good the one with the fewest streams. One that has carried nothing yet may carry
    /// nothing at all, and of one that has just gone the pool may not know yet: they come last.
    fn emptiest(&self, state: &State, good: impl Fn(&Kept) -> bool) -> Option<Kept> {
        state.usable(good).min_by_key(|kept| {
            let streams = self.shard.streams_of(kept.link);
            (streams.is_none(), !kept.proven, streams)
        })
    }

    /// Changes how many wait for a link, and tells the pool when that begins or ends.
    fn wait(&self, change: impl FnOnce(usize) -> usize) {
        let waiting = &mut self.state.borrow_mut().waiting;
        let before = *waiting;
        *waiting = change(before);
        if (*waiting == 0) != (before == 0) {
            self.wanted.notify_one();
        }
    }

    /// Opens a stream, waiting for a link up to `patience`. Where that link goes while the stream waits for its turn
    /// there, another one is taken.
    pub async fn open(&self, patience: Duration) -> Option<Stream> {
        let began = std::time::Instant::now();
        let mut tried = None;
        loop {
            let (link, ..) = self.link(patience.saturating_sub(began.elapsed())).await?;
            if tried.replace(link) == Some(link) {
                return None;
            }
            let linked = std::time::Instant::now();
            // The server may allow no more streams now: whoever waits for that waits no longer in all.
            let left = patience.saturating_sub(began.elapsed());
            if let Some(stream) = timeout(left.max(OPEN_LEAST), self.shard.open(link)).await.ok()? {
                stream.end_first_stage(Stage::Queued, began, linked);
                return Some(stream);
            }
        }
    }

    /// Measures the round-trip time on a living link, the emptiest that is not doubted if there is one.
    pub async fn probe(&self, patience: Duration) -> Result<Duration, ProbeError> {
        let probe = async {
            loop {
                let living = |state: &mut State| self.emptiest(state, |_| true).or(state.kept.first().copied());
                let link = self.wait_for(living).await.link;
                let before = self.state.borrow().echoes(link);
                self.shard.with_hub(|hub, time| hub.probe(time, link));
                let echo = self.wait_for(|state| {
                    let is_gone = state.kept.iter().all(|kept| kept.link != link);
                    let echo = state.echoes.get(&link).filter(|(count, _)| *count > before);
                    (is_gone || echo.is_some()).then(|| echo.map(|(_, rtt)| *rtt))
                });
                // A link that has gone answers no more: the next is asked.
                if let Some(rtt) = echo.await {
                    return rtt;
                }
            }
        };
        timeout(patience, probe).await.map_err(|_| match self.state.borrow().kept.is_empty() {
            false => ProbeError::NoAnswer,
            true => ProbeError::LinkDown,
        })
    }

    async fn wait_for<T>(&self, mut get: impl FnMut(&mut State) -> Option<T>) -> T {
        loop {
            // Whoever gives up waiting leaves nothing behind.
            let mut changed = pin!(self.changed.notified());
            changed.as_mut().enable();
            if let Some(value) = get(&mut self.state.borrow_mut()) {
                return value;
            }
            changed.await;
        }
    }
}

/// The pool and what drives it: link events, wishes, look-ups and the clock.
struct Keeping {
    client: Client,
    pool: Pool,
    servers: Vec<ServerAddress>,
    lookups: JoinSet<(usize, Vec<SocketAddr>)>,
    clocks: Clocks,
}

impl Keeping {
    async fn run(mut self, report: impl Fn(Report)) {
        loop {
            self.act(&report);
            self.publish();
            let client = self.client.clone();
            let timer = sleep_until(self.wake());
            tokio::select! {
                (link, event) = client.shard.link_event() => {
                    self.note_echo(link, &event);
                    self.with(|pool, time, hub| pool.handle_event(time, hub, link, &event));
                }
                () = client.wanted.notified() => {
                    let wanted = client.state.borrow().waiting > 0;
                    self.with(|pool, time, hub| pool.want(time, hub, wanted));
                }
                Some(found) = self.lookups.join_next() => {
                    let (server, addresses) = found.unwrap_or_default();
                    self.with(|pool, time, hub| pool.addresses(time, hub, server, &addresses));
                }
                () = timer => {
                    let slept = self.clocks.have_jumped(now(), None);
                    self.with(|pool, time, hub| {
                        if slept {
                            pool.resumed(time, hub);
                        }
                        pool.handle_timeout(time, hub);
                    });
                }
            }
        }
    }

    fn with(&mut self, call: impl FnOnce(&mut Pool, Time, &mut Hub)) {
        let pool = &mut self.pool;
        self.client.shard.with_hub(|hub, time| call(pool, time, hub));
    }

    /// When to look at the clock: also now and then without a link, for a machine that has slept
    /// has no reason to wait any longer.
    fn wake(&self) -> Option<Instant> {
        let next = self.pool.poll_timeout();
        let tick = self.pool.kept().next().is_none().then(|| Instant::now() + CLOCK_TICK);
        next.into_iter().chain(tick).min()
    }

    /// Does and reports what the pool wants.
    fn act(&mut self, report: &impl Fn(Report)) {
        while let Some(action) = self.pool.poll_action() {
            match action {
                Action::LookUp(index) => {
                    let Some(server) = self.servers.get(index) else { continue };
                    let (host, port) = (server.host.clone(), server.ports.first());
                    self.lookups.spawn_local(async move { (index, addresses(&host, port).await) });
                }
                Action::Up { link, peer, rtt, clock_ahead } => {
                    let (session, carrier) =
                        self.client.shard.with_hub(|hub, _| (hub.session_kind(link), hub.carrier_kind(link)));
                    let (session, carrier) = (session.unwrap_or_default(), carrier.unwrap_or_default());
                    report(Report::Up { link, peer, session, carrier, rtt, clock_ahead });
                }
                Action::Down { link, peer, why } => report(Report::Down { link, peer, why }),
                Action::Retry(pause) => {
                    let peer = self.servers.first().map(|server| format!("{}:{}", server.host, server.ports.first()));
                    report(Report::Retry { peer: peer.unwrap_or_default(), pause });
                }
            }
        }
    }

    /// Tells those who wait what there is now.
    fn publish(&self) {
        let state = &mut *self.client.state.borrow_mut();
        if self.pool.kept().eq(state.kept.iter().copied()) {
            return;
        }
        state.kept.clear();
        state.kept.extend(self.pool.kept());
        state.echoes.retain(|link, _| state.kept.iter().any(|kept| kept.link == *link));
        self.client.changed.notify_waiters();
    }

    fn note_echo(&self, link: LinkId, event: &Event) {
        let state = &mut *self.client.state.borrow_mut();
        if let Event::Link(link::Event::Echoed(rtt)) = event
            && state.kept.iter().any(|kept| kept.link == link)
        {
            let (count, last) = state.echoes.entry(link).or_default();
            (*count, *last) = (*count + 1, *rtt);
            self.client.changed.notify_waiters();
        }
    }
}

async fn sleep_until(at: Option<Instant>) {
    match at {
        Some(at) => tokio::time::sleep_until(at.into()).await,
        None => std::future::pending().await,
    }
}

async fn addresses(host: &str, port: u16) -> Vec<SocketAddr> {
    match timeout(SERVER_LOOKUP_TIME, tokio::net::lookup_host((host, port))).await {
        Ok(Ok(addresses)) => addresses.take(SERVER_ADDRESSES).collect(),
        _ => Vec::new(),
    }
}
