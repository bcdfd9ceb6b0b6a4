//! The resolver in virtual time: what is shared, what is kept, what is bounded.

mod common;

use std::net::IpAddr;
use std::time::Duration;

use common::{FakeDns, addresses};
use ginnel_edge::resolver::{ADDRESSES_PER_ANSWER, Answer, Family, LookupError, Reply, Resolver, ResolverLimits};
use tokio::time::{Instant, advance, sleep};

const NOW: Duration = Duration::ZERO;
const NAME: &str = "host.example";

fn secs(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

fn resolver(dns: &FakeDns) -> Resolver {
    Resolver::new(dns.clone(), ResolverLimits::default())
}

fn texts(answer: Answer) -> Vec<String> {
    answer.unwrap().iter().map(IpAddr::to_string).collect()
}

/// Begins to look `name` up in IPv4, as a task of its own.
async fn waiter(resolver: &Resolver, name: &'static str) -> tokio::task::JoinHandle<Answer> {
    let resolver = resolver.clone();
    let task = tokio::task::spawn_local(async move { resolver.look_up(name, Family::V4).await });
    tokio::task::yield_now().await;
    task
}

#[tokio::test(flavor = "local", start_paused = true)]
async fn an_answer_is_kept_as_long_as_it_says() {
    let dns = FakeDns::default();
    dns.says(NAME, Family::V4, NOW, addresses(&["192.0.2.1"], 300));
    let resolver = resolver(&dns);
    for _ in 0..3 {
        assert_eq!(texts(resolver.look_up(NAME, Family::V4).await), ["192.0.2.1"]);
    }
    advance(secs(299)).await;
    resolver.look_up(NAME, Family::V4).await.unwrap();
    assert_eq!(dns.asked().len(), 1);
    dns.says(NAME, Family::V4, NOW, addresses(&["192.0.2.2"], 300));
    advance(secs(1)).await;
    assert_eq!(texts(resolver.look_up(NAME, Family::V4).await), ["192.0.2.2"]);
    assert_eq!(dns.asked().len(), 2);
}

/// How many whole seconds `reply` is kept, tried second by second.
async fn seconds_kept(reply: Reply, at_most: u64) -> u64 {
    let dns = FakeDns::default();
    dns.says(NAME, Family::V4, NOW, reply);
    let resolver = resolver(&dns);
    for seconds in 0..=at_most {
        let _ = resolver.look_up(NAME, Family::V4).await;
        if dns.asked().len() > 1 {
            return seconds;
        }
        advance(secs(1)).await;
    }
    panic!("kept for longer than {at_most} s");
}

#[tokio::test(flavor = "local", start_paused = true)]
async fn times_to_live_are_held_within_bounds() {
    let failed = || Err(LookupError::Failed(std::sync::Arc::from(Box::from("servfail"))));
    let unknown = |ttl| Reply { result: Err(LookupError::Unknown), ttl };
    assert_eq!(seconds_kept(addresses(&["192.0.2.1"], 0), 2).await, 1);
    assert_eq!(seconds_kept(addresses(&["192.0.2.1"], 86_400), 3_601).await, 3_600);
    assert_eq!(seconds_kept(unknown(None), 2).await, 1);
    assert_eq!(seconds_kept(unknown(Some(secs(7))), 8).await, 7);
    assert_eq!(seconds_kept(unknown(Some(secs(86_400))), 31).await, 30);
    let ttl = Some(secs(300));
    let result = failed();
    assert_eq!(seconds_kept(Reply { result, ttl }, 2).await, 1);
}

#[tokio::test(flavor = "local", start_paused = true)]
async fn one_look_up_serves_all_who_wait_for_it() {
    let dns = FakeDns::default();
    dns.says(NAME, Family::V4, secs(1), addresses(&["192.0.2.1"], 300));
    let resolver = resolver(&dns);
    let mut waiters = Vec::new();
    for _ in 0..1_000 {
        waiters.push(waiter(&resolver, NAME).await);
    }
    for waiter in waiters {
        assert_eq!(texts(waiter.await.unwrap()), ["192.0.2.1"]);
    }
    assert_eq!(dns.asked().len(), 1);
}

#[tokio::test(flavor = "local", start_paused = true)]
async fn the_families_are_looked_up_apart_and_at_the_same_time() {
    let dns = FakeDns::default();
    dns.says(NAME, Family::V6, secs(1), addresses(&["2001:db8::1"], 300));
    dns.says(NAME, Family::V4, secs(1), addresses(&["192.0.2.1"], 300));
    let (resolver, begun) = (resolver(&dns), Instant::now());
    let (v6, v4) = tokio::join!(resolver.look_up(NAME, Family::V6), resolver.look_up(NAME, Family::V4));
    assert_eq!((texts(v6), texts(v4)), (vec!["2001:db8::1".into()], vec!["192.0.2.1".into()]));
    assert_eq!(begun.elapsed(), secs(1));
}

#[tokio::test(flavor = "local", start_paused = true)]
async fn the_first_waiter_may_leave_without_harm_to_the_others() {
    let dns = FakeDns::default();
    dns.says(NAME, Family::V4, secs(1), addresses(&["192.0.2.1"], 300));
    let (resolver, begun) = (resolver(&dns), Instant::now());
    let first = waiter(&resolver, NAME).await;
    let second = waiter(&resolver, NAME).await;
    first.abort();
    assert!(first.await.unwrap_err().is_cancelled());
    assert_eq!(texts(second.await.unwrap()), ["192.0.2.1"]);
    assert_eq!((dns.asked().len(), begun.elapsed()), (1, secs(1)));
}

#[tokio::test(flavor = "local", start_paused = true)]
async fn a_look_up_that_nobody_waits_for_any_more_is_kept_all_the_same() {
    let dns = FakeDns::default();
    dns.says(NAME, Family::V4, secs(1), addresses(&["192.0.2.1"], 300));
    let resolver = resolver(&dns);
    waiter(&resolver, NAME).await.abort();
    sleep(secs(2)).await;
    let begun = Instant::now();
    assert_eq!(texts(resolver.look_up(NAME, Family::V4).await), ["192.0.2.1"]);
    assert_eq!((dns.asked().len(), begun.elapsed()), (1, NOW));
}

#[tokio::test(flavor = "local", start_paused = true)]
async fn a_source_that_panics_hangs_nobody() {
    let dns = FakeDns::default();
    let resolver = resolver(&dns);
    for round in 1..=2 {
        let (one, two) = (waiter(&resolver, "panic").await, waiter(&resolver, "panic").await);
        for waiter in [one, two] {
            let error = waiter.await.unwrap().unwrap_err();
            assert!(matches!(error, LookupError::Failed(_)), "{error:?}");
        }
        assert!(dns.asked().len() >= round, "the second round asks anew");
    }
}

#[tokio::test(flavor = "local", start_paused = true)]
async fn silence_ends_after_two_seconds_and_is_not_asked_again_at_once() {
    let dns = FakeDns::default();
    dns.says(NAME, Family::V4, secs(3_600), addresses(&["192.0.2.1"], 300));
    let (resolver, begun) = (resolver(&dns), Instant::now());
    for _ in 0..2 {
        let error = resolver.look_up(NAME, Family::V4).await.unwrap_err();
        assert!(matches!(error, LookupError::TimedOut), "{error:?}");
        assert_eq!((dns.asked().len(), begun.elapsed()), (1, secs(2)));
    }
}

#[tokio::test(flavor = "local", start_paused = true)]
async fn a_slow_look_up_delays_only_those_who_need_it() {
    let dns = FakeDns::default();
    dns.says("slow.example", Family::V4, secs(1), addresses(&["192.0.2.1"], 300));
    dns.says(NAME, Family::V4, NOW, addresses(&["192.0.2.2"], 300));
    let (resolver, begun) = (resolver(&dns), Instant::now());
    let slow = waiter(&resolver, "slow.example").await;
    assert_eq!(texts(resolver.look_up(NAME, Family::V4).await), ["192.0.2.2"]);
    // A timer of no time at all still ends with the next tick of the virtual clock.
    assert!(begun.elapsed() < secs(1));
    assert_eq!(texts(slow.await.unwrap()), ["192.0.2.1"]);
}

#[tokio::test(flavor = "local", start_paused = true)]
async fn look_ups_past_the_places_wait_in_order_within_their_limit() {
    let dns = FakeDns::default();
    for name in ["a", "b", "c"] {
        dns.says(name, Family::V4, Duration::from_millis(800), addresses(&["192.0.2.1"], 300));
    }
    let limits = ResolverLimits { concurrent_lookups: 1, ..ResolverLimits::default() };
    let resolver = Resolver::new(dns.clone(), limits);
    let mut waiters = Vec::new();
    for name in ["a", "b", "c", "d"] {
        waiters.push(waiter(&resolver, name).await);
    }
    let mut outcomes = Vec::new();
    for waiter in waiters {
        outcomes.push(match waiter.await.unwrap() {
            Ok(_) => "found".to_owned(),
            Err(error) => format!("{error:?}"),
        });
    }
    // a until 0.8 s, b until 1.6 s, c from there to its limit at 2 s, which is d's limit too: d gets
    // its place too late or not at all.
    assert_eq!(outcomes[..3], ["found", "found", "TimedOut"]);
    assert!(["Busy", "TimedOut"].contains(&outcomes[3].as_str()), "{}", outcomes[3]);
    assert_eq!(dns.asked()[..3], ["a V4", "b V4", "c V4"]);
}

#[tokio::test(flavor = "local", start_paused = true)]
async fn look_ups_past_the_bound_are_refused_at_once_but_may_join_and_come_back() {
    let dns = FakeDns::default();
    dns.says("a", Family::V4, secs(1), addresses(&["192.0.2.1"], 300));
    dns.says("b", Family::V4, NOW, addresses(&["192.0.2.2"], 300));
    let limits = ResolverLimits { pending_lookups: 1, ..ResolverLimits::default() };
    let resolver = Resolver::new(dns.clone(), limits);
    let first = waiter(&resolver, "a").await;
    let second = waiter(&resolver, "a").await;
    let error = resolver.look_up("b", Family::V4).await.unwrap_err();
    assert!(matches!(error, LookupError::Busy), "{error:?}");
    first.await.unwrap().unwrap();
    second.await.unwrap().unwrap();
    assert_eq!(texts(resolver.look_up("b", Family::V4).await), ["192.0.2.2"]);
}

#[tokio::test(flavor = "local", start_paused = true)]
async fn case_and_a_trailing_dot_do_not_make_another_name() {
    let dns = FakeDns::default();
    dns.says(NAME, Family::V4, NOW, addresses(&["192.0.2.1"], 300));
    let resolver = resolver(&dns);
    for name in ["host.example", "HOST.Example", "host.example."] {
        resolver.look_up(name, Family::V4).await.unwrap();
    }
    assert_eq!(dns.asked(), ["host.example V4"]);
}

#[tokio::test(flavor = "local", start_paused = true)]
async fn what_cannot_be_a_name_is_refused_without_asking() {
    let dns = FakeDns::default();
    let resolver = resolver(&dns);
    let long_label = "a".repeat(64);
    let long_name = ["abcdefg."; 32].concat();
    let bad = ["", ".", "a..b", ".a", "a b", "a\\.b", "a\0", "a/b", "ä.example", "fe80::1%1"];
    for name in bad.into_iter().chain([long_label.as_str(), long_name.as_str()]) {
        let error = resolver.look_up(name, Family::V4).await.unwrap_err();
        assert!(matches!(error, LookupError::BadName), "{name:?}: {error:?}");
    }
    assert_eq!(dns.asked().len(), 0);
    let long_label = "a".repeat(63);
    let long_name = format!("{}abcde.", ["abcdefg."; 31].concat());
    for name in ["_srv.a-1.example", "xn--4ca.example", &long_label, &long_name] {
        let error = resolver.look_up(name, Family::V4).await.unwrap_err();
        assert!(matches!(error, LookupError::Unknown), "{name:?}: {error:?}");
    }
}

#[tokio::test(flavor = "local", start_paused = true)]
async fn of_an_answer_the_familys_first_addresses_are_kept_once_each() {
    let dns = FakeDns::default();
    let mixed = addresses(&["192.0.2.9", "2001:db8::1", "192.0.2.9", "192.0.2.8"], 300);
    dns.says("mixed", Family::V4, NOW, mixed);
    dns.says("other", Family::V4, NOW, addresses(&["2001:db8::1"], 300));
    let many: Vec<String> = (0..200).map(|n| format!("192.0.2.{n}")).collect();
    let many: Vec<&str> = many.iter().map(String::as_str).collect();
    dns.says("many", Family::V4, NOW, addresses(&many, 300));
    let resolver = resolver(&dns);
    assert_eq!(texts(resolver.look_up("mixed", Family::V4).await), ["192.0.2.9", "192.0.2.8"]);
    let error = resolver.look_up("other", Family::V4).await.unwrap_err();
    assert!(matches!(error, LookupError::Unknown), "{error:?}");
    let kept = texts(resolver.look_up("many", Family::V4).await);
    assert_eq!(kept, many[..ADDRESSES_PER_ANSWER]);
}
