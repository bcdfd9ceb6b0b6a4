//! The gate: who begins a link, and the silence that everybody else meets.

mod fixtures;
mod hubs;

use bytes::BytesMut;
use fixtures::{Deployment, SECOND_NS, rng};
use ginnel_proto::envelope::replay::{HANDSHAKES_PER_USER, SKEW_NS};
use ginnel_proto::hub::{Event, Hub, Time};
use ginnel_proto::limits::Limits;
use ginnel_proto::link;
use hubs::{Pair, ServerOf, begin, client, client_path, deliver, elsewhere, events, later, sent, server_path, users};
use rand::{Rng, RngExt};
use std::time::Duration;

/// Neither a packet nor a link nor a half-open handshake comes of what was just delivered.
fn assert_silent(server: &mut Hub, time: Time, state: (usize, usize), what: &str) {
    assert_eq!(sent(server, time), [], "{what} is answered");
    assert_eq!((server.ids().len(), server.half_open()), state, "{what} changes state");
}

fn state(server: &Hub) -> (usize, usize) {
    (server.ids().len(), server.half_open())
}

#[test]
fn random_bytes_and_other_protocols_meet_silence() {
    let deployment = Deployment::new();
    let (mut pair, link) = Pair::up(&deployment);
    let (mut rng, before) = (rng(1), state(&pair.server));
    for length in (0..1600).chain([9000, 65_507]) {
        let mut datagram = vec![0; length];
        rng.fill_bytes(&mut datagram);
        pair.server.handle(pair.time, elsewhere(), BytesMut::from(&datagram[..]));
        assert_silent(&mut pair.server, pair.time, before, &format!("{length} random bytes"));
    }
    let first_bytes: [&[u8]; 8] = [
        &[0xc3, 0, 0, 0, 1, 8],                         // QUIC Initial
        &[0x80, 0x1a, 0x2a, 0x3a, 0x4a, 8],             // QUIC, a version that calls for negotiation
        &[0x40],                                        // QUIC, short header
        &[1, 0, 0, 0],                                  // WireGuard initiation
        &[4, 0, 0, 0],                                  // WireGuard data
        &[0x12, 0x34, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0],    // DNS
        &[0, 1, 0, 0, 0x21, 0x12, 0xa4, 0x42],          // STUN
        &[0x16, 0xfe, 0xfd, 0, 0, 0, 0, 0, 0, 0, 0, 1], // DTLS
    ];
    for first in first_bytes {
        for length in [first.len(), 64, 148, 1200, 1472] {
            let mut datagram = vec![0; length];
            rng.fill_bytes(&mut datagram);
            datagram[..first.len()].copy_from_slice(first);
            pair.server.handle(pair.time, elsewhere(), BytesMut::from(&datagram[..]));
            assert_silent(&mut pair.server, pair.time, before, &format!("{first:02x?}"));
        }
    }
    assert!(pair.alive(link));
}

#[test]
fn recorded_datagrams_meet_silence_also_after_a_restart_and_at_another_server() {
    let deployment = Deployment::new();
    let config = ServerOf::new(&deployment);
    let mut pair = Pair::with(&config);
    let link = pair.dial(&deployment, 0);
    pair.exchange();
    for _ in 0..5 {
        assert!(pair.alive(link));
    }
    let (recorded, before) = (pair.recorded.clone(), state(&pair.server));
    assert!(recorded.len() >= 8);
    for seconds in [0, 1, 60, 119] {
        pair.pass(Duration::from_secs(seconds));
        deliver(&mut pair.server, pair.time, client_path(), &recorded);
        deliver(&mut pair.server, pair.time, elsewhere(), &recorded);
        assert_silent(&mut pair.server, pair.time, before, "a recorded datagram");
    }
    assert!(pair.alive(link));
    // Long after: its time is far off by now.
    for seconds in [0, 1, 121, 3600] {
        let time = later(begin(), Duration::from_secs(seconds));
        let mut restarted = config.start(10, time);
        deliver(&mut restarted, time, client_path(), &recorded);
        assert_silent(&mut restarted, time, (0, 0), "a recorded datagram after a restart");
    }
    let other = Deployment::of([1; 32], [9; 32], [3; 32]);
    let mut other = ServerOf::new(&other).start(11, pair.time);
    deliver(&mut other, pair.time, client_path(), &recorded);
    assert_silent(&mut other, pair.time, (0, 0), "a datagram of another server's");
}

#[test]
fn a_damaged_handshake_meets_silence_and_the_good_one_still_counts() {
    let deployment = Deployment::new();
    let mut pair = Pair::new(&deployment);
    pair.dial(&deployment, 0);
    let request = sent(&mut pair.client, pair.time).remove(0).1;
    let give = |pair: &mut Pair, datagram: &[u8], what: &str| {
        pair.server.handle(pair.time, client_path(), BytesMut::from(datagram));
        assert_silent(&mut pair.server, pair.time, (0, 0), what);
    };
    for length in 0..request.len() {
        give(&mut pair, &request[..length], "a truncated handshake");
    }
    for bit in 0..request.len() * 8 {
        let mut flipped = request.clone();
        flipped[bit / 8] ^= 1 << (bit % 8);
        give(&mut pair, &flipped, "a flipped handshake");
    }
    pair.client.handle_timeout(later(pair.time, Duration::from_millis(400)));
    let second = sent(&mut pair.client, pair.time).remove(0).1;
    for at in [24, 100, 200] {
        give(&mut pair, &[&request[..at], &second[at..]].concat(), "a spliced handshake");
    }
    pair.server.handle(pair.time, client_path(), BytesMut::from(&request[..]));
    assert_eq!(sent(&mut pair.server, pair.time).len(), 1);
    assert_eq!(pair.server.drops().handshakes, Default::default());
}

#[test]
fn right_keys_with_a_wrong_clock_or_no_right_to_be_there_meet_silence() {
    let deployment = Deployment::new();
    for (off, answered) in [(0, true), (SKEW_NS, true), (SKEW_NS + 1, false), (3600 * SECOND_NS, false)] {
        for wall_ns in [begin().wall_ns + off, begin().wall_ns - off] {
            let mut pair = Pair::new(&deployment);
            let time = Time { wall_ns, ..pair.time };
            pair.client.dial(time, deployment.client_keys(), server_path(), 0, Duration::from_secs(9)).unwrap();
            let request = sent(&mut pair.client, time);
            deliver(&mut pair.server, pair.time, client_path(), &request);
            assert_eq!(sent(&mut pair.server, pair.time).len(), usize::from(answered), "{off} ns off");
            assert_eq!(pair.server.drops().handshakes.skewed, u64::from(!answered));
        }
    }
    let mut pair = Pair::new(&deployment);
    pair.dial(&Deployment::of([1; 32], [2; 32], [99; 32]), 0);
    pair.exchange();
    assert_silent(&mut pair.server, pair.time, (0, 0), "an unknown user");
    assert_eq!(pair.server.drops().handshakes.unknown_user, 1);
    let mut pair = Pair::new(&deployment);
    pair.dial(&Deployment::of([99; 32], [2; 32], [3; 32]), 0);
    pair.exchange();
    assert_silent(&mut pair.server, pair.time, (0, 0), "another deployment's secret");
    assert_eq!((pair.server.drops().not_ours, pair.server.drops().handshakes), (1, Default::default()));
}

#[test]
fn the_previous_secret_is_accepted_while_it_is_being_changed() {
    let (old, new) = (Deployment::of([7; 32], [2; 32], [3; 32]), Deployment::new());
    for deployment in [&old, &new] {
        let mut config = ServerOf::new(&new);
        config.psks.push(old.psk.clone());
        let mut pair = Pair::with(&config);
        let link = pair.dial(deployment, 0);
        pair.exchange();
        assert!(pair.alive(link));
    }
}

#[test]
fn no_link_is_there_before_its_first_data_and_half_open_ones_expire() {
    let deployment = Deployment::new();
    let mut pair = Pair::new(&deployment);
    let link = pair.dial(&deployment, 0);
    let request = sent(&mut pair.client, pair.time);
    deliver(&mut pair.server, pair.time, client_path(), &request);
    let answer = sent(&mut pair.server, pair.time);
    assert_eq!((state(&pair.server), events(&mut pair.server).len()), ((0, 1), 0));
    deliver(&mut pair.client, pair.time, server_path(), &answer);
    let data = sent(&mut pair.client, pair.time);
    // A damaged first packet confirms nothing and spoils nothing.
    for bit in 0..data[0].1.len() * 8 {
        let mut flipped = data[0].1.clone();
        flipped[bit / 8] ^= 1 << (bit % 8);
        pair.server.handle(pair.time, client_path(), BytesMut::from(&flipped[..]));
        assert_silent(&mut pair.server, pair.time, (0, 1), "a flipped first packet");
    }
    let mut patient = Pair::new(&deployment);
    deliver(&mut patient.server, patient.time, client_path(), &request);
    assert_eq!(patient.server.half_open(), 1);
    patient.server.handle_timeout(later(patient.time, Limits::default().half_open_time));
    assert_eq!(patient.server.half_open(), 0);
    deliver(&mut pair.server, pair.time, client_path(), &data);
    assert_eq!(state(&pair.server), (1, 0));
    assert!(pair.alive(link));
}

#[test]
fn half_open_handshakes_have_a_bound_in_all_and_for_one_client() {
    let deployment = Deployment::new();
    let mut config = ServerOf::new(&deployment);
    config.limits = Limits { half_open: 20, handshakes_per_prefix: 1000, ..Limits::default() };
    let mut server = config.start(9, begin());
    let (time, mut last) = (begin(), Vec::new());
    for seed in 0..30 {
        let mut hub = client(seed + 20, time);
        hub.dial(time, deployment.client_keys(), server_path(), 0, Duration::from_secs(60)).unwrap();
        deliver(&mut server, time, client_path(), &sent(&mut hub, time));
        last = sent(&mut server, time);
        assert!(last.len() == 1 && server.half_open() <= 20);
        if seed == 0 {
            // One client that hears nothing and tries again and again.
            let mut now = time;
            for _ in 0..20 {
                now = later(now, Duration::from_secs(5));
                hub.handle_timeout(now);
                deliver(&mut server, now, client_path(), &sent(&mut hub, now));
                sent(&mut server, now);
                assert!(server.half_open() <= 8);
            }
        }
    }
    assert_eq!((server.half_open(), last.len()), (20, 1));
}

#[test]
fn one_user_cannot_fill_the_replay_cache() {
    let deployment = Deployment::new();
    let mut config = ServerOf::new(&deployment);
    config.limits = Limits { handshakes_per_prefix: 10_000, handshakes_of_strangers: 10_000, ..Limits::default() };
    let mut pair = Pair::with(&config);
    let mut answered = 0;
    for _ in 0..HANDSHAKES_PER_USER + 8 {
        let (_, request) = deployment.initiate(&mut rng(answered));
        pair.server.handle(pair.time, client_path(), BytesMut::from(&request[..]));
        answered += sent(&mut pair.server, pair.time).len() as u64;
    }
    assert_eq!(answered, HANDSHAKES_PER_USER as u64);
    assert_eq!(pair.server.drops().handshakes.replayed + pair.server.drops().handshakes.often, 8);
}

#[test]
fn one_source_begins_no_more_than_its_share() {
    let deployment = Deployment::new();
    let mut pair = Pair::new(&deployment);
    let limit = u64::from(Limits::default().handshakes_per_prefix);
    let mut rng = rng(5);
    let mut answered = 0;
    for _ in 0..limit + 10 {
        let (_, request) = deployment.initiate(&mut rng);
        pair.server.handle(pair.time, client_path(), BytesMut::from(&request[..]));
        answered += sent(&mut pair.server, pair.time).len() as u64;
    }
    // The first makes the prefix a known one, which has a bucket of its own.
    assert_eq!(answered, limit + 1);
    assert_eq!(pair.server.drops().handshakes.limited, 9);
}

/// A recorded handshake is known before a token is taken for it, and before any Noise.
#[test]
fn a_recorded_handshake_uses_up_nobodys_share() {
    let deployment = Deployment::new();
    let (mut pair, _) = Pair::up(&deployment);
    let recorded = pair.recorded[..1].to_vec();
    for _ in 0..1000 {
        deliver(&mut pair.server, pair.time, client_path(), &recorded);
    }
    assert_eq!((pair.server.drops().handshakes.replayed, pair.server.drops().handshakes.limited), (1000, 0));
    let second = pair.dial(&deployment, 1);
    pair.exchange();
    assert!(pair.alive(second));
}

#[test]
fn only_the_same_member_of_the_same_process_replaces_a_link() {
    let deployment = Deployment::new();
    let (mut pair, first) = Pair::up(&deployment);
    let second = pair.dial(&deployment, 1);
    pair.exchange();
    assert_eq!(pair.server.ids().len(), 2);
    assert!(pair.alive(first) && pair.alive(second));
    // Another device with the same share link.
    let mut device = client(77, pair.time);
    device.dial(pair.time, deployment.client_keys(), server_path(), 0, Duration::from_secs(9)).unwrap();
    std::mem::swap(&mut device, &mut pair.client);
    pair.exchange();
    std::mem::swap(&mut device, &mut pair.client);
    assert_eq!(pair.server.ids().len(), 3);
    assert!(pair.alive(first) && pair.alive(second));
    // The same member again: the older link is told that it was replaced.
    let again = pair.dial(&deployment, 0);
    events(&mut pair.client);
    pair.exchange();
    let lost = events(&mut pair.client);
    let replaced = Event::Link(link::Event::Lost(link::Lost::ByPeer(2)));
    assert!(lost.contains(&(first, replaced)), "{lost:?}");
    assert_eq!(pair.server.ids().len(), 3);
    assert!(pair.alive(again) && pair.alive(second));
}

#[test]
fn an_older_handshake_of_the_same_member_replaces_nothing() {
    let deployment = Deployment::new();
    let mut pair = Pair::new(&deployment);
    // Two hubs of one seed are one client process; this one stays with its first attempt.
    let mut early = client(8, pair.time);
    early.dial(pair.time, deployment.client_keys(), server_path(), 0, Duration::from_secs(9)).unwrap();
    deliver(&mut pair.server, pair.time, client_path(), &sent(&mut early, pair.time));
    let answer = sent(&mut pair.server, pair.time);
    deliver(&mut early, pair.time, server_path(), &answer);
    let late = sent(&mut early, pair.time);
    let link = pair.dial(&deployment, 0);
    sent(&mut pair.client, pair.time);
    pair.pass(Duration::from_secs(1));
    assert!(pair.alive(link));
    deliver(&mut pair.server, pair.time, client_path(), &late);
    assert_silent(&mut pair.server, pair.time, (1, 0), "data of an older handshake");
    assert!(pair.alive(link));
}

#[test]
fn a_revoked_user_is_gone_also_when_half_open() {
    let deployment = Deployment::new();
    let (mut pair, link) = Pair::up(&deployment);
    pair.dial(&deployment, 1);
    let request = sent(&mut pair.client, pair.time);
    deliver(&mut pair.server, pair.time, client_path(), &request);
    let answer = sent(&mut pair.server, pair.time);
    assert_eq!(state(&pair.server), (1, 1));
    let other = Deployment::of([1; 32], [2; 32], [4; 32]);
    pair.server.set_users(pair.time, users(&[(&other.user, "other")]));
    assert_eq!(pair.server.half_open(), 0);
    events(&mut pair.client);
    deliver(&mut pair.client, pair.time, server_path(), &answer);
    pair.exchange();
    let revoked = Event::Link(link::Event::Lost(link::Lost::ByPeer(1)));
    assert!(events(&mut pair.client).contains(&(link, revoked)));
    assert_eq!(state(&pair.server), (0, 0));
}

/// A change of the deployment's secret in a running server: what was made with the one so far goes
/// on while that is accepted, and ends when it is not.
#[test]
fn a_secret_is_changed_under_living_links() {
    let deployment = Deployment::new();
    let (mut pair, old) = Pair::up(&deployment);
    let changed = Deployment::of([9; 32], [2; 32], [3; 32]);
    pair.server.set_psks(pair.time, vec![changed.psk.clone(), deployment.psk.clone()]);
    pair.exchange();
    assert!(pair.alive(old), "the secret so far is still accepted");
    let new = pair.dial(&changed, 1);
    pair.exchange();
    assert!(pair.alive(new) && pair.alive(old) && state(&pair.server) == (2, 0));
    // A third, half-open under the secret so far when that is retired.
    pair.dial(&deployment, 2);
    let request = sent(&mut pair.client, pair.time);
    deliver(&mut pair.server, pair.time, client_path(), &request);
    assert_eq!(state(&pair.server), (2, 1));
    events(&mut pair.client);
    pair.server.set_psks(pair.time, vec![changed.psk.clone()]);
    assert_eq!(pair.server.half_open(), 0);
    pair.exchange();
    let retired = Event::Link(link::Event::Lost(link::Lost::ByPeer(5)));
    assert!(events(&mut pair.client).contains(&(old, retired)));
    assert!(pair.alive(new) && state(&pair.server) == (1, 0));
    pair.pass(Duration::from_secs(2));
    assert_eq!(state(&pair.server), (1, 0), "nobody comes back with the old secret");
}

#[test]
fn a_client_learns_the_servers_clock() {
    let deployment = Deployment::new();
    let mut pair = Pair::new(&deployment);
    // 100 s behind: still within the skew. Then the clock falls another 100 s back.
    let at = |time: Time, behind: u64| Time { wall_ns: time.wall_ns - behind * SECOND_NS, ..time };
    let dial = |pair: &mut Pair, behind: u64| {
        let time = at(pair.time, behind);
        pair.client.dial(time, deployment.client_keys(), server_path(), 0, Duration::from_secs(9)).unwrap();
        deliver(&mut pair.server, pair.time, client_path(), &sent(&mut pair.client, time));
        let answer = sent(&mut pair.server, pair.time);
        deliver(&mut pair.client, time, server_path(), &answer);
        (pair.server.drops().handshakes.skewed, pair.server.half_open())
    };
    assert_eq!(dial(&mut pair, 100), (0, 1));
    assert_eq!(dial(&mut pair, 200), (0, 1), "the first is confirmed by now");
    assert_eq!(dial(&mut Pair::new(&deployment), 200), (1, 0));
}

#[test]
fn a_flood_of_noise_leaves_nothing_behind() {
    let deployment = Deployment::new();
    let (mut pair, link) = Pair::up(&deployment);
    let (mut rng, before) = (rng(6), state(&pair.server));
    let recorded = pair.recorded.clone();
    for number in 0..20_000u32 {
        let (_, datagram) = &recorded[number as usize % recorded.len()];
        let mut datagram = BytesMut::from(&datagram[..]);
        let at = rng.random_range(0..datagram.len());
        datagram[at] ^= rng.random_range(1..=255u8);
        let from = hubs::path(&format!("{}:1000", std::net::Ipv4Addr::from(0x0a00_0000 + number)));
        pair.server.handle(pair.time, from, datagram);
    }
    assert_silent(&mut pair.server, pair.time, before, "a flood");
    assert!(pair.alive(link));
}
