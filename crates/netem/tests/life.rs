//! How links live on while nothing happens, and how they end.

use ginnel_netem::conditions::Conditions;
use ginnel_netem::lab::{Lab, Setup};
use ginnel_netem::network::{Change, Direction};
use ginnel_netem::sessions::for_each_case;
use ginnel_proto::envelope::control::close;
use ginnel_proto::envelope::replay::ReplayCache;
use ginnel_proto::hub::Event;
use ginnel_proto::limits::Limits;
use ginnel_proto::link::{self, Lost};
use std::time::Duration;

const SECOND: Duration = Duration::from_secs(1);
const HOUR: Duration = Duration::from_secs(3600);

/// Times at which the client sends during an hour of idleness.
fn idle_hour(lab: &mut Lab) -> Vec<Duration> {
    let end = lab.now() + HOUR;
    let mut times = Vec::new();
    let mut sent = lab.counters().0.sent.datagrams;
    while lab.now() < end {
        let left = end - lab.now();
        if lab.run_until(left, |lab| lab.counters().0.sent.datagrams > sent) {
            times.push(lab.now());
            sent = lab.counters().0.sent.datagrams;
        }
    }
    times
}

#[test]
fn an_idle_link_stays_up_for_an_hour_on_jittered_keep_alives() {
    for_each_case(5, |case| {
        let mut lab = Lab::new(Setup::of(case));
        let link = lab.connect(0);
        lab.run_for(60 * SECOND);
        let events = lab.server.events.len();
        let times = idle_hour(&mut lab);
        // One each 15 to 35 s, 25 on average: 144, or 20 more or less.
        assert!((124..=164).contains(&times.len()), "{} keep-alives", times.len());
        let gaps: Vec<Duration> = times.windows(2).map(|pair| pair[1] - pair[0]).collect();
        // The answer takes 20 ms, and only then the next wait begins.
        let range = 15 * SECOND..=35 * SECOND + Duration::from_millis(21);
        assert!(gaps.iter().all(|gap| range.contains(gap)), "{gaps:?}");
        assert!(gaps.iter().max() > Some(&(30 * SECOND)) && gaps.iter().min() < Some(&(20 * SECOND)));
        let (up, down) = lab.counters();
        assert_eq!(up.delivered.datagrams, up.sent.datagrams);
        assert!(lab.clients[0].is_up(link));
        assert!(down.sent.datagrams <= up.sent.datagrams + 10);
        // Nothing grows.
        assert_eq!((lab.server.hub.ids().len(), lab.server.hub.half_open(), lab.server.events.len()), (1, 0, events));
        assert!(lab.network.under_way() <= 1);
        lab.open(link, 1000);
        lab.must("an echo comes back", SECOND, Lab::all_done);
    });
}

#[test]
fn an_idle_link_survives_an_hour_of_loss() {
    for_each_case(5, |case| {
        let mut lab = Lab::new(Setup::of(case).conditions(Conditions { loss: 0.2, ..Conditions::default() }));
        let link = lab.connect(0);
        // A probe that is lost is repeated after 3 s; six in a row must be lost to end the link,
        // which happens with a probability of (0.36)^6 = 0.2 % a keep-alive. The default of 20 s
        // would thus end it once in some hours; here it must not, so the path is a little better.
        lab.change(Change::Conditions(Conditions { loss: 0.1, ..Conditions::default() }));
        idle_hour(&mut lab);
        assert!(lab.clients[0].is_up(link), "{:?}", lab.clients[0].events);
    });
}

#[test]
fn a_client_gives_up_a_server_that_is_gone_after_twenty_seconds() {
    for_each_case(5, |case| {
        let mut lab = Lab::new(Setup::of(case));
        let link = lab.connect(0);
        // All that the client has sent is answered by now.
        lab.run_for(10 * SECOND);
        lab.change(Change::BlackOut(HOUR));
        lab.open(link, 1000);
        let (asked, last) = (lab.now(), lab.counters().0.sent.datagrams);
        lab.must("the client gives up", 60 * SECOND, |lab| lab.clients[0].lost(link).is_some());
        assert_eq!(lab.clients[0].lost(link), Some(Lost::Silent));
        let silence = lab.now() - asked;
        assert!((20 * SECOND..21 * SECOND).contains(&silence), "{silence:?}");
        assert!(lab.counters().0.sent.datagrams - last < 40);
        assert!(lab.clients[0].hub.ids().is_empty());
        // The server waits for as long as it takes a client to come back, and says nothing more.
        lab.must("the server gives up", 120 * SECOND, |lab| lab.server.living().is_empty());
        lab.run_for(Limits::default().prefix_idle * 2);
        assert!(lab.server.hub.ids().is_empty() && lab.server.hub.poll_timeout().is_none());
    });
}

#[test]
fn an_idle_client_notices_within_a_minute_that_its_server_is_gone() {
    for_each_case(5, |case| {
        let mut lab = Lab::new(Setup::of(case));
        let link = lab.connect(0);
        lab.run_for(90 * SECOND);
        let left = lab.now();
        lab.change(Change::BlackOut(HOUR));
        lab.must("the client gives up", 56 * SECOND, |lab| lab.clients[0].lost(link) == Some(Lost::Silent));
        // The next keep-alive comes within 35 s, and its answer is waited for for 20.
        assert!(lab.now() - left > 20 * SECOND);
    });
}

#[test]
fn a_server_that_was_restarted_is_silent_to_old_links_and_answers_new_ones() {
    for_each_case(5, |case| {
        let mut lab = Lab::new(Setup::of(case));
        let link = lab.connect(0);
        lab.run_for(SECOND);
        let before = lab.counters().1.sent;
        lab.restart_server(lab.journal.restore(lab.server.time(lab.now()).wall_ns));
        lab.open(link, 1000);
        lab.must("the client gives up", 25 * SECOND, |lab| lab.clients[0].lost(link) == Some(Lost::Silent));
        assert_eq!(lab.counters().1.sent, before);
        assert!(lab.server.hub.drops().not_ours > 0);
        lab.clients[0].flows.clear();
        let again = lab.connect(0);
        lab.open(again, 1000);
        lab.must("an echo comes back", SECOND, Lab::all_done);
    });
}

#[test]
fn a_server_restarted_without_its_journal_serves_new_links_all_the_same() {
    for_each_case(1, |case| {
        let mut lab = Lab::new(Setup::of(case));
        lab.restart_server(ReplayCache::default());
        lab.connect(0);
    });
}

#[test]
fn a_probe_that_is_lost_in_a_transfer_is_repeated_until_it_is_echoed() {
    for_each_case(3, |case| {
        let good = Conditions { rate: Some(2_500_000), ..Conditions::default() };
        let mut lab = Lab::new(Setup::of(case).conditions(good));
        let link = lab.connect(0);
        lab.open(link, 50_000_000);
        lab.run_for(SECOND);
        lab.change(Change::OneWay(Direction::ToServer, Conditions { loss: 1.0, ..good }));
        let time = lab.clients[0].time(lab.now());
        lab.clients[0].hub.probe(time, link);
        lab.run_for(SECOND / 1000);
        assert!(lab.counters().0.lost > 0);
        lab.change(Change::OneWay(Direction::ToServer, good));
        let echoed = |lab: &Lab| {
            lab.clients[0].events_of(link).any(|event| matches!(event, Event::Link(link::Event::Echoed(_))))
        };
        // The link hears from its peer all the time; all the same the probe goes again after 3 s.
        lab.must("the echo", 5 * SECOND, echoed);
        assert!(!lab.all_done());
    });
}

#[test]
fn closing_a_link_tells_the_peer_and_leaves_nothing() {
    for_each_case(3, |case| {
        let mut lab = Lab::new(Setup::of(case));
        let link = lab.connect(0);
        lab.open(link, 50_000_000);
        lab.run_for(SECOND / 10);
        lab.close(0, link, close::SHUTDOWN);
        lab.run_for(SECOND);
        assert_eq!(lab.clients[0].lost(link), Some(Lost::Closed(close::SHUTDOWN)));
        assert!(lab.server.events.iter().any(|(id, _)| lab.server.lost(*id) == Some(Lost::ByPeer(close::SHUTDOWN))));
        assert!(lab.server.hub.ids().is_empty());
        assert!(lab.clients[0].hub.ids().is_empty() && lab.clients[0].hub.poll_timeout().is_none());
        let sent = (lab.counters().0.sent, lab.counters().1.sent);
        lab.run_for(HOUR);
        assert_eq!((lab.counters().0.sent, lab.counters().1.sent), sent);
    });
}

#[test]
fn a_server_that_only_hears_gives_its_client_up_in_bounded_time() {
    for_each_case(3, |case| {
        let mut lab = Lab::new(Setup::of(case));
        let link = lab.connect(0);
        lab.run_for(SECOND);
        let deaf = Conditions { loss: 1.0, ..Conditions::default() };
        lab.change(Change::OneWay(Direction::ToServer, deaf));
        let bound = Limits::default().link_idle + SECOND;
        lab.must("the server gives up", bound, |lab| lab.server.living().is_empty());
        assert_eq!(lab.clients[0].lost(link), Some(Lost::Silent));
    });
}
