//! The set of UDP ports that a server has: one, or many to hop between.

use rand::{Rng, RngExt};
use std::ops::RangeInclusive;
use std::sync::Arc;
use thiserror::Error;

/// The most ports of one server.
pub const PORTS_MAX: usize = 256;

/// A set of ports: ranges in ascending order that do not touch. Cloning is cheap.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Ports(Arc<[(u16, u16)]>);

/// No set of ports.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Error)]
pub enum BadPorts {
    /// There is none.
    #[error("a server needs a port")]
    None,
    /// A range's first port is above its last.
    #[error("a range of ports begins with its least")]
    Backwards,
    /// Too many.
    #[error("a server has at most {PORTS_MAX} ports")]
    TooMany,
}

impl Ports {
    /// One port. Port 0, alone, lets the system choose.
    pub fn one(port: u16) -> Self {
        Self(Arc::from([(port, port)]))
    }

    /// The ports of some ranges, both bounds included; ranges may overlap.
    pub fn new(ranges: impl IntoIterator<Item = (u16, u16)>) -> Result<Self, BadPorts> {
        let mut ranges: Vec<(u16, u16)> = ranges.into_iter().collect();
        if ranges.iter().any(|(first, last)| first > last) {
            return Err(BadPorts::Backwards);
        }
        ranges.sort_unstable();
        let mut merged: Vec<(u16, u16)> = Vec::new();
        for (first, last) in ranges {
            match merged.last_mut() {
                Some((_, end)) if u32::from(first) <= u32::from(*end) + 1 => *end = last.max(*end),
                _ => merged.push((first, last)),
            }
        }
        let ports = Self(merged.into());
        match ports.count() {
            0 => Err(BadPorts::None),
            1..=PORTS_MAX => Ok(ports),
            _ => Err(BadPorts::TooMany),
        }
    }

    /// How many there are: at least one.
    pub fn count(&self) -> usize {
        self.0.iter().map(|(first, last)| usize::from(last - first) + 1).sum()
    }

    /// The lowest.
    pub fn first(&self) -> u16 {
        self.0[0].0
    }

    /// Whether this is one of them.
    pub fn contains(&self, port: u16) -> bool {
        self.ranges().any(|range| range.contains(&port))
    }

    /// The ranges, ascending.
    pub fn ranges(&self) -> impl Iterator<Item = RangeInclusive<u16>> {
        self.0.iter().map(|(first, last)| *first..=*last)
    }

    /// All of them, ascending.
    pub fn iter(&self) -> impl Iterator<Item = u16> {
        self.ranges().flatten()
    }

    /// One of them, all equally likely; another one than `but` where there is another.
    pub fn draw(&self, but: Option<u16>, rng: &mut impl Rng) -> u16 {
        let excluded = but.filter(|port| self.count() > 1 && self.contains(*port));
        let index = rng.random_range(0..self.count() - usize::from(excluded.is_some()));
        let mut others = self.iter().filter(|port| Some(*port) != excluded);
        others.nth(index).unwrap_or_else(|| self.first())
    }
}
