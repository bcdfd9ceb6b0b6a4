//! Limits with backpressure: who waits, who is sent away, and that everybody else lives on.

mod hosts;

use ginnel_edge::host::{Command, Value};
use ginnel_proto::limits::Limits;
use ginnel_proto::target::Target;
use hosts::{Directory, End, LOOPBACK, PATIENCE};
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::os::unix::net::UnixStream;
use std::time::{Duration, Instant};

struct Path {
    _directory: Directory,
    server: End,
    client: End,
    socks: SocketAddr,
    target: TcpListener,
}

impl Path {
    fn new(server: Limits, client: Limits) -> Self {
        let directory = Directory::new();
        let server = End::server_with(&directory, LOOPBACK, server).unwrap();
        let mut client = End::client(server.host.local_address(), client);
        let (_, socks) = client.listen();
        let target = TcpListener::bind(LOOPBACK).unwrap();
        Self { _directory: directory, server, client, socks, target }
    }

    /// A connection to the proxy that says nothing yet.
    fn silent(&self) -> TcpStream {
        let stream = TcpStream::connect(self.socks).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream
    }

    /// A connection that has asked for the target.
    fn asking(&self) -> TcpStream {
        let mut stream = self.silent();
        let SocketAddr::V4(target) = self.target.local_addr().unwrap() else { panic!("IPv4 on loopback") };
        let port = target.port().to_be_bytes();
        stream.write_all(&[5, 1, 0]).unwrap();
        stream.read_exact(&mut [0; 2]).unwrap();
        stream.write_all(&[5, 1, 0, 1, 127, 0, 0, 1, port[0], port[1]]).unwrap();
        stream
    }

    /// Both ends of a connection through the tunnel.
    fn connected(&self) -> (TcpStream, TcpStream) {
        let mut near = self.asking();
        assert_eq!(reply(&mut near), 0);
        (near, self.target.accept().unwrap().0)
    }

    fn stat(&self, end: &End, name: &str) -> u64 {
        end.host.stats().unwrap().count(name).unwrap()
    }
}

fn reply(stream: &mut TcpStream) -> u8 {
    let mut bytes = [0; 10];
    stream.read_exact(&mut bytes).unwrap();
    bytes[1]
}

fn is_waiting(stream: &mut TcpStream) -> bool {
    stream.set_read_timeout(Some(Duration::from_millis(200))).unwrap();
    let waiting = stream.read(&mut [0]).is_err();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    waiting
}

#[test]
fn those_who_say_nothing_make_room_for_those_who_do() {
    let path = Path::new(Limits::server(), Limits { streams: 20, ..Limits::client() });
    let (mut near, mut far) = path.connected();
    let mut silent: Vec<_> = (0..50).map(|_| path.silent()).collect();
    let (second, _far) = path.connected();
    // The oldest were closed; the connection that was there before lives on.
    assert_eq!(silent[0].read(&mut [0]).unwrap(), 0);
    near.write_all(b"still here").unwrap();
    let mut got = [0; 10];
    far.read_exact(&mut got).unwrap();
    assert_eq!(&got, b"still here");
    drop(second);
}

#[test]
fn a_server_that_serves_as_many_as_it_may_lets_the_next_wait() {
    let path = Path::new(Limits { streams: 2, ..Limits::server() }, Limits::client());
    let first = path.connected();
    let _second = path.connected();
    let mut third = path.asking();
    assert!(is_waiting(&mut third), "served while all places were taken");
    drop(first);
    assert_eq!(reply(&mut third), 0);
}

#[test]
fn a_link_that_opens_too_many_in_a_second_waits_and_then_is_refused() {
    let limits = Limits { opens_per_second: 2, step_time: Duration::from_secs(1), ..Limits::server() };
    let path = Path::new(limits, Limits::client());
    let begun = Instant::now();
    let mut asking: Vec<_> = (0..8).map(|_| path.asking()).collect();
    let replies: Vec<_> = asking.iter_mut().map(reply).collect();
    // Two at once, two within the second that a step may take, and no more.
    assert_eq!(replies.iter().filter(|reply| **reply == 0).count(), 4, "{replies:?}");
    assert!(begun.elapsed() >= Duration::from_millis(900));
    assert_eq!(path.stat(&path.server, "opens_delayed"), 2);
    assert_eq!(path.stat(&path.server, "opens_refused"), 4);
    assert_eq!(path.stat(&path.client, "links_lost"), 0);
}

#[test]
fn a_negotiation_at_a_byte_now_and_then_is_understood() {
    let path = Path::new(Limits::server(), Limits { step_time: Duration::from_millis(500), ..Limits::client() });
    let mut slow = path.silent();
    slow.set_nodelay(true).unwrap();
    let SocketAddr::V4(target) = path.target.local_addr().unwrap() else { panic!("IPv4 on loopback") };
    let port = target.port().to_be_bytes();
    for byte in [5, 1, 0, 5, 1, 0, 1, 127, 0, 0, 1, port[0], port[1]] {
        slow.write_all(&[byte]).unwrap();
        // Slowness is what is tested.
        std::thread::sleep(Duration::from_millis(50));
    }
    slow.read_exact(&mut [0; 2]).unwrap();
    assert_eq!(reply(&mut slow), 0);
}

#[test]
fn handed_over_streams_count_as_well() {
    let mut path = Path::new(Limits::server(), Limits { streams: 1, ..Limits::client() });
    let target: Target = path.target.local_addr().unwrap().to_string().parse().unwrap();
    let Ok(Value::Socket(socket, _)) = path.client.ask(Command::Open(target.clone())) else { panic!("no stream") };
    assert_eq!(path.client.failure(Command::Open(target.clone())).kind, "limit");
    let _far = path.target.accept().unwrap();
    drop(UnixStream::from(socket));
    drop(_far);
    let deadline = Instant::now() + PATIENCE;
    while path.client.ask(Command::Open(target.clone())).is_err() {
        assert!(Instant::now() < deadline, "the place never came back");
    }
}

#[test]
fn other_limits_count_from_now_on_and_disturb_nobody() {
    let mut path = Path::new(Limits { streams: 1, ..Limits::server() }, Limits::client());
    let (mut near, mut far) = path.connected();
    let mut second = path.asking();
    assert!(is_waiting(&mut second));
    let limits = Limits { streams: 10, ..Limits::server() };
    assert!(path.server.ask(Command::SetLimits(Box::new(limits))).is_ok());
    assert_eq!(reply(&mut second), 0);
    near.write_all(b"x").unwrap();
    far.read_exact(&mut [0]).unwrap();
    // The same at a client.
    let limits = Limits { step_time: Duration::from_millis(100), ..Limits::client() };
    assert!(path.client.ask(Command::SetLimits(Box::new(limits))).is_ok());
    assert_eq!(path.silent().read(&mut [0]).unwrap(), 0);
}

#[test]
fn private_targets_can_be_forbidden_while_it_runs() {
    let mut path = Path::new(Limits::server(), Limits::client());
    let (mut near, mut far) = path.connected();
    assert!(path.server.ask(Command::SetAllowPrivate(false)).is_ok());
    assert_eq!(reply(&mut path.asking()), 2);
    near.write_all(b"x").unwrap();
    far.read_exact(&mut [0]).unwrap();
    assert!(path.server.ask(Command::SetAllowPrivate(true)).is_ok());
    path.connected();
    assert!(path.client.ask(Command::SetAllowPrivate(true)).is_err());
}
