//! What a link looks like from outside: junk, the sizes of its first packets, of full ones and of
//! those that say little.

mod fixtures;
mod hubs;

use bytes::Bytes;
use fixtures::Deployment;
use ginnel_proto::envelope::Version;
use ginnel_proto::hub::{Hub, HubConfig, LinkId};
use ginnel_proto::limits::Limits;
use ginnel_proto::link::BATCH_PACKETS;
use ginnel_proto::profile::{Profile, Span};
use ginnel_proto::session::{Event as Said, Read};
use ginnel_proto::{hub, link};
use hubs::{Pair, Sent, ServerOf, begin, client_path, deliver, events, later, sent, server_path};
use std::collections::{HashMap, VecDeque};
use std::time::Duration;

const SESSIONS: u8 = 60;

/// A day without keep-alives.
fn quiet() -> Limits {
    let day = Duration::from_secs(86_400);
    Limits { keep_alive: day, link_idle: day, ..Limits::default() }
}

/// What a deployment may have drawn.
fn drawn() -> Profile {
    Profile {
        junk_count: Span::new(1, 3),
        junk_size: Span::new(50, 900),
        burst_packets: Span::new(20, 30),
        burst_padding: Span::new(0, 400),
        burst_cut: Span::new(0, 300),
        small_padding: Span::new(0, 100),
        segment_cut: Span::new(0, 100),
        ..Profile::plain()
    }
}

fn pair(seed: u8, deployment: &Deployment, limits: &Limits) -> Pair {
    let server = ServerOf { limits: limits.clone(), ..ServerOf::new(deployment) };
    let (time, config) = (begin(), HubConfig { limits: limits.clone(), aes: true, seed: [seed; 32] });
    let client = Hub::client(config, time);
    Pair { time, client, server: server.start(seed.wrapping_add(100), time), recorded: Vec::new() }
}

/// Carries everything both ways, a millisecond each; returns what each end sent, in order.
fn run(pair: &mut Pair, rounds: usize) -> (Vec<usize>, Vec<usize>) {
    let (mut ups, mut downs) = (Vec::new(), Vec::new());
    for _ in 0..rounds {
        let up = sent(&mut pair.client, pair.time);
        deliver(&mut pair.server, pair.time, client_path(), &up);
        work(&mut pair.server, true);
        let down = sent(&mut pair.server, pair.time);
        deliver(&mut pair.client, pair.time, server_path(), &down);
        work(&mut pair.client, false);
        ups.extend(up.iter().map(|(_, datagram)| datagram.len()));
        downs.extend(down.iter().map(|(_, datagram)| datagram.len()));
        pair.time = later(pair.time, Duration::from_millis(1));
        pair.client.handle_timeout(pair.time);
        pair.server.handle_timeout(pair.time);
    }
    (ups, downs)
}

/// Reads what comes, and has a server answer each stream with a download.
fn work(end: &mut Hub, serves: bool) {
    for (id, event) in events(end) {
        let hub::Event::Link(link::Event::Session(said)) = event else { continue };
        let Some(session) = end.session(id) else { continue };
        let stream = match said {
            Said::Opened(stream) | Said::Readable(stream) | Said::Writable(stream) => stream,
            _ => continue,
        };
        let mut read = Vec::new();
        while matches!(session.read(stream, 1 << 20, &mut read), Ok(Read::Data(_))) {}
        if !serves {
            continue;
        }
        let chunk = Bytes::from(vec![7; 1 << 20]);
        while matches!(session.write(stream, &mut VecDeque::from([chunk.clone()])), Ok(1..)) {}
    }
}

/// Opens a stream whose first bytes ask for a download.
fn ask(client: &mut Hub, link: LinkId) {
    let session = client.session(link).expect("the link is up");
    let stream = session.open().expect("a stream");
    let written = session.write(stream, &mut VecDeque::from([Bytes::from_static(b"a request of a few bytes")]));
    assert!(matches!(written, Ok(1..)));
}

fn up(pair: &mut Pair, deployment: &Deployment) -> LinkId {
    let link = pair.dial(deployment, 0);
    for _ in 0..50 {
        if pair.client.link(link).is_some() {
            return link;
        }
        let up = sent(&mut pair.client, pair.time);
        deliver(&mut pair.server, pair.time, client_path(), &up);
        let down = sent(&mut pair.server, pair.time);
        deliver(&mut pair.client, pair.time, server_path(), &down);
        pair.time = later(pair.time, Duration::from_millis(20));
        pair.client.handle_timeout(pair.time);
    }
    panic!("the link does not come up");
}

#[test]
fn junk_goes_ahead_of_a_handshake_and_opens_for_nobody() {
    let deployment = Deployment::new();
    let junk = Profile { junk_count: Span::new(2, 2), junk_size: Span::new(100, 200), ..Profile::plain() };
    let limits = Limits { profile: junk, ..quiet() };
    let mut pair = pair(1, &deployment, &limits);
    pair.dial(&deployment, 0);
    let first = sent(&mut pair.client, pair.time);
    let lengths: Vec<usize> = first.iter().map(|(_, datagram)| datagram.len()).collect();
    assert_eq!(lengths.len(), 3, "two and the request, all at once");
    assert!(lengths[..2].iter().all(|length| (100..=200).contains(length)) && lengths[2] >= 265, "{lengths:?}");
    deliver(&mut pair.server, pair.time, client_path(), &first[..2]);
    assert!(sent(&mut pair.server, pair.time).is_empty());
    assert_eq!(pair.server.drops().not_ours, 2);
    deliver(&mut pair.server, pair.time, client_path(), &first[2..]);
    assert_eq!(sent(&mut pair.server, pair.time).len(), 1, "the answer");
    // The next attempt goes to the same address, which is not new any more.
    pair.time = later(pair.time, Duration::from_millis(400));
    pair.client.handle_timeout(pair.time);
    assert_eq!(sent(&mut pair.client, pair.time).len(), 1);
}

#[test]
fn junk_is_spaced_and_the_handshake_waits_for_it() {
    let deployment = Deployment::new();
    let spaced = Profile { junk_count: Span::new(3, 3), junk_spacing: Span::new(5, 5), ..Profile::plain() };
    let mut pair = pair(1, &deployment, &Limits { profile: spaced, ..quiet() });
    pair.dial(&deployment, 0);
    for step in 0..4 {
        assert_eq!(sent(&mut pair.client, pair.time).len(), 1, "step {step}");
        pair.time = later(pair.time, Duration::from_millis(5));
        pair.client.handle_timeout(pair.time);
    }
    let request: Vec<Sent> = sent(&mut pair.client, pair.time);
    assert!(request.is_empty(), "the request was the fourth");
}

#[test]
fn a_pair_of_addresses_that_was_idle_for_a_minute_gets_junk_again_and_no_delay() {
    let deployment = Deployment::new();
    let limits = Limits { profile: Profile { junk_count: Span::new(2, 2), ..Profile::plain() }, ..quiet() };
    let mut pair = pair(1, &deployment, &limits);
    let link = up(&mut pair, &deployment);
    run(&mut pair, 20);
    for (idle, junk) in [(59, 0), (61, 2), (59, 0)] {
        pair.time = later(pair.time, Duration::from_secs(idle));
        let before = pair.server.drops().not_ours;
        ask(&mut pair.client, link);
        let first = sent(&mut pair.client, pair.time);
        deliver(&mut pair.server, pair.time, client_path(), &first);
        assert_eq!(pair.server.drops().not_ours - before, junk, "after {idle} s");
        let opened = |event: &hub::Event| matches!(event, hub::Event::Link(link::Event::Session(Said::Opened(_))));
        assert!(events(&mut pair.server).iter().any(|(_, event)| opened(event)), "the request came at once");
        // Nobody answers it: the idle time begins now.
        sent(&mut pair.server, pair.time);
    }
}

/// The lengths of the first datagrams of many sessions, by direction and place.
fn firsts(profile: Profile, version: Version) -> (HashMap<usize, Vec<usize>>, HashMap<usize, Vec<usize>>) {
    let (mut up_lengths, mut down_lengths): (HashMap<_, Vec<_>>, HashMap<_, Vec<_>>) = Default::default();
    for seed in 0..SESSIONS {
        let (deployment, limits) = (Deployment::new(), Limits { profile, version, ..quiet() });
        let mut pair = pair(seed, &deployment, &limits);
        let link = up(&mut pair, &deployment);
        ask(&mut pair.client, link);
        let (ups, downs) = run(&mut pair, 10);
        let note = |of: Vec<usize>, into: &mut HashMap<usize, Vec<usize>>| {
            of.into_iter().take(20).enumerate().for_each(|(place, length)| into.entry(place).or_default().push(length));
        };
        note(ups, &mut up_lengths);
        note(downs, &mut down_lengths);
    }
    (up_lengths, down_lengths)
}

/// How many of the most frequent length there are.
fn mode(lengths: &[usize]) -> usize {
    let mut counts = HashMap::new();
    lengths.iter().for_each(|length| *counts.entry(length).or_insert(0) += 1);
    counts.into_values().max().unwrap_or(0)
}

#[test]
fn no_length_is_common_to_the_first_packets_of_sessions() {
    let (up, down) = firsts(drawn(), Version::CURRENT);
    for (direction, lengths) in [("up", up), ("down", down)] {
        for (place, lengths) in lengths {
            if lengths.len() >= usize::from(SESSIONS) / 2 {
                let most = mode(&lengths);
                assert!(most * 8 <= lengths.len(), "{direction} {place}: {most} of {} are alike", lengths.len());
            }
        }
    }
    // And the test can fail: without a profile they are.
    let (up, down) = firsts(Profile::plain(), Version::V1);
    assert!(mode(&up[&0]) == usize::from(SESSIONS) && mode(&down[&0]) == usize::from(SESSIONS));
}

/// Packets of the session's own handshake, which it fills up with zeros to 1,200 bytes, travel
/// without them; to a peer of the previous version, with.
#[test]
fn zeros_do_not_travel_between_ends_of_the_current_version() {
    let (up, down) = firsts(drawn(), Version::CURRENT);
    let first =
        |lengths: &HashMap<usize, Vec<usize>>, least| lengths[&0].iter().filter(|length| **length < least).count();
    assert_eq!(first(&up, 800), SESSIONS.into());
    assert_eq!(first(&firsts(drawn(), Version::V1).0, 1200), 0);
    assert!(down[&0].len() == usize::from(SESSIONS));
}

/// Whether some lengths, in their order, are those of a search by halves: each in the middle of the one before and a
/// last one.
fn has_ladder(lengths: &[usize]) -> bool {
    let large: Vec<usize> = lengths.iter().copied().filter(|length| *length > 1200).collect();
    let middle = |one: usize, low: usize, high: usize| (low < one && one < high) && (2 * one).abs_diff(low + high) <= 2;
    (0..large.len()).any(|a| {
        (a + 1..large.len()).any(|b| {
            (b + 1..large.len()).any(|c| {
                let to_last = |d: usize| middle(large[b], large[a], large[d]) && middle(large[c], large[b], large[d]);
                (c + 1..large.len()).any(to_last)
            })
        })
    })
}

#[test]
fn looking_for_the_longest_datagram_leaves_no_row_of_lengths() {
    let sessions_with = |profile| {
        let ladders = (0..SESSIONS).filter(|seed| {
            let (deployment, limits) = (Deployment::new(), Limits { profile, ..quiet() });
            let mut pair = pair(*seed, &deployment, &limits);
            let link = up(&mut pair, &deployment);
            ask(&mut pair.client, link);
            let (ups, _) = run(&mut pair, 12);
            has_ladder(&ups[..ups.len().min(30)])
        });
        ladders.count()
    };
    assert_eq!(sessions_with(Profile::plain()), usize::from(SESSIONS), "the search is to be seen");
    assert_eq!(sessions_with(drawn()), 0);
}

/// The lengths of the full datagrams that a server sends in batches, and the path's largest.
fn segments(seed: u8, profile: Profile) -> (Vec<usize>, usize) {
    let (deployment, limits) =
        (Deployment::new(), Limits { profile, rekey_time: Duration::from_secs(86_400), ..quiet() });
    let mut pair = pair(seed, &deployment, &limits);
    let link = up(&mut pair, &deployment);
    ask(&mut pair.client, link);
    run(&mut pair, 100);
    let (_, downs) = run(&mut pair, 20);
    let server = pair.server.ids()[0];
    (downs, pair.server.link(server).unwrap().stats().mtu.into())
}

#[test]
fn full_packets_are_alike_within_a_session_and_differ_between_sessions() {
    let mut lengths = Vec::new();
    for seed in 0..20 {
        let (downs, largest) = segments(seed, drawn());
        assert!((1414..=1464).contains(&largest), "the path was found out about all the same: {largest}");
        let most = mode(&downs);
        assert!(most * 10 >= downs.len() * 9 && downs.len() > 5 * BATCH_PACKETS, "{most} of {}", downs.len());
        let length = *downs.iter().max().unwrap();
        assert!((1364..=1464).contains(&length));
        lengths.push(length);
    }
    assert!(mode(&lengths) <= 4, "{lengths:?}");
    assert_eq!(segments(1, Profile::plain()).0.iter().max(), Some(&1472));
}

#[test]
fn new_keys_bring_another_segment_size() {
    let limits =
        Limits { profile: drawn(), rekey_bytes: 8 << 20, rekey_overlap: Duration::from_millis(100), ..quiet() };
    let deployment = Deployment::new();
    let mut pair = pair(3, &deployment, &limits);
    let link = up(&mut pair, &deployment);
    ask(&mut pair.client, link);
    let mut sizes = Vec::new();
    for _ in 0..60 {
        let (_, downs) = run(&mut pair, 10);
        sizes.extend(downs.into_iter().max());
    }
    let server = pair.server.ids()[0];
    assert!(pair.server.link(server).unwrap().keys_number() >= 2);
    sizes.dedup();
    assert!(sizes.len() >= 3, "{sizes:?}");
}

#[test]
fn acknowledgements_have_no_one_length() {
    let (deployment, limits) = (Deployment::new(), Limits { profile: drawn(), ..quiet() });
    let mut pair = pair(5, &deployment, &limits);
    let link = up(&mut pair, &deployment);
    ask(&mut pair.client, link);
    run(&mut pair, 60);
    let (ups, _) = run(&mut pair, 100);
    assert!(ups.len() >= 100 && mode(&ups) * 10 <= ups.len(), "{} of {}", mode(&ups), ups.len());
}
