//! A client's and a server's shard on one thread, over real UDP on loopback.
#![allow(dead_code, reason = "each test file uses a part of it")]

use bytes::Bytes;
use ginnel_carrier::batch::SendOptions;
use ginnel_carrier::udp::UdpCarrier;
use ginnel_engine::client::{Client, Report, ServerAddress};
use ginnel_engine::memory::{MemoryGauge, uncounted};
use ginnel_engine::shard::{self, Shard};
use ginnel_engine::stream::Stream;
use ginnel_proto::carrier::CarrierKind;
use ginnel_proto::envelope::handshake::ClientKeys;
use ginnel_proto::envelope::keys::{PrivateKey, Psk};
use ginnel_proto::envelope::replay::{NoJournal, ReplayCache};
use ginnel_proto::hub::gate::GateConfig;
use ginnel_proto::hub::{Hub, HubConfig};
use ginnel_proto::limits::Limits;
use ginnel_proto::ports::Ports;
use std::cell::RefCell;
use std::future::Future;
use std::net::{Ipv4Addr, SocketAddr};
use std::rc::Rc;
use std::time::Duration;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::{JoinHandle, LocalSet};

pub(crate) const LOOPBACK: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(Ipv4Addr::LOCALHOST), 0);
pub(crate) const SEND: SendOptions = SendOptions { queue: 5000, retries: 3 };
pub(crate) const PATIENCE: Duration = Duration::from_secs(10);

pub(crate) struct Pair {
    pub(crate) client: Client,
    pub(crate) server: Shard,
    /// Drives the server's shard.
    driving: JoinHandle<()>,
    carrier: fn(UdpCarrier) -> std::io::Result<UdpCarrier>,
    pub(crate) reports: Rc<RefCell<Vec<Report>>>,
}

/// Runs a test on a thread of its own kind, and not for ever.
pub(crate) fn run<F: Future<Output = ()>>(test: impl FnOnce(Pair) -> F) {
    run_over(Ok, test);
}

/// The same over carriers that were changed.
pub(crate) fn run_over<F: Future<Output = ()>>(
    change: fn(UdpCarrier) -> std::io::Result<UdpCarrier>,
    test: impl FnOnce(Pair) -> F,
) {
    start(change, Limits::default(), uncounted, 1, test);
}

/// The same with other limits.
pub(crate) fn run_with<F: Future<Output = ()>>(limits: Limits, gauge: MemoryGauge, test: impl FnOnce(Pair) -> F) {
    start(Ok, limits, gauge, 1, test);
}

/// The same with a pool of so many links.
pub(crate) fn run_pool<F: Future<Output = ()>>(limits: Limits, links: u16, test: impl FnOnce(Pair) -> F) {
    start(Ok, limits, uncounted, links, test);
}

fn start<F: Future<Output = ()>>(
    change: fn(UdpCarrier) -> std::io::Result<UdpCarrier>,
    limits: Limits,
    gauge: MemoryGauge,
    links: u16,
    test: impl FnOnce(Pair) -> F,
) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    LocalSet::new().block_on(&runtime, async {
        let test = test(Pair::start(change, limits, gauge, links));
        tokio::time::timeout(Duration::from_secs(30), test).await.expect("the test ends in time");
    });
}

fn config(seed: u8, limits: &Limits) -> HubConfig {
    HubConfig { limits: limits.clone(), aes: true, seed: [seed; 32] }
}

/// A client's hub.
pub(crate) fn hub(seed: u8, limits: &Limits) -> Hub {
    Hub::client(config(seed, limits), shard::now())
}

/// The hub of the server that all clients here know.
pub(crate) fn server_hub(limits: &Limits) -> Hub {
    let (psk, key, user) = keys();
    let gate = GateConfig {
        psks: vec![psk],
        key,
        users: [(user.public(), "laptop".into())].into_iter().collect(),
        replay: ReplayCache::default(),
        journal: Box::new(NoJournal),
    };
    Hub::server(config(1, limits), gate, shard::now())
}

/// The deployment's secret, the server's key and its user's.
pub(crate) fn keys() -> (Psk, PrivateKey, PrivateKey) {
    (Psk::new([1; 32]), PrivateKey::new([2; 32]), PrivateKey::new([3; 32]))
}

fn server(
    address: SocketAddr,
    change: fn(UdpCarrier) -> std::io::Result<UdpCarrier>,
    limits: Limits,
    gauge: MemoryGauge,
) -> (Shard, JoinHandle<()>) {
    let carrier = UdpCarrier::bind(address.ip(), [address.port()], SEND).and_then(change).unwrap();
    Shard::start(server_hub(&limits), carrier, limits, gauge)
}

impl Pair {
    fn start(
        change: fn(UdpCarrier) -> std::io::Result<UdpCarrier>,
        limits: Limits,
        gauge: MemoryGauge,
        links: u16,
    ) -> Self {
        let (psk, key, user) = keys();
        let (server, driving) = server(LOOPBACK, change, limits.clone(), gauge);
        let address = server.local_address().unwrap();
        let (shard, _) =
            Shard::start(hub(2, &limits), UdpCarrier::bind_any(SEND).and_then(change).unwrap(), limits, gauge);
        let keys = ClientKeys { psk, server: key.public(), user };
        let servers = vec![ServerAddress {
            carrier: CarrierKind::Udp,
            host: address.ip().to_string(),
            ports: Ports::one(address.port()),
            keys,
        }];
        let reports = Rc::new(RefCell::new(Vec::new()));
        let seen = reports.clone();
        let client = Client::start(shard, servers, links, move |report| seen.borrow_mut().push(report));
        Self { client, server, driving, carrier: change, reports }
    }

    /// The server is killed, without a word to anybody.
    pub(crate) async fn kill(&mut self) -> SocketAddr {
        let address = self.server.local_address().unwrap();
        self.driving.abort();
        let _ = (&mut self.driving).await;
        // Its socket is closed when the last handle is gone: this one is of nothing.
        let (other, _) = server(LOOPBACK, self.carrier, Limits::default(), uncounted);
        self.server = other;
        address
    }

    /// Another server begins at an address, with the same keys.
    pub(crate) fn serve(&mut self, address: SocketAddr) {
        (self.server, self.driving) = server(address, self.carrier, Limits::default(), uncounted);
    }

    /// A stream with both its ends. The peer learns of it by its first byte, which is taken.
    pub(crate) async fn stream(&self) -> (Stream, Stream) {
        let near = self.client.open(PATIENCE).await.expect("a link");
        near.write_all(Bytes::from_static(b"!")).await.unwrap();
        let far = self.server.accept().await;
        let mut chunks = Vec::new();
        far.read(1, &mut chunks).await.unwrap();
        assert_eq!(chunks.concat(), b"!");
        (near, far)
    }
}

/// Two connected TCP sockets.
pub(crate) async fn tcp_pair() -> (TcpStream, TcpStream) {
    let listener = TcpListener::bind(LOOPBACK).await.unwrap();
    let connect = TcpStream::connect(listener.local_addr().unwrap());
    let (one, other) = tokio::join!(connect, listener.accept());
    (one.unwrap(), other.unwrap().0)
}
