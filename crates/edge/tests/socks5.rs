//! The SOCKS5 inbound and the serving of streams, end to end over a real link.

mod hosts;

use ginnel_edge::host::{Command, Value};
use ginnel_proto::limits::Limits;
use ginnel_proto::socks5::Credentials;
use hosts::{Directory, End, LOOPBACK, PATIENCE};
use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::time::Duration;

struct Path {
    _directory: Directory,
    server: End,
    client: End,
    socks: SocketAddr,
}

fn path(limits: Limits) -> Path {
    let directory = Directory::new();
    let server = End::server(&directory, LOOPBACK).unwrap();
    let mut client = End::client(server.host.local_address(), limits);
    let (_, socks) = client.listen();
    Path { _directory: directory, server, client, socks }
}

fn dial(address: SocketAddr) -> TcpStream {
    let stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    stream
}

fn request(target: SocketAddr) -> Vec<u8> {
    let SocketAddr::V4(v4) = target else { panic!("{target}") };
    let mut bytes = vec![5, 1, 0, 5, 1, 0, 1];
    bytes.extend(v4.ip().octets());
    bytes.extend(v4.port().to_be_bytes());
    bytes
}

fn reply(stream: &mut TcpStream) -> u8 {
    let mut bytes = [0; 12];
    stream.read_exact(&mut bytes).unwrap();
    assert_eq!(bytes[..3], [5, 0, 5]);
    bytes[3]
}

#[test]
fn bytes_sent_together_with_the_request_reach_the_target() {
    let path = path(Limits::default());
    let listener = TcpListener::bind(LOOPBACK).unwrap();
    let mut application = dial(path.socks);
    let mut all = request(listener.local_addr().unwrap());
    all.extend(b"in one go");
    application.write_all(&all).unwrap();
    application.shutdown(Shutdown::Write).unwrap();
    let (mut target, _) = listener.accept().unwrap();
    let mut got = String::new();
    target.read_to_string(&mut got).unwrap();
    assert_eq!(got, "in one go");
    target.write_all(b"and back").unwrap();
    drop(target);
    assert_eq!(reply(&mut application), 0);
    got.clear();
    application.read_to_string(&mut got).unwrap();
    assert_eq!(got, "and back");
}

#[test]
fn a_refused_target_is_told_and_the_connection_ends() {
    let path = path(Limits::default());
    let closed = TcpListener::bind(LOOPBACK).unwrap().local_addr().unwrap();
    let mut application = dial(path.socks);
    application.write_all(&request(closed)).unwrap();
    assert_eq!(reply(&mut application), 5);
    assert_eq!(application.read(&mut [0]).unwrap(), 0);
}

#[test]
fn a_silent_application_holds_no_slot() {
    let path = path(Limits { step_time: Duration::from_millis(100), ..Limits::default() });
    let mut silent = dial(path.socks);
    assert_eq!(silent.read(&mut [0]).unwrap(), 0);
    let mut half = dial(path.socks);
    half.write_all(&[5, 1]).unwrap();
    assert_eq!(half.read(&mut [0]).unwrap(), 0);
}

#[test]
fn without_a_link_the_answer_is_a_general_failure() {
    let silent = std::net::UdpSocket::bind(LOOPBACK).unwrap();
    let limits = Limits { link_wait: Duration::from_millis(200), ..Limits::default() };
    let mut client = End::client(silent.local_addr().unwrap(), limits);
    let (_, socks) = client.listen();
    let mut application = dial(socks);
    application.write_all(&request(LOOPBACK)).unwrap_or_default();
    application.write_all(&[0, 80]).unwrap_or_default();
    let mut bytes = [0; 4];
    application.read_exact(&mut bytes).unwrap();
    assert_eq!(bytes, [5, 0, 5, 1]);
}

#[test]
fn a_full_inbound_makes_the_next_wait_and_loses_nobody() {
    let path = path(Limits { streams: 1, ..Limits::client() });
    let listener = TcpListener::bind(LOOPBACK).unwrap();
    let mut first = dial(path.socks);
    first.write_all(&request(listener.local_addr().unwrap())).unwrap();
    assert_eq!(reply(&mut first), 0);
    let (far, _) = listener.accept().unwrap();
    let mut second = dial(path.socks);
    second.write_all(&request(listener.local_addr().unwrap())).unwrap();
    second.set_read_timeout(Some(Duration::from_millis(200))).unwrap();
    assert!(second.read(&mut [0]).is_err(), "served while the only slot was taken");
    drop((first, far));
    second.set_read_timeout(Some(PATIENCE)).unwrap();
    assert_eq!(reply(&mut second), 0);
}

#[test]
fn a_login_is_asked_for_and_checked() {
    let mut path = path(Limits::default());
    let credentials = Some(Credentials::new(b"user", b"word").unwrap());
    let listening = path.client.ask(Command::ListenSocks5 { address: LOOPBACK, credentials });
    let Ok(Value::Listener(_, socks)) = listening else { panic!("{listening:?}") };
    for (word, status) in [(b"word", 0), (b"rong", 1)] {
        let mut application = dial(socks);
        application.write_all(&[5, 1, 2]).unwrap();
        let mut two = [0; 2];
        application.read_exact(&mut two).unwrap();
        assert_eq!(two, [5, 2]);
        application.write_all(&[&[1, 4][..], b"user", &[4], word].concat()).unwrap();
        application.read_exact(&mut two).unwrap();
        assert_eq!((two[0], two[1] != 0), (1, status != 0));
    }
    let mut unwilling = dial(socks);
    unwilling.write_all(&[5, 1, 0]).unwrap();
    let mut two = [0; 2];
    unwilling.read_exact(&mut two).unwrap();
    assert_eq!(two, [5, 0xff]);
    assert_eq!(path.server.host.stats().unwrap().count("streams_accepted"), Some(0));
}
