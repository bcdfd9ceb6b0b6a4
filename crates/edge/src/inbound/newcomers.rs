//! Connections of applications that have not said yet what they want.
//!
//! They hold places like all others, but are the first to lose them: when every place is taken, the
//! oldest newcomer makes room for the next. Ten thousand that say nothing then keep nobody out who
//! does.

use crate::places::{Place, Places};
use ginnel_engine::shard::Shard;
use ginnel_proto::limits::{ACCEPT_PAUSE, NEWCOMER_TIME};
use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::rc::Rc;
use tokio::sync::Notify;
use tokio::time::{Instant, sleep, sleep_until};

/// When a newcomer came, and how to tell it to go.
type Arrived = (Instant, Rc<Notify>);

/// Who lets connections in. Shared by all listeners of a client.
#[derive(Clone)]
pub struct Doorman {
    shard: Shard,
    places: Places,
    /// In order of arrival. Bounded by the places.
    newcomers: Rc<RefCell<BTreeMap<u64, Arrived>>>,
    last: Rc<Cell<u64>>,
}

impl Doorman {
    /// With places to give.
    pub fn new(shard: Shard, places: Places) -> Self {
        Self { shard, places, newcomers: Rc::default(), last: Rc::default() }
    }

    /// The places that the doorman gives.
    pub fn places(&self) -> &Places {
        &self.places
    }

    /// Finds a place for a connection, waiting for one if there is none and no newcomer to lose it.
    pub async fn admit(&self) -> Newcomer {
        while self.shard.is_short_of_memory() {
            self.shard.limit_reached("memory");
            sleep(ACCEPT_PAUSE).await;
        }
        let place = match self.places.try_take() {
            Some(place) => place,
            None => {
                self.shard.limit_reached("streams");
                self.next_place().await
            }
        };
        let number = self.last.get() + 1;
        self.last.set(number);
        let away = Rc::new(Notify::new());
        self.newcomers.borrow_mut().insert(number, (Instant::now(), away.clone()));
        Newcomer { doorman: self.clone(), number, away, place: Some(place) }
    }

    /// The next place that is given back, be it by the oldest newcomer when its time is over.
    async fn next_place(&self) -> Place {
        loop {
            let oldest = self.newcomers.borrow().first_key_value().map(|(_, (since, _))| *since);
            let over = async {
                match oldest {
                    Some(since) => sleep_until(since + NEWCOMER_TIME).await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                biased;
                place = self.places.take() => return place,
                () = over => self.send_away_oldest(),
            }
        }
    }

    /// Sends the oldest newcomer away, if it has had its time.
    pub fn send_away_oldest(&self) {
        let mut newcomers = self.newcomers.borrow_mut();
        if let Some(oldest) = newcomers.first_entry()
            && oldest.get().0 + NEWCOMER_TIME <= Instant::now()
        {
            oldest.remove().1.notify_one();
        }
    }
}

/// A connection that has a place, and may lose it until it has settled.
pub struct Newcomer {
    doorman: Doorman,
    number: u64,
    away: Rc<Notify>,
    place: Option<Place>,
}

impl Newcomer {
    /// Ready when the newcomer has lost its place.
    pub async fn sent_away(&self) {
        self.away.notified().await;
    }

    /// The connection has said what it wants: it keeps its place for as long as it lives.
    pub fn settle(mut self) -> Option<Place> {
        self.place.take()
    }
}

impl Drop for Newcomer {
    fn drop(&mut self) {
        self.doorman.newcomers.borrow_mut().remove(&self.number);
    }
}
