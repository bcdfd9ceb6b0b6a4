//! Controllers and the pacer against input that makes no sense, and what they promise of themselves.

use ginnel_proto::congestion::pacer::Pacer;
use ginnel_proto::congestion::{Congestion, Controller, Report};
use proptest::prelude::*;
use std::time::{Duration, Instant};

const MTU: u16 = 1452;
const KINDS: [Congestion; 3] = [Congestion::Adaptive, Congestion::Cubic, Congestion::Fixed { rate: 25_000_000 }];

fn micros(micros: u64) -> Duration {
    Duration::from_micros(micros)
}

fn controllers(now: Instant) -> impl Iterator<Item = Box<dyn Controller>> {
    KINDS.into_iter().map(move |kind| kind.controller(now, MTU, 7))
}

/// What holds whatever a controller was told.
fn sound(controller: &dyn Controller) -> Report {
    let window = controller.window();
    assert!((4 * 512..=1 << 30).contains(&window), "a window of {window}");
    if let Some(pace) = controller.pace() {
        assert!((1_000..=100_000_000_000).contains(&pace), "{pace} bytes a second");
    }
    let report = controller.report();
    assert!((0.0..=0.3).contains(&report.base_loss), "{report:?}");
    assert_eq!((report.window, report.pace), (window, controller.pace()));
    report
}

/// One call of a controller. Times are microseconds since the beginning, in no order.
#[derive(Clone, Copy, Debug)]
enum Call {
    Sent(u64, u64),
    Ack(u64, u64, u64),
    EndAcks(u64, u64, bool),
    Loss(u64, u64, u64),
    Mtu(u16),
}

fn times() -> impl Strategy<Value = u64> {
    prop_oneof![4 => 0..3_000_000u64, 1 => Just(0), 1 => Just(u64::from(u32::MAX) << 12)]
}

fn sizes() -> impl Strategy<Value = u64> {
    prop_oneof![6 => Just(1452u64), 2 => 0..100_000u64, 1 => Just(0), 1 => Just(u64::MAX), 1 => any::<u64>()]
}

fn calls() -> impl Strategy<Value = Call> {
    prop_oneof![
        (times(), sizes()).prop_map(|(now, bytes)| Call::Sent(now, bytes)),
        (times(), times(), sizes()).prop_map(|(now, sent, bytes)| Call::Ack(now, sent, bytes)),
        (times(), sizes(), any::<bool>()).prop_map(|(now, bytes, limited)| Call::EndAcks(now, bytes, limited)),
        (times(), times(), sizes()).prop_map(|(now, sent, bytes)| Call::Loss(now, sent, bytes)),
        any::<u16>().prop_map(Call::Mtu),
    ]
}

fn tell(controller: &mut dyn Controller, origin: Instant, call: Call) {
    let at = |time| origin + micros(time);
    match call {
        Call::Sent(now, bytes) => controller.on_sent(at(now), bytes),
        Call::Ack(now, sent, bytes) => controller.on_ack(at(now), at(sent), bytes),
        Call::EndAcks(now, bytes, limited) => controller.on_end_acks(at(now), bytes, limited),
        Call::Loss(now, sent, bytes) => controller.on_loss(at(now), at(sent), bytes),
        Call::Mtu(mtu) => controller.on_mtu(mtu),
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, ..ProptestConfig::default() })]

    #[test]
    fn nothing_that_a_controller_is_told_breaks_it(calls in prop::collection::vec(calls(), 1..300), rate in any::<u64>()) {
        let origin = Instant::now();
        let fixed = Congestion::Fixed { rate }.controller(origin, MTU, 7);
        for mut controller in controllers(origin).chain([fixed]) {
            for &call in &calls {
                tell(&mut *controller, origin, call);
                sound(&*controller);
            }
        }
    }

    /// Plausible traffic in order, with any share lost, any delay, and acknowledgements of any number at once.
    #[test]
    fn a_controller_lives_with_any_path(
        rtt in 0..2_000_000u64,
        step in 1..50_000u64,
        batch in 1..64u64,
        lost in 0..=100u64,
        at_once in 1..20u64,
        app_limited in any::<bool>(),
    ) {
        let origin = Instant::now();
        for mut controller in controllers(origin) {
            for turn in 0..400u64 {
                let sent = origin + micros(turn * step);
                controller.on_sent(sent, batch * 1452);
                let now = sent + micros(rtt);
                let (bytes, gone) = (batch * 1452 * (100 - lost) / 100, batch * 1452 * lost / 100);
                controller.on_ack(now, sent, bytes);
                if turn % at_once == 0 {
                    controller.on_end_acks(now, batch * 1452, app_limited);
                }
                if gone > 0 {
                    controller.on_loss(now, sent, gone);
                }
                sound(&*controller);
            }
        }
    }

    /// No more leaves than the pace, the bucket and one turn allow, and what is ready at a time is ready then.
    #[test]
    fn a_pacer_keeps_its_pace(pace in 10_000..10_000_000_000u64, waits in prop::collection::vec(0..20_000u64, 1..200)) {
        let (origin, mut now, mut left) = (Instant::now(), Instant::now(), 0u64);
        let mut pacer = Pacer::new(origin, MTU);
        for wait in waits {
            now += micros(wait);
            let allowed = pacer.allowance(now, Some(pace));
            pacer.spend(allowed);
            left += allowed;
            let passed = now.duration_since(origin).as_secs_f64();
            let most = pace as f64 * (passed + 0.004) + 10.0 * f64::from(MTU);
            prop_assert!(left as f64 <= most + 1.0, "{left} bytes, at most {most}");
            let ready = pacer.ready_at(now, Some(pace));
            prop_assert!(ready > now, "what was allowed is spent");
            prop_assert!(pacer.clone().allowance(ready, Some(pace)) >= u64::from(MTU), "ready, and nothing is allowed");
        }
    }

    #[test]
    fn nothing_breaks_a_pacer(
        calls in prop::collection::vec((times(), prop::option::of(any::<u64>()), sizes()), 1..100),
        mtu in any::<u16>(),
    ) {
        let origin = Instant::now();
        let mut pacer = Pacer::new(origin, mtu);
        for (time, pace, bytes) in calls {
            let now = origin + micros(time);
            pacer.allowance(now, pace);
            pacer.spend(bytes);
            let ready = pacer.ready_at(now, pace);
            prop_assert!(ready >= now && ready <= now + Duration::from_millis(1_001));
            pacer.set_mtu(mtu);
        }
    }
}

/// Sends `count` batches of 20 packets, `gap` apart, each acknowledged after `rtt`.
fn bulk(controller: &mut dyn Controller, origin: Instant, count: u64, gap: u64, rtt: u64) {
    let (mut sent, mut acked) = (0, 0);
    while acked < count {
        let (next_sent, next_ack) = (sent * gap, acked * gap + rtt);
        if sent < count && next_sent <= next_ack {
            controller.on_sent(origin + micros(next_sent), 20 * 1452);
            sent += 1;
        } else {
            let (now, at) = (origin + micros(next_ack), origin + micros(acked * gap));
            (0..20).for_each(|_| controller.on_ack(now, at, 1452));
            acked += 1;
            controller.on_end_acks(now, (sent - acked) * 20 * 1452, false);
        }
    }
}

#[test]
fn a_new_path_begins_carefully() {
    for controller in controllers(Instant::now()).take(2) {
        let report = sound(&*controller);
        assert_eq!(report.window, 32 * 1452);
        assert_eq!(report.pace, Some(32 * 1452 * 20), "the first window takes 50 ms");
        assert_eq!((report.min_rtt, report.smoothed_rtt), (None, None));
    }
}

#[test]
fn the_rate_is_found() {
    // 20 packets every 2 ms are 14.52 MB a second.
    let origin = Instant::now();
    let mut controller = Congestion::Adaptive.controller(origin, MTU, 1);
    bulk(&mut *controller, origin, 500, 2_000, 50_000);
    let report = sound(&*controller);
    assert!((14_000_000..15_500_000).contains(&report.bandwidth), "{report:?}");
    assert_eq!(report.min_rtt, Some(Duration::from_millis(50)));
    assert!(report.base_loss == 0.0 && report.state != "startup", "{report:?}");
}

#[test]
fn a_path_below_two_milliseconds_is_not_paced() {
    for (rtt, paced) in [(1_900, false), (2_100, true)] {
        for mut controller in controllers(Instant::now()).take(2) {
            bulk(&mut *controller, Instant::now(), 200, 100, rtt);
            assert_eq!(controller.pace().is_some(), paced, "{rtt} µs: {:?}", controller.report());
        }
    }
}

#[test]
fn a_fixed_rate_is_always_paced() {
    let mut controller = Congestion::Fixed { rate: 1_000_000 }.controller(Instant::now(), MTU, 1);
    assert_eq!(controller.pace(), Some(1_000_000));
    bulk(&mut *controller, Instant::now(), 200, 100, 100);
    assert_eq!(controller.pace(), Some(1_000_000));
}

#[test]
fn one_acknowledgement_for_everything() {
    let origin = Instant::now();
    for mut controller in controllers(origin) {
        let now = origin + micros(50_000);
        (0..100_000).for_each(|packet| controller.on_sent(origin + micros(packet / 4), 1452));
        (0..100_000).for_each(|packet| controller.on_ack(now, origin + micros(packet / 4), 1452));
        controller.on_end_acks(now, 0, false);
        let report = sound(&*controller);
        // It is believed that 145 MB came through in 25 ms, and no more than that; the window is doubled or tripled.
        assert!(report.bandwidth <= 145_200_000 * 40, "{report:?}");
        assert!(report.window <= 3 * 32 * 1452 || report.state == "fixed", "{report:?}");
    }
}

#[test]
fn who_only_acknowledges_may_send_at_once_later() {
    // Acknowledgements leave for ten minutes, and are never acknowledged themselves. Then there is something to send.
    let origin = Instant::now();
    for mut controller in controllers(origin).take(2) {
        (0..600_000u64).for_each(|turn| controller.on_sent(origin + micros(turn * 1_000), 40));
        assert_eq!(controller.window(), 32 * 1452);
        assert_eq!(controller.pace(), Some(32 * 1452 * 20));
        bulk(&mut *controller, origin + Duration::from_secs(600), 100, 2_000, 50_000);
        let report = sound(&*controller);
        assert!(report.window > 1_000_000, "{report:?}");
    }
}

#[test]
fn a_copy_goes_its_own_way() {
    let origin = Instant::now();
    for mut controller in controllers(origin) {
        let copy = controller.clone();
        bulk(&mut *controller, origin, 500, 2_000, 50_000);
        assert_eq!(copy.report().min_rtt, None);
        assert_eq!(controller.report().min_rtt, Some(Duration::from_millis(50)));
    }
}

#[test]
fn a_pacer_makes_turns_of_a_millisecond() {
    // 25 MB a second: 25,000 bytes in a millisecond.
    let (origin, pace) = (Instant::now(), Some(25_000_000));
    let mut pacer = Pacer::new(origin, MTU);
    // Ten packets to begin with are less than a turn at this pace.
    assert_eq!(pacer.allowance(origin, pace), 0);
    assert_eq!(pacer.allowance(origin + micros(420), pace), 25_020);
    pacer.spend(25_020);
    assert_eq!(pacer.allowance(origin + micros(1_400), pace), 0);
    assert_eq!(pacer.allowance(origin + micros(1_420), pace), 25_000);
    // Four milliseconds pile up, and no more.
    assert_eq!(pacer.allowance(origin + micros(900_000), pace), 100_000);
}

#[test]
fn a_pacer_collects_debts() {
    let (origin, pace) = (Instant::now(), Some(1_452_000));
    let mut pacer = Pacer::new(origin, MTU);
    pacer.spend(pacer.clone().allowance(origin, pace) + 2 * 1452);
    // Two packets of debt and one to send, at one a millisecond.
    assert_eq!(pacer.allowance(origin + micros(2_900), pace), 0);
    let late = origin + micros(2_900);
    let ready = pacer.ready_at(late, pace).duration_since(origin);
    assert!(ready.abs_diff(micros(3_000)) < micros(1), "{ready:?}");
    // No debt is deeper than a full bucket: ten packets.
    pacer.spend(u64::MAX);
    let ready = pacer.ready_at(late, pace).duration_since(late);
    assert!(ready <= micros(11_001), "{ready:?}");
}

#[test]
fn a_path_that_is_not_paced_needs_no_pacer() {
    let origin = Instant::now();
    let mut pacer = Pacer::new(origin, MTU);
    pacer.spend(1 << 40);
    assert_eq!(pacer.ready_at(origin, None), origin);
    assert_eq!(pacer.allowance(origin, None), u64::MAX);
    pacer.spend(1 << 40);
    // Paced again, it begins without the debt of the time before: with a full bucket, unless that was spent since.
    pacer.allowance(origin, None);
    assert_eq!(pacer.allowance(origin, Some(1_452_000)), 10 * 1452);
}
