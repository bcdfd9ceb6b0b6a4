//! A peer with good keys and bad manners: it floods, never reads, or resets everything. The server
//! stays within its bounds, and an honest client beside it is served.

mod hosts;

use bytes::Bytes;
use ginnel_carrier::udp::{SendOptions, UdpCarrier};
use ginnel_engine::client::Client;
use ginnel_engine::memory::uncounted;
use ginnel_engine::shard::{self, Shard};
use ginnel_engine::stream::Stream;
use ginnel_proto::hub::{Hub, HubConfig};
use ginnel_proto::limits::Limits;
use ginnel_proto::open::OpenRequest;
use hosts::{Directory, End, LOOPBACK, PATIENCE, servers};
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::time::{Duration, Instant};
use tokio::task::LocalSet;

struct Stage {
    _directory: Directory,
    server: End,
    _honest: End,
    socks: SocketAddr,
    /// Sends to whoever connects for as long as it is read.
    endless: SocketAddr,
}

impl Stage {
    fn new(limits: Limits) -> Self {
        let directory = Directory::new();
        let server = End::server_with(&directory, LOOPBACK, limits).unwrap();
        let mut honest = End::client(server.host.local_address(), Limits::client());
        honest.connect();
        let (_, socks) = honest.listen();
        let listener = TcpListener::bind(LOOPBACK).unwrap();
        let endless = listener.local_addr().unwrap();
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let mut stream = stream.unwrap();
                std::thread::spawn(move || while stream.write_all(&[7; 16 << 10]).is_ok() {});
            }
        });
        Self { _directory: directory, server, _honest: honest, socks, endless }
    }

    fn stat(&self, name: &str) -> u64 {
        self.server.host.stats().unwrap().count(name).unwrap()
    }

    /// Waits until a counter of the server is what it should be.
    fn wait(&self, name: &str, wanted: impl Fn(u64) -> bool) {
        let deadline = Instant::now() + PATIENCE * 2;
        while !wanted(self.stat(name)) {
            assert!(Instant::now() < deadline, "{name} = {}", self.stat(name));
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    /// An honest client reads something through the server.
    fn serves(&self) {
        let mut stream = TcpStream::connect(self.socks).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        let port = self.endless.port().to_be_bytes();
        stream.write_all(&[5, 1, 0, 5, 1, 0, 1, 127, 0, 0, 1, port[0], port[1]]).unwrap();
        let mut bytes = [0; 12 + 1000];
        stream.read_exact(&mut bytes).unwrap();
        assert_eq!((bytes[3], bytes[1011]), (0, 7));
    }

    /// Lets a peer do what it likes on a link of its own, and looks at the server meanwhile.
    fn attack<F: Future<Output = ()>>(&self, attack: impl FnOnce(Client, Bytes) -> F, look: impl FnOnce(&Self) + Send) {
        let mut request = Vec::new();
        OpenRequest { target: self.endless.to_string().parse().unwrap() }.encode(&mut request);
        let (done, is_done) = std::sync::mpsc::channel::<()>();
        std::thread::scope(|scope| {
            scope.spawn(move || {
                look(self);
                drop(done);
            });
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            LocalSet::new().block_on(&runtime, async {
                let hub = Hub::client(HubConfig { limits: Limits::client(), aes: true, seed: [9; 32] }, shard::now());
                let carrier = UdpCarrier::bind_any(SendOptions { queue: 5000, retries: 3 }).unwrap();
                let (shard, _) = Shard::start(hub, carrier, Limits::client(), uncounted);
                let client = Client::start(shard, servers(self.server.host.local_address()), 1, |_| {});
                let attacking = async {
                    attack(client, request.into()).await;
                    std::future::pending::<()>().await;
                };
                let looking = tokio::task::spawn_blocking(move || is_done.recv().unwrap_err());
                tokio::select! { () = attacking => {}, _ = looking => {} }
            });
        });
    }
}

async fn open(client: &Client) -> Stream {
    client.open(PATIENCE).await.expect("a link")
}

#[test]
fn a_peer_that_floods_streams_and_says_nothing_in_them() {
    let limits = Limits { step_time: Duration::from_millis(500), streams: 2000, ..Limits::server() };
    let stage = Stage::new(limits);
    let attack = async |client: Client, _| {
        let mut streams = Vec::new();
        for _ in 0..5000 {
            let stream = open(&client).await;
            stream.write_all(Bytes::from_static(&[1])).await.unwrap();
            streams.push(stream);
        }
        std::future::pending::<()>().await;
    };
    stage.attack(attack, |stage| {
        stage.wait("streams_accepted", |count| count >= 5000);
        assert!(stage.stat("streams") <= 2001, "{}", stage.stat("streams"));
        stage.serves();
        // Every one of them loses its place.
        stage.wait("streams", |count| count <= 1);
    });
}

#[test]
fn a_peer_that_never_reads() {
    let stage = Stage::new(Limits::server());
    let attack = async |client: Client, request: Bytes| {
        let mut streams = Vec::new();
        for _ in 0..300 {
            let stream = open(&client).await;
            stream.write_all(request.clone()).await.unwrap();
            streams.push(stream);
        }
        std::future::pending::<()>().await;
    };
    stage.attack(attack, |stage| {
        stage.wait("streams", |count| count >= 300);
        // What is sent comes to a stand: everything that is held has a bound.
        let mut last = u64::MAX;
        while last != stage.stat("bytes_sent") / (1 << 20) {
            last = stage.stat("bytes_sent") / (1 << 20);
            std::thread::sleep(Duration::from_millis(500));
        }
        stage.serves();
    });
}

#[test]
fn a_peer_that_resets_everything() {
    let stage = Stage::new(Limits::server());
    let attack = async |client: Client, request: Bytes| {
        for turn in 0..5000u32 {
            let stream = open(&client).await;
            stream.write_all(request.clone()).await.unwrap();
            if turn % 2 == 0 {
                stream.reset(turn);
                stream.stop(turn);
            }
            // Dropping it gives up whatever has not ended.
            drop(stream);
            if turn % 64 == 0 {
                tokio::task::yield_now().await;
            }
        }
    };
    stage.attack(attack, |stage| {
        stage.wait("streams_accepted", |count| count > 1000);
        stage.serves();
        stage.wait("streams", |count| count <= 1);
        stage.serves();
    });
}
