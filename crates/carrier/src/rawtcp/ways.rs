//! How a client finds the way to its servers.

use super::network::{self, Kind, Way};
use super::{Hop, Overrides, Trouble};
use std::net::SocketAddr;
use std::time::{Duration, Instant};

/// How often the system is asked to look for a neighbour.
const ASK_EVERY: Duration = Duration::from_secs(1);

/// How long that may take.
const ASK_FOR: Duration = Duration::from_secs(3);

/// What is known of a way.
pub(super) enum Found {
    /// All of it.
    Whole(Way, Hop),
    /// Not yet the neighbour's hardware address.
    Neighbour(Way),
}

/// A server to which a flow is to be set up.
struct Asked {
    remote: SocketAddr,
    until: Instant,
    /// When the neighbour is asked for.
    ask_at: Instant,
}

/// What has become of a search.
pub(super) enum Outcome {
    /// This is the way.
    Found(SocketAddr, Way, Hop),
    /// There is none.
    None(SocketAddr, Trouble),
}

/// The ways of one client.
pub(super) struct Ways {
    overrides: Overrides,
    asked: Vec<Asked>,
}

impl Ways {
    pub(super) fn new(overrides: Overrides) -> Self {
        Self { overrides, asked: Vec::new() }
    }

    /// Looks for the way to a server. The outcome comes out of [`look`](Self::look).
    pub(super) fn ask(&mut self, now: Instant, remote: SocketAddr) {
        if self.asked.iter().all(|asked| asked.remote != remote) {
            self.asked.push(Asked { remote, until: now + ASK_FOR, ask_at: now });
        }
    }

    /// The next search that is over.
    pub(super) fn look(&mut self, now: Instant) -> Option<Outcome> {
        for at in 0..self.asked.len() {
            let asked = &mut self.asked[at];
            let outcome = match find(&self.overrides, asked.remote) {
                Ok(Found::Whole(way, hop)) => {
                    // The kernel does not see our segments, and would believe for ever what it knew once.
                    let _ = network::confirm_neighbour(way.interface.index, way.next);
                    Outcome::Found(asked.remote, way, hop)
                }
                Ok(Found::Neighbour(_)) if asked.until <= now => Outcome::None(asked.remote, Trouble::Neighbour),
                Ok(Found::Neighbour(way)) => {
                    if asked.ask_at <= now {
                        asked.ask_at = now + ASK_EVERY;
                        // If even that fails, time will tell.
                        let _ = network::ask_for_neighbour(way.interface.index, way.next);
                    }
                    continue;
                }
                Err(trouble) => Outcome::None(asked.remote, trouble),
            };
            self.asked.swap_remove(at);
            return Some(outcome);
        }
        None
    }

    /// When [`look`](Self::look) wants to be called, if nothing changes before.
    pub(super) fn poll_timeout(&self) -> Option<Instant> {
        self.asked.iter().map(|asked| asked.ask_at.min(asked.until)).min()
    }

    /// The way that leads to a server now. A neighbour that has been forgotten is asked for: changes tell of the answer.
    /// An error without a trouble may pass: there is no way just now.
    pub(super) fn now(&self, remote: SocketAddr) -> Result<(Way, Hop), Option<Trouble>> {
        match find(&self.overrides, remote) {
            Ok(Found::Whole(way, hop)) => Ok((way, hop)),
            Ok(Found::Neighbour(way)) => {
                let _ = network::ask_for_neighbour(way.interface.index, way.next);
                Err(None)
            }
            Err(trouble @ Trouble::Tunnel(_)) => Err(Some(trouble)),
            Err(_) => Err(None),
        }
    }
}

fn find(overrides: &Overrides, remote: SocketAddr) -> Result<Found, Trouble> {
    let way = network::way(remote.ip(), overrides.interface.as_deref(), overrides.source).map_err(Trouble::Way)?;
    let interface = &way.interface;
    if interface.tunnel && overrides.interface.is_none() {
        return Err(Trouble::Tunnel(interface.name.clone()));
    }
    let hardware = match (interface.kind, interface.hardware) {
        (Kind::Bare, _) => None,
        (Kind::Loopback, _) => Some(([0; 6], [0; 6])),
        (Kind::Ethernet, Some(ours)) => {
            let theirs = match overrides.gateway {
                Some(gateway) => Some(gateway),
                None => network::neighbour(interface.index, way.next).map_err(Trouble::Way)?,
            };
            match theirs {
                Some(theirs) => Some((ours, theirs)),
                None => return Ok(Found::Neighbour(way)),
            }
        }
        (Kind::Ethernet | Kind::Other, _) => return Err(Trouble::Link(interface.name.clone())),
    };
    let hop = Hop { interface: interface.index, hardware };
    Ok(Found::Whole(way, hop))
}
