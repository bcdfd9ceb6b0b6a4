//! How often the engines allocate for one request, or for one connection.
//!
//! A server's and a client's engine run in this process, each on its thread; the load is on the main thread, which
//! is exempt from the counting, and the origin is another process. What is counted is therefore both ends of the
//! tunnel together and nothing else.

use crate::allocator::{allocated, exempt_this_thread};
use crate::arguments::{Allocations, Unit};
use crate::dial::{Via, dial};
use crate::discarding::{discard, discard_filling};
use crate::run::request;
use crate::serving::raise_descriptors;
use crate::wording::{Wanted, invalid};
use ginnel_edge::host::{
    ClientSpec, Command, Host, Listen, LogLevels, Message, Overrides, Role, ServerSpec, Value, users,
};
use ginnel_engine::client::ServerAddress;
use ginnel_engine::memory::uncounted;
use ginnel_proto::carrier::CarrierKind;
use ginnel_proto::envelope::handshake::ClientKeys;
use ginnel_proto::envelope::keys::{PrivateKey, Psk};
use ginnel_proto::limits::Limits;
use ginnel_proto::ports::Ports;
use serde_json::json;
use std::io::{self, BufRead, BufReader};
use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::process::{Child, Stdio};
use std::time::{Duration, Instant};
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;
use tokio::task::{JoinSet, LocalSet};

const LOOPBACK: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(Ipv4Addr::LOCALHOST), 0);

/// How long an engine may take to do what it is told.
const PATIENCE: Duration = Duration::from_secs(10);

/// Length of an answer, bytes.
const ANSWER: u32 = 1024;

/// Runs both ends and prints what they have allocated for each unit of work.
pub(crate) fn allocations(arguments: &Allocations) -> io::Result<()> {
    exempt_this_thread();
    raise_descriptors();
    let origin = arguments.target.is_none().then(Origin::start).transpose()?;
    let target = arguments.target.or(origin.as_ref().map(|origin| origin.address));
    let target = target.ok_or_else(|| io::Error::other("there is neither a target nor an origin"))?;
    let tunnel = Tunnel::start()?;
    let work = Load { unit: arguments.work, via: Via::Socks5(tunnel.socks), target };
    let runtime = crate::serving::runtime(1)?;
    let (before, after) = LocalSet::new().block_on(&runtime, async {
        let mut connections = Vec::new();
        for _ in 0..arguments.connections {
            connections.push(work.begin().await?);
        }
        // What is made once and kept is not part of a unit.
        let each = |count: u32| count.div_ceil(arguments.connections);
        let connections = work.go_on(connections, each(arguments.count / 10 + 1)).await?;
        let before = allocated();
        work.go_on(connections, each(arguments.count)).await?;
        io::Result::Ok((before, allocated()))
    })?;
    let count = arguments.count.div_ceil(arguments.connections) * arguments.connections;
    let per_unit = |before: u64, after: u64| (after - before) as f64 / f64::from(count);
    let report = json!({
        "work": arguments.work.name(),
        "connections": arguments.connections,
        "count": count,
        "allocations_per_unit": per_unit(before.allocations, after.allocations),
        "bytes_per_unit": per_unit(before.bytes, after.bytes),
    });
    println!("{report}");
    Ok(())
}

/// What is done, and by which way.
#[derive(Clone, Copy)]
struct Load {
    unit: Unit,
    via: Via,
    target: SocketAddr,
}

impl Load {
    /// What a loop has from unit to unit: a connection, where they stay.
    async fn begin(self) -> io::Result<Option<TcpStream>> {
        match self.unit {
            Unit::Connect => Ok(None),
            Unit::Requests => self.open(Wanted::Answers(ANSWER)).await.map(Some),
        }
    }

    /// So many units on each of the connections, all at the same time.
    async fn go_on(self, connections: Vec<Option<TcpStream>>, each: u32) -> io::Result<Vec<Option<TcpStream>>> {
        let mut loops = JoinSet::new();
        for mut connection in connections {
            loops.spawn_local(async move {
                for _ in 0..each {
                    self.one(&mut connection).await?;
                }
                Ok(connection)
            });
        }
        loops.join_all().await.into_iter().collect()
    }

    async fn one(self, connection: &mut Option<TcpStream>) -> io::Result<()> {
        if let Some(connection) = connection {
            return request(connection, ANSWER as usize).await;
        }
        let mut socket = self.open(Wanted::Once).await?;
        if (discard_filling(&mut socket).await?, discard(&mut socket).await?) != (1, 0) {
            return Err(invalid("the origin did not say one byte and end".to_owned()));
        }
        Ok(())
    }

    async fn open(self, wanted: Wanted) -> io::Result<TcpStream> {
        let mut socket = dial(self.via, self.target).await?;
        socket.write_all(&wanted.encode()).await?;
        Ok(socket)
    }
}

/// A server and a client of it, with the address of the client's SOCKS5 listener.
struct Tunnel {
    socks: SocketAddr,
    _client: Host,
    _server: Host,
    _directory: Directory,
}

impl Tunnel {
    fn start() -> io::Result<Self> {
        let directory = Directory::new()?;
        // Nobody else hears of them, and they are gone with this process.
        let (psk, key, user) =
            (Psk::new(rand::random()), PrivateKey::new(rand::random()), PrivateKey::new(rand::random()));
        let keys = ClientKeys { psk: psk.clone(), server: key.public(), user: user.clone() };
        let server = Role::Server(ServerSpec {
            listen: vec![Listen {
                carrier: CarrierKind::Udp,
                address: LOOPBACK.ip(),
                ports: Ports::one(LOOPBACK.port()),
            }],
            rawtcp: Overrides::default(),
            psks: vec![psk],
            key,
            users: users([("load".to_owned(), user.public().0)]),
            allow_private: true,
            replay_file: directory.0.join("replay"),
            key_log: None,
        });
        let server = Host::start(server, Limits::server(), LogLevels::default(), uncounted)?;
        let address = server.local_address();
        let servers = vec![ServerAddress {
            carrier: CarrierKind::Udp,
            host: address.ip().to_string(),
            ports: Ports::one(address.port()),
            keys,
        }];
        let client = Host::start(
            Role::Client(ClientSpec { servers, links: 1, rawtcp: Overrides::default(), key_log: None }),
            Limits::client(),
            LogLevels::default(),
            uncounted,
        )?;
        ask(&client, 1, Command::Connect { timeout: PATIENCE })?;
        let Value::Listener(_, socks) =
            ask(&client, 2, Command::ListenSocks5 { address: LOOPBACK, credentials: None })?
        else {
            return Err(io::Error::other("the client's engine has opened no listener"));
        };
        Ok(Self { socks, _client: client, _server: server, _directory: directory })
    }
}

/// Has an engine do something, and waits for its reply.
fn ask(host: &Host, ticket: u64, command: Command) -> io::Result<Value> {
    host.command(ticket, command).map_err(io::Error::other)?;
    let deadline = Instant::now() + PATIENCE;
    while Instant::now() < deadline {
        for message in host.inbox().drain().map_err(io::Error::other)? {
            if let Message::Reply(of, outcome) = message
                && of == ticket
            {
                return outcome.map_err(|failure| io::Error::other(failure.message));
            }
        }
        std::thread::sleep(Duration::from_millis(1));
    }
    Err(io::Error::new(io::ErrorKind::TimedOut, "an engine does not reply"))
}

/// A directory that goes with this process.
struct Directory(PathBuf);

impl Directory {
    fn new() -> io::Result<Self> {
        let path = std::env::temp_dir().join(format!("ginnel-load-{}", std::process::id()));
        std::fs::create_dir(&path)?;
        Ok(Self(path))
    }
}

impl Drop for Directory {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// An origin in a process of its own, as long as this one measures.
struct Origin {
    child: Child,
    address: SocketAddr,
}

impl Origin {
    fn start() -> io::Result<Self> {
        let mut command = std::process::Command::new(std::env::current_exe()?);
        let mut child = command.args(["origin", "--listen", "127.0.0.1:0"]).stdout(Stdio::piped()).spawn()?;
        let mut line = String::new();
        if let Some(out) = child.stdout.take() {
            BufReader::new(out).read_line(&mut line)?;
        }
        let address = line.trim_end().strip_prefix("listening ").and_then(|address| address.parse().ok());
        let address = address.ok_or_else(|| io::Error::other("the origin does not say where it listens"))?;
        Ok(Self { child, address })
    }
}

impl Drop for Origin {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
