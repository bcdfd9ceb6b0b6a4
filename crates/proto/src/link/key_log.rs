//! The keys of a link for the key log, where one is kept.

use super::Link;
use crate::envelope::key_log::LoggedKeys;
use crate::envelope::rekey::EpochKeys;

/// The keys in use, and whether the hub has taken them.
pub(super) struct Logged {
    keys: Box<LoggedKeys>,
    taken: bool,
}

impl Logged {
    pub(super) fn new(keys: Box<LoggedKeys>) -> Self {
        Self { keys, taken: false }
    }
}

impl Link {
    /// Keys to be written down, if that is asked for and there are new ones.
    pub fn poll_keys(&mut self) -> Option<LoggedKeys> {
        let logged = self.logged.as_mut().filter(|logged| !logged.taken)?;
        logged.taken = true;
        Some(LoggedKeys::clone(&logged.keys))
    }

    /// Has the link's new keys written down, where that is asked for. One datagram changes them once
    /// at most, and the hub takes them after each.
    pub(super) fn log_keys(&mut self, keys: &EpochKeys) {
        if let Some(logged) = &mut self.logged {
            *logged = Logged::new(Box::new(logged.keys.followed_by(self.rekey.number(), keys)));
        }
    }
}
