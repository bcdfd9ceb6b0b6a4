//! The network by itself: what it promises to the tests that stand on it.

use ginnel_netem::conditions::{Conditions, DUPLICATE_LAG};
use ginnel_netem::network::{Change, Direction, Network, To, Wire};
use ginnel_netem::seeds::for_each_seed;
use std::net::SocketAddr;
use std::time::Duration;

const COUNT: usize = 10_000;
/// The server's.
const PORT: u16 = 1;
const MILLISECOND: Duration = Duration::from_millis(1);

fn address(text: &str) -> SocketAddr {
    text.parse().unwrap()
}

fn network(seed: u64, conditions: Conditions) -> (Network, Wire) {
    let mut network = Network::new(address("192.0.2.1:1"), seed);
    let wire = network.add_wire(address("192.0.2.2:2"), conditions, conditions);
    (network, wire)
}

/// Sends numbered datagrams of `length` bytes, one every `gap`, and returns when each arrived.
fn send(network: &mut Network, wire: Wire, length: usize, gap: Duration) -> Vec<(Duration, usize)> {
    for number in 0..COUNT {
        let mut datagram = vec![0; length];
        datagram[..8].copy_from_slice(&number.to_be_bytes());
        network.send_to_server(gap * number as u32, wire, PORT, length, &datagram);
    }
    let mut arrivals = Vec::new();
    while let Some(now) = network.next() {
        while let Some(arrival) = network.arrive(now) {
            assert_eq!(arrival.to, To::Server(network.server()));
            let number = arrival.datagram.first_chunk().unwrap();
            arrivals.push((now, usize::from_be_bytes(*number)));
        }
    }
    arrivals
}

#[test]
fn a_good_wire_delivers_everything_in_order_and_on_time() {
    let (mut network, wire) = network(1, Conditions::default());
    let arrivals = send(&mut network, wire, 100, MILLISECOND);
    let expected = (0..COUNT).map(|number| (MILLISECOND * (number as u32 + 10), number));
    assert!(arrivals.into_iter().eq(expected));
}

#[test]
fn the_share_that_is_lost_is_the_one_asked_for() {
    for_each_seed(5, |seed| {
        let (mut network, wire) = network(seed, Conditions { loss: 0.2, ..Conditions::default() });
        let arrived = send(&mut network, wire, 100, MILLISECOND).len();
        // Five standard deviations of a binomial distribution: 5 × √(10,000 × 0.2 × 0.8) = 200.
        assert!((7_800..=8_200).contains(&arrived), "{arrived} arrived");
        let counters = network.counters(wire, Direction::ToServer);
        assert_eq!(counters.lost as usize, COUNT - arrived);
        assert_eq!(counters.delivered.bytes as usize, arrived * 100);
    });
}

#[test]
fn jitter_spreads_arrivals_and_keeps_their_order() {
    let jitter = 5 * MILLISECOND;
    let (mut network, wire) = network(1, Conditions { jitter, ..Conditions::default() });
    let arrivals = send(&mut network, wire, 100, MILLISECOND);
    assert!(arrivals.iter().map(|(_, number)| *number).eq(0..COUNT));
    let late = arrivals.iter().map(|(at, number)| *at - MILLISECOND * (*number as u32 + 10));
    assert!(late.clone().all(|late| late <= jitter + MILLISECOND));
    assert!(late.max() > Some(4 * MILLISECOND));
}

#[test]
fn reordered_datagrams_are_overtaken_within_a_bound() {
    let hold = 40 * MILLISECOND;
    let (mut network, wire) = network(1, Conditions { reorder: 0.1, hold, ..Conditions::default() });
    let arrivals = send(&mut network, wire, 100, MILLISECOND);
    assert_eq!(arrivals.len(), COUNT);
    assert!(!arrivals.is_sorted_by_key(|(_, number)| *number));
    let bound = 10 * MILLISECOND + hold + MILLISECOND;
    assert!(arrivals.iter().all(|(at, number)| *at <= MILLISECOND * *number as u32 + bound));
}

#[test]
fn duplicates_come_after_their_originals() {
    let (mut network, wire) = network(1, Conditions { duplicate: 0.1, ..Conditions::default() });
    let arrivals = send(&mut network, wire, 100, MILLISECOND);
    let mut first = vec![None; COUNT];
    let mut copies = 0;
    for (at, number) in arrivals {
        match first[number] {
            None => first[number] = Some(at),
            Some(original) => {
                copies += 1;
                assert!(at - original <= DUPLICATE_LAG + MILLISECOND);
            }
        }
    }
    assert!((850..=1_150).contains(&copies), "{copies} copies");
    assert!(first.iter().all(Option::is_some));
}

#[test]
fn a_rate_spaces_datagrams_and_a_full_buffer_drops_them() {
    // 1,000-byte datagrams, one a millisecond, into half a megabyte a second: half must go.
    let conditions = Conditions { rate: Some(500_000), buffer: 50_000, ..Conditions::default() };
    let (mut network, wire) = network(1, conditions);
    let arrivals = send(&mut network, wire, 1_000, MILLISECOND);
    assert!((5_000..=5_051).contains(&arrivals.len()), "{} arrived", arrivals.len());
    assert!(arrivals.windows(2).all(|pair| pair[1].0 - pair[0].0 >= 2 * MILLISECOND));
    // Nothing waits longer than the buffer takes to drain.
    assert!(arrivals.iter().all(|(at, number)| *at - MILLISECOND * *number as u32 <= 111 * MILLISECOND));
    let counters = network.counters(wire, Direction::ToServer);
    assert_eq!(counters.overflowed as usize, COUNT - arrivals.len());
}

#[test]
fn the_mtu_counts_the_headers_of_ip_and_udp() {
    for (server, fits) in [("192.0.2.1:1", 1252), ("[2001:db8::1]:1", 1232)] {
        let mut network = Network::new(address(server), 1);
        let conditions = Conditions { mtu: 1280, ..Conditions::default() };
        let wire = network.add_wire(address("192.0.2.2:2"), conditions, conditions);
        network.send_to_server(Duration::ZERO, wire, PORT, fits, &vec![0; fits]);
        network.send_to_server(Duration::ZERO, wire, PORT, fits + 1, &vec![0; fits + 1]);
        let counters = network.counters(wire, Direction::ToServer);
        assert_eq!((network.under_way(), counters.oversized), (1, 1), "{server}");
    }
}

#[test]
fn a_batch_arrives_as_its_segments() {
    let (mut network, wire) = network(1, Conditions::default());
    network.send_to_server(Duration::ZERO, wire, PORT, 1000, &[7; 2500]);
    let now = network.next().unwrap();
    let lengths = std::iter::from_fn(|| network.arrive(now)).map(|arrival| arrival.datagram.len());
    assert_eq!(lengths.collect::<Vec<_>>(), [1000, 1000, 500]);
}

#[test]
fn nothing_passes_during_a_black_out() {
    let (mut network, wire) = network(1, Conditions::default());
    network.schedule(Duration::from_secs(2), wire, Change::BlackOut(Duration::from_secs(3)));
    for second in 0..10 {
        let now = Duration::from_millis(1000 * second + 500);
        while network.arrive(now).is_some() {}
        network.send_to_server(now, wire, PORT, 100, &[0; 100]);
    }
    let counters = network.counters(wire, Direction::ToServer);
    assert_eq!((counters.sent.datagrams, counters.blacked_out), (10, 3));
}

#[test]
fn an_old_address_is_dead_and_a_foreign_one_counted() {
    let (mut network, wire) = network(1, Conditions::default());
    let (old, new, foreign) = (network.public(wire), address("192.0.2.3:3"), address("192.0.2.4:4"));
    network.schedule(5 * MILLISECOND, wire, Change::Address(new));
    for to in [old, foreign] {
        network.send_to_client(Duration::ZERO, PORT, to, 100, &[0; 100]);
    }
    network.send_to_server(Duration::ZERO, wire, PORT, 100, &[1; 100]);
    assert_eq!(network.arrive(10 * MILLISECOND).unwrap().from, old);
    assert!(network.arrive(10 * MILLISECOND).is_none(), "nobody is at the old address any more");
    network.send_to_server(10 * MILLISECOND, wire, PORT, 100, &[1; 100]);
    network.send_to_client(10 * MILLISECOND, PORT, new, 100, &[2; 100]);
    assert_eq!(network.arrive(20 * MILLISECOND).unwrap().from, new);
    assert_eq!(network.arrive(20 * MILLISECOND).unwrap().to, To::Client(wire));
    assert_eq!(network.counters(wire, Direction::ToClient).dead, 1);
    assert_eq!(network.strayed(foreign).bytes, 100);
}

#[test]
fn an_observer_comes_before_the_original() {
    let (mut network, wire) = network(1, Conditions::default());
    let observer = address("192.0.2.66:6");
    network.observe(wire, observer, 1.0);
    network.send_to_server(Duration::ZERO, wire, PORT, 100, &[1; 100]);
    let arrivals = std::iter::from_fn(|| network.arrive(10 * MILLISECOND)).map(|arrival| arrival.from);
    assert_eq!(arrivals.collect::<Vec<_>>(), [observer, address("192.0.2.2:2")]);
    assert_eq!(network.observer_sent(wire).bytes, 100);
}
