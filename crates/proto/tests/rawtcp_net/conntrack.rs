//! A strict stateful firewall between two ends: the rules of Linux' connection tracking for TCP (`tcp_in_window` and the
//! states of `nf_conntrack_proto_tcp.c`), without its tolerance for picking up connections half-way.

use ginnel_proto::rawtcp::segment::{Checksum, Segment, flag};
use std::collections::HashMap;
use std::net::SocketAddr;

/// What the firewall lets an acknowledgement lag behind at least.
const LAG: u32 = 66_000;

#[derive(Clone, Copy, PartialEq, Eq, Debug, PartialOrd)]
pub(crate) enum State {
    SynSent,
    SynReceived,
    Established,
    Closing,
    Reset,
}

#[derive(Clone, Copy, Default)]
struct Side {
    /// Behind the last byte that it has sent.
    end: u32,
    /// Behind the last that it may send.
    max_end: u32,
    /// The largest window that it has told.
    max_window: u32,
    scale: u32,
    /// The most that it has acknowledged.
    max_ack: Option<u32>,
    fin: bool,
    started: bool,
}

struct Connection {
    state: State,
    /// The end that began, then the other.
    sides: [Side; 2],
    first: SocketAddr,
    scaled: bool,
}

/// The firewall.
#[derive(Default)]
pub(crate) struct Conntrack {
    connections: HashMap<(SocketAddr, SocketAddr), Connection>,
    /// What it would have dropped, and why.
    pub(crate) invalid: Vec<String>,
    pub(crate) seen: u64,
}

fn before(a: u32, b: u32) -> bool {
    (a.wrapping_sub(b) as i32) < 0
}

impl Conntrack {
    pub(crate) fn state(&self, a: SocketAddr, b: SocketAddr) -> Option<State> {
        self.connections.get(&(a.min(b), a.max(b))).map(|connection| connection.state)
    }

    /// A packet passes.
    pub(crate) fn pass(&mut self, packet: &[u8]) {
        self.seen += 1;
        let verdict = match Segment::parse(packet, Checksum::Unknown) {
            Ok(segment) => self.judge(&segment).map_err(|why| format!("{why}: {segment:?}")),
            Err(error) => Err(format!("{error:?}")),
        };
        self.invalid.extend(verdict.err());
    }

    fn judge(&mut self, segment: &Segment) -> Result<(), String> {
        let controls = segment.flags & !flag::PSH;
        let known =
            [flag::SYN, flag::SYN | flag::ACK, flag::ACK, flag::FIN | flag::ACK, flag::RST, flag::RST | flag::ACK];
        if !known.contains(&controls) {
            return Err("flags".into());
        }
        let key = (segment.source.min(segment.destination), segment.source.max(segment.destination));
        let fresh = self.connections.get(&key).is_none_or(|known| known.state >= State::Closing);
        if controls == flag::SYN && fresh {
            let mut sides = [Side::default(); 2];
            sides[0].start(segment);
            let scaled = segment.options.scale.is_some();
            let connection = Connection { state: State::SynSent, sides, first: segment.source, scaled };
            self.connections.insert(key, connection);
            return Ok(());
        }
        let connection = self.connections.get_mut(&key).ok_or("no connection")?;
        connection.track(segment, controls)
    }
}

impl Side {
    fn start(&mut self, segment: &Segment) {
        self.end = segment.end();
        self.max_window = u32::from(segment.window).max(1);
        self.max_end = self.end.wrapping_add(self.max_window);
        self.scale = segment.options.scale.map_or(0, u32::from);
        self.started = true;
    }
}

impl Connection {
    fn track(&mut self, segment: &Segment, controls: u8) -> Result<(), String> {
        let direction = usize::from(segment.source != self.first);
        self.check_state(controls, direction)?;
        if controls == flag::SYN | flag::ACK && !self.sides[1].started {
            self.sides[1].start(segment);
            self.scaled &= segment.options.scale.is_some();
            if !self.scaled {
                self.sides.iter_mut().for_each(|side| side.scale = 0);
            }
        }
        self.in_window(segment, direction)?;
        self.advance(segment, controls, direction);
        Ok(())
    }

    /// The table of states: which segments may come now.
    fn check_state(&self, controls: u8, direction: usize) -> Result<(), String> {
        let allowed = match (self.state, direction) {
            (State::SynSent, 0) => controls == flag::SYN || controls & flag::RST != 0,
            (State::SynSent, _) => controls == flag::SYN | flag::ACK || controls & flag::RST != 0,
            (State::SynReceived, 0) => true,
            (State::SynReceived, _) => controls == flag::SYN | flag::ACK || controls & flag::RST != 0,
            (State::Established | State::Closing, 0) => controls != flag::SYN | flag::ACK,
            (State::Established | State::Closing, _) => controls != flag::SYN,
            // It forgets after ten seconds; an end that knows says nothing more.
            (State::Reset, _) => controls & flag::RST != 0,
        };
        allowed.then_some(()).ok_or_else(|| format!("in {:?} from {direction}", self.state))
    }

    fn in_window(&mut self, segment: &Segment, direction: usize) -> Result<(), String> {
        let (sender, receiver) = (self.sides[direction], self.sides[1 - direction]);
        let (sequence, end) = (segment.sequence, segment.end());
        let acknowledges = segment.has(flag::ACK);
        let ack = if acknowledges { segment.acknowledgement } else { receiver.end };
        let window = u32::from(segment.window) << if segment.has(flag::SYN) { 0 } else { sender.scale };
        if !before(sequence, sender.max_end.wrapping_add(1)) || before(sender.max_end, end) {
            return Err(format!("over the upper bound {}", sender.max_end));
        }
        if receiver.started && !before(sender.end.wrapping_sub(receiver.max_window).wrapping_sub(1), end) {
            return Err(format!("under the lower bound of {}", sender.end));
        }
        if receiver.started && !before(ack, receiver.end.wrapping_add(1)) {
            return Err(format!("acknowledges more than {}", receiver.end));
        }
        let lag = sender.max_window.max(LAG);
        if receiver.started && !before(receiver.end.wrapping_sub(lag).wrapping_sub(1), ack) {
            return Err(format!("acknowledges too little of {}", receiver.end));
        }
        if segment.has(flag::RST)
            && receiver.started
            && sender.started
            && before(sequence, receiver.max_ack.unwrap_or(sequence))
        {
            return Err("a reset that was acknowledged".into());
        }
        let sender = &mut self.sides[direction];
        sender.max_window = sender.max_window.max(window);
        if before(sender.end, end) {
            sender.end = end;
        }
        if acknowledges && sender.max_ack.is_none_or(|max| before(max, ack)) {
            sender.max_ack = Some(ack);
        }
        let receiver = &mut self.sides[1 - direction];
        if acknowledges && before(receiver.max_end, ack.wrapping_add(window)) {
            receiver.max_end = ack.wrapping_add(window);
        }
        Ok(())
    }

    fn advance(&mut self, segment: &Segment, controls: u8, direction: usize) {
        self.sides[direction].fin |= segment.has(flag::FIN);
        self.state = match (self.state, controls) {
            (_, controls) if controls & flag::RST != 0 => State::Reset,
            (State::SynSent, controls) if controls == flag::SYN | flag::ACK => State::SynReceived,
            (State::SynReceived, controls) if controls & flag::SYN == 0 && direction == 0 => State::Established,
            (state, _) => state,
        };
        if self.state == State::Established && self.sides.iter().any(|side| side.fin) {
            self.state = State::Closing;
        }
    }
}
