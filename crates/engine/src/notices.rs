//! What must be said, but not each time: dropped datagrams, and limits that were reached.

use ginnel_carrier::rawtcp::Trouble;
use ginnel_proto::hub::Drops;
use ginnel_proto::rawtcp::Counts;
use std::collections::HashMap;
use std::net::SocketAddr;
use std::time::{Duration, Instant};
use tracing::{debug, warn};

/// Of so many datagrams dropped for one cause, the last is told with the total.
const DROPS_TOLD: u64 = 1000;

/// What happens again within this time is not told again.
const PAUSE: Duration = Duration::from_secs(1);

/// What was told so far.
#[derive(Default)]
pub(crate) struct Notices {
    drops: Drops,
    unsendable: u64,
    segments: Counts,
    /// Bounded: names are written in the code.
    told: HashMap<&'static str, Told>,
}

/// When something was last told, and how often it has happened since.
struct Told {
    at: Option<Instant>,
    untold: u64,
}

/// The causes for which datagrams are dropped.
pub(crate) fn causes(drops: &Drops) -> [(&'static str, u64); 12] {
    let refused = &drops.handshakes;
    [
        ("forged", drops.forged),
        ("no_room", drops.no_room),
        ("not_ours", drops.not_ours),
        ("replayed", drops.replayed),
        ("handshake_forged", refused.forged),
        ("handshake_full", refused.full),
        ("handshake_often", refused.often),
        ("handshake_limited", refused.limited),
        ("handshake_malformed", refused.malformed),
        ("handshake_replayed", refused.replayed),
        ("handshake_skewed", refused.skewed),
        ("handshake_unknown_user", refused.unknown_user),
    ]
}

/// The causes for which segments of raw TCP are dropped.
pub(crate) fn segment_causes(counts: &Counts) -> [(&'static str, u64); 7] {
    [
        ("segment_checksum", counts.checksums),
        ("segment_crowded", counts.crowded),
        ("segment_forged_end", counts.forged_ends),
        ("segment_fragment", counts.fragments),
        ("segment_malformed", counts.malformed),
        ("segment_refused", counts.refused),
        ("segment_stray", counts.strays),
    ]
}

impl Notices {
    /// Looks whether segments were dropped. Costs next to nothing when none was.
    pub(crate) fn look_at_segments(&mut self, counts: Counts) {
        if counts == self.segments {
            return;
        }
        for ((cause, before), (_, total)) in segment_causes(&self.segments).into_iter().zip(segment_causes(&counts)) {
            tell_thousandth(cause, before, total);
        }
        self.segments = counts;
    }

    /// Looks whether datagrams from `peer` were dropped. Costs next to nothing when none was.
    pub(crate) fn look_at_drops(&mut self, drops: Drops, peer: SocketAddr) {
        if drops == self.drops {
            return;
        }
        let unjournaled = drops.handshakes.unjournaled;
        if unjournaled > self.drops.handshakes.unjournaled && self.may_tell("journal").is_some() {
            // So that a recording of it may be accepted after a restart.
            warn!(target: "handshake", total = unjournaled, "a handshake could not be written to the replay file");
        }
        for ((cause, before), (_, total)) in causes(&self.drops).into_iter().zip(causes(&drops)) {
            if total == before {
                continue;
            }
            if let Some(step) = cause.strip_prefix("handshake_") {
                debug!(target: "handshake", cause = step, %peer, total, "handshake refused");
            }
            match cause {
                "no_room" | "handshake_full" => self.limit_reached("links"),
                "handshake_limited" => self.limit_reached("handshakes"),
                "handshake_often" => self.limit_reached("handshakes of a user"),
                _ => {}
            }
            tell_thousandth(cause, before, total);
        }
        self.drops = drops;
    }

    /// Looks whether datagrams could not be sent.
    pub(crate) fn look_at_unsendable(&mut self, unsendable: u64) {
        if unsendable != self.unsendable {
            tell_thousandth("unsendable", self.unsendable, unsendable);
            self.unsendable = unsendable;
        }
    }

    /// Raw TCP has found no way to a server.
    pub(crate) fn no_way(&mut self, peer: SocketAddr, trouble: &Trouble) {
        if self.may_tell("no_way").is_some() {
            warn!(target: "link", %peer, why = %trouble, "no way to the server by raw TCP");
        }
    }

    /// A limit was reached. Told at most once a second, each by itself.
    pub(crate) fn limit_reached(&mut self, limit: &'static str) {
        if let Some(times) = self.may_tell(limit) {
            warn!(target: "limits", limit, times, "limit reached");
        }
    }

    /// How often it happened since it was last told; `None`: that was just now.
    fn may_tell(&mut self, what: &'static str) -> Option<u64> {
        let now = Instant::now();
        let told = self.told.entry(what).or_insert(Told { at: None, untold: 0 });
        told.untold += 1;
        if told.at.is_some_and(|at| now.saturating_duration_since(at) < PAUSE) {
            return None;
        }
        told.at = Some(now);
        Some(std::mem::take(&mut told.untold))
    }
}

fn tell_thousandth(cause: &'static str, before: u64, total: u64) {
    if total / DROPS_TOLD > before / DROPS_TOLD {
        warn!(target: "link", cause, total, "datagrams dropped");
    }
}

#[cfg(test)]
mod tests {
    use super::{Notices, PAUSE};
    use std::time::Instant;

    #[test]
    fn what_happens_often_is_told_once_in_a_while_with_how_often() {
        let mut notices = Notices::default();
        assert_eq!(notices.may_tell("streams"), Some(1));
        assert_eq!((notices.may_tell("streams"), notices.may_tell("streams")), (None, None));
        // Each by itself.
        assert_eq!(notices.may_tell("links"), Some(1));
        let long_ago = Instant::now().checked_sub(PAUSE).unwrap();
        notices.told.get_mut("streams").unwrap().at = Some(long_ago);
        assert_eq!((notices.may_tell("streams"), notices.may_tell("streams")), (Some(3), None));
    }
}
