//! What each user of a server has used since its start, whatever links it came by.

use std::cell::Cell;
use std::collections::HashMap;
use std::rc::Rc;
use std::sync::Arc;

/// What one user uses and has used.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Usage {
    /// Links that are up.
    pub links: u64,
    /// Streams that live now.
    pub streams: u64,
    /// Streams that were opened.
    pub streams_opened: u64,
    /// Bytes that came in the user's streams, open requests included.
    pub bytes_received: u64,
    /// Bytes that left in the user's streams.
    pub bytes_sent: u64,
}

/// The account of one user, or of all that has no user. Links and streams hold it, so that no byte
/// has to look it up.
#[derive(Default)]
pub(crate) struct Account {
    usage: Cell<Usage>,
}

impl Account {
    pub(crate) fn change(&self, change: impl FnOnce(&mut Usage)) {
        let mut usage = self.usage.get();
        change(&mut usage);
        self.usage.set(usage);
    }

    pub(crate) fn usage(&self) -> Usage {
        self.usage.get()
    }
}

struct Entry {
    account: Rc<Account>,
    /// The user is not in the table any more: forgotten with its last link.
    removed: bool,
}

/// The accounts of a server's users. Bounded by their number: there is one for each that has had a
/// link, until it is removed from the table of users and its links are gone.
#[derive(Default)]
pub(crate) struct Accounts(HashMap<Arc<str>, Entry>);

impl Accounts {
    /// A link of a user has come up. Without a user: the account of nobody.
    pub(crate) fn link_up(&mut self, user: Option<&Arc<str>>) -> Rc<Account> {
        let Some(user) = user else { return Rc::default() };
        let entry = self.0.entry(user.clone()).or_insert_with(|| Entry { account: Rc::default(), removed: false });
        entry.account.change(|usage| usage.links += 1);
        entry.account.clone()
    }

    /// A link of an account is gone.
    pub(crate) fn link_gone(&mut self, account: &Account) {
        account.change(|usage| usage.links = usage.links.saturating_sub(1));
        if account.usage().links == 0 {
            self.0.retain(|_, entry| !(entry.removed && std::ptr::eq(&raw const *entry.account, account)));
        }
    }

    /// These are the users from now on.
    pub(crate) fn set_users(&mut self, is_user: impl Fn(&str) -> bool) {
        self.0.retain(|name, entry| {
            entry.removed = !is_user(name);
            !entry.removed || entry.account.usage().links > 0
        });
    }

    /// Every user that has had a link, by name.
    pub(crate) fn usages(&self) -> Vec<(Arc<str>, Usage)> {
        let mut usages: Vec<_> = self.0.iter().map(|(name, entry)| (name.clone(), entry.account.usage())).collect();
        usages.sort_by(|(one, _), (other, _)| one.cmp(other));
        usages
    }
}

#[cfg(test)]
mod tests {
    use super::{Accounts, Usage};

    #[test]
    fn usage_outlives_links_and_is_forgotten_with_the_user() {
        let (anna, ben) = ("anna".into(), "ben".into());
        let mut accounts = Accounts::default();
        let first = accounts.link_up(Some(&anna));
        first.change(|usage| usage.bytes_sent += 7);
        accounts.link_gone(&first);
        let second = accounts.link_up(Some(&anna));
        second.change(|usage| usage.bytes_sent += 1);
        let idle = accounts.link_up(Some(&ben));
        accounts.link_gone(&idle);
        let used = Usage { links: 1, bytes_sent: 8, ..Usage::default() };
        assert_eq!(accounts.usages(), [(anna.clone(), used), (ben, Usage::default())]);

        // Nobody is a user any more: who has no link is forgotten at once, the other with its link.
        accounts.set_users(|_| false);
        assert_eq!(accounts.usages(), [(anna, used)]);
        accounts.link_gone(&second);
        assert_eq!(accounts.usages(), []);
    }

    #[test]
    fn a_user_who_comes_back_in_time_is_kept() {
        let anna = "anna".into();
        let mut accounts = Accounts::default();
        let link = accounts.link_up(Some(&anna));
        accounts.set_users(|_| false);
        accounts.set_users(|name| name == "anna");
        accounts.link_gone(&link);
        assert_eq!(accounts.usages(), [(anna, Usage::default())]);
    }

    #[test]
    fn links_without_a_user_leave_nothing() {
        let mut accounts = Accounts::default();
        let link = accounts.link_up(None);
        accounts.link_gone(&link);
        assert_eq!(accounts.usages(), []);
    }
}
