//! Roaming: who proves an address has it; who only sends from it gets little and redirects nothing.

mod fixtures;

use fixtures::rng;
use ginnel_proto::envelope::control::{Control, DATAGRAM_MAX};
use ginnel_proto::limits::Limits;
use ginnel_proto::link::Path;
use ginnel_proto::link::roaming::Roaming;
use ginnel_proto::ports::Ports;
use rand::rngs::StdRng;
use std::time::{Duration, Instant};

struct Peer {
    roaming: Roaming,
    limits: Limits,
    start: Instant,
    rng: StdRng,
}

fn path(text: &str) -> Path {
    Path::udp(text.parse().unwrap(), None)
}

fn home() -> Path {
    path("198.51.100.7:4000")
}

fn away() -> Path {
    path("203.0.113.9:5000")
}

fn elsewhere() -> Path {
    path("192.0.2.66:666")
}

impl Peer {
    fn new() -> Self {
        let limits = Limits::default();
        Self { roaming: Roaming::new(home(), None, &limits), limits, start: Instant::now(), rng: rng(1) }
    }

    fn at(&self, ms: u64) -> Instant {
        self.start + Duration::from_millis(ms)
    }

    fn receive(&mut self, ms: u64, path: Path, length: usize, newest: bool) -> Option<[u8; 8]> {
        let now = self.at(ms);
        token(self.roaming.received(now, path, length, newest, &mut self.rng)?)
    }
}

fn token(control: Control) -> Option<[u8; 8]> {
    match control {
        Control::Challenge(token) => Some(token),
        _ => None,
    }
}

#[test]
fn an_address_that_answers_its_challenge_is_the_peers() {
    let mut peer = Peer::new();
    assert_eq!(peer.receive(0, home(), 1200, true), None);
    let challenge = peer.receive(1, away(), 1200, true).expect("a challenge");
    assert_eq!(*peer.roaming.path(), home(), "the old address stays in use");
    let now = peer.at(50);
    assert!(peer.roaming.proven(now, away(), challenge));
    assert_eq!(*peer.roaming.path(), away());
    assert!(!peer.roaming.proven(now, away(), challenge), "a challenge is answered once");
    assert_eq!(peer.roaming.poll_timeout(), None);
}

/// A server stays where it is. Whoever relays its datagrams to the client from elsewhere, unchanged and first, is
/// neither asked nor answered, and gets nothing.
#[test]
fn a_client_takes_no_address_but_its_servers() {
    let ports = Ports::new([(5000, 5003)]).unwrap();
    let mut client = Peer { roaming: Roaming::new(home(), Some(ports), &Limits::default()), ..Peer::new() };
    let home = home().remote;
    for number in 0..20 {
        assert_eq!(client.receive(number * 1000, elsewhere(), 1200, true), None);
    }
    assert!(!client.roaming.may_send(&elsewhere(), 1));
    assert!(!client.roaming.proven(client.at(1), elsewhere(), [0; 8]));
    // Another of its ports is as good as the one in use, and no reason to ask.
    let sibling = path(&format!("{}:5002", home.ip()));
    let stranger = path(&format!("{}:5004", home.ip()));
    assert_eq!(client.receive(30_000, sibling, 1200, true), None);
    assert!(client.roaming.may_send(&sibling, 1200) && !client.roaming.may_send(&stranger, 1));
    client.roaming.follow(&stranger);
    assert_eq!(client.roaming.path().remote, home);
    client.roaming.follow(&sibling);
    assert_eq!(*client.roaming.path(), sibling);
}

#[test]
fn only_the_right_answer_from_the_right_address_proves_it() {
    let mut peer = Peer::new();
    let challenge = peer.receive(0, away(), 1200, true).unwrap();
    let now = peer.at(1);
    for bit in 0..64 {
        let mut wrong = challenge;
        wrong[bit / 8] ^= 1 << (bit % 8);
        assert!(!peer.roaming.proven(now, away(), wrong));
    }
    assert!(!peer.roaming.proven(now, elsewhere(), challenge));
    assert!(!peer.roaming.proven(now, home(), challenge));
    let other_local = Path { local: Some("192.0.2.1:443".parse().unwrap()), ..away() };
    assert!(!peer.roaming.proven(now, other_local, challenge));
    assert_eq!(*peer.roaming.path(), home());
    assert!(peer.roaming.proven(now, away(), challenge));
}

#[test]
fn no_challenge_has_the_token_of_another() {
    let mut peer = Peer::new();
    let first = peer.receive(0, away(), 1200, true).unwrap();
    let second = peer.receive(1000, elsewhere(), 1200, true).unwrap();
    assert_ne!(first, second);
    let now = peer.at(1001);
    assert!(!peer.roaming.proven(now, away(), first), "its place was taken");
    assert!(!peer.roaming.proven(now, elsewhere(), first));
}

#[test]
fn an_old_packet_from_a_new_address_says_nothing() {
    let mut peer = Peer::new();
    assert_eq!(peer.receive(0, away(), 1200, false), None);
    assert_eq!(peer.roaming.poll_timeout(), None);
}

#[test]
fn another_local_address_is_another_path() {
    let mut peer = Peer::new();
    let hopped = Path { local: Some("192.0.2.1:443".parse().unwrap()), ..home() };
    let challenge = peer.receive(0, hopped, 1200, true).expect("a challenge");
    let now = peer.at(1);
    assert!(peer.roaming.proven(now, hopped, challenge));
    assert_eq!(peer.roaming.path().local, hopped.local);
}

/// Whatever is received and whenever: an unproven address is sent no more than three times that.
#[test]
fn a_candidate_is_sent_no_more_than_three_times_what_came_from_it() {
    for length in [33, 63, 64, 65, 100, 192, 1472] {
        let mut peer = Peer::new();
        let (mut received, mut sent, mut ms) = (0, 0, 0);
        // The longest challenge: message, padding and its length, tag and header.
        let challenge = 9 + 119 + 2 + 32;
        assert_eq!(challenge, DATAGRAM_MAX);
        for packets in [1, 0, 0, 0, 2, 0, 0, 30, 0, 0] {
            for _ in 0..packets {
                received += length;
                if peer.receive(ms, away(), length, true).is_some() {
                    sent += challenge;
                    peer.roaming.sent(&away(), challenge);
                }
            }
            ms += 250;
            let now = peer.at(ms);
            if let Some((control, to)) = peer.roaming.handle_timeout(now) {
                assert!(token(control).is_some() && to == away());
                sent += challenge;
                peer.roaming.sent(&away(), challenge);
            }
            assert!(sent <= 3 * received, "{sent} bytes for {received}");
        }
        assert!(sent > 0, "{length}: the challenge is sent when enough has come");
    }
}

#[test]
fn what_is_sent_elsewhere_does_not_count() {
    let mut peer = Peer::new();
    peer.receive(0, away(), 64, true).expect("a challenge");
    peer.roaming.sent(&home(), 1 << 20);
    let now = peer.at(250);
    assert!(peer.roaming.handle_timeout(now).is_some());
    peer.roaming.sent(&away(), 3 * 64 - DATAGRAM_MAX + 1);
    let now = peer.at(500);
    assert!(peer.roaming.handle_timeout(now).is_none());
}

#[test]
fn candidates_are_limited_in_time() {
    let mut peer = Peer::new();
    let interval = peer.limits.candidate_interval.as_millis() as u64;
    assert!(peer.receive(0, away(), 1200, true).is_some());
    assert_eq!(peer.receive(interval - 1, elsewhere(), 1200, true), None, "too soon");
    assert!(peer.receive(interval, elsewhere(), 1200, true).is_some());
    // A change that was proven counts as well.
    let mut peer = Peer::new();
    let challenge = peer.receive(0, away(), 1200, true).unwrap();
    let now = peer.at(1000);
    assert!(peer.roaming.proven(now, away(), challenge));
    assert_eq!(peer.receive(1000 + interval - 1, home(), 1200, true), None);
    assert!(peer.receive(1000 + interval, home(), 1200, true).is_some());
}

#[test]
fn a_candidate_that_does_not_answer_is_asked_again_and_then_forgotten() {
    let mut peer = Peer::new();
    let challenge = peer.receive(0, away(), 1200, true).unwrap();
    let mut asked = 0;
    while let Some(at) = peer.roaming.poll_timeout() {
        assert!(at <= peer.start + peer.limits.candidate_time + Duration::from_millis(250));
        if let Some((control, to)) = peer.roaming.handle_timeout(at) {
            assert_eq!((token(control), to), (Some(challenge), away()));
            peer.roaming.sent(&to, 100);
            asked += 1;
        }
    }
    assert_eq!(asked, 19, "every 250 ms for 5 s");
    let now = peer.at(6000);
    assert!(!peer.roaming.proven(now, away(), challenge), "an answer that comes too late");
    assert_eq!(*peer.roaming.path(), home());
}

#[test]
fn a_challenge_goes_out_as_soon_as_enough_has_come() {
    let mut peer = Peer::new();
    assert_eq!(peer.receive(0, away(), 40, true), None);
    let challenge = peer.receive(1, away(), 40, false).expect("80 bytes allow 240");
    assert_eq!(peer.receive(2, away(), 1200, true), None, "once; then by the clock");
    let now = peer.at(3);
    assert!(peer.roaming.proven(now, away(), challenge));
}

#[test]
fn anything_may_go_home_little_to_a_candidate_and_nothing_elsewhere() {
    let mut peer = Peer::new();
    peer.receive(0, away(), 100, true).expect("a challenge");
    assert!(peer.roaming.may_send(&home(), 1 << 20));
    assert!(peer.roaming.may_send(&away(), 300) && !peer.roaming.may_send(&away(), 301));
    peer.roaming.sent(&away(), 200);
    assert!(peer.roaming.may_send(&away(), 100) && !peer.roaming.may_send(&away(), 101));
    assert!(!peer.roaming.may_send(&elsewhere(), 1));
}
