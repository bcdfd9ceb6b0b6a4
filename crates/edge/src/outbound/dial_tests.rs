//! The race in virtual time, against a dialler that follows a script.

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::future::{pending, ready};
use std::io;
use std::net::SocketAddr;
use std::rc::Rc;
use std::time::Duration;

use tokio::time::{Instant, sleep};

use super::{Dialler, Targets, race};
use crate::outbound::{ConnectError, OutboundOptions};

const V6: [&str; 3] = ["[2a00::1]:80", "[2a00::2]:80", "[2a00::3]:80"];
const V4: [&str; 3] = ["198.41.0.1:80", "198.41.0.2:80", "198.41.0.3:80"];

#[derive(Clone, Copy)]
enum Fate {
    Connects(u64),
    Fails(u64, io::ErrorKind),
    Hangs,
}
use Fate::{Connects, Fails, Hangs};

/// An open socket: counted from the dial until the drop.
#[derive(Debug)]
struct Socket {
    address: SocketAddr,
    open: Rc<Cell<usize>>,
}

impl Drop for Socket {
    fn drop(&mut self) {
        self.open.set(self.open.get() - 1);
    }
}

struct Script {
    begun: Instant,
    fates: HashMap<SocketAddr, Fate>,
    /// What was dialled, with the milliseconds since the beginning.
    dialled: RefCell<Vec<(u64, SocketAddr)>>,
    open: Rc<Cell<usize>>,
}

impl Script {
    /// Addresses that it does not name hang.
    fn new(fates: &[(&str, Fate)]) -> Self {
        let parsed = fates.iter().map(|&(text, fate)| (address(text), fate));
        Self { begun: Instant::now(), fates: parsed.collect(), dialled: RefCell::default(), open: Rc::default() }
    }

    fn millis(&self) -> u64 {
        u64::try_from(self.begun.elapsed().as_millis()).unwrap()
    }

    fn dialled(&self) -> Vec<(u64, String)> {
        let dialled = self.dialled.borrow();
        dialled.iter().map(|(at, to)| (*at, to.to_string())).collect()
    }
}

impl Dialler for Script {
    type Connection = Socket;

    async fn dial(&self, address: SocketAddr) -> io::Result<Socket> {
        self.dialled.borrow_mut().push((self.millis(), address));
        self.open.set(self.open.get() + 1);
        let open = Rc::clone(&self.open);
        let socket = Socket { address, open };
        match self.fates.get(&address).copied().unwrap_or(Hangs) {
            Connects(after) => sleep(Duration::from_millis(after)).await,
            Fails(after, kind) => {
                sleep(Duration::from_millis(after)).await;
                return Err(kind.into());
            }
            Hangs => pending().await,
        }
        Ok(socket)
    }
}

fn address(text: &str) -> SocketAddr {
    text.parse().unwrap()
}

fn found(texts: &[&str]) -> Targets {
    Ok(texts.iter().map(|text| address(text)).collect())
}

async fn found_after(millis: u64, targets: Targets) -> Targets {
    sleep(Duration::from_millis(millis)).await;
    targets
}

fn at(times: &[(u64, &str)]) -> Vec<(u64, String)> {
    times.iter().map(|&(at, to)| (at, to.to_owned())).collect()
}

/// Runs the race with both answers there from the start.
async fn run(script: &Script, v6: &[&str], v4: &[&str]) -> Result<Socket, ConnectError> {
    let none = |texts: &[&str]| match texts {
        [] => Err(ConnectError::NameUnknown),
        texts => found(texts),
    };
    let options = OutboundOptions::default();
    race(script, &options, ready(none(v6)), ready(none(v4))).await
}

#[tokio::test(start_paused = true)]
async fn ipv6_goes_first_and_a_quick_answer_leaves_ipv4_alone() {
    let script = Script::new(&[(V6[0], Connects(249))]);
    let winner = run(&script, &V6, &V4).await.unwrap();
    assert_eq!(winner.address, address(V6[0]));
    assert_eq!(script.dialled(), at(&[(0, V6[0])]));
}

#[tokio::test(start_paused = true)]
async fn an_ipv6_black_hole_costs_250_milliseconds() {
    let script = Script::new(&[(V4[0], Connects(20))]);
    let winner = run(&script, &V6, &V4).await.unwrap();
    assert_eq!(winner.address, address(V4[0]));
    assert_eq!(script.dialled(), at(&[(0, V6[0]), (250, V4[0])]));
    assert_eq!(script.millis(), 270);
}

#[tokio::test(start_paused = true)]
async fn families_alternate_250_milliseconds_apart() {
    let script = Script::new(&[(V4[2], Connects(0))]);
    run(&script, &V6, &V4).await.unwrap();
    let expected = [V6[0], V4[0], V6[1], V4[1], V6[2], V4[2]];
    let expected: Vec<_> = (0..).step_by(250).zip(expected).collect();
    assert_eq!(script.dialled(), at(&expected));
}

#[tokio::test(start_paused = true)]
async fn without_ipv6_addresses_ipv4_begins_at_once() {
    let script = Script::new(&[(V4[0], Connects(0))]);
    run(&script, &[], &V4).await.unwrap();
    assert_eq!(script.dialled(), at(&[(0, V4[0])]));
}

#[tokio::test(start_paused = true)]
async fn a_failure_starts_the_next_attempt_at_once() {
    let script = Script::new(&[
        (V6[0], Fails(10, io::ErrorKind::NetworkUnreachable)),
        (V4[0], Fails(5, io::ErrorKind::ConnectionRefused)),
        (V6[1], Connects(1)),
    ]);
    run(&script, &V6, &V4).await.unwrap();
    assert_eq!(script.dialled(), at(&[(0, V6[0]), (10, V4[0]), (15, V6[1])]));
}

#[tokio::test(start_paused = true)]
async fn the_first_connection_wins_and_the_losers_are_closed() {
    let script = Script::new(&[(V6[0], Connects(900)), (V4[0], Connects(300))]);
    let winner = run(&script, &V6, &V4).await.unwrap();
    assert_eq!(script.dialled().len(), 3);
    assert_eq!((winner.address, script.millis()), (address(V4[0]), 550));
    assert_eq!(script.open.get(), 1, "only the winner is open");
    drop(winner);
    assert_eq!(script.open.get(), 0);
}

#[tokio::test(start_paused = true)]
async fn an_early_attempt_may_win_late() {
    let script = Script::new(&[(V6[0], Connects(600))]);
    let winner = run(&script, &V6, &V4).await.unwrap();
    assert_eq!((winner.address, script.millis()), (address(V6[0]), 600));
}

#[tokio::test(start_paused = true)]
async fn giving_up_closes_all() {
    let script = Script::new(&[]);
    let limit = Duration::from_millis(700);
    let given_up = tokio::time::timeout(limit, run(&script, &V6, &V4)).await;
    assert!(given_up.is_err());
    assert_eq!((script.dialled().len(), script.open.get()), (3, 0));
}

#[tokio::test(start_paused = true)]
async fn all_refused_is_refused() {
    let refused = Fails(1, io::ErrorKind::ConnectionRefused);
    let fates: Vec<_> = V6.iter().chain(&V4).map(|text| (*text, refused)).collect();
    let script = Script::new(&fates);
    let error = run(&script, &V6, &V4).await.unwrap_err();
    assert!(matches!(error, ConnectError::Refused), "{error:?}");
    assert_eq!((script.dialled().len(), script.millis()), (6, 6));
}

#[tokio::test(start_paused = true)]
async fn a_machine_without_ipv6_reports_what_ipv4_said() {
    let script = Script::new(&[
        (V6[0], Fails(0, io::ErrorKind::NetworkUnreachable)),
        (V4[0], Fails(0, io::ErrorKind::HostUnreachable)),
    ]);
    let error = run(&script, &V6[..1], &V4[..1]).await.unwrap_err();
    assert!(matches!(error, ConnectError::HostUnreachable), "{error:?}");
}

#[tokio::test(start_paused = true)]
async fn silence_times_out_after_ten_seconds_in_all() {
    let script = Script::new(&[]);
    let error = run(&script, &V6, &V4).await.unwrap_err();
    assert!(matches!(error, ConnectError::TimedOut), "{error:?}");
    assert_eq!((script.millis(), script.open.get()), (10_000, 0));
}

#[tokio::test(start_paused = true)]
async fn at_most_eight_addresses_are_tried() {
    let many: Vec<String> = (1..=20).map(|n| format!("198.41.0.{n}:80")).collect();
    let many: Vec<&str> = many.iter().map(String::as_str).collect();
    let script = Script::new(&[]);
    run(&script, &[], &many).await.unwrap_err();
    assert_eq!(script.dialled().len(), 8);

    let refused = Fails(0, io::ErrorKind::ConnectionRefused);
    let fates: Vec<_> = many.iter().map(|text| (*text, refused)).collect();
    let script = Script::new(&fates);
    run(&script, &[], &many).await.unwrap_err();
    assert_eq!((script.dialled().len(), script.millis()), (8, 0));
}

#[tokio::test(start_paused = true)]
async fn ipv4_waits_50_milliseconds_for_ipv6() {
    let script = Script::new(&[(V6[0], Connects(0)), (V4[0], Connects(0))]);
    let options = OutboundOptions::default();
    let v6 = found_after(10 + 49, found(&V6));
    let winner = race(&script, &options, v6, found_after(10, found(&V4))).await.unwrap();
    assert_eq!(winner.address, address(V6[0]));
    assert_eq!(script.dialled(), at(&[(59, V6[0])]));
}

#[tokio::test(start_paused = true)]
async fn ipv4_waits_no_longer_and_late_ipv6_joins_as_next() {
    let script = Script::new(&[(V6[0], Connects(0))]);
    let options = OutboundOptions::default();
    let v6 = found_after(100, found(&V6));
    race(&script, &options, v6, found_after(10, found(&V4))).await.unwrap();
    assert_eq!(script.dialled(), at(&[(60, V4[0]), (310, V6[0])]));
}

#[tokio::test(start_paused = true)]
async fn ipv4_stops_waiting_when_ipv6_answers_with_nothing() {
    let script = Script::new(&[(V4[0], Connects(0))]);
    let options = OutboundOptions::default();
    let v6 = found_after(30, Err(ConnectError::NameUnknown));
    race(&script, &options, v6, found_after(10, found(&V4))).await.unwrap();
    assert_eq!(script.dialled(), at(&[(30, V4[0])]));
}

#[tokio::test(start_paused = true)]
async fn ipv6_does_not_wait_for_ipv4() {
    let script = Script::new(&[(V6[0], Connects(5))]);
    let options = OutboundOptions::default();
    let v6 = found_after(10, found(&V6));
    let winner = race(&script, &options, v6, pending()).await.unwrap();
    assert_eq!((winner.address, script.millis()), (address(V6[0]), 15));
}

#[tokio::test(start_paused = true)]
async fn an_answer_still_under_way_is_waited_for_when_all_else_failed() {
    let script = Script::new(&[(V4[0], Fails(0, io::ErrorKind::ConnectionRefused)), (V6[0], Connects(0))]);
    let options = OutboundOptions::default();
    let v6 = found_after(1_500, found(&V6[..1]));
    let winner = race(&script, &options, v6, ready(found(&V4[..1]))).await.unwrap();
    assert_eq!((winner.address, script.millis()), (address(V6[0]), 1_500));
}

#[tokio::test(start_paused = true)]
async fn no_answer_at_all_reports_the_look_ups_more_telling_error() {
    let script = Script::new(&[]);
    let options = OutboundOptions::default();
    for (v6, v4, expected) in [
        (ConnectError::NameUnknown, ConnectError::NameUnknown, "NameUnknown"),
        (ConnectError::TimedOut, ConnectError::NameUnknown, "TimedOut"),
        (ConnectError::NameUnknown, ConnectError::NotAllowed, "NotAllowed"),
    ] {
        let outcome = race(&script, &options, ready(Err(v6)), ready(Err(v4))).await;
        assert_eq!(format!("{:?}", outcome.unwrap_err()), expected);
    }
}

#[tokio::test(start_paused = true)]
async fn look_ups_that_never_answer_end_with_the_limit_too() {
    let script = Script::new(&[]);
    let options = OutboundOptions::default();
    let error = race(&script, &options, pending(), pending()).await.unwrap_err();
    assert!(matches!(error, ConnectError::TimedOut), "{error:?}");
    assert_eq!(script.millis(), 10_000);
}
