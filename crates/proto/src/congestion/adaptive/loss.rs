//! Which loss is the path's, and which is ours.

/// Bytes of packets whose fate is known.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Tally {
    pub(super) acked: f64,
    pub(super) lost: f64,
}

impl Tally {
    pub(super) fn total(&self) -> f64 {
        self.acked + self.lost
    }

    /// The part that was lost, 0 to 1.
    pub(super) fn loss(&self) -> f64 {
        if self.lost > 0.0 { self.lost / self.total() } else { 0.0 }
    }

    pub(super) fn add(&mut self, other: Self) {
        self.acked += other.acked;
        self.lost += other.lost;
    }

    fn scale(&mut self, factor: f64) {
        self.acked *= factor;
        self.lost *= factor;
    }
}

/// Packets, and the pace they were sent at.
#[derive(Clone, Copy, Debug, Default)]
struct Paced {
    seen: Tally,
    /// Sum of bytes times bytes per second.
    weighed: f64,
}

impl Paced {
    fn add(&mut self, seen: Tally, pace: f64) {
        self.seen.add(seen);
        self.weighed += seen.total() * pace;
    }

    /// Bytes per second, on the average.
    fn pace(&self) -> f64 {
        self.weighed / self.seen.total().max(1.0)
    }
}

/// Packets that the estimate begins with as arrived: a single loss among few says little.
const PRIOR: f64 = 50.0;
/// More loss than this is never compensated. A path that loses more is not worth its flood.
const MAX_BASE_LOSS: f64 = 0.3;
/// At each cycle the past weighs this much less, but is never cut below `MEMORY` packets.
const FADING: f64 = 0.75;
/// See `FADING`: with 300 packets of memory 5 % are known within 1.3 points (one sigma).
const MEMORY: f64 = 300.0;
/// Fewer packets than this, or fewer losses than the next, tell nothing.
const LEAST_PACKETS: f64 = 20.0;
/// See `LEAST_PACKETS`.
const LEAST_LOST: f64 = 3.0;
/// Loss above the base by three sigma and this much is of our own making.
const EXCESS: f64 = 0.02;
/// The variance of a base loss of nearly nothing is taken as if it were this: losses come in clumps.
const LEAST_VARIANCE: f64 = 0.003;

/// What was sent slowly is judged when the fate of so many packets that were sent faster is known.
const JUDGED_PACKETS: f64 = 30.0;

/// The loss that the path has however slowly one sends: that of packets sent below the rate that it carries.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct BaseLoss {
    seen: Tally,
    /// Packets of the last `Down`, until it is known that it was slow enough.
    slow: Paced,
    /// Packets that were sent since, not slowly.
    fast: Paced,
}

impl BaseLoss {
    /// Packets that were sent when we were not the cause of loss.
    pub(super) fn add(&mut self, seen: Tally) {
        self.seen.add(seen);
    }

    /// Packets that were sent slowly: at less than what the path is thought to carry.
    pub(super) fn add_slow(&mut self, seen: Tally, pace: f64) {
        self.slow.add(seen, pace);
    }

    /// Packets that were sent as fast as that, or faster: they tell whether slow was slow enough.
    ///
    /// Loss by chance is the same at each pace. What goes beyond the path's rate is lost in another way: what
    /// arrives stays the same, whatever the pace. A policer that let a burst pass and then dropped half of
    /// everything was else taken for a path that loses half.
    pub(super) fn add_fast(&mut self, seen: Tally, pace: f64, mtu: f64) {
        if self.slow.seen.total() == 0.0 {
            return;
        }
        self.fast.add(seen, pace);
        if self.fast.seen.total() < self.slow.seen.total().max(JUDGED_PACKETS * mtu) {
            return;
        }
        let (slow, fast) = (std::mem::take(&mut self.slow), std::mem::take(&mut self.fast));
        let by_chance = slow.seen.loss();
        let by_overload = (1.0 - (1.0 - by_chance) * slow.pace() / fast.pace().max(1.0)).max(0.0);
        let found = fast.seen.loss();
        if (found - by_chance).abs() <= (found - by_overload).abs() {
            self.seen.add(slow.seen);
        }
    }

    /// The path carries less than was thought: slow was not slow enough.
    pub(super) fn forget_slow(&mut self) {
        (self.slow, self.fast) = Default::default();
    }

    /// The past fades.
    pub(super) fn fade(&mut self, mtu: f64) {
        let least = MEMORY * mtu;
        if self.seen.total() > least {
            self.seen.scale((least / self.seen.total()).max(FADING));
        }
    }

    /// The part that is lost by chance, 0 to 0.3.
    pub(super) fn estimate(&self, mtu: f64) -> f64 {
        (self.seen.lost / (self.seen.total() + PRIOR * mtu)).min(MAX_BASE_LOSS)
    }

    /// Whether `seen` has lost more than chance explains.
    pub(super) fn exceeded_by(&self, seen: Tally, mtu: f64) -> bool {
        let packets = seen.total() / mtu;
        if packets < LEAST_PACKETS || seen.lost < LEAST_LOST * mtu {
            return false;
        }
        let base = self.estimate(mtu);
        seen.loss() > base + 3.0 * (base.max(LEAST_VARIANCE) / packets).sqrt() + EXCESS
    }
}
