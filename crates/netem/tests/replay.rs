//! Everything that a client has ever sent, sent again by somebody else: nothing must come of it.

use bytes::Bytes;
use ginnel_netem::lab::{Lab, Setup};
use ginnel_netem::seeds::for_each_seed;
use ginnel_proto::envelope::replay::ReplayCache;
use ginnel_proto::hub::LinkId;
use std::net::SocketAddr;
use std::time::Duration;

const SECOND: Duration = Duration::from_secs(1);

/// A lab whose client has a living link with some traffic behind it, and all that it sent.
fn recorded(seed: u64) -> (Lab, LinkId, Vec<Bytes>) {
    let mut lab = Lab::new(Setup::new(seed));
    lab.network.record(0);
    let link = lab.connect(0);
    lab.open(link, 300_000);
    lab.must("the echo", 5 * SECOND, Lab::all_done);
    lab.run_for(SECOND);
    let recording = lab.network.recorded(0);
    assert!(recording.len() > 100);
    (lab, link, recording)
}

/// Sends everything again, from the client's address and from another; nothing may leave.
fn replay_in_silence(lab: &mut Lab, recording: &[Bytes]) {
    let other = lab.address(77, 777);
    let (events, half_open) = (lab.server.events.len(), lab.server.hub.half_open());
    let (links, before) = (lab.server.hub.ids(), lab.counters().1.sent);
    for from in [other, lab.network.public(0)] {
        for datagram in recording {
            lab.network.inject(lab.now(), from, datagram);
        }
    }
    // Shorter than anything the link does by itself.
    lab.run_for(Duration::from_millis(100));
    assert_eq!(lab.network.strayed(other).datagrams, 0, "an answer to the replayer");
    assert_eq!(lab.counters().1.sent, before, "an answer to the client's address");
    assert_eq!((lab.server.events.len(), lab.server.hub.half_open()), (events, half_open));
    assert_eq!(lab.server.hub.ids(), links);
}

/// When the client has just had an answer, its link does nothing for 10 s.
fn wait_for_quiet(lab: &mut Lab) {
    let heard = lab.counters().1.delivered.datagrams;
    lab.must("a keep-alive is answered", 40 * SECOND, |lab| lab.counters().1.delivered.datagrams > heard);
    lab.run_for(SECOND);
}

fn assert_undisturbed(lab: &mut Lab, link: LinkId, public: SocketAddr) {
    assert!(lab.clients[0].is_up(link));
    let links = lab.server.living();
    assert_eq!((links.len(), lab.server.events.len()), (1, 1));
    assert_eq!(lab.server.hub.link(links[0]).map(|link| link.path().remote), Some(public));
    lab.open(link, 300_000);
    lab.must("the echo", 5 * SECOND, Lab::all_done);
}

#[test]
fn what_is_replayed_at_once_is_not_answered() {
    for_each_seed(3, |seed| {
        let (mut lab, link, recording) = recorded(seed);
        let public = lab.network.public(0);
        wait_for_quiet(&mut lab);
        replay_in_silence(&mut lab, &recording);
        let drops = lab.server.hub.drops();
        assert_eq!(drops.replayed + drops.handshakes.replayed, 2 * recording.len() as u64);
        assert_undisturbed(&mut lab, link, public);
    });
}

#[test]
fn what_is_replayed_later_is_not_answered() {
    for_each_seed(3, |seed| {
        // After 200 s the handshake's time is out of bounds as well; after 300 the cache has
        // forgotten it.
        for wait in [1, 200, 300, 1000] {
            let (mut lab, link, recording) = recorded(seed);
            let public = lab.network.public(0);
            lab.run_for(wait * SECOND);
            wait_for_quiet(&mut lab);
            replay_in_silence(&mut lab, &recording);
            assert_undisturbed(&mut lab, link, public);
        }
    });
}

#[test]
fn what_is_replayed_in_the_middle_of_a_transfer_does_not_disturb_it() {
    for_each_seed(3, |seed| {
        let (mut lab, link, recording) = recorded(seed);
        let other = lab.address(77, 777);
        lab.open(link, 5_000_000);
        for datagram in &recording {
            lab.network.inject(lab.now(), other, datagram);
            lab.run_for(Duration::from_micros(500));
        }
        lab.must("the echo", 30 * SECOND, Lab::all_done);
        assert_eq!(lab.network.strayed(other).datagrams, 0);
        assert!(lab.clients[0].is_up(link) && lab.server.events.len() == 1);
    });
}

#[test]
fn a_link_that_was_replayed_after_its_end_does_not_come_back() {
    for_each_seed(3, |seed| {
        let (mut lab, link, recording) = recorded(seed);
        lab.close(0, link, 0);
        lab.run_for(SECOND);
        replay_in_silence(&mut lab, &recording);
        assert!(lab.server.hub.ids().is_empty());
    });
}

#[test]
fn a_restarted_server_knows_the_handshakes_of_its_journal() {
    for_each_seed(3, |seed| {
        for wait in [0, 1, 110, 200, 300] {
            let (mut lab, _, recording) = recorded(seed);
            lab.run_for(wait * SECOND);
            lab.clients.clear();
            lab.restart_server(lab.journal.restore(lab.server.time(lab.now()).wall_ns));
            replay_in_silence(&mut lab, &recording);
            assert_eq!(lab.server.hub.half_open(), 0, "after {wait} s");
        }
    });
}

#[test]
fn without_its_journal_a_restarted_server_would_answer() {
    // What the test above rests on: it is the journal that keeps the server silent.
    let (mut lab, _, recording) = recorded(1);
    lab.restart_server(ReplayCache::default());
    let other = lab.address(77, 777);
    lab.network.inject(lab.now(), other, &recording[0]);
    lab.run_for(SECOND);
    assert_eq!(lab.network.strayed(other).datagrams, 1);
}

#[test]
fn damaged_copies_are_not_answered() {
    for_each_seed(3, |seed| {
        let (mut lab, link, recording) = recorded(seed);
        let public = lab.network.public(0);
        wait_for_quiet(&mut lab);
        let cut: Vec<Bytes> = recording.iter().map(|datagram| datagram.slice(..datagram.len() * 3 / 4)).collect();
        let flipped: Vec<Bytes> = recording.iter().enumerate().map(|(index, datagram)| flip(datagram, index)).collect();
        let pairs = recording.windows(2);
        let spliced: Vec<Bytes> = pairs.map(|pair| [&pair[0][..40], &pair[1][..]].concat().into()).collect();
        for damaged in [cut, flipped, spliced] {
            replay_in_silence(&mut lab, &damaged);
        }
        assert_undisturbed(&mut lab, link, public);
    });
}

fn flip(datagram: &Bytes, index: usize) -> Bytes {
    let mut flipped = datagram.to_vec();
    let at = index * 7 % flipped.len();
    flipped[at] ^= 1 << (index % 8);
    flipped.into()
}
