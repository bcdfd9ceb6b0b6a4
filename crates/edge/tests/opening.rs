//! Opening streams when the link does not stay.

mod hosts;

use ginnel_edge::host::{Command, Value};
use ginnel_proto::limits::Limits;
use ginnel_proto::target::Target;
use hosts::{Directory, End, LOOPBACK, PATIENCE};
use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant};

#[test]
fn a_request_whose_link_goes_away_is_made_again_on_the_next() {
    // A target that never answers: the reply is still to come when the link goes.
    let directory = Directory::new();
    let server = End::server(&directory, LOOPBACK).unwrap();
    let address = server.host.local_address();
    let mut client = End::client(address, Limits { link_wait: Duration::from_secs(20), ..Limits::client() });
    client.connect();
    let full = Backlog::new();
    let target: Target = full.address.to_string().parse().unwrap();
    let ticket = client.send(Command::Open(target));
    let deadline = Instant::now() + PATIENCE;
    while server.host.stats().unwrap().count("streams_accepted") == Some(0) {
        assert!(Instant::now() < deadline, "the request never arrived");
    }
    drop(server);
    let mut next = End::server(&directory, address).unwrap();
    next.event("link_up");
    full.open();
    assert!(matches!(client.reply(ticket), Ok(Value::Socket(..))), "the request was lost with its link");
}

/// A listener whose queue is full: connections to it hang until it is opened.
struct Backlog {
    listener: socket2::Socket,
    address: SocketAddr,
    filling: Vec<TcpStream>,
}

impl Backlog {
    fn new() -> Self {
        let listener = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None).unwrap();
        listener.bind(&LOOPBACK.into()).unwrap();
        listener.listen(0).unwrap();
        let address = listener.local_addr().unwrap().as_socket().unwrap();
        let mut filling = Vec::new();
        while let Ok(stream) = TcpStream::connect_timeout(&address, Duration::from_millis(100)) {
            filling.push(stream);
        }
        Self { listener, address, filling }
    }

    fn open(&self) {
        for _ in &self.filling {
            self.listener.accept().unwrap();
        }
        self.listener.listen(128).unwrap();
    }
}
