//! What one download gets out of a path, through the whole link: envelope, session, controller,
//! pacer and windows.

use ginnel_netem::conditions::Conditions;
use ginnel_netem::flow::Service;
use ginnel_netem::lab::{Lab, Setup};
use ginnel_netem::sessions::{Case, for_each_case};
use ginnel_proto::link::Lost;
use ginnel_proto::{hub, link};
use std::time::Duration;

const SECOND: Duration = Duration::from_secs(1);

/// More than is ever carried.
const ENDLESS: u64 = 1 << 40;

/// A path as bottlenecks are: a rate, a buffer of one bandwidth-delay product, and loss before it.
fn path(mbit: u64, rtt_ms: u64, loss: f64) -> Conditions {
    let rate = mbit * 125_000;
    let delay = Duration::from_millis(rtt_ms / 2);
    let buffer = (rate * rtt_ms / 1000) as usize;
    Conditions { delay, loss, rate: Some(rate), buffer, ..Conditions::default() }
}

/// A download that never ends, on its way.
struct Download {
    lab: Lab,
    received: u64,
}

impl Download {
    fn start(case: Case, path: Conditions) -> Self {
        let setup = Setup { service: Service::Exchange(ENDLESS), ..Setup::of(case).conditions(path) };
        let mut lab = Lab::new(setup);
        let link = lab.connect(0);
        lab.open(link, 1);
        Self { lab, received: 0 }
    }

    /// Goodput of the next span of time, Mbit/s.
    fn goodput(&mut self, span: Duration) -> f64 {
        self.lab.run_for(span);
        let received = self.lab.clients[0].flows.values().map(|flow| flow.received()).sum::<u64>();
        let gained = received - std::mem::replace(&mut self.received, received);
        gained as f64 * 8e-6 / span.as_secs_f64()
    }

    fn assert_alive(&self) {
        let lost = |event: &hub::Event| matches!(event, hub::Event::Link(link::Event::Lost(_)));
        let told: Vec<_> = self.lab.clients[0].events.iter().filter(|(_, event)| lost(event)).collect();
        assert!(told.is_empty(), "{told:?}");
        assert!(self.lab.clients[0].flows.values().all(|flow| flow.broken().is_none()));
        let _: Option<Lost> = None;
    }
}

/// What a download must bring over a path of that rate, Mbit/s.
struct Expected {
    session: &'static str,
    rtt_ms: u64,
    loss: f64,
    least: f64,
}

/// The rows of a session; one that nothing is expected of has been forgotten.
fn expected_of(table: &[Expected], case: Case) -> impl Iterator<Item = &Expected> {
    let mut rows = table.iter().filter(move |row| row.session == case.session.name()).peekable();
    assert!(rows.peek().is_some(), "nothing is expected of {}", case.session.name());
    rows
}

const fn row(session: &'static str, rtt_ms: u64, loss: f64, least: f64) -> Expected {
    Expected { session, rtt_ms, loss, least }
}

/// At 200 Mbit/s. Headers of the envelope and of QUIC leave about 190 for payload; KCP's are as long, and it sends
/// more of it twice.
const FULL: &[Expected] = &[
    row("quic", 50, 0.0, 182.0),
    row("quic", 50, 0.01, 182.0),
    row("quic", 50, 0.05, 178.0),
    row("quic", 150, 0.01, 180.0),
    row("kcp", 50, 0.0, 175.0),
    row("kcp", 50, 0.01, 175.0),
    row("kcp", 150, 0.05, 155.0),
];

#[test]
fn a_lossy_path_is_used_to_the_full() {
    for_each_case(2, |case| {
        for Expected { rtt_ms, loss, least, .. } in expected_of(FULL, case) {
            let mut download = Download::start(case, path(200, *rtt_ms, *loss));
            download.goodput(4 * SECOND);
            let goodput = download.goodput(5 * SECOND);
            assert!(goodput >= *least, "{goodput:.0} Mbit/s at {rtt_ms} ms and {loss}");
            download.assert_alive();
        }
    });
}

/// At 300 Mbit/s.
const HEAVY: &[Expected] = &[
    row("quic", 150, 0.10, 150.0),
    row("quic", 150, 0.25, 90.0),
    row("kcp", 150, 0.10, 100.0),
    row("kcp", 150, 0.25, 50.0),
];

/// QUIC's library ends a connection whose stream has more than 1,024 gaps: it must never see so many.
#[test]
fn heavy_loss_on_a_long_fast_path_kills_no_link() {
    for_each_case(2, |case| {
        for Expected { rtt_ms, loss, least, .. } in expected_of(HEAVY, case) {
            let mut download = Download::start(case, path(300, *rtt_ms, *loss));
            download.goodput(4 * SECOND);
            let goodput = download.goodput(6 * SECOND);
            download.assert_alive();
            assert!(goodput >= *least, "{goodput:.0} Mbit/s at {loss}");
        }
    });
}
