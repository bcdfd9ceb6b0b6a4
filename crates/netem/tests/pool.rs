//! Several links of one client to its server: they come up in turn, one that dies harms no other, and a server that is
//! away or full is asked no more often than by a single link.

use ginnel_netem::conditions::Conditions;
use ginnel_netem::lab::{Lab, Setup};
use ginnel_netem::network::Change;
use ginnel_netem::seeds::for_each_seed;
use ginnel_proto::envelope::control::close;
use ginnel_proto::hub::LinkId;
use ginnel_proto::keeper::Action;
use ginnel_proto::limits::{Limits, POOL_MAX};
use ginnel_proto::link::Lost;
use std::time::Duration;

const SECOND: Duration = Duration::from_secs(1);

fn ms(ms: u64) -> Duration {
    Duration::from_millis(ms)
}

/// A lab whose client keeps so many links, which are up and have carried something.
fn kept(setup: Setup, links: u16) -> (Lab, Vec<LinkId>) {
    let mut lab = Lab::new(setup);
    lab.keep_pool(0, links);
    lab.must("all links come up", 10 * SECOND, |lab| lab.ups(0) == usize::from(links));
    lab.run_for(SECOND);
    let pool = pool(&lab);
    (lab, pool)
}

fn pool(lab: &Lab) -> Vec<LinkId> {
    lab.clients[0].pool().map(|kept| kept.link).collect()
}

/// Handshakes that the server has answered since it began, those of a server before it included.
fn answered(lab: &Lab) -> usize {
    lab.journal.accepted()
}

/// Whether the client ever said that it has no link and will try again.
fn retries(lab: &Lab) -> usize {
    lab.clients[0].reports.iter().filter(|(_, report)| matches!(report, Action::Retry(_))).count()
}

/// Each link carries a stream of its own.
fn open_on_all(lab: &mut Lab, links: &[LinkId], total: u64) {
    for link in links {
        lab.open(*link, total);
    }
}

#[test]
fn all_members_come_up_one_after_the_other() {
    for_each_seed(5, |seed| {
        for links in [1, 2, 4, POOL_MAX] {
            for delay in [1, 150] {
                let conditions = Conditions { delay: ms(delay), ..Conditions::default() };
                let mut lab = Lab::new(Setup::new(seed).conditions(conditions));
                lab.keep_pool(0, links);
                let (mut most, mut before) = (0, 0);
                while lab.ups(0) < usize::from(links) {
                    lab.run_for(ms(50));
                    most = most.max(answered(&lab) - before);
                    before = answered(&lab);
                    assert!(lab.now() < 10 * SECOND, "{} of {links} are up", lab.ups(0));
                }
                assert!(most <= 3, "{most} handshakes in 50 ms");
                lab.run_for(SECOND);
                let links = usize::from(links);
                // On the long path each is asked for once more before the first answer can be there.
                let attempts = if delay > 100 { 2 * links } else { links };
                assert_eq!((answered(&lab), lab.ups(0), lab.downs(0)), (attempts, links, vec![]));
                assert_eq!(
                    (pool(&lab).len(), lab.server.living().len(), lab.server.hub.ids().len()),
                    (links, links, links)
                );
            }
        }
    });
}

#[test]
fn a_pool_that_finds_no_server_dials_as_a_single_link_does() {
    for_each_seed(5, |seed| {
        let mut lab = Lab::new(Setup::new(seed));
        lab.server.stop();
        lab.keep_pool(0, 8);
        lab.run_for(60 * SECOND);
        // As a single link would: attempts 0.65 s apart.
        let sent = lab.counters().0.sent.datagrams;
        assert!((80..140).contains(&sent), "{sent} datagrams in a minute");
        assert!(retries(&lab) > 0);
    });
}

#[test]
fn a_link_that_the_server_closes_is_replaced_and_the_others_do_not_notice() {
    for_each_seed(10, |seed| {
        let rate = Conditions { rate: Some(1_000_000), ..Conditions::default() };
        let (mut lab, before) = kept(Setup::new(seed).conditions(rate), 4);
        open_on_all(&mut lab, &before, 1_000_000);
        lab.run_for(ms(300 + 50 * seed));
        let (victim, time) = (lab.server.hub.ids()[seed as usize % 4], lab.server.time(lab.now()));
        lab.server.hub.close(time, victim, close::SHUTDOWN);
        lab.must("it is replaced", SECOND, |lab| lab.ups(0) == 5);
        let after = pool(&lab);
        let lost: Vec<LinkId> = before.iter().filter(|link| !after.contains(link)).copied().collect();
        assert_eq!((lost.len(), after.len(), lab.downs(0)), (1, 4, vec![Lost::ByPeer(close::SHUTDOWN)]));
        lab.clients[0].flows.retain(|(link, _), _| *link != lost[0]);
        lab.server.flows.retain(|(link, _), _| *link != victim);
        assert_eq!(lab.clients[0].flows.len(), 3);
        lab.must("what the others carry arrives", 60 * SECOND, Lab::all_done);
        assert_eq!((lab.downs(0).len(), retries(&lab), answered(&lab)), (1, 0, 5));
        assert_eq!(lab.server.hub.ids().len(), 4);
    });
}

#[test]
fn a_restart_brings_all_back_with_a_handshake_or_two_each() {
    for_each_seed(10, |seed| {
        let conditions = Conditions { delay: ms(10 + 5 * seed), ..Conditions::default() };
        let (mut lab, before) = kept(Setup::new(seed).conditions(conditions), POOL_MAX);
        open_on_all(&mut lab, &before, 1000);
        lab.server_returns();
        let handshakes = answered(&lab);
        lab.clients[0].flows.clear();
        lab.run_for(ms(100));
        // All members notice at about the same time.
        open_on_all(&mut lab, &before, 1000);
        lab.must("traffic flows again", 2 * SECOND, |lab| {
            lab.clients[0].pool().any(|kept| kept.proven && !kept.doubted && !before.contains(&kept.link))
        });
        lab.clients[0].flows.clear();
        lab.echo_within(0, SECOND);
        lab.must("all are back", 10 * SECOND, |lab| lab.ups(0) == 2 * usize::from(POOL_MAX));
        lab.run_for(5 * SECOND);
        assert_eq!((lab.usables(0).len(), lab.server.living().len()), (16, 16));
        assert!(lab.downs(0).iter().all(|why| *why == Lost::Forgotten), "{:?}", lab.downs(0));
        let handshakes = answered(&lab) - handshakes;
        assert!((16..=20).contains(&handshakes), "{handshakes} handshakes");
        assert_eq!(retries(&lab), 0);
    });
}

#[test]
fn links_that_nobody_uses_come_back_with_the_one_that_is_used() {
    for_each_seed(5, |seed| {
        let (mut lab, before) = kept(Setup::new(seed), 8);
        lab.run_for(3 * SECOND);
        lab.server_returns();
        lab.run_for(ms(100));
        open_on_all(&mut lab, &before[..1], 1000);
        lab.must("all are back", 8 * SECOND, |lab| lab.ups(0) == 16);
    });
}

#[test]
fn a_server_that_is_away_is_asked_as_by_a_single_link() {
    for_each_seed(5, |seed| {
        let sent = |links| {
            let (mut lab, pool) = kept(Setup::new(seed), links);
            lab.kill_server();
            open_on_all(&mut lab, &pool, 1000);
            lab.must("all are given up", 60 * SECOND, |lab| lab.clients[0].kept().is_none());
            let before = lab.counters().0.sent.datagrams;
            lab.run_for(600 * SECOND);
            let sent = lab.counters().0.sent.datagrams - before;
            lab.clients[0].flows.clear();
            lab.want(0, true);
            lab.server_returns();
            lab.echo_within(0, 2 * SECOND);
            lab.must("all are back", 10 * SECOND, |lab| lab.usables(0).len() == usize::from(links));
            sent
        };
        let (one, many) = (sent(1), sent(POOL_MAX));
        assert!(one.abs_diff(many) * 4 < one, "{one} datagrams of one, {many} of a pool");
    });
}

#[test]
fn an_interruption_keeps_every_link() {
    for_each_seed(10, |seed| {
        for length in [1_200, 5_000, 12_000] {
            let rate = Conditions { rate: Some(2_000_000), ..Conditions::default() };
            let (mut lab, links) = kept(Setup::new(seed).conditions(rate), POOL_MAX);
            open_on_all(&mut lab, &links, 300_000);
            lab.run_for(SECOND);
            lab.change(Change::BlackOut(ms(length)));
            lab.run_for(ms(length));
            // The first answer to anybody has all of them asked: none waits for its turn.
            lab.must("all are trusted again", ms(1_200), |lab| lab.usables(0) == links);
            lab.must("all arrives", 60 * SECOND, Lab::all_done);
            lab.run_for(20 * SECOND);
            assert_eq!((lab.downs(0), pool(&lab)), (vec![], links));
            assert_eq!(
                (lab.server.hub.ids().len(), lab.server.hub.half_open(), lab.clients[0].hub.ids().len()),
                (16, 0, 16)
            );
        }
    });
}

#[test]
fn a_pool_lives_with_as_many_links_as_its_user_may_have() {
    for_each_seed(5, |seed| {
        let limits = Limits { links_per_user: 3, ..Limits::default() };
        let mut lab = Lab::new(Setup { limits: limits.clone(), ..Setup::new(seed) });
        lab.keep_pool(0, 6);
        lab.must("three come up", 5 * SECOND, |lab| lab.ups(0) == 3);
        lab.run_for(60 * SECOND);
        let (links, refused) = (pool(&lab), lab.server.hub.drops().handshakes.full);
        // No outage, however young the client is: nobody hurries.
        assert!((5..60).contains(&refused), "{refused} handshakes were refused in the first minute");
        lab.run_for(600 * SECOND);
        assert_eq!((pool(&lab), lab.downs(0), retries(&lab), answered(&lab)), (links.clone(), vec![], 0, 3));
        // Rounds of 5 attempts and pauses of 30 s, of all members beyond together.
        let refused = lab.server.hub.drops().handshakes.full - refused;
        assert!((1..120).contains(&refused), "{refused} handshakes were refused");
        // In the middle of a pause all links die: that is an outage like any other.
        open_on_all(&mut lab, &links, 1000);
        lab.server_returns();
        lab.clients[0].flows.clear();
        lab.run_for(ms(100));
        open_on_all(&mut lab, &links, 1000);
        lab.must("a link is back", 2 * SECOND, |lab| lab.usables(0).iter().any(|link| !links.contains(link)));
        lab.clients[0].flows.clear();
        lab.must("as many as before", 40 * SECOND, |lab| lab.usables(0).len() == 3 && pool(lab).len() == 3);
        // More are allowed.
        let time = lab.server.time(lab.now());
        lab.server.hub.set_limits(time, Limits { links_per_user: 64, ..limits });
        lab.must("all are up", 40 * SECOND, |lab| lab.usables(0).len() == 6);
        lab.run_for(60 * SECOND);
        assert_eq!(lab.server.living().len(), 6);
    });
}
