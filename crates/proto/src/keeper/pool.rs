//! A pool: the links of one client to its server, each with a keeper of its own.
//!
//! The members share what they know of the server, and dial one at a time. Whoever has the turn
//! keeps it until its handshake is answered, so that a pool whose server is away, or has no place
//! for one more of its links, asks no more often than a single link would. Once it is answered the
//! server is there, and the turn goes round quickly.
//!
//! The member with the lowest number whose link can be relied on is the *lead*: the others dial
//! the server, and the address, that it has its link to, and without hurry, for nobody misses them.
//! So a pool ends at one server. Only where no link can be relied on is every server of the share
//! link dialled, as long and as often as a keeper that is alone would do it.

use super::{Action, Candidate, Keeper, Kept, Lead};
use crate::hub::{self, Hub, LinkId, Time};
use crate::limits::{POOL_MAX, POOL_STAGGER};
use crate::link::Link;
use rand::{RngExt, SeedableRng, rngs::StdRng};
use std::net::SocketAddr;
use std::time::{Duration, Instant};

/// A link that nothing has come on for so long is asked when a handshake beside it is answered.
const UNHEARD: Duration = Duration::from_secs(1);

/// All links of one client to its server.
pub struct Pool {
    /// The members, by number.
    keepers: Vec<Keeper>,
    /// Who may dial.
    turn: Option<usize>,
    /// Who had the turn last, and when another may have it.
    last: usize,
    next: Instant,
    /// Servers that are being looked up: once for all members.
    awaited: Vec<usize>,
    rng: StdRng,
}

impl Pool {
    /// A pool of so many links, from 1 to [`POOL_MAX`], whose first member dials at once. `seed`: 32 bytes from the system's
    /// generator.
    pub fn new(now: Instant, links: u16, servers: &[Candidate], seed: [u8; 32]) -> Self {
        let mut rng = StdRng::from_seed(seed);
        let keeper = |member| {
            let keeper = Keeper::new(now, member, servers.to_vec(), rng.random());
            Keeper { rests: true, ..keeper }
        };
        let keepers = (0..links.clamp(1, POOL_MAX)).map(keeper).collect();
        Self { keepers, turn: None, last: 0, next: now, awaited: Vec::new(), rng }
    }

    /// The links that there are, be they doubted, in order of their members.
    pub fn kept(&self) -> impl Iterator<Item = Kept> {
        self.keepers.iter().filter_map(Keeper::kept)
    }

    /// The next thing to be done or told. Each member tells of its own link; that there is a pause
    /// is told only while none has a link.
    pub fn poll_action(&mut self) -> Option<Action> {
        let is_down = self.kept().next().is_none();
        for keeper in &mut self.keepers {
            while let Some(action) = keeper.poll_action() {
                match action {
                    Action::LookUp(server) if self.awaited.contains(&server) => {}
                    Action::Retry(_) if !is_down => {}
                    action => {
                        if let Action::LookUp(server) = action {
                            self.awaited.push(server);
                        }
                        return Some(action);
                    }
                }
            }
        }
        None
    }

    /// When [`handle_timeout`](Self::handle_timeout) wants to be called.
    pub fn poll_timeout(&self) -> Option<Instant> {
        let waits = self.turn.is_none() && self.keepers.iter().any(Keeper::wants_turn);
        let members = self.keepers.iter().filter_map(Keeper::poll_timeout);
        members.chain(waits.then_some(self.next)).min()
    }

    /// Takes note that the time of [`poll_timeout`](Self::poll_timeout) has come.
    pub fn handle_timeout(&mut self, time: Time, hub: &mut Hub) {
        for keeper in &mut self.keepers {
            if keeper.poll_timeout().is_some_and(|at| at <= time.now) {
                keeper.handle_timeout(time, hub);
            }
        }
        self.settle(time, hub);
    }

    /// Somebody waits for a link, whichever, or nobody does any more.
    pub fn want(&mut self, time: Time, hub: &mut Hub, wanted: bool) {
        self.keepers.iter_mut().for_each(|keeper| keeper.want(time, hub, wanted));
        self.settle(time, hub);
    }

    /// This machine has slept, or this process.
    pub fn resumed(&mut self, time: Time, hub: &mut Hub) {
        self.keepers.iter_mut().for_each(|keeper| keeper.resumed(time, hub));
        self.settle(time, hub);
    }

    /// The addresses of a server, for [`Action::LookUp`]; none if it could not be looked up.
    pub fn addresses(&mut self, time: Time, hub: &mut Hub, server: usize, addresses: &[SocketAddr]) {
        self.awaited.retain(|awaited| *awaited != server);
        self.keepers.iter_mut().for_each(|keeper| keeper.addresses(time, hub, server, addresses.to_vec()));
        self.settle(time, hub);
    }

    /// Takes in an event of the hub: the member's whose link or handshake it is.
    pub fn handle_event(&mut self, time: Time, hub: &mut Hub, id: LinkId, event: &hub::Event) {
        // A handshake that nobody knows any more is the first one's to close.
        let owner = self.keepers.iter().position(|keeper| keeper.has(id)).unwrap_or(0);
        self.keepers[owner].handle_event(time, hub, id, event);
        if matches!(event, hub::Event::Answered { .. }) {
            // The server is there: links that live need no handshakes of their own to learn it. And
            // where one was lost with its server, those that nobody uses would not notice for long.
            let others = self.keepers.iter().enumerate().filter(|(member, _)| *member != owner);
            for kept in others.filter_map(|(_, keeper)| keeper.kept) {
                let heard = hub.link(kept.link).map(Link::last_heard);
                if kept.doubted || heard.is_none_or(|heard| heard + UNHEARD < time.now) {
                    hub.probe(time, kept.link);
                }
            }
        }
        self.settle(time, hub);
    }

    /// What follows from any change: who leads, and who may dial.
    fn settle(&mut self, time: Time, hub: &mut Hub) {
        let lead = self.keepers.iter().position(Keeper::is_reliable);
        let of =
            lead.and_then(|lead| self.keepers[lead].kept).map(|kept| Lead { server: kept.server, peer: kept.peer });
        for (member, keeper) in self.keepers.iter_mut().enumerate() {
            keeper.follow(time, hub, of.filter(|_| lead != Some(member)));
        }
        self.turn = self.turn.filter(|turn| self.keeps_turn(*turn, lead.is_some()));
        if self.turn.is_none() {
            self.keepers.iter_mut().for_each(|keeper| keeper.rests = true);
            self.pass_turn(time, hub);
        }
    }

    /// Whether a member that has the turn keeps it.
    fn keeps_turn(&self, member: usize, has_lead: bool) -> bool {
        let keeper = &self.keepers[member];
        // Whether the path carries anything is to be seen once, not by all.
        let is_trial = !has_lead && keeper.kept.is_some_and(|kept| !kept.proven);
        let is_away = keeper.round.is_none() && keeper.pace.is_sent_away();
        let others = || self.keepers.iter().any(|other| other.wants_turn() && !other.pace.is_sent_away());
        is_trial || keeper.wants_turn() && !(is_away && others())
    }

    /// Gives the turn to who has waited for it longest; those that the server has sent away are last.
    fn pass_turn(&mut self, time: Time, hub: &mut Hub) {
        let waiting = self.keepers.iter().enumerate().filter(|(_, keeper)| keeper.wants_turn());
        let next = waiting.min_by_key(|(_, keeper)| (keeper.pace.is_sent_away(), keeper.next_round));
        let Some(next) = next.map(|(member, _)| member).filter(|next| *next == self.last || self.next <= time.now)
        else {
            return;
        };
        self.next = time.now + stagger(&mut self.rng);
        (self.turn, self.last) = (Some(next), next);
        self.keepers[next].rests = false;
        self.keepers[next].handle_timeout(time, hub);
    }
}

fn stagger(rng: &mut StdRng) -> Duration {
    POOL_STAGGER.mul_f64(rng.random_range(0.5..1.5))
}

/// What a pool asks of its members.
impl Keeper {
    /// Whether a link or a handshake is this keeper's.
    fn has(&self, id: LinkId) -> bool {
        let round = self.round.as_ref().is_some_and(|round| round.has(id));
        let held = self.held.as_ref().is_some_and(|held| held.dialled.link == id);
        round || held || self.kept.is_some_and(|kept| kept.link == id)
    }

    /// Whether the link has carried something, and is not doubted.
    fn is_reliable(&self) -> bool {
        self.kept.is_some_and(|kept| kept.proven && !kept.doubted)
    }

    /// Whether a round is on or to come.
    fn wants_turn(&self) -> bool {
        self.round.is_some() || self.next_round.is_some()
    }

    /// Takes note which other member leads. Where none does any more, an outage begins for all.
    fn follow(&mut self, time: Time, hub: &mut Hub, lead: Option<Lead>) {
        let before = std::mem::replace(&mut self.lead, lead);
        self.pace.be_quiet(lead.is_some());
        if before.is_none() || lead.is_some() || !self.wants_turn() {
            return;
        }
        self.pace.resumed(time.now);
        if self.pace.is_eager(time.now) {
            let soon = time.now + self.pace.wish_pause();
            self.next_round = Some(self.next_round.map_or(time.now, |next| next.min(soon)));
            if let Some(round) = &self.round {
                round.hurry(time, hub);
            }
            self.handle_timeout(time, hub);
        }
    }
}
