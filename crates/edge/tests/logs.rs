//! What an engine logs, and what it says about itself: streams, drops, limits, users, open times.

mod hosts;

use ginnel_edge::host::{Command, Event, Fact, Host, Stats, Value, users};
use ginnel_proto::limits::Limits;
use hosts::{Directory, End, LOOPBACK, PATIENCE};
use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::os::unix::net::UnixStream;
use std::time::Instant;

fn pair() -> (Directory, End, End) {
    let directory = Directory::new();
    let server = End::server(&directory, LOOPBACK).unwrap();
    let mut client = End::client(server.host.local_address(), Limits::client());
    client.connect();
    (directory, server, client)
}

/// Sends `question` through a stream, gets `answer` back, and ends it.
fn exchange(client: &mut End, question: &[u8], answer: &[u8]) -> SocketAddr {
    let listener = TcpListener::bind(LOOPBACK).unwrap();
    let address = listener.local_addr().unwrap();
    let mut near = match client.ask(Command::Open(address.to_string().parse().unwrap())) {
        Ok(Value::Socket(socket, _)) => UnixStream::from(socket),
        other => panic!("{other:?}"),
    };
    near.set_nonblocking(false).unwrap();
    near.set_read_timeout(Some(PATIENCE)).unwrap();
    let (mut far, _) = listener.accept().unwrap();
    near.write_all(question).unwrap();
    near.shutdown(Shutdown::Write).unwrap();
    let mut got = Vec::new();
    far.read_to_end(&mut got).unwrap();
    assert_eq!(got, question);
    far.write_all(answer).unwrap();
    drop(far);
    got.clear();
    near.read_to_end(&mut got).unwrap();
    assert_eq!(got, answer);
    address
}

fn fact<'a>(event: &'a Event, name: &str) -> Option<&'a Fact> {
    event.facts.iter().find(|(is, _)| *is == name).map(|(_, fact)| fact)
}

fn text<'a>(event: &'a Event, name: &str) -> &'a str {
    match fact(event, name) {
        Some(Fact::Text(text)) => text,
        other => panic!("{name} is {other:?} in {event:?}"),
    }
}

fn number(event: &Event, name: &str) -> i64 {
    match fact(event, name) {
        Some(Fact::Number(number)) => *number,
        other => panic!("{name} is {other:?} in {event:?}"),
    }
}

/// Waits for the record with this message.
fn record(end: &mut End, message: &str) -> Event {
    end.event_where(|event| event.name == "log" && text(event, "message") == message)
}

/// Waits for statistics of which something is true.
fn stats(host: &Host, is_so: impl Fn(&Stats) -> bool) -> Stats {
    let deadline = Instant::now() + PATIENCE;
    loop {
        let stats = host.stats().unwrap();
        if is_so(&stats) {
            return stats;
        }
        assert!(Instant::now() < deadline, "still not so: {:?} {:?}", stats.drops, stats.users);
        std::thread::sleep(std::time::Duration::from_millis(1));
    }
}

#[test]
fn a_stream_is_one_line_at_its_beginning_and_one_at_its_end() {
    let (_directory, mut server, mut client) = pair();
    for end in [&server, &client] {
        end.host.set_log([("stream", "debug")]).unwrap();
    }
    let link = text(&client.event("link_up"), "link").to_owned();
    let address = exchange(&mut client, b"question", b"the answer");
    let opened = record(&mut client, "stream opened");
    assert_eq!((text(&opened, "area"), text(&opened, "level")), ("stream", "debug"));
    assert_eq!((text(&opened, "link"), text(&opened, "to")), (&*link, &*address.to_string()));
    let ended = record(&mut client, "stream ended");
    assert_eq!((text(&ended, "link"), number(&ended, "stream")), (&*link, number(&opened, "stream")));
    assert_eq!(text(&ended, "how"), "clean");
    // The open request goes before the question, its reply before the answer.
    assert_eq!((number(&ended, "sent") > 8, number(&ended, "received")), (true, 11));
    for stage in ["queued", "opened", "connected", "first_byte"] {
        assert!(matches!(fact(&ended, stage), Some(Fact::Seconds(took)) if *took < 10.0), "{stage} in {ended:?}");
    }
    assert_eq!(fact(&ended, "requested"), None);
    let far = text(&server.event("link_up"), "link").to_owned();
    let ended = record(&mut server, "stream ended");
    assert_eq!((text(&ended, "link"), number(&ended, "sent")), (&*far, 11));
    assert!(matches!(fact(&ended, "requested"), Some(Fact::Seconds(_))));
}

#[test]
fn targets_are_named_at_debug_only() {
    let (_directory, server, mut client) = pair();
    let address = exchange(&mut client, b"a", b"b").to_string();
    let refused = "127.0.0.1:1".parse().unwrap();
    assert!(client.ask(Command::Open(refused)).is_err());
    for mut end in [server, client] {
        let _ = end.ask(Command::Shutdown { drain: PATIENCE });
        for event in end.events_left() {
            assert!(!format!("{event:?}").contains(&address), "{event:?}");
            assert!(event.name != "log" || text(&event, "level") != "debug", "{event:?}");
        }
    }
}

#[test]
fn open_times_are_kept_at_both_ends() {
    let (_directory, server, mut client) = pair();
    for _ in 0..3 {
        exchange(&mut client, b"question", b"answer");
    }
    let stages = |stats: &Stats| -> Vec<(&str, u64)> {
        stats.open_time.iter().map(|(stage, times)| (*stage, times.count())).collect()
    };
    assert_eq!(
        stages(&client.host.stats().unwrap()),
        [("queued", 3), ("opened", 3), ("connected", 3), ("first_byte", 3)]
    );
    assert_eq!(stages(&server.host.stats().unwrap()), [("requested", 3), ("connected", 3), ("first_byte", 3)]);
}

#[test]
fn what_a_user_uses_is_counted_across_links_until_the_user_is_removed() {
    let (_directory, mut server, mut client) = pair();
    exchange(&mut client, &[b'q'; 100_000], &[b'a'; 300_000]);
    let port = server.host.local_address();
    drop(client);
    let stats = stats(&server.host, |stats| stats.users[0].1.links == 0);
    let (name, usage) = &stats.users[0];
    assert_eq!((&**name, usage.streams, usage.streams_opened), ("laptop", 0, 1));
    assert_eq!(usage.bytes_sent, 300_001);
    assert!((100_000..100_100).contains(&usage.bytes_received), "{usage:?}");
    let mut client = End::client(port, Limits::client());
    exchange(&mut client, b"", &[b'a'; 1000]);
    let (_, usage) = server.host.stats().unwrap().users[0].clone();
    assert_eq!((usage.links, usage.streams_opened, usage.bytes_sent), (1, 2, 301_002));
    assert!(server.ask(Command::SetUsers(users([]))).is_ok());
    assert_eq!(server.host.stats().unwrap().users.len(), 0);
    assert_eq!(client.host.stats().unwrap().users.len(), 0);
}

#[test]
fn drops_are_counted_by_cause_and_each_thousandth_is_told() {
    let (_directory, mut server, _client) = pair();
    let stranger = UdpSocket::bind(LOOPBACK).unwrap();
    let strange = |server: &End, so_far: u64, total: u64| {
        for sent in so_far..total {
            stranger.send_to(&[7; 300], server.host.local_address()).unwrap();
            if sent % 100 == 99 {
                // As many as the socket's buffer holds at once.
                stats(&server.host, |stats| stats.count("not_ours") == Some(sent + 1));
            }
        }
        stats(&server.host, |stats| stats.count("not_ours") == Some(total))
    };
    strange(&server, 0, 999);
    assert!(server.events_left().iter().all(|event| event.name != "log"));
    strange(&server, 999, 2100);
    for total in [1000, 2000] {
        let told = record(&mut server, "datagrams dropped");
        assert_eq!((text(&told, "area"), text(&told, "level")), ("link", "warning"));
        assert_eq!(text(&told, "cause"), "not_ours");
        // A batch may have brought a few more.
        assert!((total..total + 100).contains(&number(&told, "total")), "{told:?}");
    }
    let stats = strange(&server, 2100, 2100);
    assert_eq!(stats.count("forged"), Some(0));
}

#[test]
fn a_refused_handshake_is_told_with_its_cause_at_debug() {
    let (_directory, mut server, mut client) = pair();
    server.event("link_up");
    server.host.set_log([("handshake", "debug")]).unwrap();
    assert!(server.ask(Command::SetUsers(users([]))).is_ok());
    client.event("link_down");
    let refused = record(&mut server, "handshake refused");
    assert_eq!((text(&refused, "area"), text(&refused, "cause")), ("handshake", "unknown_user"));
    assert_eq!(text(&refused, "peer").parse::<SocketAddr>().unwrap().ip(), LOOPBACK.ip());
}

#[test]
fn an_engine_says_when_it_begins_and_ends() {
    let directory = Directory::new();
    let mut server = End::server_with_log(&directory, [("engine", "debug")]);
    let started = record(&mut server, "engine started");
    assert_eq!(text(&started, "address"), server.host.local_address().to_string());
    assert!(server.ask(Command::Shutdown { drain: PATIENCE }).is_ok());
    assert_eq!(text(&record(&mut server, "engine ended"), "reason"), "the engine was shut down");
}

#[test]
fn a_limit_that_is_reached_again_and_again_is_told_once_a_second() {
    let directory = Directory::new();
    let server = End::server(&directory, LOOPBACK).unwrap();
    let limits = Limits { streams: 1, ..Limits::client() };
    let mut client = End::client(server.host.local_address(), limits);
    let (_, socks) = client.listen();
    let begun = Instant::now();
    for _ in 0..50 {
        // Each takes the place of the one before, which is sent away.
        let mut silent = TcpStream::connect(socks).unwrap();
        let mut next = TcpStream::connect(socks).unwrap();
        assert_eq!(silent.read(&mut [0]).unwrap_or(0), 0);
        next.write_all(&[4]).unwrap();
        let _ = next.read(&mut [0]);
    }
    let told = client.event_where(|event| event.name == "log");
    assert_eq!((text(&told, "message"), text(&told, "level")), ("limit reached", "warning"));
    assert_eq!((text(&told, "area"), text(&told, "limit"), number(&told, "times")), ("limits", "streams", 1));
    let more = client.events_left().iter().filter(|event| event.name == "log").count();
    assert!(more as u64 <= begun.elapsed().as_secs(), "{more} more");
}

#[test]
fn an_application_that_is_refused_is_told_of_at_debug() {
    let (_directory, _server, mut client) = pair();
    client.host.set_log([("inbound", "debug")]).unwrap();
    let (_, socks) = client.listen();
    let mut application = TcpStream::connect(socks).unwrap();
    application.write_all(b"GET / HTTP/1.1\r\n\r\n").unwrap();
    let refused = record(&mut client, "an application is refused");
    assert_eq!(text(&refused, "area"), "inbound");
    assert!(!text(&refused, "error").is_empty());
}
