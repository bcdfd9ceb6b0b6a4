//! A DNS source that follows a script, in virtual or real time.

use std::cell::RefCell;
use std::collections::{HashMap, VecDeque};
use std::net::IpAddr;
use std::rc::Rc;
use std::time::Duration;

use ginnel_edge::resolver::{DnsSource, Family, LookupError, Reply, ReplyFuture};

/// Cloned before it is given away, it stays in the test's hands.
#[derive(Clone, Default)]
pub(crate) struct FakeDns(Rc<RefCell<Script>>);

#[derive(Default)]
struct Script {
    replies: HashMap<(String, Family), Replies>,
    asked: Vec<String>,
}

#[derive(Default)]
struct Replies {
    queue: VecDeque<(Duration, Reply)>,
    /// The one in front was given already.
    given: bool,
}

impl FakeDns {
    /// `name` is answered with `reply` after a while: from now on, or once the replies before it were
    /// given. The last stays. All else is unknown.
    pub(crate) fn says(&self, name: &str, family: Family, after: Duration, reply: Reply) {
        let key = (name.to_owned(), family);
        let mut script = self.0.borrow_mut();
        let replies = script.replies.entry(key).or_default();
        replies.queue.push_back((after, reply));
    }

    /// Every question so far, in order.
    pub(crate) fn asked(&self) -> Vec<String> {
        self.0.borrow().asked.clone()
    }
}

impl DnsSource for FakeDns {
    fn look_up(&self, name: &str, family: Family) -> ReplyFuture {
        let mut script = self.0.borrow_mut();
        script.asked.push(format!("{name} {family:?}"));
        let key = (name.to_owned(), family);
        let given = script.replies.get_mut(&key).and_then(|replies| {
            if std::mem::replace(&mut replies.given, true) && replies.queue.len() > 1 {
                replies.queue.pop_front();
            }
            replies.queue.front().cloned()
        });
        let unknown = || (Duration::ZERO, LookupError::Unknown.into());
        let (after, reply) = given.unwrap_or_else(unknown);
        assert!(!name.starts_with("panic"), "the script says so");
        Box::pin(async move {
            tokio::time::sleep(after).await;
            reply
        })
    }
}

/// A reply of these addresses, to be kept for so many seconds.
pub(crate) fn addresses(texts: &[&str], ttl: u64) -> Reply {
    let parsed: Vec<IpAddr> = texts.iter().map(|text| text.parse().unwrap()).collect();
    Reply { result: Ok(parsed), ttl: Some(Duration::from_secs(ttl)) }
}
