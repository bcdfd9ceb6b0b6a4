//! The limits that a person may set: each with its name, its unit and its range.

use super::Limits;
use std::time::Duration;
use thiserror::Error;

/// A limit as it is set: a time in seconds, a size in bytes, or a count.
pub struct Setting {
    /// Its name: that of the field of [`Limits`].
    pub name: &'static str,
    /// The least value, in the setting's unit.
    pub min: f64,
    /// The greatest.
    pub max: f64,
    get: fn(&Limits) -> f64,
    set: fn(&mut Limits, f64),
}

/// Why a value was not taken.
#[derive(Clone, PartialEq, Debug, Error)]
pub enum SettingError {
    /// There is no such setting.
    #[error("limits: unknown name {0:?}")]
    Unknown(String),
    /// The value is out of range.
    #[error("limits: {name} = {value} is not between {min} and {max}")]
    Range {
        /// The setting.
        name: &'static str,
        /// What it was to be.
        value: f64,
        /// The least that is allowed.
        min: f64,
        /// The most that is allowed.
        max: f64,
    },
}

const MIB: f64 = 1048576.0;

macro_rules! settings {
    (@get time $field:ident) => { |limits| limits.$field.as_secs_f64() };
    (@set time $field:ident) => { |limits, value| limits.$field = Duration::from_secs_f64(value) };
    (@get whole $field:ident) => { |limits| limits.$field as f64 };
    // In range, so it fits: the ranges below are within those of the fields' types.
    (@set whole $field:ident) => { |limits, value| limits.$field = value as _ };
    ($($name:literal $field:ident: $kind:ident $min:expr, $max:expr;)*) => {
        &[$(Setting {
            name: $name,
            min: $min,
            max: $max,
            get: settings!(@get $kind $field),
            set: settings!(@set $kind $field),
        }),*]
    };
}

/// All of them.
pub const SETTINGS: &[Setting] = settings! {
    "keep_alive" keep_alive: time 1.0, 3600.0;
    "hop_interval" hop_interval: time 1.0, 86_400.0;
    "silence" silence: time 2.0, 600.0;
    "link_idle" link_idle: time 10.0, 3600.0;
    "stream_idle" stream_idle: time 1.0, 604_800.0;
    "half_closed" half_closed: time 1.0, 86_400.0;
    "connect" connect_time: time 0.1, 300.0;
    "resolve" resolve_time: time 0.1, 60.0;
    "step" step_time: time 0.1, 60.0;
    "link_wait" link_wait: time 0.0, 600.0;
    "tcp_keep_alive" tcp_keep_alive: time 1.0, 7200.0;
    "tcp_buffer" tcp_buffer: whole 1024.0, 10.0 * MIB;
    "socket_buffer" socket_buffer: whole 1024.0, 10.0 * MIB;
    "stream_window" stream_window: whole 65_536.0, 64.0 * MIB;
    "link_window" link_window: whole MIB, 4095.0 * MIB;
    "send_window" send_window: whole 65_536.0, 1024.0 * MIB;
    "packet_queue" packet_queue: whole 100.0, 100_000.0;
    "packet_retries" packet_retries: whole 0.0, 3.0;
    "streams" streams: whole 1.0, 100_000.0;
    "streams_per_link" streams_per_link: whole 1.0, 100_000.0;
    "opens_per_second" opens_per_second: whole 1.0, 1_000_000.0;
    "links" links: whole 1.0, 60_000.0;
    "links_per_user" links_per_user: whole 1.0, 4096.0;
    "half_open" half_open: whole 16.0, 65_536.0;
    "handshakes_per_prefix" handshakes_per_prefix: whole 1.0, 10_000.0;
    "handshakes_of_strangers" handshakes_of_strangers: whole 1.0, 100_000.0;
    "memory" memory: whole 64.0 * MIB, 1048576.0 * MIB;
};

impl Limits {
    /// Changes one limit. A count or a size is a whole number; what is behind its point is cut off.
    pub fn set(&mut self, name: &str, value: f64) -> Result<(), SettingError> {
        let setting = SETTINGS.iter().find(|setting| setting.name == name);
        let Some(&Setting { name, min, max, set, .. }) = setting else {
            return Err(SettingError::Unknown(name.to_owned()));
        };
        // Not a number is in no range.
        if !(min..=max).contains(&value) {
            return Err(SettingError::Range { name, value, min, max });
        }
        set(self, value);
        Ok(())
    }

    /// Every limit that can be set, with its value.
    pub fn settings(&self) -> impl Iterator<Item = (&'static str, f64)> + '_ {
        SETTINGS.iter().map(|setting| (setting.name, (setting.get)(self)))
    }
}
