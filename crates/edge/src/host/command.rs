//! What goes into a host and what comes out.

use super::links::LinkFigures;
use ginnel_engine::counters::Stats;
use ginnel_proto::carrier::CarrierKind;
use ginnel_proto::envelope::hello::SessionKind;
use ginnel_proto::envelope::keys::Psk;
use ginnel_proto::hub::gate::Users;
use ginnel_proto::limits::Limits;
use ginnel_proto::socks5::Credentials;
use ginnel_proto::target::Target;
use std::borrow::Cow;
use std::net::SocketAddr;
use std::os::fd::OwnedFd;
use std::sync::mpsc;
use std::time::Duration;

/// What a host can be told to do.
pub enum Command {
    /// Client: reply when the link is up: [`Value::Link`].
    Connect {
        /// How long to wait for it.
        timeout: Duration,
    },
    /// Client: measure the round-trip time on the living link: [`Value::Seconds`].
    Probe {
        /// How long to wait for it.
        timeout: Duration,
    },
    /// Client: open a SOCKS5 listener: [`Value::Listener`].
    ListenSocks5 {
        /// Where.
        address: SocketAddr,
        /// What applications must present.
        credentials: Option<Credentials>,
    },
    /// Client: close a listener. Its connections go on.
    CloseListener(u64),
    /// Client: open a stream and hand its socket over: [`Value::Socket`].
    Open(Target),
    /// Server: replace the table of users. Links of those who are gone end.
    SetUsers(Users),
    /// Replace a server's secrets, the current one first.
    SetPsks(Vec<Psk>),
    /// Server: whether clients may reach loopback and private addresses. Streams that are connected
    /// go on.
    SetAllowPrivate(bool),
    /// Use other limits for what begins from now on.
    SetLimits(Box<Limits>),
    /// Let streams end by themselves for so long, then close everything and end.
    Shutdown {
        /// How long; a second shutdown ends the wait.
        drain: Duration,
    },
    /// Tell all that is counted and measured. Answered directly, not through the inbox.
    Stats(mpsc::SyncSender<Stats>),
    /// Tell what is known of the paths of all links. Answered directly, not through the inbox.
    Links(mpsc::SyncSender<Vec<LinkFigures>>),
}

/// What a command brought.
#[derive(Debug)]
pub enum Value {
    /// It is done.
    Done,
    /// The link that is up.
    Link {
        /// Its session.
        session: SessionKind,
        /// How its datagrams travel.
        carrier: CarrierKind,
        /// The server's address.
        peer: SocketAddr,
        /// How long the handshake took.
        rtt: Duration,
    },
    /// A time.
    Seconds(Duration),
    /// A listener and the address it got.
    Listener(u64, SocketAddr),
    /// A connected socket, and the stream's number in events.
    Socket(OwnedFd, u64),
}

/// Why a command failed.
#[derive(Clone, PartialEq, Debug)]
pub struct Failure {
    /// A word for programs.
    pub kind: &'static str,
    /// A sentence for people.
    pub message: Cow<'static, str>,
    /// What else is known.
    pub facts: Vec<(&'static str, Fact)>,
}

impl Failure {
    /// A failure without further facts.
    pub fn new(kind: &'static str, message: impl Into<Cow<'static, str>>) -> Self {
        Self { kind, message: message.into(), facts: Vec::new() }
    }

    /// Adds a fact.
    pub fn with(mut self, name: &'static str, fact: impl Into<Fact>) -> Self {
        self.facts.push((name, fact.into()));
        self
    }
}

/// One fact of a failure or an event.
#[derive(Clone, PartialEq, Debug)]
pub enum Fact {
    /// Text.
    Text(String),
    /// A whole number.
    Number(i64),
    /// A time.
    Seconds(f64),
}

impl From<String> for Fact {
    fn from(text: String) -> Self {
        Self::Text(text)
    }
}

impl From<&str> for Fact {
    fn from(text: &str) -> Self {
        Self::Text(text.into())
    }
}

impl From<SocketAddr> for Fact {
    fn from(address: SocketAddr) -> Self {
        Self::Text(address.to_string())
    }
}

impl From<i64> for Fact {
    fn from(number: i64) -> Self {
        Self::Number(number)
    }
}

impl From<Duration> for Fact {
    fn from(time: Duration) -> Self {
        Self::Seconds(time.as_secs_f64())
    }
}

/// What a command came to.
pub type Outcome = Result<Value, Failure>;

/// Something that happened without a command.
#[derive(Clone, PartialEq, Debug)]
pub struct Event {
    /// A word for programs.
    pub name: &'static str,
    /// What is known.
    pub facts: Vec<(&'static str, Fact)>,
}

/// One message of the inbox.
#[derive(Debug)]
pub enum Message {
    /// The one reply to a command.
    Reply(u64, Outcome),
    /// An event.
    Event(Event),
}
