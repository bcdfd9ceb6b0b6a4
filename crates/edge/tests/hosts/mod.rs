//! A server's and a client's host in one process, over real sockets on loopback.

#![allow(dead_code, reason = "each test file uses a part of it")]

use ginnel_edge::host::{
    ClientSpec, Command, Event, Failure, Host, Listen, LogLevels, Message, Outcome, Overrides, Role, ServerSpec, Value,
    users,
};
use ginnel_engine::client::ServerAddress;
use ginnel_engine::memory::uncounted;
use ginnel_proto::carrier::CarrierKind;
use ginnel_proto::envelope::handshake::ClientKeys;
use ginnel_proto::envelope::keys::{PrivateKey, Psk};
use ginnel_proto::limits::Limits;
use ginnel_proto::ports::Ports;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

pub(crate) const LOOPBACK: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(Ipv4Addr::LOCALHOST), 0);
pub(crate) const PATIENCE: Duration = Duration::from_secs(10);

/// A directory that goes with the test.
pub(crate) struct Directory(PathBuf);

impl Directory {
    pub(crate) fn new() -> Self {
        static LAST: AtomicU64 = AtomicU64::new(0);
        let name = format!("ginnel-edge-{}-{}", std::process::id(), LAST.fetch_add(1, Ordering::Relaxed));
        let path = std::env::temp_dir().join(name);
        std::fs::create_dir(&path).unwrap();
        Self(path)
    }

    pub(crate) fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for Directory {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

fn psk() -> Psk {
    Psk::new([1; 32])
}

fn server_key() -> PrivateKey {
    PrivateKey::new([2; 32])
}

fn user_key() -> PrivateKey {
    PrivateKey::new([3; 32])
}

/// The table with the one user that clients here are.
pub(crate) fn one_user() -> ginnel_proto::hub::gate::Users {
    users([("laptop".to_owned(), user_key().public().0)])
}

pub(crate) fn server_role(directory: &Directory, listen: IpAddr, ports: Ports) -> Role {
    Role::Server(ServerSpec {
        listen: vec![Listen { carrier: CarrierKind::Udp, address: listen, ports }],
        rawtcp: Overrides::default(),
        psks: vec![psk()],
        key: server_key(),
        users: one_user(),
        allow_private: true,
        replay_file: directory.path().join("replay"),
        key_log: None,
    })
}

/// The servers of a client of that one user.
pub(crate) fn servers(server: SocketAddr) -> Vec<ServerAddress> {
    let keys = ClientKeys { psk: psk(), server: server_key().public(), user: user_key() };
    vec![ServerAddress {
        carrier: CarrierKind::Udp,
        host: server.ip().to_string(),
        ports: Ports::one(server.port()),
        keys,
    }]
}

pub(crate) fn client_role(server: SocketAddr) -> Role {
    Role::Client(ClientSpec { servers: servers(server), links: 1, rawtcp: Overrides::default(), key_log: None })
}

/// A host, and the messages that nobody has asked for yet.
pub(crate) struct End {
    pub(crate) host: Host,
    last: u64,
    waiting: Vec<Message>,
}

impl End {
    pub(crate) fn start(role: Role, limits: Limits, log: LogLevels) -> std::io::Result<Self> {
        Ok(Self { host: Host::start(role, limits, log, uncounted)?, last: 0, waiting: Vec::new() })
    }

    pub(crate) fn server(directory: &Directory, listen: SocketAddr) -> std::io::Result<Self> {
        Self::server_with(directory, listen, Limits::server())
    }

    pub(crate) fn server_with(directory: &Directory, listen: SocketAddr, limits: Limits) -> std::io::Result<Self> {
        Self::start(server_role(directory, listen.ip(), Ports::one(listen.port())), limits, LogLevels::default())
    }

    /// A server on several ports of loopback.
    pub(crate) fn server_on(directory: &Directory, ports: Ports) -> std::io::Result<Self> {
        Self::start(server_role(directory, LOOPBACK.ip(), ports), Limits::server(), LogLevels::default())
    }

    /// A server that logs so from its first moment.
    pub(crate) fn server_with_log<const N: usize>(directory: &Directory, levels: [(&str, &str); N]) -> Self {
        let log = LogLevels::default();
        log.set(levels).unwrap();
        Self::start(server_role(directory, LOOPBACK.ip(), Ports::one(0)), Limits::server(), log).unwrap()
    }

    pub(crate) fn client(server: SocketAddr, limits: Limits) -> Self {
        Self::start(client_role(server), limits, LogLevels::default()).unwrap()
    }

    /// Hands a command in and returns its ticket.
    pub(crate) fn send(&mut self, command: Command) -> u64 {
        self.last += 1;
        self.host.command(self.last, command).unwrap();
        self.last
    }

    pub(crate) fn ask(&mut self, command: Command) -> Outcome {
        let ticket = self.send(command);
        self.reply(ticket)
    }

    pub(crate) fn reply(&mut self, ticket: u64) -> Outcome {
        let message = self.wait(|message| matches!(message, Message::Reply(of, _) if *of == ticket));
        match message {
            Message::Reply(_, outcome) => outcome,
            Message::Event(_) => unreachable!("a reply was waited for"),
        }
    }

    pub(crate) fn failure(&mut self, command: Command) -> Failure {
        self.ask(command).expect_err("a failure")
    }

    pub(crate) fn event(&mut self, name: &str) -> Event {
        self.event_where(|event| event.name == name)
    }

    pub(crate) fn event_where(&mut self, wanted: impl Fn(&Event) -> bool) -> Event {
        match self.wait(|message| matches!(message, Message::Event(event) if wanted(event))) {
            Message::Event(event) => event,
            Message::Reply(..) => unreachable!("an event was waited for"),
        }
    }

    /// The events that are there and that nobody has waited for.
    pub(crate) fn events_left(&mut self) -> Vec<Event> {
        self.waiting.extend(self.host.inbox().drain().unwrap_or_default());
        let messages = std::mem::take(&mut self.waiting).into_iter();
        messages
            .filter_map(|message| match message {
                Message::Event(event) => Some(event),
                Message::Reply(..) => None,
            })
            .collect()
    }

    pub(crate) fn connect(&mut self) {
        let outcome = self.ask(Command::Connect { timeout: PATIENCE });
        assert!(matches!(outcome, Ok(Value::Link { .. })), "{outcome:?}");
    }

    pub(crate) fn listen(&mut self) -> (u64, SocketAddr) {
        match self.ask(Command::ListenSocks5 { address: LOOPBACK, credentials: None }) {
            Ok(Value::Listener(number, address)) => (number, address),
            other => panic!("{other:?}"),
        }
    }

    fn wait(&mut self, wanted: impl Fn(&Message) -> bool) -> Message {
        let deadline = Instant::now() + PATIENCE;
        loop {
            if let Some(at) = self.waiting.iter().position(&wanted) {
                return self.waiting.remove(at);
            }
            assert!(Instant::now() < deadline, "still waiting with {:?}", self.waiting);
            match self.host.inbox().drain() {
                Ok(messages) if messages.is_empty() => std::thread::sleep(Duration::from_millis(1)),
                Ok(messages) => self.waiting.extend(messages),
                Err(reason) => panic!("{reason}"),
            }
        }
    }
}
