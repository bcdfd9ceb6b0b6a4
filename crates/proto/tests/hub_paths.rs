//! Addresses: a link goes where its peer has proven to be, whoever races copies of its packets.

mod fixtures;
mod hubs;

use bytes::BytesMut;
use fixtures::Deployment;
use ginnel_proto::hub::Event;
use ginnel_proto::link::{self, Path};
use hubs::{Pair, client_path, deliver, elsewhere, events, later, path, sent, server_path};
use std::time::Duration;

fn total(sent: &[hubs::Sent], to: Path) -> usize {
    sent.iter().filter(|(path, _)| path.remote == to.remote).map(|(_, datagram)| datagram.len()).sum()
}

#[test]
fn an_answer_from_elsewhere_draws_no_link_there() {
    let deployment = Deployment::new();
    let mut pair = Pair::new(&deployment);
    let link = pair.dial(&deployment, 0);
    let request = sent(&mut pair.client, pair.time);
    deliver(&mut pair.server, pair.time, client_path(), &request);
    let answer = sent(&mut pair.server, pair.time);
    // The copy comes first.
    deliver(&mut pair.client, pair.time, elsewhere(), &answer);
    assert_eq!((sent(&mut pair.client, pair.time), events(&mut pair.client)), (vec![], vec![]));
    deliver(&mut pair.client, pair.time, server_path(), &answer);
    assert_eq!(pair.client.link(link).map(|link| *link.path()), Some(server_path()));
    pair.exchange();
    assert!(pair.alive(link));
}

#[test]
fn an_answer_may_come_in_the_ipv6_form_of_its_address() {
    let deployment = Deployment::new();
    let mut pair = Pair::new(&deployment);
    pair.dial(&deployment, 0);
    let request = sent(&mut pair.client, pair.time);
    deliver(&mut pair.server, pair.time, client_path(), &request);
    let answer = sent(&mut pair.server, pair.time);
    deliver(&mut pair.client, pair.time, path("[::ffff:203.0.113.9]:5001"), &answer);
    assert!(events(&mut pair.client).is_empty(), "another port");
    deliver(&mut pair.client, pair.time, path("[::ffff:203.0.113.9]:5000"), &answer);
    assert!(matches!(events(&mut pair.client)[..], [(_, Event::Up { .. })]));
}

/// Whoever has the first data packet copied from another address, or sends it from there himself,
/// gets three times its bytes at most until he has proven the address.
#[test]
fn the_first_data_packet_proves_no_other_address() {
    let deployment = Deployment::new();
    let mut pair = Pair::new(&deployment);
    let link = pair.dial(&deployment, 0);
    let request = sent(&mut pair.client, pair.time);
    deliver(&mut pair.server, pair.time, client_path(), &request);
    let answer = sent(&mut pair.server, pair.time);
    deliver(&mut pair.client, pair.time, server_path(), &answer);
    let first = sent(&mut pair.client, pair.time);
    deliver(&mut pair.server, pair.time, elsewhere(), &first[..1]);
    let [(server_link, Event::Up { path, .. })] = events(&mut pair.server)[..] else { panic!("the link is up") };
    assert_eq!(path, client_path());
    assert_eq!(pair.server.link(server_link).map(|link| *link.path()), Some(client_path()));
    let mut astray = 0;
    let mut time = pair.time;
    for _ in 0..40 {
        let down = sent(&mut pair.server, time);
        astray += total(&down, elsewhere());
        let home: Vec<_> = down.into_iter().filter(|(path, _)| *path == client_path()).collect();
        deliver(&mut pair.client, time, server_path(), &home);
        time = later(time, Duration::from_millis(250));
        pair.server.handle_timeout(time);
    }
    assert!(astray > 0 && astray <= 3 * first[0].1.len(), "{astray} bytes for {}", first[0].1.len());
    pair.time = time;
    assert!(pair.alive(link));
    assert_eq!(pair.server.link(server_link).map(|link| *link.path()), Some(client_path()));
}

#[test]
fn a_copied_probe_draws_no_echo_to_its_sender() {
    let deployment = Deployment::new();
    let (mut pair, link) = Pair::up(&deployment);
    pair.client.probe(pair.time, link);
    let probe = sent(&mut pair.client, pair.time);
    deliver(&mut pair.server, pair.time, elsewhere(), &probe);
    let down = sent(&mut pair.server, pair.time);
    // One challenge for him; the echo goes to where the client is known to be.
    assert!(total(&down, elsewhere()) <= 3 * probe[0].1.len());
    events(&mut pair.client);
    let home: Vec<_> = down.into_iter().filter(|(path, _)| *path == client_path()).collect();
    deliver(&mut pair.client, pair.time, server_path(), &home);
    let echoed = |event: &Event| matches!(event, Event::Link(link::Event::Echoed(_)));
    assert!(events(&mut pair.client).iter().any(|(_, event)| echoed(event)));
}

#[test]
fn an_observer_who_races_copies_redirects_nothing() {
    let deployment = Deployment::new();
    let (mut pair, link) = Pair::up(&deployment);
    let server_link = pair.server.ids()[0];
    let (mut astray, mut raced) = (0, 0);
    for _ in 0..200 {
        pair.client.probe(pair.time, link);
        let up = sent(&mut pair.client, pair.time);
        raced += up.iter().map(|(_, datagram)| datagram.len()).sum::<usize>();
        deliver(&mut pair.server, pair.time, elsewhere(), &up);
        deliver(&mut pair.server, pair.time, client_path(), &up);
        let down = sent(&mut pair.server, pair.time);
        astray += total(&down, elsewhere());
        let home: Vec<_> = down.into_iter().filter(|(path, _)| *path == client_path()).collect();
        deliver(&mut pair.client, pair.time, server_path(), &home);
        pair.time = later(pair.time, Duration::from_millis(50));
        pair.server.handle_timeout(pair.time);
    }
    assert_eq!(pair.server.link(server_link).map(|link| *link.path()), Some(client_path()));
    assert!(astray <= 3 * raced);
    let moved = |event: &Event| matches!(event, Event::Link(link::Event::Moved { .. }));
    assert!(!events(&mut pair.server).iter().any(|(_, event)| moved(event)));
    assert!(pair.alive(link));
}

/// A challenge is answered to where it came from, which must not make anybody an amplifier, nor a
/// relay the way to the server: a client answers only its server.
#[test]
fn a_challenge_from_an_unknown_address_is_not_answered() {
    let deployment = Deployment::new();
    let (mut pair, link) = Pair::up(&deployment);
    pair.client.probe(pair.time, link);
    let probe = sent(&mut pair.client, pair.time);
    deliver(&mut pair.server, pair.time, elsewhere(), &probe);
    let down = sent(&mut pair.server, pair.time);
    let (relayed, rest): (Vec<_>, Vec<_>) = down.into_iter().partition(|(path, _)| path.remote == elsewhere().remote);
    assert_eq!(relayed.len(), 1);
    deliver(&mut pair.client, pair.time, server_path(), &rest);
    deliver(&mut pair.client, pair.time, elsewhere(), &relayed);
    assert_eq!(sent(&mut pair.client, pair.time), [], "neither an echo nor a challenge of its own");
    // The same again, 250 ms later, and handed on as it should be.
    pair.time = later(pair.time, Duration::from_millis(250));
    pair.server.handle_timeout(pair.time);
    let honest = sent(&mut pair.server, pair.time);
    assert!(honest.len() == 1 && honest[0].0.remote == elsewhere().remote);
    deliver(&mut pair.client, pair.time, server_path(), &honest);
    let echo = sent(&mut pair.client, pair.time);
    assert!(echo.len() == 1 && echo[0].0.remote == server_path().remote, "{echo:?}");
    assert_eq!(pair.client.link(link).map(|link| link.path().remote), Some(server_path().remote));
}

#[test]
fn a_client_that_moves_is_followed_when_it_proves_it() {
    let deployment = Deployment::new();
    let (mut pair, link) = Pair::up(&deployment);
    let server_link = pair.server.ids()[0];
    events(&mut pair.server);
    pair.client.probe(pair.time, link);
    for _ in 0..4 {
        let up = sent(&mut pair.client, pair.time);
        deliver(&mut pair.server, pair.time, elsewhere(), &up);
        let down = sent(&mut pair.server, pair.time);
        let there: Vec<_> = down.into_iter().filter(|(path, _)| *path == elsewhere()).collect();
        deliver(&mut pair.client, pair.time, server_path(), &there);
    }
    assert_eq!(pair.server.link(server_link).map(|link| *link.path()), Some(elsewhere()));
    let (from, to) = (client_path().remote, elsewhere().remote);
    let moved = Event::Link(link::Event::Moved { from, to });
    assert!(events(&mut pair.server).contains(&(server_link, moved)));
}

/// The system tells a socket which local address a datagram came to; a client that kept to it
/// could not leave a network.
#[test]
fn a_client_is_not_bound_to_a_local_address() {
    let deployment = Deployment::new();
    let mut pair = Pair::new(&deployment);
    let link = pair.dial(&deployment, 0);
    let at = |local: &str| Path { local: Some(local.parse().unwrap()), ..server_path() };
    for local in ["198.51.100.7:9", "10.0.0.8:9", "10.0.0.9:9"] {
        for _ in 0..3 {
            let up = sent(&mut pair.client, pair.time);
            assert!(up.iter().all(|(path, _)| path.local.is_none()), "{up:?}");
            deliver(&mut pair.server, pair.time, client_path(), &up);
            let down = sent(&mut pair.server, pair.time);
            deliver(&mut pair.client, pair.time, at(local), &down);
        }
        pair.client.probe(pair.time, link);
        pair.time = later(pair.time, Duration::from_secs(1));
    }
    let moved = |event: &Event| matches!(event, Event::Link(link::Event::Moved { .. }));
    assert!(!events(&mut pair.client).iter().any(|(_, event)| moved(event)));
    assert_eq!(pair.client.link(link).map(|link| *link.path()), Some(server_path()));
}

#[test]
fn a_recorded_answer_is_nothing_to_a_new_dial() {
    let deployment = Deployment::new();
    let mut pair = Pair::new(&deployment);
    pair.dial(&deployment, 0);
    let request = sent(&mut pair.client, pair.time);
    deliver(&mut pair.server, pair.time, client_path(), &request);
    let old = sent(&mut pair.server, pair.time);
    let mut pair = Pair::new(&deployment);
    pair.client = hubs::client(77, pair.time);
    pair.dial(&deployment, 0);
    let request = sent(&mut pair.client, pair.time);
    for _ in 0..10 {
        pair.client.handle(pair.time, server_path(), BytesMut::from(&old[0].1[..]));
    }
    assert_eq!((events(&mut pair.client), pair.client.drops().not_ours), (vec![], 10));
    deliver(&mut pair.server, pair.time, client_path(), &request);
    let answer = sent(&mut pair.server, pair.time);
    deliver(&mut pair.client, pair.time, server_path(), &answer);
    assert!(matches!(events(&mut pair.client)[..], [(_, Event::Up { .. })]));
}
