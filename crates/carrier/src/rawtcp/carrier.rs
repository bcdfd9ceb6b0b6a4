//! The carrier itself, on Linux.

use super::alarm::Alarm;
use super::firewall::EarlyDrop;
use super::frame;
use super::hold::Hold;
use super::socket::Arrival;
use super::surroundings::Surroundings;
use super::ways::{Outcome, Ways};
use super::wire::Wire;
use super::{Config, Error, Hop, Mark, Overrides, Trouble, filter};
use crate::batch::{Received, SendOptions, Sent};
use bytes::BytesMut;
use ginnel_proto::ports::PORTS_MAX;
use ginnel_proto::rawtcp::{Action, Counts, Flows, Sending, Settings};
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::task::{Context, Poll};
use std::time::Instant;

/// What may be due at once, before others get their turn.
const DUE_AT_ONCE: usize = 16;

/// Moves batches as TCP segments.
pub struct RawTcpCarrier {
    flows: Flows<Hop>,
    wire: Wire,
    surroundings: Surroundings,
    side: Side,
    /// Ports that are ours.
    held: Vec<Hold>,
    /// Drops what comes for them before a local firewall answers it, where that is possible.
    early: Option<EarlyDrop>,
    alarm: Alarm,
    trouble: Option<(SocketAddr, Trouble)>,
    renewed: Option<SocketAddr>,
}

enum Side {
    /// Listens at this address, as a person has decided.
    Server(IpAddr, Overrides),
    Client(Ways),
}

impl RawTcpCarrier {
    /// Listens on ports of an address (unspecified: all of its family; the IPv6 one takes IPv4 as well). Port 0, alone:
    /// the system chooses. Must be called inside a tokio runtime.
    pub fn listen(address: IpAddr, ports: impl IntoIterator<Item = u16>, config: Config) -> Result<Self, Error> {
        let ports: Vec<u16> = ports.into_iter().take(PORTS_MAX + 1).collect();
        if ports.is_empty() || ports.len() > PORTS_MAX {
            let why = format!("a carrier has 1 to {PORTS_MAX} ports");
            return Err(io::Error::new(io::ErrorKind::InvalidInput, why).into());
        }
        let families: &[bool] = match address {
            IpAddr::V4(_) => &[true],
            IpAddr::V6(Ipv6Addr::UNSPECIFIED) => &[true, false],
            IpAddr::V6(_) => &[false],
        };
        let wire = Wire::open(families, &filter::nothing(), config.send).map_err(right)?;
        let now = Instant::now();
        let surroundings = Surroundings::watch(now)?;
        let mut held = ports
            .into_iter()
            .map(|port| {
                let hold = Hold::take(SocketAddr::new(address, port), surroundings.interface_of(address));
                hold.map_err(|source| Error::Port { port, source })
            })
            .collect::<Result<Vec<_>, _>>()?;
        held.sort_unstable_by_key(|hold| hold.local().port());
        let flows = Flows::server(now, config.flows, config.seed);
        let mut carrier = Self::new(flows, wire, surroundings, Side::Server(address, config.overrides), held);
        if let Some(early) = &mut carrier.early {
            carrier.held.iter().for_each(|hold| early.hold(hold.local()));
        }
        carrier.set_filter()?;
        Ok(carrier)
    }

    /// Dials; holds ports only as long as it uses them. Must be called inside a tokio runtime.
    pub fn dialler(config: Config) -> Result<Self, Error> {
        let wire = Wire::open(&[true, false], &filter::nothing(), config.send).map_err(right)?;
        let now = Instant::now();
        let flows = Flows::client(now, config.flows, config.seed);
        let side = Side::Client(Ways::new(config.overrides));
        Ok(Self::new(flows, wire, Surroundings::watch(now)?, side, Vec::new()))
    }

    fn new(flows: Flows<Hop>, wire: Wire, surroundings: Surroundings, side: Side, held: Vec<Hold>) -> Self {
        Self {
            flows,
            wire,
            surroundings,
            side,
            held,
            early: EarlyDrop::start(),
            alarm: Alarm::new(),
            trouble: None,
            renewed: None,
        }
    }

    /// The address that it listens on, with the lowest of its ports; of one that dials unspecified.
    pub fn local_address(&self) -> SocketAddr {
        match self.side {
            Side::Server(address, _) => SocketAddr::new(address, self.held[0].local().port()),
            Side::Client(_) => SocketAddr::new(Ipv4Addr::UNSPECIFIED.into(), 0),
        }
    }

    /// All ports that it listens on, ascending.
    pub fn ports(&self) -> Vec<u16> {
        match self.side {
            Side::Server(..) => self.held.iter().map(|hold| hold.local().port()).collect(),
            Side::Client(_) => Vec::new(),
        }
    }

    /// Sends in another way from now on.
    pub fn set_options(&mut self, send: SendOptions, flows: Settings) {
        self.wire.set_options(send);
        self.flows.set_settings(flows);
        self.settle(Instant::now());
    }

    /// Cuts batches itself, as where an interface does not.
    pub fn without_offload(mut self) -> Self {
        self.wire.cut_here();
        self
    }

    /// Receives what is there, one system call's worth, into `out`; does what is due, too. Pending: nothing is there.
    /// Ready with nothing in `out`: what was there was for the flows alone.
    pub fn poll_receive(&mut self, cx: &mut Context<'_>, out: &mut Vec<Received>) -> Poll<io::Result<()>> {
        self.look(cx);
        let mut rings = 0;
        for _ in 0..DUE_AT_ONCE {
            let now = Instant::now();
            self.handle_timeout(now);
            self.settle(now);
            if !self.alarm.poll(self.poll_timeout(), cx) {
                break;
            }
            rings += 1;
        }
        if rings == DUE_AT_ONCE {
            // There may be more, and the alarm is not set any more.
            cx.waker().wake_by_ref();
        }
        self.wire.poll_flush(cx);
        let now = Instant::now();
        let Self { flows, wire, surroundings, side, .. } = self;
        let polled = wire.poll_receive(cx, |arrival| out.extend(take(flows, surroundings, side, now, &arrival)));
        if polled.is_ready() {
            self.settle(now);
        }
        polled
    }

    /// What became of what was received: any of its datagrams was ours, or none. What is not judged
    /// is not answered.
    pub fn judged(&mut self, mark: &Mark, ours: bool) {
        let now = Instant::now();
        self.flows.judged(now, mark, ours);
        // It is sent with what others get: see `flush`.
        self.gather(now);
    }

    /// Sends what has been gathered, as far as the socket takes it now.
    pub fn flush(&mut self) {
        self.wire.flush();
        self.alarm.advance(self.poll_timeout());
    }

    /// Sends datagrams of `segment` bytes (the last may be shorter), at most `BATCH_PACKETS` of them. `local`: on a
    /// server, the address and port that the peer uses.
    pub fn try_send(&mut self, remote: SocketAddr, local: Option<SocketAddr>, data: &[u8], segment: usize) -> Sent {
        if !self.wire.flush() {
            return Sent::Full;
        }
        let now = Instant::now();
        let sent = match self.flows.send(now, remote, local, data, segment, true) {
            Sending::Now(stamp) => self.wire.send(&stamp, data, segment),
            Sending::Later => Sent::Taken,
            Sending::Refused => Sent::Refused,
        };
        self.settle(now);
        sent
    }

    /// Ready when the socket takes more. One caller at a time: only one waker is kept.
    pub fn poll_writable(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.wire.poll_writable(cx)
    }

    /// Ends all flows, as far as the socket takes it now.
    pub fn close(&mut self) {
        let now = Instant::now();
        self.flows.close(now);
        self.settle(now);
    }

    /// How many flows there are, and what was counted.
    pub fn counts(&self) -> (usize, Counts) {
        (self.flows.count(), self.flows.counts())
    }

    /// Frames that found a socket full since this was last asked, on their way in or out, where the system tells.
    pub fn dropped(&mut self) -> u64 {
        self.wire.dropped()
    }

    /// The server to which another flow leads since this was last asked: it learns of it by what is sent there.
    pub fn renewed(&mut self) -> Option<SocketAddr> {
        self.renewed.take()
    }

    /// Why there was no way to a server, the last time that there was none since this was last asked.
    pub fn trouble(&mut self) -> Option<(SocketAddr, Trouble)> {
        self.trouble.take()
    }

    /// Notices changes of interfaces, addresses, routes and neighbours.
    fn look(&mut self, cx: &mut Context<'_>) {
        let now = Instant::now();
        if !self.surroundings.poll(now, cx) {
            return;
        }
        // What an interface has refused, it may take now.
        self.wire.ask_again();
        let Side::Client(ways) = &self.side else { return };
        for remote in self.flows.remotes() {
            match ways.now(remote) {
                Ok((way, hop)) => self.flows.way(now, remote, way.source, hop),
                // What leads into a tunnel now must not go on beside it.
                Err(Some(trouble)) => {
                    self.flows.forsake(now, remote);
                    self.trouble = Some((remote, trouble));
                }
                Err(None) => {}
            }
        }
        self.search(now);
    }

    fn handle_timeout(&mut self, now: Instant) {
        if self.flows.poll_timeout().is_some_and(|at| at <= now) {
            self.flows.handle_timeout(now);
        }
        if let Side::Client(ways) = &self.side
            && ways.poll_timeout().is_some_and(|at| at <= now)
        {
            self.search(now);
        }
    }

    fn poll_timeout(&self) -> Option<Instant> {
        let search = if let Side::Client(ways) = &self.side { ways.poll_timeout() } else { None };
        self.flows.poll_timeout().into_iter().chain(self.surroundings.poll_timeout()).chain(search).min()
    }

    /// Does what the flows want to be done, sends what they have to send, and is woken when they want.
    fn settle(&mut self, now: Instant) {
        self.gather(now);
        self.flush();
    }

    /// Does what the flows want to be done, and has what they have to send wait.
    fn gather(&mut self, now: Instant) {
        loop {
            while let Some(packet) = self.flows.poll_transmit(now) {
                self.wire.queue(&packet);
            }
            match (self.flows.poll_action(), &mut self.side) {
                (Some(Action::Dial(remote)), Side::Client(ways)) => {
                    ways.ask(now, remote);
                    self.search(now);
                }
                (Some(Action::Dial(_)), Side::Server(..)) => {}
                (Some(Action::Release(local)), _) => self.release(local),
                (Some(Action::Renewed(remote)), _) => self.renewed = Some(remote),
                (None, _) => break,
            }
        }
    }

    /// Goes on where the way has been found, gives up where there is none.
    fn search(&mut self, now: Instant) {
        while let Side::Client(ways) = &mut self.side {
            match ways.look(now) {
                Some(Outcome::Found(remote, way, hop)) => {
                    match self.hold(SocketAddr::new(way.source, 0), hop.interface) {
                        Ok(local) => self.flows.dial(now, remote, local, hop, way.interface.mtu),
                        Err(error) => self.give_up(now, remote, Trouble::Port(error)),
                    }
                }
                Some(Outcome::None(remote, trouble)) => self.give_up(now, remote, trouble),
                None => break,
            }
        }
    }

    fn give_up(&mut self, now: Instant, remote: SocketAddr, trouble: Trouble) {
        self.flows.no_way(now, remote);
        self.trouble = Some((remote, trouble));
    }

    /// Holds a port for a flow of a client's.
    fn hold(&mut self, address: SocketAddr, interface: u32) -> io::Result<SocketAddr> {
        let hold = Hold::take(address, interface)?;
        let local = hold.local();
        self.held.push(hold);
        self.set_filter()?;
        if let Some(early) = &mut self.early {
            early.hold(local);
        }
        Ok(local)
    }

    fn release(&mut self, local: SocketAddr) {
        if matches!(self.side, Side::Server(..)) {
            return;
        }
        self.held.retain(|hold| hold.local() != local);
        if let Some(early) = &mut self.early
            && self.held.iter().all(|hold| hold.local().port() != local.port())
        {
            early.release(local);
        }
        // If it fails, the filter lets through what nobody wants.
        let _ = self.set_filter();
    }

    /// Has the sockets see what is sent to our ports, and nothing else.
    fn set_filter(&self) -> io::Result<()> {
        let ports = self.held.iter().map(|hold| hold.local().port());
        self.wire.set_filter(&filter::to_ports(ports.map(|port| port..=port)))
    }
}

/// Takes in a frame. What comes back is to be judged.
fn take(
    flows: &mut Flows<Hop>,
    surroundings: &Surroundings,
    side: &Side,
    now: Instant,
    arrival: &Arrival<'_>,
) -> Option<Received> {
    let (offload, frame) = frame::split(arrival.frame)?;
    let (mut hop, packet) = frame::unwrap(arrival.interface, arrival.link, frame)?;
    if let Side::Server(address, overrides) = side {
        if overrides.interface.as_ref().is_some_and(|name| !surroundings.is_named(hop.interface, name)) {
            return None;
        }
        if let (Some(gateway), Some((ours, _))) = (overrides.gateway, hop.hardware) {
            hop.hardware = Some((ours, gateway));
        }
        // A machine that forwards packets sees those of others, which are none of ours.
        let destination = frame::destination(packet)?;
        if destination != *address && !(address.is_unspecified() && surroundings.is_ours(destination)) {
            return None;
        }
    }
    let mtu = surroundings.mtu(hop.interface);
    let (mark, payload) = flows.handle(now, hop, mtu, packet, offload.checksum)?;
    let segment = if offload.segment == 0 { payload.len() } else { offload.segment };
    // A copy to the size of the batch, as with UDP.
    let data = BytesMut::from(packet.get(payload)?);
    Some(Received { remote: mark.remote, local: mark.local, segment: segment.max(1), data, mark: Some(mark) })
}

/// The error that says which right is missing, if that is why.
fn right(error: io::Error) -> Error {
    if error.kind() == io::ErrorKind::PermissionDenied { Error::Rights } else { Error::Io(error) }
}
