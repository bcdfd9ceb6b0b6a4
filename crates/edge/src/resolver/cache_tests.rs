use std::net::{IpAddr, Ipv4Addr};
use std::rc::Rc;
use std::time::Duration;

use tokio::time::Instant;

use super::super::{Answer, Family, Question};
use super::Cache;

const MINUTE: Duration = Duration::from_secs(60);

fn question(name: &str) -> Rc<Question> {
    Rc::new(Question::new(name, Family::V4).unwrap())
}

fn answer(last: u8) -> Answer {
    Ok(Rc::from([IpAddr::V4(Ipv4Addr::new(192, 0, 2, last))]))
}

fn last_octet(answer: Option<Answer>) -> Option<u8> {
    match answer?.unwrap().first() {
        Some(IpAddr::V4(address)) => Some(address.octets()[3]),
        other => panic!("not one IPv4 address: {other:?}"),
    }
}

#[test]
fn an_answer_is_good_until_its_time_and_no_longer() {
    let (mut cache, now) = (Cache::new(4), Instant::now());
    cache.insert(question("a"), answer(1), now + MINUTE, now);
    let last_moment = now + MINUTE - Duration::from_nanos(1);
    assert_eq!(last_octet(cache.get(&question("a"), last_moment)), Some(1));
    assert_eq!(last_octet(cache.get(&question("a"), now + MINUTE)), None);
}

#[test]
fn a_newer_answer_takes_the_place_of_the_older() {
    let (mut cache, now) = (Cache::new(4), Instant::now());
    for last in 1..=10 {
        cache.insert(question("a"), answer(last), now + MINUTE, now);
    }
    assert_eq!(cache.len(), 1);
    assert_eq!(last_octet(cache.get(&question("a"), now)), Some(10));
}

#[test]
fn a_full_table_lets_the_oldest_go() {
    let (mut cache, now) = (Cache::new(3), Instant::now());
    for (last, name) in (1..).zip(["a", "b", "c", "d"]) {
        cache.insert(question(name), answer(last), now + MINUTE, now);
    }
    assert_eq!(cache.len(), 3);
    assert_eq!(last_octet(cache.get(&question("a"), now)), None);
    assert_eq!(last_octet(cache.get(&question("b"), now)), Some(2));
    assert_eq!(last_octet(cache.get(&question("d"), now)), Some(4));
}

#[test]
fn an_answer_in_use_outlives_a_flood_of_names_asked_once() {
    let (mut cache, now) = (Cache::new(8), Instant::now());
    cache.insert(question("popular"), answer(1), now + MINUTE, now);
    for number in 0..1000 {
        assert_eq!(last_octet(cache.get(&question("popular"), now)), Some(1));
        let name = format!("random-{number}");
        cache.insert(question(&name), answer(2), now + MINUTE, now);
        assert!(cache.len() <= 8);
    }
}

#[test]
fn a_table_whose_answers_are_all_in_use_still_makes_room() {
    let (mut cache, now) = (Cache::new(3), Instant::now());
    for (last, name) in (1..).zip(["a", "b", "c"]) {
        cache.insert(question(name), answer(last), now + MINUTE, now);
        cache.get(&question(name), now);
    }
    cache.insert(question("d"), answer(4), now + MINUTE, now);
    assert_eq!(cache.len(), 3);
    assert_eq!(last_octet(cache.get(&question("a"), now)), None);
    assert_eq!(last_octet(cache.get(&question("d"), now)), Some(4));
}

#[test]
fn an_expired_answer_gets_no_second_chance() {
    let (mut cache, now) = (Cache::new(2), Instant::now());
    cache.insert(question("short"), answer(1), now + MINUTE, now);
    cache.get(&question("short"), now);
    cache.insert(question("long"), answer(2), now + 9 * MINUTE, now);
    let later = now + 2 * MINUTE;
    cache.insert(question("new"), answer(3), later + MINUTE, later);
    assert_eq!(last_octet(cache.get(&question("long"), later)), Some(2));
    assert_eq!(last_octet(cache.get(&question("new"), later)), Some(3));
}

#[test]
fn a_table_of_no_size_keeps_nothing() {
    let (mut cache, now) = (Cache::new(0), Instant::now());
    cache.insert(question("a"), answer(1), now + MINUTE, now);
    assert_eq!(cache.len(), 0);
}
