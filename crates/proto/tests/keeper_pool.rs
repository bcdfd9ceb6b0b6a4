//! A pool with a choice of servers: where its members dial, and at which server they end.

mod fixtures;
mod hubs;

use fixtures::Deployment;
use ginnel_proto::carrier::CarrierKind;
use ginnel_proto::hub::{Hub, Time};
use ginnel_proto::keeper::pool::Pool;
use ginnel_proto::keeper::{Action, Candidate};
use ginnel_proto::limits::{Limits, POOL_MAX};
use ginnel_proto::link::{Lost, Path};
use hubs::{ServerOf, begin, client, client_path, deliver, later, sent};
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::Duration;

const STEP: Duration = Duration::from_millis(5);

/// A client's pool, and servers that its share link names, each at an address of its own.
struct Servers {
    time: Time,
    hub: Hub,
    pool: Pool,
    /// What runs at each address. Where nothing does, what is sent there is lost.
    running: BTreeMap<SocketAddr, Hub>,
    addresses: Vec<Vec<SocketAddr>>,
    actions: Vec<Action>,
    /// How many datagrams went where.
    went: BTreeMap<SocketAddr, usize>,
}

fn address(host: u8) -> SocketAddr {
    SocketAddr::from(([203, 0, 113, host], 5000))
}

fn server(time: Time, seed: u8) -> Hub {
    ServerOf::new(&Deployment::new()).start(seed, time)
}

impl Servers {
    fn new(links: u16, addresses: Vec<Vec<SocketAddr>>) -> Self {
        let time = begin();
        let keys = Deployment::new().client_keys();
        let candidates = vec![Candidate { carrier: CarrierKind::Udp, keys, ports: None }; addresses.len()];
        let pool = Pool::new(time.now, links, &candidates, [7; 32]);
        let (running, actions, went) = (BTreeMap::new(), Vec::new(), BTreeMap::new());
        Self { time, hub: client(8, time), pool, running, addresses, actions, went }
    }

    fn run(&mut self, time: Duration) {
        let end = self.time.now + time;
        while self.time.now < end {
            self.time = later(self.time, STEP);
            self.step();
        }
    }

    fn step(&mut self) {
        let time = self.time;
        self.hub.handle_timeout(time);
        self.running.values_mut().for_each(|server| server.handle_timeout(time));
        if self.pool.poll_timeout().is_some_and(|at| at <= time.now) {
            self.pool.handle_timeout(time, &mut self.hub);
        }
        self.keep();
        for (path, datagram) in sent(&mut self.hub, time) {
            *self.went.entry(path.remote).or_default() += 1;
            if let Some(server) = self.running.get_mut(&path.remote) {
                deliver(server, time, client_path(), &[(path, datagram)]);
            }
        }
        for (address, server) in &mut self.running {
            while server.poll_event().is_some() {}
            let answers = sent(server, time);
            deliver(&mut self.hub, time, Path::udp(*address, None), &answers);
        }
        self.keep();
    }

    fn keep(&mut self) {
        loop {
            if let Some((link, event)) = self.hub.poll_event() {
                self.pool.handle_event(self.time, &mut self.hub, link, &event);
            } else if let Some(action) = self.pool.poll_action() {
                if let Action::LookUp(server) = action {
                    self.pool.addresses(self.time, &mut self.hub, server, &self.addresses[server]);
                }
                self.actions.push(action);
            } else {
                break;
            }
        }
    }

    /// Where the links go to that can be relied on.
    fn peers(&self) -> Vec<SocketAddr> {
        self.pool.kept().filter(|kept| kept.proven && !kept.doubted).map(|kept| kept.peer).collect()
    }

    fn look_ups(&self) -> usize {
        self.actions.iter().filter(|action| matches!(action, Action::LookUp(_))).count()
    }
}

#[test]
fn all_members_follow_the_first_to_its_server_and_address() {
    // The second address of the first server is the one that answers.
    let mut servers = Servers::new(6, vec![vec![address(1), address(2)], vec![address(3)]]);
    servers.running.insert(address(2), server(servers.time, 9));
    servers.run(Duration::from_secs(3));
    assert_eq!(servers.peers(), [address(2); 6]);
    // The others did not ask where the server is: one look-up of each, one dial of each.
    assert_eq!(servers.look_ups(), 2);
    assert!(servers.went[&address(1)] <= 2, "{:?}", servers.went);
}

#[test]
fn a_pool_whose_server_is_gone_moves_to_another_as_one() {
    let mut servers = Servers::new(4, vec![vec![address(1)], vec![address(2)]]);
    for host in [1, 2] {
        servers.running.insert(address(host), server(servers.time, 10 + host));
    }
    servers.run(Duration::from_secs(10));
    assert_eq!(servers.peers(), [address(1); 4]);
    servers.running.remove(&address(1));
    for link in servers.hub.ids() {
        servers.hub.probe(servers.time, link);
    }
    servers.run(Duration::from_secs(12));
    assert_eq!(servers.peers(), [address(2); 4]);
    let downs = servers.actions.iter().filter(|action| matches!(action, Action::Down { why: Lost::Forgotten, .. }));
    assert_eq!(downs.count(), 4);
}

#[test]
fn a_member_that_is_refused_goes_nowhere_else_while_another_has_a_link() {
    let mut servers = Servers::new(3, vec![vec![address(1)], vec![address(2)]]);
    let deployment = Deployment::new();
    let limits = Limits { links_per_user: 2, ..Limits::default() };
    let full = ServerOf { limits, ..ServerOf::new(&deployment) }.start(11, servers.time);
    servers.running.insert(address(1), full);
    servers.running.insert(address(2), server(servers.time, 12));
    servers.run(Duration::from_secs(60));
    assert_eq!(servers.peers(), [address(1); 2]);
    assert_eq!(servers.went.get(&address(2)), None);
}

#[test]
fn a_pool_has_from_one_to_sixteen_links() {
    for (asked, links) in [(0, 1), (1, 1), (POOL_MAX, POOL_MAX), (u16::MAX, POOL_MAX)] {
        let mut servers = Servers::new(asked, vec![vec![address(1)]]);
        servers.running.insert(address(1), server(servers.time, 9));
        servers.run(Duration::from_secs(5));
        assert_eq!(servers.peers().len(), usize::from(links));
    }
}
