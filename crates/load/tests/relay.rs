//! The relay: ends, resets, what is asked of it as a proxy.

mod programs;

use programs::{Running, ended, load, refusing, run};
use std::io::{ErrorKind, Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::time::Duration;

/// Both ends of a connection that a relay forwards.
fn forwarded() -> (Running, TcpStream, TcpStream) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let target = listener.local_addr().unwrap().to_string();
    let relay = Running::start(&["relay", "--listen", "127.0.0.1:0", "--to", &target]);
    let near = TcpStream::connect(&relay.address).unwrap();
    (relay, near, listener.accept().unwrap().0)
}

#[test]
fn an_end_in_one_direction_leaves_the_other_open() {
    let (_relay, mut near, mut far) = forwarded();
    near.write_all(b"question").unwrap();
    near.shutdown(Shutdown::Write).unwrap();
    let mut question = String::new();
    far.read_to_string(&mut question).unwrap();
    let long = "answer".repeat(200_000);
    far.write_all(long.as_bytes()).unwrap();
    drop(far);
    let mut answer = String::new();
    near.read_to_string(&mut answer).unwrap();
    assert!(question == "question" && answer == long);
}

#[test]
fn a_reset_is_passed_on() {
    let (_relay, mut near, far) = forwarded();
    socket2::SockRef::from(&far).set_linger(Some(Duration::ZERO)).unwrap();
    drop(far);
    assert_eq!(near.read(&mut [0]).unwrap_err().kind(), ErrorKind::ConnectionReset);
}

#[test]
fn a_target_that_is_not_there_is_a_reset() {
    let relay = Running::start(&["relay", "--listen", "127.0.0.1:0", "--to", &refusing().to_string()]);
    let mut near = TcpStream::connect(&relay.address).unwrap();
    assert_eq!(near.read(&mut [0]).unwrap_err().kind(), ErrorKind::ConnectionReset);
}

#[test]
fn what_is_no_socks_is_sent_away() {
    let relay = Running::start(&["relay", "--listen", "127.0.0.1:0", "--socks"]);
    let mut socket = TcpStream::connect(&relay.address).unwrap();
    socket.write_all(b"GET / HTTP/1.1\r\n\r\n").unwrap();
    // A reset is an end as well: there was more to read than the relay wanted to.
    assert!(matches!(socket.read(&mut [0; 64]), Ok(0) | Err(_)));
}

#[test]
fn a_relay_resolves_names() {
    let origin = Running::start(&["origin", "--listen", "127.0.0.1:0"]);
    let port: u16 = origin.address.rsplit_once(':').unwrap().1.parse().unwrap();
    let proxy = Running::start(&["relay", "--listen", "127.0.0.1:0", "--socks"]);
    let mut socket = TcpStream::connect(&proxy.address).unwrap();
    // Greeting, request and the first byte for the origin in one go, as RFC 1928 permits.
    let request = [b"\x05\x01\x00\x05\x01\x00\x03\x09localhost".as_slice(), &port.to_be_bytes(), b"c"].concat();
    socket.write_all(&request).unwrap();
    let mut heard = Vec::new();
    socket.read_to_end(&mut heard).unwrap();
    assert!(heard.starts_with(b"\x05\x00\x05\x00\x00\x01") && heard.ends_with(b"g"), "{heard:?}");
}

#[test]
fn a_proxy_whose_target_refuses() {
    let proxy = Running::start(&["relay", "--listen", "127.0.0.1:0", "--socks"]);
    let via = format!("socks5://{}", proxy.address);
    let error = run(&format!("--via {via} --target {} --work down --seconds 0.2", refusing())).unwrap_err();
    assert!(error.contains("the proxy refuses: code 5"), "{error}");
}

#[test]
fn an_address_that_is_taken_is_named() {
    let origin = Running::start(&["origin", "--listen", "127.0.0.1:0"]);
    let (success, _, error) = ended(load(&["relay", "--socks", "--listen", &origin.address]));
    assert!(!success && error.contains(&origin.address) && error.contains("in use"), "{error}");
}
