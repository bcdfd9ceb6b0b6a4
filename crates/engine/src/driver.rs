//! The driver: moves packets between a hub and its carrier.
//!
//! One task per shard. It takes packets in batches, lets the machines work, and sends what they
//! have to send; stream operations wake it, and since it then runs after all ready tasks, what
//! they wrote leaves together.

use crate::clocks::Clocks;
use crate::shard::{Core, Shard, now};
use ginnel_carrier::batch::{Received, Sent};
use ginnel_carrier::rawtcp::Mark;
use ginnel_proto::carrier::CarrierKind;
use ginnel_proto::hub::{Heard, Time};
use ginnel_proto::limits::CLOCK_TICK;
use ginnel_proto::link::{Path, Transmit};
use std::collections::VecDeque;
use std::future::Future;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};
use tokio::time::Sleep;

/// Datagrams taken in before the links get to answer.
const RECEIVE_DATAGRAMS: usize = 256;

/// Datagrams that wait to be judged as handshakes. What comes when there are so many is dropped and counted, as the
/// socket would drop it, but links do not wait behind it.
const STRANGERS: usize = 1024;

/// A longer datagram is nobody's handshake.
const STRANGER_MAX: usize = 1500;

/// How long they are judged in a round, while others wait for theirs. To refuse one costs 3 µs or, with a Noise message
/// that has to be read, a hundred times that.
const JUDGING: Duration = Duration::from_micros(500);

/// Datagrams sent before other tasks get their turn: four whole batches.
const SEND_DATAGRAMS: usize = 176;

/// After an error of the socket other than "not now", a pause: it may pass, it must not spin.
const ERROR_PAUSE: Duration = Duration::from_millis(50);

/// A datagram that is no data of a link, and what its carrier wants to know of it.
struct Stranger {
    path: Path,
    datagram: Box<[u8]>,
    mark: Option<Mark>,
    /// Nothing of its batch comes after it.
    last: bool,
}

pub(crate) struct Driver {
    shard: Shard,
    received: Vec<Received>,
    /// What is not data of a link, and came with an address: a handshake, perhaps.
    strangers: VecDeque<Stranger>,
    out: Vec<u8>,
    timer: Option<(Instant, Pin<Box<Sleep>>)>,
    clocks: Clocks,
    /// When a client with a link looks at the clocks next.
    tick: Instant,
}

impl Driver {
    pub(crate) fn new(shard: Shard) -> Self {
        Self {
            shard,
            received: Vec::new(),
            strangers: VecDeque::new(),
            out: Vec::new(),
            timer: None,
            clocks: Clocks::new(),
            tick: Instant::now(),
        }
    }

    /// One round. Never ready: the shard's runtime ends it.
    pub(crate) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let shard = self.shard.clone();
        let mut again = false;
        let mut pause = None;
        {
            let core = &mut *shard.0.borrow_mut();
            if !core.driver.as_ref().is_some_and(|waker| waker.will_wake(cx.waker())) {
                core.driver = Some(cx.waker().clone());
            }
            // What has come goes before the timers: after a pause of our own they would take for
            // lost what only waits in the socket.
            match self.receive(core, cx) {
                Ok(more) => again |= more,
                Err(_) => pause = Some(Instant::now() + ERROR_PAUSE),
            }
            again |= self.judge(core);
            let time = now();
            if self.clocks.have_jumped(time, self.timer.as_ref().map(|(at, _)| *at)) {
                core.hub.resumed(time);
            }
            if core.hub.poll_timeout().is_some_and(|at| at <= time.now) {
                core.hub.handle_timeout(time);
            }
        }
        shard.handle_events();
        {
            let core = &mut *shard.0.borrow_mut();
            again |= self.send(core, cx);
            core.notices.look_at_unsendable(core.counters.unsendable);
            if let Some((_, counts)) = core.carriers.rawtcp_counts() {
                core.notices.look_at_segments(counts);
            }
            core.carriers.flush();
            if let Some(server) = core.carriers.renewed() {
                // The server goes on by the old flow until it hears something by the new one.
                core.hub.probe_at(now(), CarrierKind::RawTcp, server);
                again = true;
            }
            if let Some((peer, trouble)) = core.carriers.trouble() {
                core.notices.no_way(peer, &trouble);
            }
        }
        shard.handle_events();
        {
            let core = &mut *shard.0.borrow_mut();
            core.wake_acceptor();
            pause = pause.into_iter().chain(core.guard_memory()).min();
        }
        let core = shard.0.borrow();
        let hub = &core.hub;
        // A machine that wakes up tells nobody: a client with a link looks for itself.
        let tick = hub.watches_clocks().then(|| self.next_tick());
        let at = hub.poll_timeout().into_iter().chain(pause).chain(tick).min();
        again |= self.set_timer(at, cx);
        if again {
            cx.waker().wake_by_ref();
        }
        Poll::Pending
    }

    /// Takes in what has come. `true`: there may be more.
    fn receive(&mut self, core: &mut Core, cx: &mut Context<'_>) -> io::Result<bool> {
        let mut datagrams = 0;
        while datagrams < RECEIVE_DATAGRAMS {
            let carrier = match core.carriers.poll_receive(cx, &mut self.received) {
                Poll::Ready(result) => result?,
                Poll::Pending => return Ok(false),
            };
            let time = now();
            // What a carrier deals with itself counts, too: a flood of it must not hold up the links.
            datagrams += usize::from(self.received.is_empty());
            for batch in self.received.drain(..) {
                let remote = batch.remote;
                datagrams += take_in(core, time, carrier, batch, &mut self.strangers);
                core.notices.look_at_drops(core.hub.drops(), remote);
            }
        }
        Ok(true)
    }

    /// Judges some of the datagrams that are no data of a link. `true`: there are more.
    fn judge(&mut self, core: &mut Core) -> bool {
        let mut time = now();
        let until = time.now + JUDGING;
        while time.now < until {
            let Some(Stranger { path, datagram, mark, last }) = self.strangers.pop_front() else { return false };
            let ours = core.hub.handle_stranger(time, path, &datagram);
            if let Some(mark) = mark.filter(|_| ours || last) {
                core.carriers.judged(&mark, ours);
            }
            core.notices.look_at_drops(core.hub.drops(), path.remote);
            time = now();
        }
        !self.strangers.is_empty()
    }

    /// Sends what the links have to send. `true`: there may be more.
    fn send(&mut self, core: &mut Core, cx: &mut Context<'_>) -> bool {
        if let Some((transmit, batch)) = core.blocked.take()
            && !core.offer(&transmit, &batch)
        {
            core.blocked = Some((transmit, batch));
            return self.wait_writable(core, transmit.path, cx);
        }
        let time = now();
        let mut datagrams = 0;
        while datagrams < SEND_DATAGRAMS {
            let Some(transmit) = core.hub.poll_transmit(time, core.carriers.max_segments(), &mut self.out) else {
                return false;
            };
            if !core.offer(&transmit, &self.out) {
                core.blocked = Some((transmit, std::mem::take(&mut self.out)));
                return self.wait_writable(core, transmit.path, cx);
            }
            datagrams += self.out.len().div_ceil(transmit.segment);
        }
        true
    }

    /// Has the socket of a path wake us when it takes more. `true`: it does already. The other ports wait with it: what
    /// they send leaves by the same network.
    fn wait_writable(&self, core: &Core, path: Path, cx: &mut Context<'_>) -> bool {
        core.carriers.poll_writable(&path, cx).is_ready()
    }

    /// Moves on only once it has passed, so that not every round sets the timer anew.
    fn next_tick(&mut self) -> Instant {
        let now = Instant::now();
        if self.tick <= now {
            self.tick = now + CLOCK_TICK;
        }
        self.tick
    }

    /// Has the clock wake us at `at`. `true`: that is now.
    fn set_timer(&mut self, at: Option<Instant>, cx: &mut Context<'_>) -> bool {
        let Some(at) = at else {
            self.timer = None;
            return false;
        };
        match &mut self.timer {
            Some((set, sleep)) if *set != at => {
                *set = at;
                sleep.as_mut().reset(at.into());
            }
            Some(_) => {}
            None => self.timer = Some((at, Box::pin(tokio::time::sleep_until(at.into())))),
        }
        let due = self.timer.as_mut().is_some_and(|(_, sleep)| sleep.as_mut().poll(cx).is_ready());
        if due {
            self.timer = None;
        }
        due
    }
}

/// Hands a batch to the hub, datagram by datagram, and tells the carrier whether any was ours. What may be a handshake
/// waits among the strangers, and its judgement with it. Returns how many datagrams there were.
fn take_in(
    core: &mut Core,
    time: Time,
    carrier: CarrierKind,
    mut batch: Received,
    strangers: &mut VecDeque<Stranger>,
) -> usize {
    let path = Path { carrier, remote: batch.remote, local: Some(batch.local) };
    core.counters.bytes_received += batch.data.len() as u64;
    let (mut datagrams, mut ours, mut waiting, mut crowded) = (0, false, 0, false);
    while !batch.data.is_empty() {
        datagrams += 1;
        let length = batch.segment.min(batch.data.len());
        match core.hub.handle_known(time, path, batch.data.split_to(length)) {
            Heard::Ours => ours = true,
            Heard::Dropped => {}
            // A copy: what is taken out of a batch would hold all of it.
            Heard::Stranger(stranger) if stranger.len() <= STRANGER_MAX && strangers.len() < STRANGERS => {
                let datagram = stranger[..].into();
                strangers.push_back(Stranger { path, datagram, mark: batch.mark, last: false });
                waiting += 1;
            }
            Heard::Stranger(_) => {
                core.counters.crowded_out += 1;
                crowded = true;
            }
        }
    }
    core.counters.datagrams_received += datagrams as u64;
    match (&batch.mark, strangers.back_mut()) {
        (Some(_), Some(stranger)) if !ours && waiting > 0 => stranger.last = true,
        // What there was no time to judge is not answered either.
        (Some(_), _) if crowded && !ours => {}
        (Some(mark), _) => core.carriers.judged(mark, ours),
        (None, _) => {}
    }
    datagrams
}

impl Core {
    /// Offers a batch to the carrier and counts what became of it. `false`: the socket is full.
    fn offer(&mut self, transmit: &Transmit, batch: &[u8]) -> bool {
        let datagrams = batch.len().div_ceil(transmit.segment) as u64;
        match self.carriers.try_send(&transmit.path, batch, transmit.segment) {
            Sent::Taken => {
                self.counters.bytes_sent += batch.len() as u64;
                self.counters.datagrams_sent += datagrams;
            }
            Sent::Refused => self.counters.unsendable += datagrams,
            Sent::Full => return false,
        }
        true
    }
}
