//! A client's way to its server: the keeper of its link, driven, and whoever waits for it.

use crate::clocks::Clocks;
use crate::shard::{Shard, now};
use crate::stream::Stream;
use crate::trace::Stage;
use ginnel_proto::envelope::handshake::ClientKeys;
use ginnel_proto::hub::{Event, Hub, LinkId, Time};
use ginnel_proto::keeper::{Action, Candidate, Keeper, Kept};
use ginnel_proto::limits::{CLOCK_TICK, SERVER_ADDRESSES, SERVER_LOOKUP_TIME};
use ginnel_proto::link::{self, Lost};
use ginnel_proto::ports::Ports;
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
    /// A name or an IP address.
    pub host: String,
    /// Its UDP ports.
    pub ports: Ports,
    /// The keys to use with it.
    pub keys: ClientKeys,
}

impl ServerAddress {
    fn candidate(&self) -> Candidate {
        Candidate { keys: self.keys.clone(), ports: Some(self.ports.clone()) }
    }
}

/// A stream that can be had at once is had, however little patience there is.
const OPEN_LEAST: Duration = Duration::from_millis(1);

/// What a keeper reports.
#[derive(Clone, PartialEq, Debug)]
pub enum Report {
    /// The link is up, and has carried something.
    Up {
        /// Which link.
        link: LinkId,
        /// The server's address.
        peer: SocketAddr,
        /// How long the handshake took.
        rtt: Duration,
        /// How far this machine's clock is ahead of the server's, seconds.
        clock_ahead: f64,
    },
    /// The link is down.
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
    kept: Option<Kept>,
    /// How many wait for a link.
    waiting: usize,
    /// Echoes that have come, and the time of the last: whoever waits takes the next.
    echoes: u64,
    echo: Duration,
    keeper: Option<AbortHandle>,
}

impl State {
    /// The link to use: one that is doubted is waited for, whether it be trusted again or replaced.
    fn link(&self) -> Option<Kept> {
        self.kept.filter(|kept| !kept.doubted)
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
    /// Starts to keep a link to the first of `servers` that answers.
    pub fn start(shard: Shard, servers: Vec<ServerAddress>, report: impl Fn(Report) + 'static) -> Self {
        let client = Self { shard, state: Rc::default(), changed: Rc::default(), wanted: Rc::default() };
        let candidates = servers.iter().map(ServerAddress::candidate).collect();
        let keeper = Keeper::new(Instant::now(), candidates, rand::random());
        let keeping =
            Keeping { client: client.clone(), keeper, servers, lookups: JoinSet::new(), clocks: Clocks::new() };
        let keeping = tokio::task::spawn_local(keeping.run(report));
        client.state.borrow_mut().keeper = Some(keeping.abort_handle());
        client
    }

    /// The shard that the link is on.
    pub fn shard(&self) -> &Shard {
        &self.shard
    }

    /// Keeps the link no longer: when it goes, it is not brought up again.
    pub fn stop(&self) {
        if let Some(keeper) = self.state.borrow_mut().keeper.take() {
            keeper.abort();
        }
    }

    /// The link, its server's address and the time of its handshake; waits for it up to
    /// `patience`. It need not have carried anything yet: the first stream travels with the
    /// confirmation of the handshake.
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
        let good = |state: &mut State| state.link().filter(|kept| good(kept));
        let at_once = good(&mut self.state.borrow_mut());
        let kept = match at_once {
            Some(kept) => kept,
            None => {
                self.wait(|waiting| waiting + 1);
                let _waiting = Waiting(self);
                timeout(patience, self.wait_for(good)).await.ok()?
            }
        };
        Some((kept.link, kept.peer, kept.rtt))
    }

    /// Changes how many wait for a link, and tells the keeper when that begins or ends.
    fn wait(&self, change: impl FnOnce(usize) -> usize) {
        let waiting = &mut self.state.borrow_mut().waiting;
        let before = *waiting;
        *waiting = change(before);
        if (*waiting == 0) != (before == 0) {
            self.wanted.notify_one();
        }
    }

    /// Opens a stream, waiting for a link up to `patience`.
    pub async fn open(&self, patience: Duration) -> Option<Stream> {
        let began = std::time::Instant::now();
        let (link, ..) = self.link(patience).await?;
        let linked = std::time::Instant::now();
        // The server may allow no more streams now: whoever waits for that waits no longer in all.
        let left = patience.saturating_sub(began.elapsed());
        let stream = timeout(left.max(OPEN_LEAST), self.shard.open(link)).await.ok()??;
        stream.end_first_stage(Stage::Queued, began, linked);
        Some(stream)
    }

    /// Measures the round-trip time on the living link.
    pub async fn probe(&self, patience: Duration) -> Result<Duration, ProbeError> {
        let probe = async {
            let link = self.wait_for(|state| state.kept).await.link;
            let before = self.state.borrow().echoes;
            self.shard.with_hub(|hub, time| hub.probe(time, link));
            self.wait_for(|state| (state.echoes > before).then_some(state.echo)).await
        };
        timeout(patience, probe).await.map_err(|_| match self.state.borrow().kept {
            Some(_) => ProbeError::NoAnswer,
            None => ProbeError::LinkDown,
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

/// The keeper and what drives it: link events, wishes, look-ups and the clock.
struct Keeping {
    client: Client,
    keeper: Keeper,
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
                    self.with(|keeper, time, hub| keeper.handle_event(time, hub, link, &event));
                }
                () = client.wanted.notified() => {
                    let wanted = client.state.borrow().waiting > 0;
                    self.with(|keeper, time, hub| keeper.want(time, hub, wanted));
                }
                Some(found) = self.lookups.join_next() => {
                    let (server, addresses) = found.unwrap_or_default();
                    self.with(|keeper, time, hub| keeper.addresses(time, hub, server, addresses));
                }
                () = timer => {
                    let slept = self.clocks.have_jumped(now(), None);
                    self.with(|keeper, time, hub| {
                        if slept {
                            keeper.resumed(time, hub);
                        }
                        keeper.handle_timeout(time, hub);
                    });
                }
            }
        }
    }

    fn with(&mut self, call: impl FnOnce(&mut Keeper, Time, &mut Hub)) {
        let keeper = &mut self.keeper;
        self.client.shard.with_hub(|hub, time| call(keeper, time, hub));
    }

    /// When to look at the clock: also now and then without a link, for a machine that has slept
    /// has no reason to wait any longer.
    fn wake(&self) -> Option<Instant> {
        let next = self.keeper.poll_timeout();
        let tick = self.keeper.kept().is_none().then(|| Instant::now() + CLOCK_TICK);
        next.into_iter().chain(tick).min()
    }

    /// Does and reports what the keeper wants.
    fn act(&mut self, report: &impl Fn(Report)) {
        while let Some(action) = self.keeper.poll_action() {
            match action {
                Action::LookUp(index) => {
                    let Some(server) = self.servers.get(index) else { continue };
                    let (host, port) = (server.host.clone(), server.ports.first());
                    self.lookups.spawn_local(async move { (index, addresses(&host, port).await) });
                }
                Action::Up { link, peer, rtt, clock_ahead } => {
                    report(Report::Up { link, peer, rtt, clock_ahead });
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
        let kept = self.keeper.kept();
        let changed = std::mem::replace(&mut self.client.state.borrow_mut().kept, kept) != kept;
        if changed {
            self.client.changed.notify_waiters();
        }
    }

    fn note_echo(&self, link: LinkId, event: &Event) {
        let mut state = self.client.state.borrow_mut();
        if let Event::Link(link::Event::Echoed(rtt)) = event
            && state.kept.is_some_and(|kept| kept.link == link)
        {
            state.echoes += 1;
            state.echo = *rtt;
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
