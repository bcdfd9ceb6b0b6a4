//! A day in the life of a server and its clients, in virtual time.

use ginnel_netem::conditions::Conditions;
use ginnel_netem::lab::{Lab, Setup};
use ginnel_netem::network::Change;
use ginnel_netem::sessions::{Case, for_each_case};
use ginnel_proto::hub::Tables;
use rand::{RngExt, SeedableRng, rngs::StdRng};
use std::time::Duration;

const SECOND: Duration = Duration::from_secs(1);
const DAY: Duration = Duration::from_secs(24 * 3600);
const CLIENTS: usize = 3;

struct Day {
    lab: Lab,
    rng: StdRng,
    /// The next address that nobody has had yet.
    host: u16,
    bursts: usize,
    delivered: u64,
}

impl Day {
    fn begin(case: Case) -> Self {
        let path = Conditions {
            delay: Duration::from_millis(25),
            jitter: Duration::from_millis(5),
            loss: 0.005,
            ..Conditions::default()
        };
        let mut lab = Lab::new(Setup::of(case).conditions(path));
        for client in 0..CLIENTS {
            if client > 0 {
                lab.add_client(client as u8 % 2);
            }
            lab.keep(client);
        }
        Self { lab, rng: StdRng::seed_from_u64(case.seed), host: 1000, bursts: 0, delivered: 0 }
    }

    fn millis(&mut self, range: std::ops::Range<u64>) -> Duration {
        Duration::from_millis(self.rng.random_range(range))
    }

    /// Streams on a client's link.
    fn open(&mut self, client: usize) -> u64 {
        self.lab.echo_within(client, 5 * SECOND);
        let link = self.lab.usable(client).expect("a link that has just brought an echo");
        let mut bytes = 0;
        for _ in 0..self.rng.random_range(1..8) {
            let length = self.rng.random_range(1..60_000);
            self.lab.open_of(client, link, length);
            bytes += length;
        }
        bytes
    }

    /// A burst of streams, during which something happens that must cost none of them.
    fn burst(&mut self, client: usize) {
        let bytes = self.open(client);
        let downs = self.lab.downs(client).len();
        let (now, wait) = (self.lab.now(), self.millis(0..400));
        let change = match self.rng.random_range(0..4) {
            0 => Some(Change::BlackOut(self.millis(100..12_000))),
            1 => {
                self.host += 1;
                Some(Change::Address(self.lab.address(self.host, 40_000)))
            }
            2 => {
                // A NAT has forgotten the client: another port.
                let old = self.lab.network.public(client);
                Some(Change::Address((old.ip(), old.port() % 60_000 + 1).into()))
            }
            _ => None,
        };
        if let Some(change) = change {
            self.lab.network.schedule(now + wait, client, change);
        }
        self.lab.must(&format!("all arrives in spite of {change:?}"), 60 * SECOND, Lab::all_done);
        assert_eq!(self.lab.downs(client).len(), downs, "a link was lost over {change:?}");
        // A black-out may have begun after the last stream had ended.
        self.lab.run_for(13 * SECOND);
        assert_eq!(self.lab.downs(client).len(), downs, "a link was lost after {change:?}");
        self.bursts += 1;
        self.delivered += bytes;
    }

    /// Something that breaks links, in mid-transfer or at rest; afterwards all is well again.
    fn break_something(&mut self, client: usize) {
        if self.rng.random_bool(0.5) {
            self.open(client);
        }
        let away = self.millis(0..90_000);
        match self.rng.random_range(0..5) {
            0 => {
                self.lab.kill_server();
                self.lab.run_for(away);
                self.lab.server_returns();
            }
            1 => self.lab.restart_client(client),
            2 => {
                self.lab.clients[client].stop();
                self.lab.run_for(away * 5);
                let now = self.lab.now();
                self.lab.clients[client].go_on(now);
            }
            3 => {
                self.lab.server.stop();
                self.lab.run_for(away / 9);
                let now = self.lab.now();
                self.lab.server.go_on(now);
            }
            _ => {
                self.lab.network.change(self.lab.now(), client, Change::BlackOut(away * 3));
                self.lab.run_for(away * 3);
            }
        }
        self.forget_streams();
        // Two seconds on a path that loses nothing; this one does.
        self.lab.echo_within(client, 5 * SECOND);
    }

    /// What has broken is not waited for.
    fn forget_streams(&mut self) {
        for node in self.lab.clients.iter_mut().chain([&mut self.lab.server]) {
            node.flows.clear();
        }
    }

    fn pass(&mut self) {
        while self.lab.now() < DAY {
            let client = self.rng.random_range(0..CLIENTS);
            match self.rng.random_range(0..10) {
                0..3 => {
                    let idle = self.millis(1_000..2_400_000);
                    self.lab.run_for(idle);
                }
                3..8 => self.burst(client),
                _ => self.break_something(client),
            }
            self.forget_streams();
            let tables = self.lab.server.hub.tables();
            assert!(tables.links <= 64 && tables.half_open <= 8 * CLIENTS && tables.remembered <= 600, "{tables:?}");
        }
    }
}

#[test]
fn a_day_of_idling_bursts_roams_and_restarts_leaves_nothing_behind() {
    for_each_case(4, |case| {
        let mut day = Day::begin(case);
        day.pass();
        assert!(day.bursts > 50 && day.delivered > 5_000_000, "{} bursts of {} bytes", day.bursts, day.delivered);
        // The night: whatever was forgotten at an end has had its time.
        day.lab.run_for(1800 * SECOND);
        let links = CLIENTS;
        let rest =
            Tables { links, sessions: links, identities: links, timers: links, prefixes: 0, ..Tables::default() };
        assert_eq!(Tables { remembered: 0, ..day.lab.server.hub.tables() }, rest);
        assert!(day.lab.server.hub.tables().remembered <= 100);
        for client in 0..CLIENTS {
            let rest = Tables { links: 1, sessions: 1, timers: 1, ..Tables::default() };
            assert_eq!(day.lab.clients[client].hub.tables(), rest);
            day.lab.echo_within(client, 5 * SECOND);
        }
    });
}
