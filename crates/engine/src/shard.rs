//! A shard: one thread's socket, links and streams.

use crate::carriers::{Carriers, flow_settings, send_options};
use crate::counters::{Counters, Stats};
use crate::driver::Driver;
use crate::memory::{Memory, MemoryGauge};
use crate::notices::Notices;
use crate::stream::{Stream, StreamState, code};
use crate::trace::OpenTimes;
use crate::turns::Turns;
use crate::usage::{Account, Accounts};
use bytes::BytesMut;
use ginnel_proto::carrier::CarrierKind;
use ginnel_proto::envelope::key_log::LoggedKeys;
use ginnel_proto::envelope::keys::Psk;
use ginnel_proto::hub::gate::Users;
use ginnel_proto::hub::{self, Hub, LinkId, Time};
use ginnel_proto::limits::Limits;
use ginnel_proto::link::{self, Transmit};
use ginnel_proto::session::{self, StreamId};
use rustc_hash::{FxHashMap, FxHashSet};
use std::cell::RefCell;
use std::collections::VecDeque;
use std::future::poll_fn;
use std::io;
use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Poll, Waker};
use std::time::{Instant, SystemTime, UNIX_EPOCH};
use tokio::sync::Notify;
use tokio::task::JoinHandle;

/// Read buffers kept for the next relay that needs one.
const SPARE_BUFFERS: usize = 16;

/// What concerns whoever keeps links: a client that redials, a server that reports.
pub type LinkEvent = (LinkId, hub::Event);

/// Writes keys down.
type WriteKeys = Box<dyn FnMut(&LoggedKeys)>;

/// A handle of a shard. Cloning is cheap; it never leaves its thread.
#[derive(Clone)]
pub struct Shard(pub(crate) Rc<RefCell<Core>>);

/// The state of a shard. Borrowed for one call at a time.
pub(crate) struct Core {
    pub(crate) hub: Hub,
    pub(crate) carriers: Carriers,
    pub(crate) limits: Rc<Limits>,
    pub(crate) counters: Counters,
    pub(crate) open_times: OpenTimes,
    pub(crate) accounts: Accounts,
    pub(crate) notices: Notices,
    pub(crate) links: FxHashMap<LinkId, LinkState>,
    /// A batch that the socket would not take yet.
    pub(crate) blocked: Option<(Transmit, Vec<u8>)>,
    pub(crate) driver: Option<Waker>,
    /// Streams that peers have opened and nobody has taken yet. Bounded by what the sessions
    /// allow their peers to open.
    incoming: VecDeque<(LinkId, StreamId)>,
    /// Whether peers may open streams; after a shutdown has begun they may not.
    accepting: bool,
    acceptor: Option<Waker>,
    /// Bounded by the number of links: each tells of its coming and going, and of little more.
    link_events: VecDeque<LinkEvent>,
    keeper: Option<Waker>,
    buffers: Vec<BytesMut>,
    pub(crate) memory: Memory,
    /// Writes the keys of links down, where that is asked for.
    key_log: Option<WriteKeys>,
}

/// What a shard keeps of a link beside the hub's own.
#[derive(Default)]
pub(crate) struct LinkState {
    pub(crate) streams: FxHashMap<StreamId, StreamState>,
    /// Told when the peer allows more streams, and when the link is gone.
    may_open: Rc<Notify>,
    account: Rc<Account>,
    /// Streams of which something waits for a reader here.
    pub(crate) stuck: usize,
    /// How often the peer opens streams.
    pub(crate) opens: Turns,
}

impl Shard {
    /// Puts a hub behind its carriers and starts to drive them. The task that drives never ends but
    /// by a fault. Must be called inside a `LocalSet` of a current-thread runtime.
    pub fn start(
        hub: Hub,
        carriers: impl Into<Carriers>,
        limits: Limits,
        gauge: MemoryGauge,
    ) -> (Self, JoinHandle<()>) {
        let shard = Self(Rc::new(RefCell::new(Core {
            hub,
            carriers: carriers.into(),
            limits: Rc::new(limits),
            counters: Counters::default(),
            open_times: OpenTimes::default(),
            accounts: Accounts::default(),
            notices: Notices::default(),
            links: FxHashMap::default(),
            blocked: None,
            driver: None,
            incoming: VecDeque::new(),
            accepting: true,
            acceptor: None,
            link_events: VecDeque::new(),
            keeper: None,
            buffers: Vec::new(),
            memory: Memory::new(gauge),
            key_log: None,
        })));
        let mut driver = Driver::new(shard.clone());
        let driving = tokio::task::spawn_local(poll_fn(move |cx| driver.poll(cx)));
        (shard, driving)
    }

    /// Has the keys of all links that begin from now on written down. `write` is called on the shard's thread, and
    /// before the first datagram under these keys leaves.
    pub fn log_keys(&self, write: impl FnMut(&LoggedKeys) + 'static) {
        let core = &mut *self.0.borrow_mut();
        core.hub.log_keys(true);
        core.key_log = Some(Box::new(write));
    }

    /// The address that the shard's UDP carrier is bound to, with the lowest of its ports.
    pub fn local_address(&self) -> io::Result<SocketAddr> {
        self.0.borrow().carriers.local_address(CarrierKind::Udp).unwrap_or_else(|| Err(io::ErrorKind::NotFound.into()))
    }

    /// All ports of the shard's UDP carrier, ascending.
    pub fn local_ports(&self) -> Vec<u16> {
        self.0.borrow().carriers.ports(CarrierKind::Udp)
    }

    /// Ends what carriers have of their own, once there are no links any more.
    pub fn close_carriers(&self) {
        self.0.borrow_mut().carriers.close();
    }

    /// The limits of this shard.
    pub fn limits(&self) -> Rc<Limits> {
        self.0.borrow().limits.clone()
    }

    /// All that is counted and measured.
    pub fn stats(&self) -> Stats {
        self.0.borrow_mut().stats()
    }

    /// How many streams live now.
    pub fn streams(&self) -> u64 {
        self.0.borrow().counters.streams
    }

    /// How many streams live on a link now; `None` if it is not up.
    pub fn streams_of(&self, link: LinkId) -> Option<usize> {
        self.0.borrow().links.get(&link).map(|state| state.streams.len())
    }

    /// Takes note that a limit was reached: told in the log, at most once a second.
    pub fn limit_reached(&self, limit: &'static str) {
        self.0.borrow_mut().notices.limit_reached(limit);
    }

    /// Replaces a server's table of users. Links of those who are gone end.
    pub fn set_users(&self, users: Users) {
        let names: FxHashSet<Arc<str>> = users.values().cloned().collect();
        self.with_hub(|hub, time| hub.set_users(time, users));
        self.0.borrow_mut().accounts.set_users(|name| names.contains(name));
    }

    /// Replaces a server's secrets. Links that use one that is gone end.
    pub fn set_psks(&self, psks: Vec<Psk>) {
        self.with_hub(|hub, time| hub.set_psks(time, psks));
    }

    /// Uses other limits for what begins from now on.
    pub fn set_limits(&self, limits: Limits) {
        let core = &mut *self.0.borrow_mut();
        // A buffer of the old size would be handed out as one of the new.
        core.buffers.clear();
        core.hub.set_limits(now(), limits.clone());
        core.carriers.set_options(send_options(&limits), flow_settings(&limits));
        core.limits = Rc::new(limits);
    }

    /// Calls the hub, and has the driver look after what that brings.
    pub fn with_hub<R>(&self, call: impl FnOnce(&mut Hub, Time) -> R) -> R {
        let result = call(&mut self.0.borrow_mut().hub, now());
        self.handle_events();
        self.0.borrow_mut().wake_driver();
        result
    }

    /// The next stream that a peer opens.
    pub async fn accept(&self) -> Stream {
        poll_fn(|cx| {
            let core = &mut *self.0.borrow_mut();
            while !core.is_short_of_memory()
                && let Some((link, id)) = core.incoming.pop_front()
            {
                if let Some(stream) = self.register(core, link, id) {
                    return Poll::Ready(stream);
                }
            }
            core.acceptor = Some(cx.waker().clone());
            Poll::Pending
        })
        .await
    }

    /// Takes no more streams from peers: those that wait, and those that come, are reset.
    pub fn stop_accepting(&self) {
        let core = &mut *self.0.borrow_mut();
        core.accepting = false;
        core.refuse_incoming();
        core.wake_driver();
    }

    /// The next event of a link.
    pub async fn link_event(&self) -> LinkEvent {
        poll_fn(|cx| {
            let mut core = self.0.borrow_mut();
            match core.link_events.pop_front() {
                Some(event) => Poll::Ready(event),
                None => {
                    core.keeper = Some(cx.waker().clone());
                    Poll::Pending
                }
            }
        })
        .await
    }

    /// Opens a stream on a link that is up. Waits while the peer allows no more; `None` when the
    /// link is gone.
    pub async fn open(&self, link: LinkId) -> Option<Stream> {
        loop {
            let may_open = {
                let core = &mut *self.0.borrow_mut();
                if let Some(id) = core.hub.session(link)?.open() {
                    core.counters.streams_opened += 1;
                    core.wake_driver();
                    return self.register(core, link, id);
                }
                core.links.get(&link)?.may_open.clone()
            };
            // Nothing can have changed since: there was no await in between.
            may_open.notified().await;
        }
    }

    /// Whether new streams should wait until there is more memory.
    pub fn is_short_of_memory(&self) -> bool {
        self.0.borrow().is_short_of_memory()
    }

    /// Whether the shard has nothing more to say to its peers.
    pub fn is_quiet(&self) -> bool {
        let core = self.0.borrow();
        core.links.is_empty() && core.blocked.is_none() && core.hub.ids().is_empty()
    }

    fn register(&self, core: &mut Core, link: LinkId, id: StreamId) -> Option<Stream> {
        let state = core.links.get_mut(&link)?;
        state.streams.insert(id, StreamState::default());
        core.counters.streams += 1;
        state.account.change(|usage| {
            usage.streams += 1;
            usage.streams_opened += 1;
        });
        Some(Stream::new(self.clone(), link, id, state.account.clone()))
    }

    /// Takes a buffer for one read from a socket.
    pub(crate) fn take_buffer(&self) -> BytesMut {
        let mut core = self.0.borrow_mut();
        let size = core.limits.tcp_buffer;
        core.buffers.pop().unwrap_or_else(|| BytesMut::with_capacity(size))
    }

    /// Gives a buffer back that was not used up.
    pub(crate) fn return_buffer(&self, buffer: BytesMut) {
        let mut core = self.0.borrow_mut();
        if core.buffers.len() < SPARE_BUFFERS && buffer.capacity() >= core.limits.tcp_buffer {
            core.buffers.push(buffer);
        }
    }

    /// Turns the hub's events into wake-ups, streams and link events.
    pub(crate) fn handle_events(&self) {
        loop {
            let event = self.0.borrow_mut().hub.poll_event();
            let Some((link, event)) = event else { break };
            self.handle_event(link, event);
        }
        let core = &mut *self.0.borrow_mut();
        if let Some(write) = &mut core.key_log {
            while let Some(keys) = core.hub.poll_keys() {
                write(&keys);
            }
        }
    }

    fn handle_event(&self, link: LinkId, event: hub::Event) {
        let mut core = self.0.borrow_mut();
        match event {
            hub::Event::Link(link::Event::Session(event)) => core.handle_session_event(link, event),
            hub::Event::Link(link::Event::Lost(_)) => {
                core.counters.links_lost += 1;
                core.drop_link(link);
                core.push_link_event((link, event));
            }
            hub::Event::Up { ref user, .. } => {
                core.counters.links_up += 1;
                let account = core.accounts.link_up(user.as_ref());
                core.links.insert(link, LinkState { account, ..LinkState::default() });
                core.push_link_event((link, event));
            }
            event => core.push_link_event((link, event)),
        }
    }
}

impl Core {
    pub(crate) fn wake_driver(&mut self) {
        if let Some(driver) = self.driver.take() {
            driver.wake();
        }
    }

    /// Resets the streams that peers have opened and nobody has taken yet.
    pub(crate) fn refuse_incoming(&mut self) {
        while let Some((link, id)) = self.incoming.pop_front() {
            self.refuse(link, id);
        }
    }

    /// Has whoever takes streams look again, if something may have changed for him.
    pub(crate) fn wake_acceptor(&mut self) {
        if !self.incoming.is_empty()
            && !self.is_short_of_memory()
            && let Some(acceptor) = self.acceptor.take()
        {
            acceptor.wake();
        }
    }

    fn refuse(&mut self, link: LinkId, id: StreamId) {
        if let Some(session) = self.hub.session(link) {
            session.reset(id, code::ABANDONED);
            session.stop(id, code::ABANDONED);
        }
    }

    pub(crate) fn with_stream(&mut self, link: LinkId, id: StreamId, call: impl FnOnce(&mut StreamState)) {
        if let Some(stream) = self.links.get_mut(&link).and_then(|link| link.streams.get_mut(&id)) {
            call(stream);
        }
    }

    fn handle_session_event(&mut self, link: LinkId, event: session::Event) {
        match event {
            session::Event::Opened(id) => {
                if !self.accepting {
                    self.refuse(link, id);
                    return;
                }
                self.counters.streams_accepted += 1;
                self.incoming.push_back((link, id));
                if let Some(acceptor) = self.acceptor.take() {
                    acceptor.wake();
                }
            }
            session::Event::MayOpen => {
                if let Some(state) = self.links.get_mut(&link) {
                    state.may_open.notify_waiters();
                }
            }
            session::Event::Readable(id) => self.with_stream(link, id, StreamState::readable),
            session::Event::Writable(id) => self.with_stream(link, id, StreamState::writable),
            session::Event::Stopped(id, code) => self.with_stream(link, id, |stream| stream.stopped(code)),
            session::Event::Crowded => self.memory.crowded = true,
            session::Event::Ready | session::Event::Closed => {}
        }
    }

    /// Wakes everybody who waits for something of a link that is no more.
    fn drop_link(&mut self, link: LinkId) {
        if let Some(state) = self.links.remove(&link) {
            let streams = state.streams.len() as u64;
            self.counters.streams -= streams;
            state.account.change(|usage| usage.streams -= streams);
            self.accounts.link_gone(&state.account);
            state.may_open.notify_waiters();
            state.streams.into_values().for_each(StreamState::gone);
        }
    }

    fn push_link_event(&mut self, event: LinkEvent) {
        self.link_events.push_back(event);
        if let Some(keeper) = self.keeper.take() {
            keeper.wake();
        }
    }
}

/// The time now, for the machines.
pub fn now() -> Time {
    let wall = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Time { now: Instant::now(), wall_ns: u64::try_from(wall.as_nanos()).unwrap_or(u64::MAX) }
}
