//! Clients whose pool brings its links up again, and somebody who uses it.

use crate::lab::Lab;
use crate::network::Wire;
use ginnel_proto::hub::LinkId;
use ginnel_proto::keeper::Action;
use ginnel_proto::link::Lost;
use std::time::Duration;

impl Lab {
    /// A client's link, if there is one and nobody doubts it; of a pool the first.
    pub fn usable(&self, client: Wire) -> Option<LinkId> {
        self.usables(client).first().copied()
    }

    /// The links of a client's pool that nobody doubts.
    pub fn usables(&self, client: Wire) -> Vec<LinkId> {
        let pool = self.clients[client].pool();
        pool.filter(|kept| !kept.doubted).map(|kept| kept.link).collect()
    }

    /// Why a client's links went down, in order.
    pub fn downs(&self, client: Wire) -> Vec<Lost> {
        let reports = self.clients[client].reports.iter();
        reports
            .filter_map(|(_, report)| if let Action::Down { why, .. } = report { Some(*why) } else { None })
            .collect()
    }

    /// How often a client reported that its link is up.
    pub fn ups(&self, client: Wire) -> usize {
        let reports = self.clients[client].reports.iter();
        reports.filter(|(_, report)| matches!(report, Action::Up { .. })).count()
    }

    /// The server is there again after a restart, with its journal.
    pub fn server_returns(&mut self) {
        self.restart_server(self.journal.restore(self.server.time(self.now()).wall_ns));
    }

    /// Somebody at a client wants an echo, and tries again when a link breaks. Returns how long
    /// that took; panics when it takes too long.
    pub fn echo_within(&mut self, client: Wire, patience: Duration) -> Duration {
        let begin = self.now();
        loop {
            self.want(client, true);
            let left = (begin + patience).saturating_sub(self.now());
            self.must("there is a link", left, |lab| lab.usable(client).is_some());
            self.want(client, false);
            let Some(link) = self.usable(client) else { continue };
            let stream = self.open_of(client, link, 1000);
            let done = |lab: &Self| lab.clients[client].flows[&(link, stream)].is_done();
            let left = (begin + patience).saturating_sub(self.now());
            self.must("an echo, or the end of the link", left, |lab| {
                done(lab) || lab.clients[client].lost(link).is_some()
            });
            if done(self) {
                return self.now() - begin;
            }
            self.clients[client].flows.retain(|(other, _), _| *other != link);
        }
    }
}
