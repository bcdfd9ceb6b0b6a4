//! The wire in virtual time.

use super::{Conditions, Counters, Direction, LEAST_BUFFER, UNDER_WAY_MAX};
use std::time::Duration;

const CLEAN: Conditions =
    Conditions { rate: 0, delay: Duration::ZERO, loss: 0.0, buffer: u64::MAX, reorder: 0.0, hold: Duration::ZERO };

const MS: Duration = Duration::from_millis(1);

fn micros(micros: u64) -> Duration {
    Duration::from_micros(micros)
}

/// Fetches everything at the very time it leaves: when, and what.
fn all(direction: &mut Direction) -> Vec<(Duration, Vec<u8>)> {
    std::iter::from_fn(|| {
        let leaves = direction.next()?;
        Some((leaves, direction.poll(leaves).unwrap()))
    })
    .collect()
}

#[test]
fn nothing_comes_before_its_time() {
    let mut direction = Direction::new(Conditions { delay: 25 * MS, ..CLEAN }, 1);
    direction.offer(MS, b"a");
    direction.offer(2 * MS, b"b");
    assert_eq!((direction.next(), direction.poll(26 * MS - micros(1))), (Some(26 * MS), None));
    assert_eq!(direction.poll(26 * MS).as_deref(), Some(&b"a"[..]));
    assert_eq!(direction.poll(26 * MS), None);
    // Whoever comes late gets all that has left.
    assert_eq!(direction.poll(90 * MS).as_deref(), Some(&b"b"[..]));
    assert_eq!((direction.next(), direction.poll(90 * MS)), (None, None));
}

#[test]
fn the_limiter_sends_at_its_rate_and_no_faster() {
    // 12 Mbit/s: a packet of 1,500 bytes each millisecond.
    let mut direction = Direction::new(Conditions { rate: 12_000_000, delay: 10 * MS, ..CLEAN }, 1);
    for _ in 0..1000 {
        direction.offer(Duration::ZERO, &[0; 1500]);
    }
    let times: Vec<_> = all(&mut direction).into_iter().map(|(leaves, _)| leaves).collect();
    assert_eq!(times, (1..=1000).map(|sent| 10 * MS + sent * MS).collect::<Vec<_>>());
    // After a rest it owes nothing: the next one takes its own time only.
    direction.offer(5000 * MS, &[0; 750]);
    assert_eq!(direction.next(), Some(5010 * MS + micros(500)));
}

#[test]
fn a_full_buffer_drops_what_comes_and_keeps_what_it_has() {
    let conditions = Conditions { rate: 12_000_000, buffer: 15_000, ..CLEAN };
    let mut direction = Direction::new(conditions, 1);
    for number in 0..20 {
        direction.offer(Duration::ZERO, &[number; 1500]);
    }
    assert_eq!(direction.counters().overflowed, 10);
    // Half of one has been sent: there is room for so much and no more.
    direction.offer(micros(500), &[100; 751]);
    assert_eq!(direction.counters().overflowed, 11);
    direction.offer(micros(500), &[101; 750]);
    let kept: Vec<u8> = all(&mut direction).into_iter().map(|(_, packet)| packet[0]).collect();
    assert_eq!(kept, (0..10).chain([101]).collect::<Vec<_>>());
}

#[test]
fn the_loss_is_the_share_that_was_asked_for() {
    for (seed, loss) in [(1, 0.01), (2, 0.05), (3, 0.25), (4, 0.0)] {
        let mut direction = Direction::new(Conditions { loss, ..CLEAN }, seed);
        let count = 200_000;
        for at in 0..count {
            direction.offer(micros(at), b"x");
        }
        let lost = direction.counters().lost as f64;
        let (mean, spread) = (loss * count as f64, (count as f64 * loss * (1.0 - loss)).sqrt());
        assert!((lost - mean).abs() <= 4.0 * spread, "{lost} of {count} at {loss}");
        assert_eq!(all(&mut direction).len() as f64, count as f64 - lost);
    }
}

#[test]
fn what_is_lost_takes_no_time_of_the_limiter() {
    let mut direction = Direction::new(Conditions { rate: 12_000_000, loss: 0.5, ..CLEAN }, 7);
    for _ in 0..1000 {
        direction.offer(Duration::ZERO, &[0; 1500]);
    }
    let arrived = 1000 - direction.counters().lost;
    assert!((400..600).contains(&arrived));
    assert_eq!(all(&mut direction).last().unwrap().0, arrived as u32 * MS);
}

#[test]
fn a_seed_tells_the_same_story_again_and_another_one_another() {
    let story = |seed| {
        let conditions = Conditions { loss: 0.1, reorder: 0.1, hold: 5 * MS, ..CLEAN };
        let mut direction = Direction::new(conditions, seed);
        (0..1000u32).for_each(|number| direction.offer(number * MS, &number.to_be_bytes()));
        all(&mut direction)
    };
    assert_eq!(story(1), story(1));
    assert_ne!(story(1), story(2));
}

#[test]
fn order_is_kept_but_for_those_that_are_held() {
    let conditions = Conditions { delay: 20 * MS, reorder: 0.02, hold: 3 * MS, ..CLEAN };
    let mut direction = Direction::new(conditions, 5);
    (0..5000u32).for_each(|number| direction.offer(number * micros(100), &number.to_be_bytes()));
    let held = direction.counters().held;
    assert!((50..200).contains(&held), "{held}");
    let mut overtaken = 0;
    let mut before = Duration::ZERO;
    for (leaves, packet) in all(&mut direction) {
        let due = u32::from_be_bytes(packet.try_into().unwrap()) * micros(100) + 20 * MS;
        assert!(leaves == due || leaves == due + 3 * MS, "{leaves:?} for {due:?}");
        assert!(leaves >= before);
        overtaken += u64::from(leaves > due);
        before = leaves;
    }
    assert_eq!(overtaken, held);
}

#[test]
fn every_packet_is_accounted_for() {
    let conditions = Conditions { rate: 8_000_000, delay: MS, loss: 0.1, buffer: 20_000, reorder: 0.1, hold: MS };
    let mut direction = Direction::new(conditions, 3);
    for number in 0..3000u64 {
        direction.offer(micros(300) * number as u32, &vec![0; 40 + (number * 7 % 1400) as usize]);
        direction.poll(micros(300) * number as u32);
    }
    let left: u64 = all(&mut direction).len() as u64;
    let Counters { packets_in, lost, overflowed, packets_out, bytes_in, bytes_out, .. } = direction.counters();
    assert_eq!(packets_in, lost + overflowed + packets_out);
    assert!(left > 0 && lost > 0 && overflowed > 0 && 0 < bytes_out && bytes_out < bytes_in);
}

#[test]
fn a_wire_without_a_rate_has_a_bound_too() {
    let mut direction = Direction::new(Conditions { delay: 1000 * MS, ..CLEAN }, 1);
    for _ in 0..UNDER_WAY_MAX + 5 {
        direction.offer(Duration::ZERO, b"x");
    }
    assert_eq!(direction.counters().overflowed, 5);
}

#[test]
fn the_product_is_rate_times_both_delays() {
    assert_eq!(Conditions::product(200_000_000, 25 * MS), 1_250_000);
    assert_eq!(Conditions::product(200_000_000, Duration::ZERO), LEAST_BUFFER);
}
