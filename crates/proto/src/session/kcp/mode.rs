//! How eagerly a conversation sends: `auto`, or one of the reference's modes.

use std::time::Duration;

/// The modes, by the names that users of KCP know.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Mode {
    /// Paced by the project's congestion controller; losses are found by the order of what was
    /// sent. Needs no window.
    #[default]
    Auto,
    /// A fixed window and no pace, as all below. Patient: time-outs from 100 ms, which double.
    Normal,
    /// The same with a finer clock.
    Fast,
    /// Time-outs from 30 ms, which grow by half.
    Fast2,
    /// The same with the finest clock.
    Fast3,
}

/// What the reference's `ikcp_nodelay` sets.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Tuning {
    /// The least time-out.
    pub(super) timeout_min: Duration,
    /// The grain of the clock: added to the round trip at least, and acknowledgements to a peer that takes no ranges
    /// wait no longer.
    pub(super) interval: Duration,
    /// A time-out doubles each time; else it grows by half.
    pub(super) doubles: bool,
    /// A segment is sent again when so many packets have acknowledged later ones.
    pub(super) resend: usize,
}

impl Mode {
    /// All of them.
    pub const ALL: [Self; 5] = [Self::Auto, Self::Normal, Self::Fast, Self::Fast2, Self::Fast3];

    /// The word that people read and write.
    pub fn name(self) -> &'static str {
        match self {
            Self::Auto => "auto",
            Self::Normal => "normal",
            Self::Fast => "fast",
            Self::Fast2 => "fast2",
            Self::Fast3 => "fast3",
        }
    }

    /// The mode of this name.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|mode| mode.name() == name)
    }

    pub(super) fn tuning(self) -> Tuning {
        // No delay or not, and the interval in milliseconds, as kcptun sets them.
        let (eager, interval) = match self {
            Self::Auto | Self::Fast3 => (true, 10),
            Self::Normal => (false, 40),
            Self::Fast => (false, 30),
            Self::Fast2 => (true, 20),
        };
        Tuning {
            timeout_min: Duration::from_millis(if eager { 30 } else { 100 }),
            interval: Duration::from_millis(interval),
            doubles: !eager,
            resend: 2,
        }
    }
}
