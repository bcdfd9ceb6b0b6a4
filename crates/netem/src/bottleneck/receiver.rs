//! The far end: acknowledges what arrives.

use super::NEVER;
use super::chance::Chance;
use super::path::Path;
use std::collections::VecDeque;

/// An acknowledgement that is lost is repeated by the next; there is one after such a time.
const REPEAT: u64 = 1_000_000;

/// One flow's receiver, with what is on its way to it and from it.
#[derive(Default)]
pub(super) struct Receiver {
    /// Packets on their way, by the time they arrive.
    coming: VecDeque<(u64, u64)>,
    /// Packets that have arrived, in that order, and have not been reported to the sender.
    arrived: VecDeque<u64>,
    /// How many packets an acknowledgement that has left reports of `arrived`.
    reported: usize,
    /// Acknowledgements on their way: when they arrive, and how many packets of `arrived` each adds.
    acks: VecDeque<(u64, usize)>,
    /// When to acknowledge, whatever arrives until then.
    timer: Option<u64>,
    last_ack: u64,
}

impl Receiver {
    pub(super) fn arrives_at(&self) -> u64 {
        self.coming.front().map_or(NEVER, |&(at, _)| at)
    }

    pub(super) fn ack_at(&self) -> u64 {
        self.acks.front().map_or(NEVER, |&(at, _)| at)
    }

    pub(super) fn timer(&self) -> u64 {
        self.timer.unwrap_or(NEVER)
    }

    /// A packet will arrive.
    pub(super) fn on_the_way(&mut self, at: u64, packet: u64) {
        // Nearly always the last: only packets that are held back, or a path that became shorter, need a search.
        let behind = self.coming.iter().rev().take_while(|&&(other, _)| other > at).count();
        self.coming.insert(self.coming.len() - behind, (at, packet));
    }

    /// The first packet on its way arrives.
    pub(super) fn arrive(&mut self, now: u64, path: &Path, chance: &mut Chance) {
        let (_, packet) = self.coming.pop_front().expect("something arrives");
        self.arrived.push_back(packet);
        let waiting = self.arrived.len() - self.reported;
        if waiting.is_multiple_of(path.ack_packets) {
            self.acknowledge(now, path, chance);
        } else if self.timer.is_none() {
            self.timer = Some(now + (path.ack_time * 1e6) as u64);
        }
    }

    /// An acknowledgement leaves, or is lost.
    pub(super) fn acknowledge(&mut self, now: u64, path: &Path, chance: &mut Chance) {
        self.timer = None;
        if !path.loss_behind && chance.strikes(path.loss) {
            self.timer = Some(now + ((path.ack_time * 1e6) as u64).max(REPEAT));
            return;
        }
        let late = (chance.draw() * path.ack_jitter * 1e6) as u64;
        let at = (now + path.one_way(now) + late).max(self.last_ack);
        self.last_ack = at;
        self.acks.push_back((at, self.arrived.len() - self.reported));
        self.reported = self.arrived.len();
    }

    /// The first acknowledgement on its way is there: the packets that it reports.
    pub(super) fn take_ack(&mut self) -> impl Iterator<Item = u64> {
        let (_, count) = self.acks.pop_front().expect("an acknowledgement arrives");
        self.reported -= count;
        self.arrived.drain(..count)
    }
}
