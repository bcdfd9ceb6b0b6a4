//! Who gets a link when there are many, and who is sent away.

use ginnel_netem::conditions::Conditions;
use ginnel_netem::lab::{Lab, Setup, keys_of, users};
use ginnel_netem::network::{Change, Direction};
use ginnel_netem::seeds::for_each_seed;
use ginnel_proto::envelope::control::close;
use ginnel_proto::limits::Limits;
use ginnel_proto::link::Lost;
use std::time::Duration;

const SECOND: Duration = Duration::from_secs(1);

fn ms(ms: u64) -> Duration {
    Duration::from_millis(ms)
}

/// A lab whose client keeps a link, which is up.
fn kept(setup: Setup) -> Lab {
    let mut lab = Lab::new(setup);
    lab.keep(0);
    lab.must("the link comes up", 10 * SECOND, |lab| lab.clients[0].kept().is_some());
    lab.run_for(SECOND);
    lab
}

#[test]
fn a_client_that_crashes_again_and_again_is_never_kept_out_and_displaces_nobody() {
    for_each_seed(3, |seed| {
        let mut lab = kept(Setup::new(seed));
        // Another device of the same user behind the same address, idle, and one elsewhere.
        let (near, far) = (lab.add_client(0), lab.add_client(0));
        let behind = lab.address(11, 41_000);
        lab.network.change(lab.now(), near, Change::Address(behind));
        for client in [near, far] {
            lab.keep(client);
            lab.must("it comes up", SECOND, |lab| lab.usable(client).is_some());
        }
        let others = [lab.usable(near), lab.usable(far)];
        for round in 0..200 {
            lab.restart_client(0);
            lab.must("the newcomer is served", 2 * SECOND, |lab| lab.usable(0).is_some());
            lab.echo_within(0, 2 * SECOND);
            lab.run_for(ms(50 * (round % 7)));
            assert!(lab.server.hub.ids().len() <= 64);
        }
        lab.run_for(60 * SECOND);
        assert_eq!([lab.usable(near), lab.usable(far)], others);
        assert_eq!((lab.downs(near), lab.downs(far)), (vec![], vec![]));
    });
}

#[test]
fn who_answers_does_not_make_room_however_long_it_was_silent() {
    for_each_seed(5, |seed| {
        let limits = Limits { links_per_user: 2, ..Limits::default() };
        let mut lab = kept(Setup { limits, ..Setup::new(seed) });
        let near = lab.add_client(0);
        let behind = lab.address(11, 41_000);
        lab.network.change(lab.now(), near, Change::Address(behind));
        lab.keep(near);
        lab.run_for(11 * SECOND);
        let other = lab.usable(near);
        // What is left of the first was heard of last, but it answers nothing.
        lab.echo_within(0, SECOND);
        lab.restart_client(0);
        lab.must("the newcomer is served", 3 * SECOND, |lab| lab.usable(0).is_some());
        lab.echo_within(0, SECOND);
        lab.run_for(60 * SECOND);
        assert!(other.is_some() && lab.usable(near) == other);
    });
}

#[test]
fn who_cannot_answer_elsewhere_does_not_make_room_for_a_newcomer_here() {
    for_each_seed(5, |seed| {
        let limits = Limits { links_per_user: 2, ..Limits::default() };
        let mut lab = kept(Setup { limits, ..Setup::new(seed) });
        let far = lab.add_client(0);
        lab.keep(far);
        lab.run_for(SECOND);
        let other = lab.usable(far).unwrap();
        lab.open_of(far, other, 5_000_000);
        lab.run_for(ms(100));
        lab.network.change(lab.now(), far, Change::BlackOut(8 * SECOND));
        lab.run_for(3 * SECOND);
        lab.echo_within(0, SECOND);
        lab.restart_client(0);
        lab.must("the newcomer is served", 4 * SECOND, |lab| lab.usable(0).is_some());
        lab.echo_within(0, SECOND);
        lab.run_for(20 * SECOND);
        assert_eq!((lab.usable(far), lab.downs(far)), (Some(other), vec![]));
    });
}

#[test]
fn whoever_is_sent_away_backs_off_whatever_is_wanted() {
    for_each_seed(3, |seed| {
        let mut lab = kept(Setup::new(seed));
        let mut left = users();
        left.remove(&keys_of(0).user.public());
        lab.set_users(left);
        lab.want(0, true);
        lab.run_for(120 * SECOND);
        assert_eq!(lab.downs(0), [Lost::ByPeer(close::REVOKED)]);
        let before = lab.counters().0.sent.datagrams;
        for _ in 0..600 {
            lab.want(0, false);
            lab.want(0, true);
            lab.run_for(SECOND);
        }
        let sent = lab.counters().0.sent.datagrams - before;
        assert!(sent < 130, "{sent} attempts in ten minutes");
        lab.set_users(users());
        lab.must("it is let in again", 60 * SECOND, |lab| lab.usable(0).is_some());
    });
}

#[test]
fn two_clients_that_crowd_each_other_out_do_so_ever_less() {
    let limits = Limits { links_per_user: 1, link_stale: SECOND / 2, ..Limits::default() };
    let mut lab = kept(Setup { limits, ..Setup::new(1) });
    let other = lab.add_client(0);
    lab.keep(other);
    lab.want(0, true);
    lab.want(other, true);
    lab.run_for(600 * SECOND);
    let crowded = lab.downs(0).len() + lab.downs(other).len();
    assert!((6..60).contains(&crowded), "{crowded} times in ten minutes");
    let all = [lab.downs(0), lab.downs(other)].concat();
    assert!(all.iter().all(|why| *why == Lost::ByPeer(close::CROWDED)), "{all:?}");
}

#[test]
fn new_limits_hold_for_what_begins_from_then_on() {
    let mut lab = kept(Setup::new(1));
    let (second, third) = (lab.add_client(1), lab.add_client(2));
    let limits = Limits { links: 2, half_open: 1, stream_window: 100_000, ..Limits::default() };
    let time = lab.server.time(lab.now());
    lab.server.hub.set_limits(time, limits);
    lab.connect(second);
    lab.run_for(SECOND);
    let refused = lab.dial(third, 0, 3 * SECOND);
    lab.run_for(4 * SECOND);
    assert!(!lab.clients[third].is_up(refused));
    assert!(lab.server.hub.drops().handshakes.full > 0);
    // And the gate has its own.
    let time = lab.server.time(lab.now());
    lab.server.hub.set_limits(time, Limits { half_open: 1, ..Limits::default() });
    lab.network.change(
        lab.now(),
        third,
        Change::OneWay(Direction::ToClient, Conditions { loss: 1.0, ..Conditions::default() }),
    );
    lab.dial(third, 0, 3 * SECOND);
    lab.run_for(4 * SECOND);
    assert_eq!(lab.server.hub.half_open(), 1);
    lab.network.change(lab.now(), third, Change::Conditions(Conditions::default()));
    // The link that was there lives on.
    lab.echo_within(0, SECOND);
    let time = lab.server.time(lab.now());
    lab.server.hub.set_limits(time, Limits::default());
    lab.connect(third);
    assert_eq!(lab.downs(0), []);
}

#[test]
fn a_server_full_of_dead_links_takes_a_client_that_comes_back() {
    for_each_seed(5, |seed| {
        let limits = Limits { links: 2, ..Limits::default() };
        let mut lab = kept(Setup { limits, ..Setup::new(seed) });
        for _ in 0..6 {
            lab.restart_client(0);
            lab.must("the newcomer is served", 10 * SECOND, |lab| lab.usable(0).is_some());
            lab.echo_within(0, 2 * SECOND);
        }
    });
}
