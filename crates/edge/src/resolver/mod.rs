//! Names to addresses: one look-up for many waiters, answers kept by their time to live, failures
//! too, each look-up limited in time.
//!
//! The two families are two look-ups, so that whoever dials can begin with the one that is there
//! (RFC 8305 §3). A look-up runs as a task of its own: it goes on when whoever asked first goes away,
//! and what it found is kept even if nobody waits any more.

mod cache;
mod source;
mod system;

pub use ginnel_proto::limits::{
    ADDRESSES_PER_ANSWER, ANSWER_TTL, CACHED_ANSWERS, CONCURRENT_LOOKUPS, FAILURE_TTL, LOOKUP_TIME, PENDING_LOOKUPS,
    UNKNOWN_TTL,
};
use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::fmt;
use std::net::IpAddr;
use std::ops::RangeInclusive;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{Semaphore, watch};
use tokio::time::{Instant, timeout_at};
use tracing::debug;

use cache::Cache;
pub use source::{DnsSource, Family, LookupError, Reply, ReplyFuture};
pub use system::SystemDns;

/// The bounds of a [`Resolver`]; the defaults are the constants of
/// [`limits`](ginnel_proto::limits).
#[derive(Clone, Debug)]
pub struct ResolverLimits {
    /// See [`LOOKUP_TIME`].
    pub lookup_time: Duration,
    /// See [`CONCURRENT_LOOKUPS`]. At least 1 is used.
    pub concurrent_lookups: usize,
    /// See [`PENDING_LOOKUPS`]. At least 1 is used.
    pub pending_lookups: usize,
    /// See [`CACHED_ANSWERS`]. 0 keeps none.
    pub cached_answers: usize,
    /// See [`ANSWER_TTL`].
    pub answer_ttl: RangeInclusive<Duration>,
    /// See [`UNKNOWN_TTL`].
    pub unknown_ttl: RangeInclusive<Duration>,
    /// See [`FAILURE_TTL`].
    pub failure_ttl: Duration,
}

impl Default for ResolverLimits {
    fn default() -> Self {
        Self {
            lookup_time: LOOKUP_TIME,
            concurrent_lookups: CONCURRENT_LOOKUPS,
            pending_lookups: PENDING_LOOKUPS,
            cached_answers: CACHED_ANSWERS,
            answer_ttl: ANSWER_TTL,
            unknown_ttl: UNKNOWN_TTL,
            failure_ttl: FAILURE_TTL,
        }
    }
}

/// What a look-up ends with: at least one address, all of the family asked for, or why not.
pub type Answer = Result<Rc<[IpAddr]>, LookupError>;

/// What is asked: a normalised name and a family.
#[derive(Clone, PartialEq, Eq, Hash)]
struct Question {
    name: Box<str>,
    family: Family,
}

/// The resolver. Cheap to clone; all clones share one cache and one set of look-ups.
///
/// The cache is bounded by [`CACHED_ANSWERS`]. When it is full, the oldest answer that was not used
/// since its last turn goes.
#[derive(Clone)]
pub struct Resolver(Rc<Inner>);

struct Inner {
    source: Box<dyn DnsSource>,
    limits: ResolverLimits,
    lookup_time: Cell<Duration>,
    places: Semaphore,
    state: RefCell<State>,
}

struct State {
    cache: Cache,
    /// Bounded by `limits.pending_lookups`. An entry lives exactly as long as its task.
    pending: HashMap<Rc<Question>, watch::Receiver<Option<Answer>>>,
}

impl Resolver {
    /// A resolver that asks `source`.
    pub fn new(source: impl DnsSource + 'static, limits: ResolverLimits) -> Self {
        let state = State { cache: Cache::new(limits.cached_answers), pending: HashMap::new() };
        Self(Rc::new(Inner {
            source: Box::new(source),
            lookup_time: Cell::new(limits.lookup_time),
            places: Semaphore::new(limits.concurrent_lookups.clamp(1, Semaphore::MAX_PERMITS)),
            limits,
            state: RefCell::new(state),
        }))
    }

    /// Gives look-ups another time from now on.
    pub fn set_lookup_time(&self, time: Duration) {
        self.0.lookup_time.set(time);
    }

    /// A resolver that asks as the operating system is set up to, read once, now: see
    /// [`SystemDns::read`].
    pub fn system(limits: ResolverLimits) -> Self {
        Self::new(SystemDns::read(), limits)
    }

    /// The addresses of `name` in one family, in the order in which they were answered.
    ///
    /// `name` is taken as it stands: no search list is tried, so that a name means the same at every
    /// server. Case and one trailing dot do not matter. Addresses in letters are not names.
    ///
    /// # Errors
    /// See [`LookupError`]; the answer comes within [`ResolverLimits::lookup_time`].
    ///
    /// # Panics
    /// Outside of a `tokio` `LocalSet` or `LocalRuntime`.
    pub async fn look_up(&self, name: &str, family: Family) -> Answer {
        let question = Question::new(name, family).ok_or(LookupError::BadName)?;
        let mut pending = match self.find_or_start(question)? {
            Found::Kept(answer) => return answer,
            Found::Pending(pending) => pending,
        };
        match pending.wait_for(Option::is_some).await {
            Ok(answer) => answer.clone().unwrap_or_else(|| Err(LookupError::lost())),
            Err(_) => Err(LookupError::lost()),
        }
    }

    fn find_or_start(&self, question: Question) -> Result<Found, LookupError> {
        let mut state = self.0.state.borrow_mut();
        if let Some(answer) = state.cache.get(&question, Instant::now()) {
            return Ok(Found::Kept(answer));
        }
        if let Some(pending) = state.pending.get(&question) {
            return Ok(Found::Pending(pending.clone()));
        }
        if state.pending.len() >= self.0.limits.pending_lookups.max(1) {
            return Err(LookupError::Busy);
        }
        let question = Rc::new(question);
        let (tell, pending) = watch::channel(None);
        state.pending.insert(Rc::clone(&question), pending.clone());
        // Wherever the task ends, even at once, it takes its entry out again.
        drop(state);
        let resolver = self.clone();
        tokio::task::spawn_local(Running { resolver, question }.run(tell));
        Ok(Found::Pending(pending))
    }
}

impl fmt::Debug for Resolver {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Resolver").finish_non_exhaustive()
    }
}

enum Found {
    Kept(Answer),
    Pending(watch::Receiver<Option<Answer>>),
}

/// One look-up under way. Dropping it, also by a panic, ends its entry among the pending ones; the
/// waiters then see its sender gone.
struct Running {
    resolver: Resolver,
    question: Rc<Question>,
}

impl Running {
    async fn run(self, tell: watch::Sender<Option<Answer>>) {
        let reply = self.ask().await;
        let answer = reply.result.map(|found| self.question.tidy(found));
        let answer = match answer {
            Ok(addresses) if addresses.is_empty() => Err(LookupError::Unknown),
            other => other,
        };
        self.log(&answer);
        if let Some(ttl) = self.time_to_keep(&answer, reply.ttl) {
            let now = Instant::now();
            let mut state = self.resolver.0.state.borrow_mut();
            let question = Rc::clone(&self.question);
            state.cache.insert(question, answer.clone(), now + ttl, now);
        }
        // First out of the table, then the news: nobody can join a look-up that is over.
        drop(self);
        tell.send_replace(Some(answer));
    }

    async fn ask(&self) -> Reply {
        let Inner { source, lookup_time, places, .. } = &*self.resolver.0;
        let deadline = Instant::now() + lookup_time.get();
        let Ok(Ok(_place)) = timeout_at(deadline, places.acquire()).await else {
            return Reply::from(LookupError::Busy);
        };
        let reply = source.look_up(&self.question.name, self.question.family);
        match timeout_at(deadline, reply).await {
            Ok(reply) => reply,
            Err(_) => Reply::from(LookupError::TimedOut),
        }
    }

    fn log(&self, answer: &Answer) {
        let Question { name, family } = &*self.question;
        match answer {
            Ok(found) => debug!(target: "resolver", name, ?family, addresses = found.len(), "name found"),
            Err(error) => debug!(target: "resolver", name, ?family, %error, "name not found"),
        }
    }

    fn time_to_keep(&self, answer: &Answer, ttl: Option<Duration>) -> Option<Duration> {
        let limits = &self.resolver.0.limits;
        let within = |bounds: &RangeInclusive<Duration>| {
            let ttl = ttl.unwrap_or_default();
            ttl.min(*bounds.end()).max(*bounds.start())
        };
        match answer {
            Ok(_) => Some(within(&limits.answer_ttl)),
            Err(LookupError::Unknown) => Some(within(&limits.unknown_ttl)),
            Err(LookupError::TimedOut | LookupError::Failed(_)) => Some(limits.failure_ttl),
            // Says something about us at this moment, nothing about the name.
            Err(LookupError::Busy | LookupError::BadName | LookupError::NoServer(_)) => None,
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // No borrow of the state spans a place where a look-up is dropped.
        self.resolver.0.state.borrow_mut().pending.remove(&self.question);
    }
}

impl Question {
    /// Longest name, in bytes, without its trailing dot (RFC 1035 §2.3.4).
    const NAME_LEN: usize = 253;
    /// Longest label, in bytes.
    const LABEL_LEN: usize = 63;

    /// `None` if no host can have this name: letters, digits, `-` and `_` in labels (RFC 1123 §2.1,
    /// and the underscore that people use all the same).
    fn new(name: &str, family: Family) -> Option<Self> {
        let name = name.strip_suffix('.').unwrap_or(name);
        let label_is_good = |label: &str| {
            (1..=Self::LABEL_LEN).contains(&label.len())
                && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'))
        };
        let good = name.len() <= Self::NAME_LEN && name.split('.').all(label_is_good);
        good.then(|| Self { name: name.to_ascii_lowercase().into_boxed_str(), family })
    }

    /// What of an answer is kept: this family's addresses, each once, so many and no more.
    fn tidy(&self, found: Vec<IpAddr>) -> Rc<[IpAddr]> {
        let mut kept: Vec<IpAddr> = Vec::new();
        for address in found {
            if kept.len() == ADDRESSES_PER_ANSWER {
                break;
            }
            if self.family.has(address) && !kept.contains(&address) {
                kept.push(address);
            }
        }
        kept.into()
    }
}

impl LookupError {
    /// The task of a look-up ended without an answer: it panicked, or its runtime is going away.
    fn lost() -> Self {
        Self::Failed(Arc::from(Box::from("the look-up was dropped half-way")))
    }
}
