//! A client's keeper: brings a link up, and brings it up again, for ever.

use crate::shard::Shard;
use crate::stream::Stream;
use crate::trace::Stage;
use ginnel_proto::envelope::control::close;
use ginnel_proto::envelope::handshake::ClientKeys;
use ginnel_proto::hub::{Event, LinkId};
use ginnel_proto::limits::{
    DIAL_TIME, REDIAL_PAUSE, REDIAL_PAUSE_MAX, SERVER_ADDRESSES, SERVER_LOOKUP_TIME, STEADY_LINK,
};
use ginnel_proto::link::{self, Lost, Path};
use rand::RngExt;
use std::cell::RefCell;
use std::net::SocketAddr;
use std::pin::pin;
use std::rc::Rc;
use std::time::Duration;
use thiserror::Error;
use tokio::sync::Notify;
use tokio::task::AbortHandle;
use tokio::time::{Instant, sleep, timeout};

/// A server as a share link names it.
#[derive(Clone, Debug)]
pub struct ServerAddress {
    /// A name or an IP address.
    pub host: String,
    /// Its UDP port.
    pub port: u16,
    /// The keys to use with it.
    pub keys: ClientKeys,
}

/// What a keeper reports.
#[derive(Clone, PartialEq, Debug)]
pub enum Report {
    /// The link is up.
    Up {
        /// Which link.
        link: LinkId,
        /// The server's address.
        peer: SocketAddr,
        /// How long the handshake took.
        rtt: Duration,
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
    link: Option<(LinkId, SocketAddr, Duration)>,
    /// Echoes that have come, and the time of the last: whoever waits takes the next.
    echoes: u64,
    echo: Duration,
    keeper: Option<AbortHandle>,
}

/// A client's way to its server. Cloning is cheap.
#[derive(Clone)]
pub struct Client {
    shard: Shard,
    state: Rc<RefCell<State>>,
    /// Told whenever `state` has changed.
    changed: Rc<Notify>,
}

impl Client {
    /// Starts to keep a link to the first of `servers` that answers.
    pub fn start(shard: Shard, servers: Vec<ServerAddress>, report: impl Fn(Report) + 'static) -> Self {
        let client = Self { shard, state: Rc::default(), changed: Rc::default() };
        let keeper = client.clone();
        let keeper = tokio::task::spawn_local(async move { keeper.keep(&servers, report).await });
        client.state.borrow_mut().keeper = Some(keeper.abort_handle());
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
    /// `patience`.
    pub async fn link(&self, patience: Duration) -> Option<(LinkId, SocketAddr, Duration)> {
        timeout(patience, self.wait_for(|state| state.link)).await.ok()
    }

    /// Opens a stream, waiting for a link up to `patience`.
    pub async fn open(&self, patience: Duration) -> Option<Stream> {
        let began = std::time::Instant::now();
        let (link, ..) = self.link(patience).await?;
        let linked = std::time::Instant::now();
        let stream = self.shard.open(link).await?;
        stream.end_first_stage(Stage::Queued, began, linked);
        Some(stream)
    }

    /// Measures the round-trip time on the living link.
    pub async fn probe(&self, patience: Duration) -> Result<Duration, ProbeError> {
        let probe = async {
            let link = self.wait_for(|state| state.link).await.0;
            let before = self.state.borrow().echoes;
            self.shard.with_hub(|hub, time| hub.probe(time, link));
            self.wait_for(|state| (state.echoes > before).then_some(state.echo)).await
        };
        timeout(patience, probe).await.map_err(|_| match self.state.borrow().link {
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

    async fn keep(&self, servers: &[ServerAddress], report: impl Fn(Report)) {
        let mut pause = REDIAL_PAUSE;
        loop {
            // A link that lived for a while says nothing against the next: look up and dial at once.
            if self.round(servers, &report).await >= STEADY_LINK {
                pause = REDIAL_PAUSE;
                continue;
            }
            let jittered = pause.mul_f64(rand::rng().random_range(0.7..1.3));
            let peer = servers.first().map(|server| format!("{}:{}", server.host, server.port));
            report(Report::Retry { peer: peer.unwrap_or_default(), pause: jittered });
            sleep(jittered).await;
            pause = (pause * 2).min(REDIAL_PAUSE_MAX);
        }
    }

    /// Dials until somebody answers, and follows that link to its end. Returns how long it lived.
    async fn round(&self, servers: &[ServerAddress], report: &impl Fn(Report)) -> Duration {
        for server in servers {
            for address in addresses(server).await {
                let Some((link, rtt)) = self.dial(server, address).await else { continue };
                let since = Instant::now();
                report(Report::Up { link, peer: address, rtt });
                self.set_link(Some((link, address, rtt)));
                let why = self.watch(link).await;
                self.set_link(None);
                report(Report::Down { link, peer: address, why });
                // Whoever is sent away does not come back at once, or two clients that crowd each
                // other out would do so for ever.
                let sent_away = matches!(why, Lost::ByPeer(close::REVOKED | close::REPLACED | close::CROWDED));
                return if sent_away { Duration::ZERO } else { since.elapsed() };
            }
        }
        Duration::ZERO
    }

    fn set_link(&self, link: Option<(LinkId, SocketAddr, Duration)>) {
        self.state.borrow_mut().link = link;
        self.changed.notify_waiters();
    }

    async fn dial(&self, server: &ServerAddress, address: SocketAddr) -> Option<(LinkId, Duration)> {
        let path = Path { remote: address, local: None };
        let keys = server.keys.clone();
        let link = self.shard.with_hub(|hub, time| hub.dial(time, keys, path, 0, DIAL_TIME))?;
        loop {
            match self.shard.link_event().await {
                (id, Event::Up { rtt, .. }) if id == link => return Some((link, rtt.unwrap_or_default())),
                (id, Event::NoAnswer) if id == link => return None,
                (id, Event::Link(link::Event::Lost(_))) if id == link => return None,
                _ => {}
            }
        }
    }

    /// Follows a link until it is lost.
    async fn watch(&self, link: LinkId) -> Lost {
        loop {
            match self.shard.link_event().await {
                (id, Event::Link(link::Event::Lost(why))) if id == link => return why,
                (id, Event::Link(link::Event::Echoed(rtt))) if id == link => {
                    let mut state = self.state.borrow_mut();
                    state.echoes += 1;
                    state.echo = rtt;
                    self.changed.notify_waiters();
                }
                _ => {}
            }
        }
    }
}

async fn addresses(server: &ServerAddress) -> Vec<SocketAddr> {
    let lookup = tokio::net::lookup_host((server.host.as_str(), server.port));
    match timeout(SERVER_LOOKUP_TIME, lookup).await {
        Ok(Ok(addresses)) => addresses.take(SERVER_ADDRESSES).collect(),
        _ => Vec::new(),
    }
}
