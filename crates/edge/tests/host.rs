//! Hosts: commands in, replies and events out, and an end in order.

mod hosts;

use ginnel_edge::host::{Command, CommandError, Fact, Value, users};
use ginnel_proto::limits::Limits;
use ginnel_proto::ports::Ports;
use ginnel_proto::target::Target;
use hosts::{Directory, End, LOOPBACK, PATIENCE, one_user};
use std::io::{ErrorKind, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, UdpSocket};
use std::os::unix::net::UnixStream;
use std::time::{Duration, Instant};

fn pair() -> (Directory, End, End) {
    let directory = Directory::new();
    let server = End::server(&directory, LOOPBACK).unwrap();
    let client = End::client(server.host.local_address(), Limits::default());
    (directory, server, client)
}

fn target(address: SocketAddr) -> Target {
    address.to_string().parse().unwrap()
}

fn handed_over(client: &mut End, address: SocketAddr) -> (UnixStream, u64) {
    match client.ask(Command::Open(target(address))) {
        Ok(Value::Socket(socket, number)) => {
            let socket = UnixStream::from(socket);
            socket.set_nonblocking(false).unwrap();
            socket.set_read_timeout(Some(PATIENCE)).unwrap();
            (socket, number)
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_stream_is_handed_over_as_a_socket() {
    let (_directory, mut server, mut client) = pair();
    let listener = TcpListener::bind(LOOPBACK).unwrap();
    let (mut socket, _) = handed_over(&mut client, listener.local_addr().unwrap());
    let (mut far, _) = listener.accept().unwrap();
    socket.write_all(b"question").unwrap();
    socket.shutdown(Shutdown::Write).unwrap();
    let mut question = String::new();
    far.read_to_string(&mut question).unwrap();
    far.write_all(b"answer").unwrap();
    drop(far);
    let mut answer = String::new();
    socket.read_to_string(&mut answer).unwrap();
    assert_eq!((&*question, &*answer), ("question", "answer"));
    let facts = server.event("link_up").facts;
    assert!(facts.contains(&("user", Fact::Text("laptop".into()))), "{facts:?}");
    assert!(matches!(client.ask(Command::Probe { timeout: PATIENCE }), Ok(Value::Seconds(_))));
}

#[test]
fn a_server_is_reached_on_each_of_its_ports() {
    let sockets: Vec<UdpSocket> = (0..3).map(|_| UdpSocket::bind(LOOPBACK).unwrap()).collect();
    let free: Vec<u16> = sockets.iter().map(|socket| socket.local_addr().unwrap().port()).collect();
    drop(sockets);
    let ports = Ports::new(free.iter().map(|port| (*port, *port))).unwrap();
    let directory = Directory::new();
    let mut server = End::server_on(&directory, ports.clone()).unwrap();
    assert_eq!(server.host.local_address(), SocketAddr::new(LOOPBACK.ip(), ports.first()));
    for port in free {
        let mut client = End::client(SocketAddr::new(LOOPBACK.ip(), port), Limits::default());
        client.connect();
        server.event("link_up");
        assert!(matches!(client.ask(Command::Probe { timeout: PATIENCE }), Ok(Value::Seconds(_))));
    }
    // All or none: a second server has a port of its own and one of these.
    let own = UdpSocket::bind(LOOPBACK).unwrap().local_addr().unwrap().port();
    let both = Ports::new([(own, own), (ports.first(), ports.first())]).unwrap();
    let error = End::server_on(&Directory::new(), both).err().expect("one of them is taken");
    assert!(error.to_string().starts_with(&format!("port {}: ", ports.first())), "{error}");
    UdpSocket::bind(SocketAddr::new(LOOPBACK.ip(), own)).unwrap();
}

#[test]
fn a_reset_is_told_before_the_socket_ends() {
    let (_directory, _server, mut client) = pair();
    let listener = TcpListener::bind(LOOPBACK).unwrap();
    let (mut socket, number) = handed_over(&mut client, listener.local_addr().unwrap());
    let (far, _) = listener.accept().unwrap();
    socket2::SockRef::from(&far).set_linger(Some(Duration::ZERO)).unwrap();
    drop(far);
    assert_eq!(client.event("stream_reset").facts, vec![("stream", Fact::Number(number as i64))]);
    // The engine keeps its end open: no end of file can be mistaken for a clean one.
    socket.set_read_timeout(Some(Duration::from_millis(100))).unwrap();
    let error = socket.read(&mut [0]).unwrap_err();
    assert!(matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut), "{error}");
}

#[test]
fn no_reset_is_ever_dropped() {
    let directory = Directory::new();
    let server = End::server(&directory, LOOPBACK).unwrap();
    let limits = Limits { events: 1, ..Limits::default() };
    let mut client = End::client(server.host.local_address(), limits);
    let listener = TcpListener::bind(LOOPBACK).unwrap();
    let opened: Vec<_> = (0..8).map(|_| handed_over(&mut client, listener.local_addr().unwrap())).collect();
    for _ in &opened {
        let (far, _) = listener.accept().unwrap();
        socket2::SockRef::from(&far).set_linger(Some(Duration::ZERO)).unwrap();
    }
    for _ in &opened {
        client.event("stream_reset");
    }
}

#[test]
fn probes_at_the_same_time_are_all_answered() {
    let (_directory, _server, mut client) = pair();
    client.connect();
    let tickets: Vec<u64> = (0..5).map(|_| client.send(Command::Probe { timeout: PATIENCE })).collect();
    for ticket in tickets {
        assert!(matches!(client.reply(ticket), Ok(Value::Seconds(_))));
    }
}

#[test]
fn failures_say_what_they_are() {
    let (_directory, mut server, mut client) = pair();
    client.connect();
    let closed = TcpListener::bind(LOOPBACK).unwrap().local_addr().unwrap();
    assert_eq!(client.failure(Command::Open(target(closed))).kind, "target_refused");
    let unspecified = "0.0.0.0:80".parse().unwrap();
    assert_eq!(client.failure(Command::Open(unspecified)).kind, "not_allowed");
    let (_, taken) = client.listen();
    let failure = client.failure(Command::ListenSocks5 { address: taken, credentials: None });
    assert_eq!(failure.kind, "listen");
    assert!(failure.facts.contains(&("errno", Fact::Number(i64::from(libc::EADDRINUSE)))), "{failure:?}");
    assert_eq!(client.failure(Command::SetUsers(one_user())).kind, "failed");
    assert_eq!(server.failure(Command::Connect { timeout: PATIENCE }).kind, "failed");
}

#[test]
fn nobody_answers_in_the_time_that_was_given() {
    let silent = std::net::UdpSocket::bind(LOOPBACK).unwrap();
    let mut client = End::client(silent.local_addr().unwrap(), Limits::default());
    let failure = client.failure(Command::Connect { timeout: Duration::from_millis(300) });
    assert_eq!(failure.kind, "no_answer");
    assert!(failure.message.contains(&silent.local_addr().unwrap().to_string()), "{}", failure.message);
}

#[test]
fn a_user_who_is_removed_is_out() {
    let (_directory, mut server, mut client) = pair();
    client.connect();
    server.event("link_up");
    assert!(server.ask(Command::SetUsers(users([]))).is_ok());
    let facts = client.event("link_down").facts;
    assert!(facts.contains(&("reason", Fact::Text("this user is no longer allowed".into()))), "{facts:?}");
    assert_eq!(client.failure(Command::Connect { timeout: Duration::from_millis(300) }).kind, "no_answer");
    assert!(server.ask(Command::SetUsers(one_user())).is_ok());
    client.connect();
}

#[test]
fn a_listener_that_is_closed_lets_its_port_go() {
    let (_directory, _server, mut client) = pair();
    let (number, address) = client.listen();
    assert!(client.ask(Command::CloseListener(number)).is_ok());
    TcpListener::bind(address).unwrap();
}

#[test]
fn a_shutdown_waits_for_streams_and_a_second_one_does_not() {
    let (_directory, _server, mut client) = pair();
    let listener = TcpListener::bind(LOOPBACK).unwrap();
    let (_socket, _) = handed_over(&mut client, listener.local_addr().unwrap());
    let begun = Instant::now();
    let first = client.send(Command::Shutdown { drain: Duration::from_secs(60) });
    let late = client.send(Command::Open("127.0.0.1:9".parse().unwrap()));
    assert_eq!(client.reply(late).unwrap_err().kind, "closed");
    let second = client.send(Command::Shutdown { drain: Duration::ZERO });
    assert!(client.reply(first).is_ok() && client.reply(second).is_ok());
    assert!(begun.elapsed() < Duration::from_secs(30));
    client.event("stream_reset");
    let ended = std::iter::repeat_with(|| client.host.inbox().drain()).find_map(Result::err);
    assert_eq!(ended.as_deref(), Some("the engine was shut down"));
    assert_eq!(client.host.command(99, Command::CloseListener(1)), Err(CommandError::Closed));
}

#[test]
fn a_host_without_streams_ends_at_once_and_tells_its_peer() {
    let (_directory, mut server, mut client) = pair();
    client.connect();
    server.event("link_up");
    assert!(server.ask(Command::Shutdown { drain: Duration::from_secs(60) }).is_ok());
    let facts = client.event("link_down").facts;
    assert!(facts.contains(&("reason", Fact::Text("the other end was stopped".into()))), "{facts:?}");
}

#[test]
fn commands_beyond_the_bound_are_refused_and_none_is_lost() {
    let silent = std::net::UdpSocket::bind(LOOPBACK).unwrap();
    let limits = Limits { commands: 3, ..Limits::default() };
    let mut client = End::client(silent.local_addr().unwrap(), limits);
    let tickets: Vec<u64> =
        (0..3).map(|_| client.send(Command::Connect { timeout: Duration::from_millis(200) })).collect();
    assert_eq!(client.host.command(99, Command::CloseListener(1)), Err(CommandError::TooMany));
    for ticket in tickets {
        assert_eq!(client.reply(ticket).unwrap_err().kind, "no_answer");
    }
    assert!(client.ask(Command::CloseListener(1)).is_ok());
}

#[test]
fn a_port_that_is_taken_is_an_error_of_the_start() {
    let (directory, server, _client) = pair();
    let error = End::server(&directory, server.host.local_address()).err().unwrap();
    assert_eq!(error.kind(), ErrorKind::AddrInUse);
}

#[test]
fn counters_count() {
    let (_directory, mut server, mut client) = pair();
    client.connect();
    server.event("link_up");
    let stats = server.host.stats().unwrap();
    assert_eq!((stats.count("links"), stats.count("streams"), stats.count("links_up")), (Some(1), Some(0), Some(1)));
    assert!(stats.count("bytes_received") > Some(1200));
    assert_eq!(stats.count("forged"), Some(0));
}

#[test]
fn links_tell_of_their_paths() {
    let (_directory, mut server, mut client) = pair();
    client.connect();
    server.event("link_up");
    let (here, there) = (client.host.links().unwrap(), server.host.links().unwrap());
    assert_eq!((here.len(), there.len()), (1, 1));
    assert_eq!(here[0].peer, server.host.local_address());
    assert_eq!(there[0].peer.port(), client.host.local_address().port());
    for link in [&here[0], &there[0]] {
        let path = &link.path;
        assert!(path.sent > 0 && path.mtu >= 1200, "{path:?}");
        assert!(path.window > 0 && path.receive_window > 0 && path.send_window > 0, "{path:?}");
    }
    assert!(server.ask(Command::Shutdown { drain: Duration::ZERO }).is_ok());
    client.event("link_down");
    assert!(client.host.links().unwrap().is_empty());
}
