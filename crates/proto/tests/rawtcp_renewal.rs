//! Flows that are replaced: old, silent, ended by somebody, or from an address that leads nowhere any more.

mod rawtcp_net;

use ginnel_proto::rawtcp::segment::flag;
use ginnel_proto::rawtcp::{Action, Checksum, Sending};
use rawtcp_net::{CLIENT_HOP, Net, To, datagram, ms, secs};
use std::net::SocketAddr;

/// One datagram each way every second.
fn talk(net: &mut Net, seconds: u64) {
    for _ in 0..seconds {
        net.client_sends(&datagram(100), 100, true);
        net.run(ms(100));
        net.server_sends(&datagram(100), 100, true);
        net.run(ms(900));
    }
}

#[test]
fn an_old_flow_is_replaced_without_a_gap() {
    let mut times = Vec::new();
    for seed in 0..12 {
        let mut net = Net::new(seed);
        net.connect();
        let (start, port) = (net.now, net.mark.expect("a mark").remote.port());
        let before = net.came;
        let mut seconds = 0;
        while net.mark.expect("a mark").remote.port() == port {
            talk(&mut net, 1);
            seconds += 1;
        }
        times.push((net.now - start).as_secs());
        talk(&mut net, 8);
        assert_eq!(net.came[0] - before[0], (seconds + 8) * 100, "nothing is lost");
        assert_eq!(net.came[1] - before[1], (seconds + 8) * 100);
        assert_eq!((net.client.counts().renewed, net.client.count(), net.server.count()), (1, 1, 1));
        assert_eq!(net.released, [SocketAddr::new(net.local.ip(), port)], "its port is free again");
        net.assert_valid();
    }
    assert!(times.iter().all(|time| (900..=1501).contains(time)), "{times:?}");
    let spread = times.iter().max().expect("some") - times.iter().min().expect("some");
    assert!(spread > 200, "{times:?}");
}

#[test]
fn a_silent_flow_is_replaced_again_and_again_but_ever_more_slowly() {
    let mut net = Net::new(1);
    net.connect();
    net.run(secs(1));
    let (start, mut dials) = (net.now, Vec::new());
    for _ in 0..3000 {
        let before = net.dialled;
        net.client_sends(&datagram(100), 100, true);
        net.run(ms(100));
        if net.dialled > before {
            dials.push((net.now - start).as_millis());
        }
    }
    assert!((4000..4300).contains(&dials[0]), "{dials:?}");
    let pauses: Vec<_> = dials.windows(2).map(|pair| pair[1] - pair[0]).collect();
    assert!(pauses.iter().all(|pause| *pause >= 4000), "{pauses:?}");
    assert!(pauses.iter().rev().take(3).all(|pause| (29_900..30_200).contains(pause)), "{pauses:?}");
    assert!(net.client.count() <= 6, "old flows are bounded");
    // Heard again: at the first pace.
    net.server_sends(&datagram(100), 100, true);
    net.run(ms(50));
    let before = net.dialled;
    for _ in 0..100 {
        net.client_sends(&datagram(100), 100, true);
        net.run(ms(100));
    }
    assert_eq!(net.dialled - before, 2);
    net.assert_valid();
}

#[test]
fn a_request_is_repeated_as_linux_does_and_given_up() {
    let mut net = Net::new(2);
    net.faults.loss = 1.0;
    net.log = Some(Vec::new());
    assert!(matches!(net.client_sends(&datagram(100), 100, true), Sending::Later));
    let mut counts = Vec::new();
    for _ in 0..16 {
        net.run(ms(1000));
        counts.push(net.logged(To::Server).len());
    }
    assert_eq!(counts, [2, 2, 3, 3, 3, 3, 4, 4, 4, 4, 4, 4, 4, 4, 4, 4]);
    let requests = net.logged(To::Server);
    assert!(requests.iter().all(|segment| segment.sequence == requests[0].sequence && segment.flags == flag::SYN));
    assert_eq!((net.released.len(), net.client.count(), net.client.poll_timeout()), (1, 0, None));
    // What waited is gone.
    net.faults.loss = 0.0;
    net.client_sends(&datagram(70), 70, true);
    net.run(ms(100));
    assert_eq!((net.came[1], net.dialled), (70, 2));
}

#[test]
fn a_flow_from_an_address_that_is_gone_is_replaced_and_one_by_another_hop_goes_on() {
    let mut net = Net::new(3);
    net.connect();
    net.run(secs(2));
    let (remote, local) = (net.remote, net.local);
    assert_eq!(net.client.remotes(), [remote]);
    net.client.way(net.now, remote, local.ip(), CLIENT_HOP);
    assert!(net.client.poll_action().is_none());
    net.client.way(net.now, remote, "198.51.100.9".parse().expect("an address"), CLIENT_HOP);
    net.local.set_ip("198.51.100.9".parse().expect("an address"));
    talk(&mut net, 8);
    let mark = net.mark.expect("a mark");
    assert_eq!((mark.remote.ip(), net.client.counts().renewed), (net.local.ip(), 1));
    assert_eq!(net.released, [local]);
    net.assert_valid();
    // A handshake from an address that is gone is begun anew.
    let mut net = Net::new(4);
    net.faults.loss = 1.0;
    net.client_sends(&datagram(100), 100, true);
    let gone = net.local;
    net.local.set_ip("198.51.100.9".parse().expect("an address"));
    net.client.way(net.now, remote, net.local.ip(), CLIENT_HOP);
    assert_eq!(net.client.poll_action(), Some(Action::Release(gone)));
    net.faults.loss = 0.0;
    net.run(ms(100));
    assert_eq!((net.came[1], net.dialled), (100, 2));
}

#[test]
fn a_server_that_has_forgotten_says_so_and_is_dialled() {
    let mut net = Net::new(5);
    net.connect();
    net.run(secs(2));
    net.server = ginnel_proto::rawtcp::Flows::server(net.now, rawtcp_net::settings(), [1; 32]);
    // Of a link that is lost with it: nobody's.
    net.client_sends(&[9; 100], 100, true);
    net.run(ms(50));
    assert_eq!(net.dialled, 2);
    assert_eq!(net.client.counts().renewed, 1);
    net.client_sends(&datagram(100), 100, true);
    net.run(ms(50));
    assert_eq!(net.server.count(), 1);
    assert_eq!(net.mark.expect("a mark").remote, net.local);
}

#[test]
fn a_closed_machine_says_and_hears_nothing() {
    let mut net = Net::new(6);
    net.connect();
    net.log = Some(Vec::new());
    net.client.close(net.now);
    net.run(ms(1));
    let last = net.logged(To::Server);
    assert_eq!((last.len(), last[0].flags), (1, flag::FIN | flag::ACK));
    assert!(matches!(net.client_sends(&datagram(20), 20, true), Sending::Refused));
    assert_eq!((net.client.count(), net.client.poll_timeout()), (0, None));
    assert_eq!(net.released.len(), 1);
    net.run(secs(10));
    // In the middle of a handshake.
    let mut net = Net::new(6);
    net.client_sends(&datagram(20), 20, true);
    net.log = Some(Vec::new());
    net.client.close(net.now);
    net.run(secs(1));
    assert_eq!(net.logged(To::Server)[0].flags, flag::RST);
    assert_eq!(net.released.len(), 1);
}

#[test]
fn a_replaced_flow_lives_on_until_its_successor_is_known() {
    let mut net = Net::new(11);
    net.connect();
    let port = net.mark.expect("a mark").remote.port();
    // Replaced, and nobody has anything to say: only the new flow's first payload comes, which is nobody's.
    let elsewhere = "198.51.100.9".parse().expect("an address");
    net.client.way(net.now, net.remote, elsewhere, CLIENT_HOP);
    let before = net.local;
    net.local.set_ip(elsewhere);
    net.run(secs(200));
    assert_eq!((net.client.counts().renewed, net.server.count()), (1, 1));
    assert_eq!(net.released, [], "the server knows no other");
    assert_eq!(net.renewed, [net.remote], "whoever has a link there can tell it");
    net.server_sends(&datagram(100), 100, true);
    net.run(ms(100));
    assert_eq!(net.mark.expect("a mark").remote.port(), port);
    assert_eq!(net.came[0], 300, "what the server sends still arrives");
    // Once the new one has brought something, the old one ends.
    net.client_sends(&datagram(100), 100, true);
    net.run(ms(100));
    net.server_sends(&datagram(100), 100, true);
    net.run(secs(20));
    assert_eq!(net.released, [SocketAddr::new(before.ip(), port)]);
    assert_eq!((net.client.count(), net.server.count()), (1, 1));
    net.assert_valid();
}

#[test]
fn a_way_that_must_not_be_used_is_not() {
    let mut net = Net::new(12);
    net.connect();
    net.answers_dials = false;
    net.client.forsake(net.now, net.remote);
    net.run(ms(10));
    assert_eq!((net.client.count(), net.released.len()), (0, 1));
    assert!(matches!(net.client_sends(&datagram(100), 100, true), Sending::Later), "it is asked for a way again");
    net.run(secs(10));
    assert_eq!(net.server.count(), 0, "the server was told");
    net.assert_valid();
}

/// A client that waits for the answer to its request, and that answer with another segment size or window.
fn answered(change: impl Fn(&mut [u8])) -> (Net, usize) {
    let mut net = Net::new(13);
    net.connect();
    let elsewhere = "198.51.100.9".parse().expect("an address");
    net.client.way(net.now, net.remote, elsewhere, CLIENT_HOP);
    net.local.set_ip(elsewhere);
    net.log = Some(Vec::new());
    net.faults.loss = 1.0;
    net.run(ms(1));
    let request = net.log.take().expect("a log").remove(0).1;
    net.faults.loss = 0.0;
    assert!(net.server.handle(net.now, 2, 1500, &request, Checksum::Unknown).is_none());
    let mut answer = net.server.poll_transmit(net.now).expect("an answer").stamp.headers().to_vec();
    change(&mut answer);
    let counted = net.client.counts().strays;
    assert!(net.client.handle(net.now, 3, 1500, &answer, Checksum::Trusted).is_none());
    let strays = (net.client.counts().strays - counted) as usize;
    (net, strays)
}

#[test]
fn an_answer_with_which_nothing_could_be_sent_is_none() {
    let segment_size = |size: u16| move |answer: &mut [u8]| answer[42..44].copy_from_slice(&size.to_be_bytes());
    let window = |answer: &mut [u8]| answer[34..36].fill(0);
    let (good, strays) = answered(segment_size(1300));
    assert_eq!((good.client.counts().renewed, strays), (1, 0));
    for (mut net, strays) in [answered(segment_size(1)), answered(segment_size(1211)), answered(window)] {
        assert_eq!((net.client.counts().renewed, strays), (0, 1));
        // The request is repeated, and the next answer is a good one.
        net.run(secs(2));
        assert_eq!(net.client.counts().renewed, 1);
        net.client_sends(&datagram(1200), 1200, true);
        net.run(ms(50));
        assert_eq!(net.came[1], 1500);
    }
}

#[test]
fn a_flow_that_takes_nothing_is_replaced_like_a_silent_one() {
    let mut net = Net::new(14);
    net.connect();
    net.run(secs(1));
    let before = net.dialled;
    for _ in 0..60 {
        assert!(matches!(net.client_sends(&datagram(1460), 1460, true), Sending::Refused));
        net.run(ms(100));
    }
    assert_eq!(net.dialled - before, 1);
}
