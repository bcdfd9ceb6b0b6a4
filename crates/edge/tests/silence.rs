//! Silence on every port of a server behind real sockets: no packet leaves, nothing stays, and who may come in does.

mod hosts;

use ginnel_proto::envelope::Version;
use ginnel_proto::envelope::handshake::{ClientKeys, Initiation};
use ginnel_proto::envelope::hello::{Hello, LinkIdentity, SessionKind};
use ginnel_proto::envelope::keys::{OuterKeys, PrivateKey, Psk};
use ginnel_proto::ports::Ports;
use ginnel_proto::profile::Profile;
use hosts::{Directory, End, LOOPBACK, PATIENCE, servers};
use rand::rngs::StdRng;
use rand::{Rng, RngExt, SeedableRng};
use std::io::ErrorKind;
use std::net::{SocketAddr, UdpSocket};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// Datagrams between two looks at what the server has read: few enough for any receive buffer.
const BURST: usize = 32;

const MINUTE: i64 = 60;
const HOUR: i64 = 60 * MINUTE;

/// A server on three ports, and a stranger who remembers how much he has sent.
struct Stage {
    server: End,
    _directory: Directory,
    ports: Vec<u16>,
    stranger: UdpSocket,
    sent: u64,
    rng: StdRng,
}

impl Stage {
    fn new() -> Self {
        let sockets: Vec<UdpSocket> = (0..3).map(|_| UdpSocket::bind(LOOPBACK).unwrap()).collect();
        let ports: Vec<u16> = sockets.iter().map(|socket| socket.local_addr().unwrap().port()).collect();
        drop(sockets);
        let directory = Directory::new();
        let server = End::server_on(&directory, Ports::new(ports.iter().map(|port| (*port, *port))).unwrap()).unwrap();
        let stranger = UdpSocket::bind(LOOPBACK).unwrap();
        stranger.set_nonblocking(true).unwrap();
        Self { server, _directory: directory, ports, stranger, sent: 0, rng: StdRng::seed_from_u64(7) }
    }

    fn keys(&self) -> ClientKeys {
        servers(self.server.host.local_address()).remove(0).keys
    }

    fn count(&self, name: &str) -> u64 {
        self.server.host.stats().unwrap().count(name).unwrap()
    }

    /// A request under these keys, by a clock that is so many seconds off.
    fn request(&mut self, keys: &ClientKeys, off: i64) -> Vec<u8> {
        let wall = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
        let hello = Hello {
            time_ns: (wall.as_nanos() as u64).saturating_add_signed(off * 1_000_000_000),
            identity: LinkIdentity { instance: self.rng.random(), member: 0 },
            epoch: 1,
            session: self.rng.random(),
            aes: true,
            kind: SessionKind::Quic,
            params: Vec::new(),
        };
        let (outer, size) = (OuterKeys::derive(&keys.psk, &keys.server), Profile::plain().request_size);
        Initiation::new(Version::CURRENT, keys, &outer, &hello, size, &mut self.rng).1
    }

    /// Sends to every port, and sees that the server has read every datagram.
    fn send(&mut self, datagrams: &[Vec<u8>]) {
        for burst in datagrams.chunks(BURST) {
            for port in &self.ports {
                for datagram in burst {
                    self.stranger.send_to(datagram, SocketAddr::new(LOOPBACK.ip(), *port)).unwrap();
                }
                self.sent += burst.len() as u64;
                let deadline = Instant::now() + PATIENCE;
                while self.count("datagrams_received") < self.sent {
                    assert!(Instant::now() < deadline, "{} of {}", self.count("datagrams_received"), self.sent);
                }
            }
        }
    }

    /// What was read was judged in the same round: an answer would have left.
    fn is_silent(&self, what: &str) {
        for count in ["datagrams_sent", "links", "half_open", "links_up"] {
            assert_eq!(self.count(count), 0, "{count} after {what}");
        }
        let heard = self.stranger.recv_from(&mut [0; 2048]);
        assert!(heard.is_err_and(|error| error.kind() == ErrorKind::WouldBlock), "an answer to {what}");
    }
}

#[test]
fn every_port_is_silent() {
    let mut stage = Stage::new();
    let ports = stage.ports.len() as u64;
    let noise: Vec<Vec<u8>> = (1..=1500)
        .map(|length| {
            let mut datagram = vec![0; length];
            stage.rng.fill_bytes(&mut datagram);
            datagram
        })
        .collect();
    stage.send(&noise);
    stage.is_silent("random bytes of every length");
    let keys = stage.keys();
    for (off, what) in
        [(HOUR, "an hour ahead"), (-HOUR, "an hour behind"), (-3 * MINUTE, "recorded and past the window")]
    {
        let before = stage.count("handshake_skewed");
        let requests = stage.request(&keys, off);
        stage.send(&[requests]);
        stage.is_silent(what);
        assert_eq!(stage.count("handshake_skewed") - before, ports, "{what}");
    }
    let unknown = stage.request(&ClientKeys { user: PrivateKey::new([99; 32]), ..keys.clone() }, 0);
    stage.send(&[unknown]);
    stage.is_silent("the right secret with an unknown user");
    assert_eq!(stage.count("handshake_unknown_user"), ports);
    // A request for another server of the same deployment, and one of another deployment for this server.
    let elsewhere = stage.request(&ClientKeys { server: PrivateKey::new([98; 32]).public(), ..keys.clone() }, 0);
    let others = stage.request(&ClientKeys { psk: Psk::new([97; 32]), ..keys.clone() }, 0);
    stage.send(&[elsewhere, others]);
    stage.is_silent("the right user at the wrong server");
    // All of this was sent to somebody who does answer, on each port and from that port, who may come in.
    stage.stranger.set_nonblocking(false).unwrap();
    stage.stranger.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
    for port in stage.ports.clone() {
        let (request, to) = (stage.request(&keys, 0), SocketAddr::new(LOOPBACK.ip(), port));
        stage.stranger.send_to(&request, to).unwrap();
        assert_eq!(stage.stranger.recv_from(&mut [0; 2048]).unwrap().1, to);
        // And the same again, replayed at once, is silence.
        stage.sent += 1;
        stage.send(&[request]);
    }
    assert_eq!((stage.count("datagrams_sent"), stage.count("handshake_replayed")), (ports, ports * ports));
    assert_eq!((stage.count("half_open"), stage.count("links")), (ports, 0));
}
