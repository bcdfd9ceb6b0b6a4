//! Ten megabytes each way over networks that misbehave.

use ginnel_netem::conditions::Conditions;
use ginnel_netem::flow::Service;
use ginnel_netem::lab::{Lab, Setup};
use ginnel_netem::network::Change;
use ginnel_netem::sessions::{Case, for_each_case};
use std::time::Duration;

const BULK: u64 = 10_000_000;

/// Handshake, and one stream that carries ten megabytes each way to a clean end.
fn exchange(setup: Setup, patience: Duration) -> Lab {
    let mut lab = Lab::new(Setup { service: Service::Exchange(BULK), ..setup });
    let link = lab.connect(0);
    lab.open(link, BULK);
    lab.must("ten megabytes go each way", patience, Lab::all_done);
    assert_carried(&lab);
    lab
}

fn assert_carried(lab: &Lab) {
    for node in [&lab.clients[0], &lab.server] {
        let flow = node.flows.values().next().expect("one stream at each end");
        assert_eq!((node.flows.len(), flow.sent(), flow.received()), (1, BULK, BULK));
    }
}

/// Bytes that may be sent for a hundred of payload without loss, and those that may arrive at twenty per cent of it:
/// headers, the envelope and acknowledgements; KCP also sends more again than was lost.
const COSTS: &[(&str, u64, u64)] = &[("quic", 104, 113), ("kcp", 106, 125)];

fn costs(case: Case) -> (u64, u64) {
    let row = COSTS.iter().find(|(session, ..)| *session == case.session.name());
    let (_, clean, lossy) = row.expect("what each session may cost");
    (BULK * clean / 100, BULK * lossy / 100)
}

fn conditions(change: impl FnOnce(&mut Conditions)) -> Conditions {
    let mut conditions = Conditions::default();
    change(&mut conditions);
    conditions
}

/// 40 Mbit/s, so that ten megabytes take two seconds at least and something can happen in between.
fn slow() -> Conditions {
    conditions(|c| c.rate = Some(5_000_000))
}

/// 400 Mbit/s of which every fifth datagram is lost. An acknowledgement has room for 64 gaps: at any
/// rate there would be more of them in the millisecond that one may wait for the pacer.
fn lossy() -> Conditions {
    conditions(|c| (c.loss, c.rate, c.buffer) = (0.2, Some(50_000_000), 2 << 20))
}

/// Begins the exchange of `setup`, and returns when a tenth of it has arrived at the client.
fn begin(setup: Setup) -> Lab {
    let mut lab = Lab::new(Setup { service: Service::Exchange(BULK), ..setup });
    let link = lab.connect(0);
    let stream = lab.open(link, BULK);
    lab.must("a megabyte arrives", Duration::from_secs(20), |lab| {
        lab.clients[0].flows[&(link, stream)].received() > BULK / 10
    });
    assert!(!lab.all_done());
    lab
}

fn end(lab: &mut Lab, patience: Duration) {
    lab.must("the rest arrives", patience, Lab::all_done);
    assert_carried(lab);
}

#[test]
fn ten_megabytes_each_way_without_loss() {
    for_each_case(5, |case| {
        let lab = exchange(Setup::of(case), Duration::from_secs(2));
        let (up, down) = lab.counters();
        assert_eq!((up.lost, down.lost), (0, 0));
        // Nothing is sent twice.
        assert!(up.sent.bytes < costs(case).0, "{} bytes sent", up.sent.bytes);
        assert!(down.sent.bytes < costs(case).0, "{} bytes sent", down.sent.bytes);
    });
}

// The bounds of time below are several times what cubic takes. It halves its window at every loss,
// so that 5 % on 20 ms leave it 2 Mbit/s, and 20 % a quarter of that.

#[test]
fn ten_megabytes_each_way_at_one_percent_loss() {
    for_each_case(5, |case| {
        let lab = exchange(Setup::of(case).conditions(conditions(|c| c.loss = 0.01)), Duration::from_secs(60));
        assert!(lab.counters().0.lost > 0 && lab.counters().1.lost > 0);
    });
}

#[test]
fn ten_megabytes_each_way_at_five_percent_loss() {
    for_each_case(5, |case| {
        let lab = exchange(Setup::of(case).conditions(conditions(|c| c.loss = 0.05)), Duration::from_secs(300));
        assert!(lab.counters().0.lost > 0 && lab.counters().1.lost > 0);
    });
}

#[test]
fn ten_megabytes_each_way_at_twenty_percent_loss() {
    for_each_case(5, |case| {
        let lab = exchange(Setup::of(case).conditions(lossy()), Duration::from_secs(1800));
        let (up, down) = lab.counters();
        assert!(up.lost > 0 && down.lost > 0);
        // What is sent beyond what is lost is the payload, once, with its headers, and acknowledgements
        // of the other direction, which list dozens of gaps each.
        assert!(up.delivered.bytes < costs(case).1, "{} bytes for {BULK}", up.delivered.bytes);
    });
}

#[test]
fn ten_megabytes_each_way_at_a_long_distance_with_loss() {
    for_each_case(3, |case| {
        let far = conditions(|c| {
            c.delay = Duration::from_millis(75);
            c.jitter = Duration::from_millis(10);
            c.loss = 0.05;
            c.rate = Some(25_000_000);
        });
        exchange(Setup::of(case).conditions(far), Duration::from_secs(1200));
    });
}

#[test]
fn reordering_loses_nothing() {
    for_each_case(5, |case| {
        let conditions = conditions(|c| {
            c.reorder = 0.05;
            c.jitter = Duration::from_millis(3);
        });
        let lab = exchange(Setup::of(case).conditions(conditions), Duration::from_secs(120));
        assert!(lab.counters().0.reordered > 100);
        // The window is wide enough for it: nothing late was taken for a replay.
        assert_eq!(lab.server.hub.drops().replayed, 0);
    });
}

#[test]
fn packets_held_back_while_hundreds_overtake_them_do_no_harm() {
    for_each_case(5, |case| {
        // 200 ms are 700 packets, far beyond what the low bits of a packet's number can tell.
        let mut conditions = slow();
        (conditions.reorder, conditions.hold) = (0.002, Duration::from_millis(200));
        let lab = exchange(Setup::of(case).conditions(conditions), Duration::from_secs(60));
        assert!(lab.counters().0.reordered > 5 && lab.counters().1.reordered > 5);
    });
}

#[test]
fn duplicates_are_dropped_by_the_window() {
    for_each_case(5, |case| {
        let conditions = conditions(|c| c.duplicate = 0.1);
        let mut lab = exchange(Setup::of(case).conditions(conditions), Duration::from_secs(10));
        lab.run_for(Duration::from_secs(1));
        let (up, down) = lab.counters();
        assert!(up.duplicated > 100 && down.duplicated > 100);
        // A copy of the client's handshake is refused by the gate, and one of the server's answer
        // by a client that is up already.
        let (server, client) = (lab.server.hub.drops(), lab.clients[0].hub.drops());
        assert_eq!(server.replayed + server.handshakes.replayed, up.duplicated);
        assert_eq!(client.replayed + client.not_ours, down.duplicated);
    });
}

#[test]
fn everything_at_once_loses_nothing() {
    for_each_case(5, |case| {
        let conditions = conditions(|c| {
            c.loss = 0.03;
            c.reorder = 0.03;
            c.duplicate = 0.03;
            c.jitter = Duration::from_millis(10);
            c.rate = Some(10_000_000);
            c.mtu = 1400;
        });
        exchange(Setup::of(case).conditions(conditions), Duration::from_secs(600));
    });
}

#[test]
fn a_narrow_pipe_with_a_small_buffer_is_used_well() {
    for_each_case(3, |case| {
        let mut narrow = slow();
        narrow.buffer = 100_000;
        let lab = exchange(Setup::of(case).conditions(narrow), Duration::from_secs(10));
        // Nine tenths of what was sent into it came out: the sender feels where the end is.
        let (up, _) = lab.counters();
        assert!(up.delivered.bytes * 10 > up.sent.bytes * 9, "{up:?}");
    });
}

#[test]
fn a_path_of_the_least_mtu_of_ipv6_is_enough() {
    for_each_case(5, |case| {
        // 1280 less the headers of IPv6 and UDP leave 1232 bytes.
        let setup = Setup { ipv6: true, ..Setup::of(case).conditions(conditions(|c| c.mtu = 1280)) };
        let lab = exchange(setup, Duration::from_secs(10));
        let (up, down) = lab.counters();
        // Only the probes for more are too large: three for each size that is tried.
        assert!((1..=24).contains(&up.oversized), "{} too large", up.oversized);
        assert!((1..=24).contains(&down.oversized), "{} too large", down.oversized);
    });
}

#[test]
fn a_path_that_shrinks_in_mid_transfer_goes_on() {
    for_each_case(5, |case| {
        let mut lab = begin(Setup { ipv6: true, ..Setup::of(case).conditions(slow()) });
        let wide = lab.server.hub.ids().first().and_then(|link| Some(lab.server.hub.link(*link)?.stats().mtu));
        assert!(wide > Some(1232), "{wide:?} bytes before it shrinks");
        lab.change(Change::Conditions(Conditions { mtu: 1280, ..slow() }));
        end(&mut lab, Duration::from_secs(30));
        assert!(lab.counters().1.oversized > 0);
    });
}

#[test]
fn a_black_out_of_five_seconds_is_only_a_pause() {
    for_each_case(5, |case| {
        let mut lab = begin(Setup::of(case).conditions(slow()));
        lab.change(Change::BlackOut(Duration::from_secs(5)));
        // Whoever has sent in vain for 5 s tries again within as long.
        end(&mut lab, Duration::from_secs(5 + 5 + 15));
        assert!(lab.now() > Duration::from_secs(5));
        assert!(lab.counters().0.blacked_out > 0 && lab.counters().1.blacked_out > 0);
        assert_eq!(lab.server.events.len(), 1, "{:?}", lab.server.events);
    });
}

#[test]
fn black_outs_one_after_the_other_are_only_pauses() {
    for_each_case(3, |case| {
        let mut lab = begin(Setup::of(case).conditions(slow()));
        for second in 0..10 {
            lab.later(Duration::from_secs(2 * second), Change::BlackOut(Duration::from_millis(1500)));
        }
        end(&mut lab, Duration::from_secs(60));
    });
}

#[test]
fn the_same_seed_replays_the_same_run() {
    for_each_case(2, |case| {
        let run = |seed| {
            let case = Case { seed, ..case };
            let conditions = conditions(|c| {
                c.loss = 0.05;
                c.jitter = Duration::from_millis(5);
            });
            let lab = exchange(Setup::of(case).conditions(conditions), Duration::from_secs(600));
            (lab.now(), lab.counters())
        };
        let first = run(case.seed);
        assert_eq!(first, run(case.seed));
        assert_ne!(first, run(case.seed + 1000));
    });
}
