//! Whose turn it is, among sockets that one carrier reads from.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Wake, Waker};

/// The sockets that may have something, in the order in which they said so. The others are not visited: a round costs
/// as much as there is to read, however many sockets there are.
///
/// A socket that was read from goes to the end, so that a flood on one keeps none of the others waiting.
pub(super) struct Turns(Mutex<Queue>);

struct Queue {
    /// Each socket at most once.
    waiting: VecDeque<usize>,
    is_waiting: Vec<bool>,
    /// Who reads.
    reader: Option<Waker>,
}

impl Turns {
    /// All sockets wait at first: nobody has looked at them yet.
    pub(super) fn new(sockets: usize) -> Arc<Self> {
        let queue = Queue { waiting: (0..sockets).collect(), is_waiting: vec![true; sockets], reader: None };
        Arc::new(Self(Mutex::new(queue)))
    }

    /// What a socket is to wake when it has something.
    pub(super) fn waker(self: &Arc<Self>, socket: usize) -> Waker {
        Waker::from(Arc::new(Call { turns: self.clone(), socket }))
    }

    /// Who is to be woken when a socket has something. Says how many wait already.
    pub(super) fn read_by(&self, reader: &Waker) -> usize {
        let mut queue = self.queue();
        if !queue.reader.as_ref().is_some_and(|known| known.will_wake(reader)) {
            queue.reader = Some(reader.clone());
        }
        queue.waiting.len()
    }

    /// The next one. It waits no longer: if it has something after all, it will say so.
    pub(super) fn next(&self) -> Option<usize> {
        let mut queue = self.queue();
        let socket = queue.waiting.pop_front()?;
        queue.is_waiting[socket] = false;
        Some(socket)
    }

    /// A socket may have more: it goes to the end.
    pub(super) fn again(&self, socket: usize) {
        self.queue().push(socket);
    }

    #[cfg(test)]
    pub(super) fn waiting(&self) -> usize {
        self.queue().waiting.len()
    }

    // A queue is as good after a panic as before it: no call leaves it half changed.
    fn queue(&self) -> MutexGuard<'_, Queue> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Queue {
    fn push(&mut self, socket: usize) {
        if !std::mem::replace(&mut self.is_waiting[socket], true) {
            self.waiting.push_back(socket);
        }
    }
}

/// One socket's word that it has something.
struct Call {
    turns: Arc<Turns>,
    socket: usize,
}

impl Wake for Call {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        let reader = {
            let mut queue = self.turns.queue();
            queue.push(self.socket);
            queue.reader.clone()
        };
        // Out of the lock, for nobody knows what a waker does.
        if let Some(reader) = reader {
            reader.wake();
        }
    }
}
