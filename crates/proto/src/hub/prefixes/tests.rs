use super::*;
use std::net::{Ipv4Addr, Ipv6Addr};

const RATE: u32 = 4;

fn prefixes(max: usize, strangers: u32) -> (Prefixes, Instant) {
    let limits =
        Limits { handshakes_per_prefix: RATE, handshakes_of_strangers: strangers, prefixes: max, ..Limits::default() };
    let now = Instant::now();
    (Prefixes::new(&limits, now), now)
}

fn v4(number: u32) -> IpAddr {
    Ipv4Addr::from(number).into()
}

fn admitted(prefixes: &mut Prefixes, address: IpAddr, now: Instant, attempts: usize) -> usize {
    (0..attempts).filter(|_| prefixes.admit(address, now)).count()
}

#[test]
fn a_prefix_has_a_burst_and_then_a_rate() {
    let (mut prefixes, now) = prefixes(100, 1000);
    assert_eq!(admitted(&mut prefixes, v4(1), now, 100), 4);
    assert_eq!(admitted(&mut prefixes, v4(1), now + Duration::from_millis(250), 100), 1);
    assert_eq!(admitted(&mut prefixes, v4(1), now + Duration::from_secs(60), 100), 4, "no more than a burst");
    assert_eq!(admitted(&mut prefixes, v4(2), now, 100), 4, "another prefix");
}

#[test]
fn a_prefix_is_one_ipv4_address_or_64_bits_of_ipv6() {
    let (mut prefixes, now) = prefixes(100, 1000);
    let v6 = |high: u128, low: u128| IpAddr::from(Ipv6Addr::from(0x2001_0db8 << 96 | high << 64 | low));
    assert_eq!(admitted(&mut prefixes, v6(1, 1), now, 100), 4);
    assert_eq!(admitted(&mut prefixes, v6(1, u128::from(u64::MAX)), now, 100), 0);
    assert_eq!(admitted(&mut prefixes, v6(2, 1), now, 100), 4);
    let (one, mapped) = (Ipv4Addr::new(192, 0, 2, 1), Ipv4Addr::new(192, 0, 2, 1).to_ipv6_mapped());
    assert_eq!(admitted(&mut prefixes, one.into(), now, 100), 4);
    assert_eq!(admitted(&mut prefixes, mapped.into(), now, 100), 0);
}

#[test]
fn a_flood_of_addresses_stays_within_bounds_and_one_rate() {
    let (mut prefixes, now) = prefixes(64, 100);
    let admitted = (0..50_000).filter(|number| prefixes.admit(v4(*number), now)).count();
    assert_eq!(admitted, 100, "all strangers share one bucket");
    assert!(prefixes.strangers.len() <= 64 && prefixes.known.is_empty());
    // Also while the buckets are in use, so that none of them is full again.
    for number in 0..50_000 {
        prefixes.admit(v4(number), now + Duration::from_micros(number.into()));
        assert!(prefixes.strangers.len() <= 64);
    }
}

#[test]
fn a_flood_of_strangers_does_not_shut_out_who_has_authenticated() {
    let (mut prefixes, now) = prefixes(64, 100);
    assert!(prefixes.admit(v4(7), now));
    prefixes.authenticated(v4(7), now);
    let flood = |prefixes: &mut Prefixes| (1000..50_000).filter(|number| prefixes.admit(v4(*number), now)).count();
    assert!(flood(&mut prefixes) < 100);
    assert_eq!(flood(&mut prefixes), 0);
    assert!(!prefixes.admit(v4(8), now), "a stranger has to wait with the others");
    assert_eq!(admitted(&mut prefixes, v4(7), now, 100), 4, "a known prefix does not, and has no more than its rate");
    prefixes.authenticated(v4(7), now);
    assert_eq!(admitted(&mut prefixes, v4(7), now, 100), 0, "authenticating again fills no bucket");
}

#[test]
fn known_prefixes_have_a_bound_too() {
    let (mut prefixes, now) = prefixes(64, 1000);
    for number in 0..10_000 {
        prefixes.authenticated(v4(number), now);
        assert!(prefixes.known.len() <= 64);
    }
}

#[test]
fn a_full_table_forgets_those_first_whose_bucket_says_nothing() {
    let (mut prefixes, now) = prefixes(3, 1000);
    assert_eq!(admitted(&mut prefixes, v4(1), now, 100), 4);
    let later = now + Duration::from_millis(900);
    assert!(prefixes.admit(v4(2), now) && prefixes.admit(v4(3), now));
    // 2 and 3 are full again, 1 is not quite.
    assert!(prefixes.admit(v4(4), later));
    assert_eq!(admitted(&mut prefixes, v4(1), later, 100), 3);
}

#[test]
fn what_has_been_idle_is_forgotten() {
    let (mut prefixes, now) = prefixes(64, 1000);
    assert_eq!(prefixes.poll_timeout(), None);
    let idle = Limits::default().prefix_idle;
    assert!(prefixes.admit(v4(1), now) && prefixes.admit(v4(2), now));
    prefixes.authenticated(v4(2), now);
    assert!(prefixes.admit(v4(3), now + idle / 2));
    let mut at = now;
    while at < now + idle + idle / 4 {
        at = prefixes.poll_timeout().unwrap();
        prefixes.expire(at);
    }
    assert!(!prefixes.known.contains_key(&Prefix::from(v4(2))));
    while let Some(next) = prefixes.poll_timeout() {
        assert!(next > at, "time goes on");
        at = next;
        prefixes.expire(at);
    }
    assert!(at <= now + idle * 2);
    assert!(prefixes.strangers.is_empty() && prefixes.known.is_empty());
}
