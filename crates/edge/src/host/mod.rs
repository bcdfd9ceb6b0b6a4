//! The host: one thread with one shard, told what to do by commands, answering through an inbox.
//!
//! Whoever holds a [`Host`] may be on any thread and in any language; the engine's thread never
//! calls back. A command has a ticket, and each ticket one reply; room for the reply is set aside
//! when the command is taken, so that only events can ever be dropped, and are counted.

mod carriers;
mod client;
mod command;
mod inbox;
mod journal;
mod key_log;
mod links;
mod log;
mod reason;
mod server;

pub use command::{Command, Event, Fact, Failure, Message, Outcome, Value};
use ginnel_proto::limits::{FAREWELL_TIME, STATS_TIME};
pub use inbox::Inbox;
pub use links::{LINKS_TOLD, LinkFigures};
pub use log::{AREAS, LEVELS, LogError, LogLevels};

pub use ginnel_carrier::rawtcp::Overrides;
use ginnel_engine::client::ServerAddress;
pub use ginnel_engine::counters::Stats;
use ginnel_engine::memory::MemoryGauge;
use ginnel_engine::shard::Shard;
use ginnel_proto::carrier::CarrierKind;
use ginnel_proto::envelope::keys::{PrivateKey, Psk, PublicKey};
use ginnel_proto::hub::HubConfig;
use ginnel_proto::hub::gate::Users;
use ginnel_proto::limits::Limits;
use ginnel_proto::ports::Ports;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::mpsc as std_mpsc;
use std::thread;
use std::time::Duration;
use tokio::sync::mpsc;
use tokio::task::{JoinHandle, LocalSet};
use tracing::debug;

/// How often a drain looks whether it is done.
const DRAIN_STEP: Duration = Duration::from_millis(10);

/// Where a server listens, and for what.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Listen {
    /// How datagrams come.
    pub carrier: CarrierKind,
    /// The address.
    pub address: IpAddr,
    /// Its ports; port 0, alone, lets the system choose.
    pub ports: Ports,
}

/// What a server is made of.
pub struct ServerSpec {
    /// Where it listens: at least one, and no carrier twice.
    pub listen: Vec<Listen>,
    /// What is decided about the way of raw TCP.
    pub rawtcp: Overrides,
    /// The deployment's secrets: current first, then the previous one if it is being changed.
    pub psks: Vec<Psk>,
    /// The server's own key.
    pub key: PrivateKey,
    /// Who may connect.
    pub users: Users,
    /// Whether clients may reach loopback and private addresses through this server.
    pub allow_private: bool,
    /// Where accepted handshakes are remembered across restarts.
    pub replay_file: PathBuf,
    /// Where the keys of links are written down for whoever debugs; `None`: nowhere.
    pub key_log: Option<PathBuf>,
}

/// What a client is made of.
pub struct ClientSpec {
    /// Its servers, tried in turn.
    pub servers: Vec<ServerAddress>,
    /// How many parallel links it keeps to its server.
    pub links: u16,
    /// What is decided about the way of raw TCP.
    pub rawtcp: Overrides,
    /// Where the keys of links are written down for whoever debugs; `None`: nowhere.
    pub key_log: Option<PathBuf>,
}

/// Which end an engine is.
pub enum Role {
    /// Answers handshakes, connects to targets.
    Server(ServerSpec),
    /// Keeps its links, serves inbounds.
    Client(ClientSpec),
}

/// The host is no more, or takes no more commands now.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum CommandError {
    /// It has been shut down.
    #[error("the engine is closed")]
    Closed,
    /// Too many commands wait for their replies.
    #[error("too many commands are in flight")]
    TooMany,
}

/// A running engine.
pub struct Host {
    commands: mpsc::UnboundedSender<(u64, Command)>,
    inbox: Arc<Inbox>,
    log: log::Log,
    addresses: Vec<(CarrierKind, SocketAddr)>,
    thread: Option<thread::JoinHandle<()>>,
}

impl Host {
    /// Starts an engine; returns when its socket is bound. `gauge` tells how much memory it uses.
    pub fn start(role: Role, limits: Limits, log: LogLevels, gauge: MemoryGauge) -> io::Result<Self> {
        let inbox = Arc::new(Inbox::new(limits.commands, limits.events, limits.log_records)?);
        let log = log::Log::new(log, inbox.clone());
        // Bounded by the inbox, which sets room for each reply aside before its command is sent.
        let (commands, receiver) = mpsc::unbounded_channel();
        let (started, outcome) = std_mpsc::sync_channel(1);
        let (engine_inbox, engine_log) = (inbox.clone(), log.clone());
        let thread = thread::Builder::new().name("ginnel-engine".into()).spawn(move || {
            let logging = engine_log.install();
            let engine = || run(role, limits, gauge, receiver, &engine_inbox, &started);
            let reason = match std::panic::catch_unwind(std::panic::AssertUnwindSafe(engine)) {
                Ok(Ok(())) => "the engine was shut down".into(),
                Ok(Err(error)) => {
                    let reason = error.to_string();
                    // Nobody listens any more when the engine had begun.
                    let _ = started.send(Err(error));
                    reason
                }
                Err(_) => "a fault in the engine; its report is on standard error".into(),
            };
            debug!(target: "engine", reason, "engine ended");
            drop(logging);
            engine_inbox.close(reason);
        })?;
        match outcome.recv() {
            Ok(Ok(addresses)) => Ok(Self { commands, inbox, log, addresses, thread: Some(thread) }),
            Ok(Err(error)) => {
                let _ = thread.join();
                Err(error)
            }
            Err(_) => Err(io::Error::other("the engine's thread ended before it had begun")),
        }
    }

    /// The address of the engine's first carrier.
    pub fn local_address(&self) -> SocketAddr {
        self.addresses[0].1
    }

    /// The address of each of its carriers, with the lowest of its ports: of a server in the order in which it listens.
    /// Never empty.
    pub fn local_addresses(&self) -> &[(CarrierKind, SocketAddr)] {
        &self.addresses
    }

    /// Where replies and events arrive.
    pub fn inbox(&self) -> &Inbox {
        &self.inbox
    }

    /// Sets the levels of the engine's log, at once: see [`LogLevels::set`].
    pub fn set_log<'a>(&self, levels: impl IntoIterator<Item = (&'a str, &'a str)>) -> Result<(), LogError> {
        self.log.set(levels)
    }

    /// Hands a command to the engine. Its reply bears the same ticket.
    pub fn command(&self, ticket: u64, command: Command) -> Result<(), CommandError> {
        self.inbox.reserve()?;
        self.commands.send((ticket, command)).map_err(|_| CommandError::Closed)
    }

    /// All that is counted and measured. Waits for the engine's thread, for a moment.
    pub fn stats(&self) -> Result<Stats, CommandError> {
        let mut stats = self.ask(Command::Stats)?;
        let (events, records) = self.inbox.dropped();
        stats.drops.extend([("events", events), ("log_records", records)]);
        Ok(stats)
    }

    /// Every link that is up, [`LINKS_TOLD`] at most, with what it knows of its path. Waits for the
    /// engine's thread, for a moment.
    pub fn links(&self) -> Result<Vec<LinkFigures>, CommandError> {
        self.ask(Command::Links)
    }

    /// Asks what is answered directly.
    fn ask<T>(&self, question: impl FnOnce(std_mpsc::SyncSender<T>) -> Command) -> Result<T, CommandError> {
        let (sender, receiver) = std_mpsc::sync_channel(1);
        self.commands.send((0, question(sender))).map_err(|_| CommandError::Closed)?;
        receiver.recv_timeout(STATS_TIME).map_err(|_| CommandError::Closed)
    }
}

impl Drop for Host {
    fn drop(&mut self) {
        // Ends the thread at once if nobody has asked it to end in order.
        let _ = self.commands.send((0, Command::Shutdown { drain: Duration::ZERO }));
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

type Started = std_mpsc::SyncSender<io::Result<Vec<(CarrierKind, SocketAddr)>>>;
type Commands = mpsc::UnboundedReceiver<(u64, Command)>;

fn run(
    role: Role,
    limits: Limits,
    gauge: MemoryGauge,
    commands: Commands,
    inbox: &Arc<Inbox>,
    started: &Started,
) -> io::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let tasks = LocalSet::new();
    tasks.block_on(&runtime, async {
        match role {
            Role::Server(spec) => server::run(spec, limits, gauge, commands, inbox, started).await,
            Role::Client(spec) => client::run(spec, limits, gauge, commands, inbox, started).await,
        }
    })?;
    // The look-up of a server's name may still hang in the system's resolver: do not wait for it.
    runtime.shutdown_background();
    Ok(())
}

/// Waits for the end of the driver, which comes only by a fault.
async fn driver_ended(driver: JoinHandle<()>) -> io::Error {
    let _ = driver.await;
    io::Error::other("a fault in the engine's driver; its report is on standard error")
}

/// What every role's loop does with the commands that are the same for all.
struct Common {
    shard: Shard,
    inbox: Arc<Inbox>,
}

impl Common {
    fn reply(&self, ticket: u64, outcome: Outcome) {
        if ticket != 0 {
            self.inbox.push_reply(ticket, outcome);
        }
    }

    fn refuse(&self, ticket: u64, what: &'static str) {
        self.reply(ticket, Err(Failure::new("failed", what)));
    }

    /// Lets streams end by themselves for up to `drain`, then closes every link. A second
    /// shutdown ends the wait. Shutdown goes before everything else here.
    async fn shut_down(&self, ticket: u64, drain: Duration, commands: &mut Commands) {
        self.shard.stop_accepting();
        let mut tickets = vec![ticket];
        let drained = async {
            while self.shard.streams() > 0 || self.shard.with_hub(|hub, _| hub.undelivered()) > 0 {
                tokio::time::sleep(DRAIN_STEP).await;
            }
        };
        let hurried = async {
            while let Some((ticket, command)) = commands.recv().await {
                match command {
                    Command::Shutdown { .. } => {
                        tickets.push(ticket);
                        return;
                    }
                    other => self.answer_closing(ticket, other),
                }
            }
        };
        tokio::select! {
            biased;
            () = hurried => {}
            _ = tokio::time::timeout(drain, drained) => {}
        }
        self.shard.with_hub(|hub, time| {
            for id in hub.ids() {
                hub.close(time, id, ginnel_proto::envelope::control::close::SHUTDOWN);
            }
        });
        let quiet = async {
            while !self.shard.is_quiet() {
                tokio::time::sleep(DRAIN_STEP).await;
            }
        };
        let _ = tokio::time::timeout(FAREWELL_TIME, quiet).await;
        self.shard.close_carriers();
        commands.close();
        while let Ok((ticket, command)) = commands.try_recv() {
            match command {
                Command::Shutdown { .. } => tickets.push(ticket),
                other => self.answer_closing(ticket, other),
            }
        }
        for ticket in tickets {
            self.reply(ticket, Ok(Value::Done));
        }
    }

    fn answer_closing(&self, ticket: u64, command: Command) {
        match command {
            Command::Stats(sender) => {
                let _ = sender.send(self.shard.stats());
            }
            Command::Links(sender) => {
                let _ = sender.send(links::figures(&self.shard));
            }
            _ => self.reply(ticket, Err(Failure::new("closed", "the engine is shutting down"))),
        }
    }
}

fn hub_config(limits: &Limits) -> HubConfig {
    HubConfig { limits: limits.clone(), aes: has_aes(), seed: rand::random() }
}

/// Whether the processor does AES and carry-less multiplication itself.
fn has_aes() -> bool {
    #[cfg(any(target_arch = "x86_64", target_arch = "x86"))]
    return std::arch::is_x86_feature_detected!("aes") && std::arch::is_x86_feature_detected!("pclmulqdq");
    #[cfg(target_arch = "aarch64")]
    return std::arch::is_aarch64_feature_detected!("aes") && std::arch::is_aarch64_feature_detected!("pmull");
    #[cfg(not(any(target_arch = "x86_64", target_arch = "x86", target_arch = "aarch64")))]
    false
}

/// Makes the table of users.
pub fn users(list: impl IntoIterator<Item = (String, [u8; 32])>) -> Users {
    list.into_iter().map(|(name, key)| (PublicKey(key), name.into())).collect()
}
