//! A keeper's rounds: which addresses are dialled, in which order, and when.

mod fixtures;
mod hubs;

use fixtures::Deployment;
use ginnel_proto::carrier::CarrierKind;
use ginnel_proto::hub::{Event, Hub, LinkId, Time};
use ginnel_proto::keeper::{Action, Candidate, Keeper};
use ginnel_proto::link::{self, Lost};
use hubs::{ServerOf, begin, client, client_path, deliver, later, sent};
use std::net::SocketAddr;
use std::time::Duration;

struct Keeping {
    time: Time,
    hub: Hub,
    keeper: Keeper,
    /// What each server's look-up brings.
    servers: Vec<Vec<SocketAddr>>,
    actions: Vec<Action>,
}

fn address(host: u8) -> SocketAddr {
    SocketAddr::from(([203, 0, 113, host], 5000))
}

impl Keeping {
    fn new(servers: Vec<Vec<SocketAddr>>) -> Self {
        let time = begin();
        let keys = Deployment::new().client_keys();
        let keys = vec![Candidate { carrier: CarrierKind::Udp, keys, ports: None }; servers.len()];
        let keeper = Keeper::new(time.now, 0, keys, [7; 32]);
        Self { time, hub: client(8, time), keeper, servers, actions: Vec::new() }
    }

    /// Does what is due now; returns where handshakes went.
    fn work(&mut self) -> Vec<(SocketAddr, Vec<u8>)> {
        if self.hub.poll_timeout().is_some_and(|at| at <= self.time.now) {
            self.hub.handle_timeout(self.time);
        }
        if self.keeper.poll_timeout().is_some_and(|at| at <= self.time.now) {
            self.keeper.handle_timeout(self.time, &mut self.hub);
        }
        loop {
            if let Some((link, event)) = self.hub.poll_event() {
                self.keeper.handle_event(self.time, &mut self.hub, link, &event);
            } else if let Some(action) = self.keeper.poll_action() {
                if let Action::LookUp(server) = action {
                    let found = self.servers[server].clone();
                    self.keeper.addresses(self.time, &mut self.hub, server, found);
                }
                self.actions.push(action);
            } else {
                break;
            }
        }
        sent(&mut self.hub, self.time).into_iter().map(|(path, datagram)| (path.remote, datagram)).collect()
    }

    /// Lets so much time pass; returns when handshakes went where.
    fn run(&mut self, time: Duration) -> Vec<(Duration, SocketAddr)> {
        let (start, end) = (self.time.now, self.time.now + time);
        let mut went = Vec::new();
        loop {
            let datagrams = self.work();
            went.extend(datagrams.into_iter().map(|(to, _)| (self.time.now - start, to)));
            let next = self.hub.poll_timeout().into_iter().chain(self.keeper.poll_timeout()).min();
            let next = next.filter(|next| *next <= end).unwrap_or(end);
            self.time = later(self.time, next.saturating_duration_since(self.time.now));
            if self.time.now >= end {
                return went;
            }
        }
    }

    fn tell(&mut self, link: LinkId, event: link::Event) {
        self.keeper.handle_event(self.time, &mut self.hub, link, &Event::Link(event));
    }
}

fn firsts(went: &[(Duration, SocketAddr)]) -> Vec<(Duration, SocketAddr)> {
    let mut firsts: Vec<(Duration, SocketAddr)> = Vec::new();
    for (at, to) in went {
        if !firsts.iter().any(|(_, seen)| seen == to) {
            firsts.push((*at, *to));
        }
    }
    firsts
}

fn ms(ms: u64) -> Duration {
    Duration::from_millis(ms)
}

#[test]
fn addresses_are_dialled_in_their_order_each_with_a_head_start() {
    let mut keeping = Keeping::new(vec![vec![address(1), address(2)], vec![address(3)]]);
    let went = keeping.run(ms(900));
    let head_start = Duration::from_millis(500) / 3;
    let expected = [(Duration::ZERO, address(1)), (head_start, address(2)), (head_start * 2, address(3))];
    let firsts = firsts(&went);
    assert_eq!(firsts.iter().map(|(_, to)| *to).collect::<Vec<_>>(), [address(1), address(2), address(3)]);
    for ((at, _), (expected, _)) in firsts.iter().zip(expected) {
        // The first address is dialled when there is only one, with the longer head start.
        assert!(at.abs_diff(expected) <= ms(250), "{firsts:?}");
    }
}

#[test]
fn no_address_waits_for_another_however_many_there_are() {
    let hosts: Vec<SocketAddr> = (1..=4).map(address).collect();
    let others: Vec<SocketAddr> = (5..=8).map(address).collect();
    let mut keeping = Keeping::new(vec![hosts.clone(), others.clone()]);
    let went = keeping.run(Duration::from_secs(50));
    for host in hosts.into_iter().chain(others) {
        let times: Vec<Duration> = went.iter().filter(|(_, to)| *to == host).map(|(at, _)| *at).collect();
        assert!(times.windows(2).all(|pair| pair[1] - pair[0] < ms(1700)), "{host}: {times:?}");
    }
}

#[test]
fn a_name_that_is_not_found_any_more_is_tried_where_it_was() {
    let mut keeping = Keeping::new(vec![vec![address(1)]]);
    keeping.run(ms(100));
    keeping.servers[0].clear();
    let went = keeping.run(Duration::from_secs(20));
    assert!(went.len() > 20 && went.iter().all(|(_, to)| *to == address(1)));
    assert!(keeping.actions.iter().filter(|action| **action == Action::LookUp(0)).count() >= 3);
    // And one that has moved, where it is.
    keeping.servers[0] = vec![address(9)];
    let went = keeping.run(Duration::from_secs(20));
    assert!(went.iter().any(|(_, to)| *to == address(9)));
    let went = keeping.run(Duration::from_secs(20));
    assert!(went.iter().all(|(_, to)| *to == address(9)), "{went:?}");
}

/// A keeper of these servers, with a link to the first address of the first.
fn kept(servers: Vec<Vec<SocketAddr>>) -> Keeping {
    let mut keeping = Keeping::new(servers);
    let mut server = ServerOf::new(&Deployment::new()).start(9, keeping.time);
    let request = keeping.work();
    deliver(&mut server, keeping.time, client_path(), &[(client_path(), request[0].1.clone())]);
    let answer = sent(&mut server, keeping.time);
    let from = link::Path::udp(address(1), None);
    deliver(&mut keeping.hub, keeping.time, from, &answer);
    keeping.work();
    keeping
}

#[test]
fn a_doubted_link_is_replaced_by_one_to_the_same_server_for_three_seconds() {
    let mut keeping = kept(vec![vec![address(1), address(2)], vec![address(3)]]);
    let link = keeping.keeper.kept().expect("a link").link;
    keeping.tell(link, link::Event::Doubted);
    let went = keeping.run(Duration::from_secs(2));
    assert!(went.iter().any(|(_, to)| *to == address(2)), "{went:?}");
    assert!(went.iter().all(|(_, to)| *to != address(3)), "{went:?}");
    // A server that stays silent is not waited for, where there are others.
    let went = keeping.run(Duration::from_secs(2));
    assert!(went.iter().any(|(_, to)| *to == address(3)), "{went:?}");
    assert!(went.iter().all(|(at, to)| *to != address(3) || *at >= Duration::from_secs(1)), "{went:?}");
    // Nor is it forgotten, and the one that answers first is taken.
    assert!(went.iter().any(|(_, to)| *to == address(1)), "{went:?}");
}

#[test]
fn a_link_that_is_trusted_again_sends_nobody_to_another_server() {
    let mut keeping = kept(vec![vec![address(1)], vec![address(3)]]);
    let link = keeping.keeper.kept().expect("a link").link;
    keeping.tell(link, link::Event::Doubted);
    let went = keeping.run(Duration::from_millis(2900));
    assert!(!went.is_empty());
    keeping.tell(link, link::Event::Trusted);
    // Not longer: this link carries nothing, and is given up for that after four seconds.
    let went = keeping.run(Duration::from_millis(500));
    assert!(went.iter().all(|(_, to)| *to != address(3)), "{went:?}");
}

#[test]
fn any_server_will_do_once_the_link_is_lost() {
    let mut keeping = kept(vec![vec![address(1), address(2)], vec![address(3)]]);
    let link = keeping.keeper.kept().expect("a link").link;
    keeping.tell(link, link::Event::Lost(Lost::Silent));
    let went = keeping.run(Duration::from_secs(2));
    assert!(went.iter().any(|(_, to)| *to == address(3)), "{went:?}");
}

#[test]
fn an_address_whose_link_carried_nothing_is_tried_last() {
    let mut keeping = kept(vec![vec![address(1), address(2)]]);
    let kept = keeping.keeper.kept().expect("a link");
    assert!(!kept.proven && keeping.actions.iter().all(|action| !matches!(action, Action::Up { .. })));
    keeping.run(Duration::from_millis(4100));
    let hollow =
        |action: &Action| matches!(action, Action::Down { peer, why: Lost::Hollow, .. } if *peer == address(1));
    assert!(keeping.actions.iter().any(hollow));
    assert!(keeping.keeper.kept().is_none());
    let went = keeping.run(Duration::from_secs(2));
    assert_eq!(firsts(&went)[0].1, address(2));
}

#[test]
fn what_a_link_tells_that_is_not_kept_changes_nothing() {
    let mut keeping = Keeping::new(vec![vec![address(1)]]);
    keeping.run(ms(10));
    let dialled = keeping.hub.ids()[0];
    let before = keeping.actions.clone();
    keeping.tell(dialled, link::Event::Lost(Lost::Silent));
    keeping.tell(dialled, link::Event::Doubted);
    keeping.work();
    assert_eq!(keeping.actions, before);
    assert_eq!(keeping.hub.ids(), [dialled]);
}

#[test]
fn a_client_without_a_server_waits_ever_longer_and_harms_nobody() {
    let mut keeping = Keeping::new(vec![]);
    assert_eq!(keeping.run(Duration::from_secs(3600)), []);
    let retries = keeping.actions.iter().filter(|action| matches!(action, Action::Retry(_))).count();
    assert!((100..800).contains(&retries), "{retries}");
}
