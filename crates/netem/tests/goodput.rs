//! What one download gets out of a path, through the whole link: envelope, session, controller,
//! pacer and windows.

use ginnel_netem::conditions::Conditions;
use ginnel_netem::flow::Service;
use ginnel_netem::lab::{Lab, Setup};
use ginnel_netem::seeds::for_each_seed;
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
    fn start(seed: u64, path: Conditions) -> Self {
        let setup = Setup { service: Service::Exchange(ENDLESS), ..Setup::new(seed).conditions(path) };
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

/// Headers of the envelope and of QUIC leave about 190 of 200 Mbit/s for payload.
#[test]
fn a_lossy_path_is_used_to_the_full() {
    for (rtt, loss, least) in [(50, 0.0, 182.0), (50, 0.01, 182.0), (50, 0.05, 178.0), (150, 0.01, 180.0)] {
        for_each_seed(2, |seed| {
            let mut download = Download::start(seed, path(200, rtt, loss));
            download.goodput(4 * SECOND);
            let goodput = download.goodput(5 * SECOND);
            assert!(goodput >= least, "{goodput:.0} Mbit/s at {rtt} ms and {loss}");
            download.assert_alive();
        });
    }
}

/// The library ends a connection whose stream has more than 1,024 gaps: it must never see so many.
#[test]
fn heavy_loss_on_a_long_fast_path_kills_no_link() {
    for (loss, least) in [(0.10, 150.0), (0.25, 90.0)] {
        for_each_seed(2, |seed| {
            let mut download = Download::start(seed, path(300, 150, loss));
            download.goodput(4 * SECOND);
            let goodput = download.goodput(6 * SECOND);
            download.assert_alive();
            assert!(goodput >= least, "{goodput:.0} Mbit/s at {loss}");
        });
    }
}
