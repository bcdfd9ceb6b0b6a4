//! Plain KCP over UDP, without ginnel's envelope: put any other implementation of KCP against it.
//!
//! Whoever has received all that it waits for says so with one byte, since KCP has no end of its own.

mod options;

use bytes::Bytes;
use ginnel_proto::session::kcp::plain::Plain;
use options::{Options, Task, USAGE};
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use ring::digest::{Context, SHA256};
use std::error::Error;
use std::io::{self, ErrorKind};
use std::net::{SocketAddr, UdpSocket};
use std::time::{Duration, Instant};

/// So much may wait to be sent.
const UNSENT: usize = 256 << 10;

/// Bytes that are handed over at once.
const BLOCK: u64 = 16 << 10;

/// Whoever is done stays for so long after the last datagram, for its last acknowledgement may be lost.
const LINGER: Duration = Duration::from_secs(1);

/// Nobody is there any more.
const SILENCE: Duration = Duration::from_secs(30);

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    if arguments.is_empty() {
        println!("{USAGE}");
        return Ok(());
    }
    let options = Options::parse(arguments)?;
    let mut wire = Wire::open(&options)?;
    let (peer, first) = match options.dials {
        true => (options.address, None),
        false => {
            println!("listening {}", wire.socket.local_addr()?);
            let (first, peer) = wire.accept()?;
            (peer, Some(first))
        }
    };
    wire.socket.connect(peer)?;
    let number = first.as_deref().and_then(Plain::number_of).unwrap_or(options.conversation);
    let now = Instant::now();
    let mut end = Plain::new(number, &options.settings, options.mtu, now);
    if let Some(first) = first {
        end.handle(now, first.into());
    }
    let mut work = Work::new(options.task, options.bytes);
    run(&mut end, &mut wire, &mut work)?;
    work.report();
    let (sent, lost, refused) = end.counts();
    let trip = end.rtt().unwrap_or_default().as_secs_f64() * 1e3;
    println!("{sent} segments left, {lost} were lost, {refused} of the peer refused, a round trip takes {trip:.1} ms");
    Ok(())
}

fn run(end: &mut Plain, wire: &mut Wire, work: &mut Work) -> Result<(), Box<dyn Error>> {
    let mut heard = Instant::now();
    let mut datagram = Vec::new();
    loop {
        let now = Instant::now();
        work.go_on(end, now)?;
        while end.poll_transmit(now, &mut datagram) {
            wire.send(&datagram)?;
            datagram.clear();
        }
        let settled = end.unsent() == 0 && end.outstanding() == 0;
        if work.is_done() && (settled && !work.awaits() || now > heard + LINGER) {
            return Ok(());
        }
        if end.is_dead() || now > heard + SILENCE {
            return Err("the peer does not answer".into());
        }
        let wait = end.poll_timeout().map_or(LINGER / 10, |at| at.saturating_duration_since(now).min(LINGER / 10));
        if let Some(datagram) = wire.receive(wait)? {
            heard = Instant::now();
            end.handle(heard, datagram);
        }
        let now = Instant::now();
        if end.poll_timeout().is_some_and(|at| at <= now) {
            end.handle_timeout(now);
        }
    }
}

/// A socket that throws away what it is told to, both ways.
struct Wire {
    socket: UdpSocket,
    loss: f64,
    rng: StdRng,
}

impl Wire {
    fn open(options: &Options) -> io::Result<Self> {
        let any: SocketAddr = if options.address.is_ipv4() { ([0, 0, 0, 0], 0).into() } else { ([0; 8], 0).into() };
        let socket = UdpSocket::bind(if options.dials { any } else { options.address })?;
        Ok(Self { socket, loss: options.loss, rng: StdRng::seed_from_u64(options.seed) })
    }

    /// Waits for the first datagram of a conversation.
    fn accept(&mut self) -> io::Result<(Vec<u8>, SocketAddr)> {
        let mut buffer = [0; 65_536];
        loop {
            let (length, from) = self.socket.recv_from(&mut buffer)?;
            if Plain::number_of(&buffer[..length]).is_some() && !self.loses() {
                return Ok((buffer[..length].to_vec(), from));
            }
        }
    }

    fn loses(&mut self) -> bool {
        self.rng.random_bool(self.loss)
    }

    fn send(&mut self, datagram: &[u8]) -> io::Result<()> {
        if self.loses() {
            return Ok(());
        }
        match self.socket.send(datagram) {
            // Nobody listens there, now: what was sent counts as lost.
            Err(error) if error.kind() == ErrorKind::ConnectionRefused => Ok(()),
            sent => sent.map(|_| ()),
        }
    }

    fn receive(&mut self, wait: Duration) -> io::Result<Option<Bytes>> {
        let mut buffer = [0; 65_536];
        // A time-out of zero would be none.
        self.socket.set_read_timeout(Some(wait.max(Duration::from_micros(1))))?;
        match self.socket.recv(&mut buffer) {
            Ok(_) if self.loses() => Ok(None),
            Ok(length) => Ok(Some(Bytes::copy_from_slice(&buffer[..length]))),
            Err(error) if is_harmless(&error) => Ok(None),
            Err(error) => Err(error),
        }
    }
}

fn is_harmless(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        ErrorKind::WouldBlock | ErrorKind::TimedOut | ErrorKind::Interrupted | ErrorKind::ConnectionRefused
    )
}

/// The byte at this place of what a source sends.
fn byte_at(place: u64) -> u8 {
    ((place as u32).wrapping_mul(2_654_435_761) >> 24) as u8
}

/// The task and how far it is.
struct Work {
    task: Task,
    bytes: u64,
    sent: u64,
    received: u64,
    sum_sent: Context,
    sum_received: Context,
    said: bool,
}

impl Work {
    fn new(task: Task, bytes: u64) -> Self {
        let sum = || Context::new(&SHA256);
        Self { task, bytes, sent: 0, received: 0, sum_sent: sum(), sum_received: sum(), said: false }
    }

    /// Reads what has come, and writes what may leave.
    fn go_on(&mut self, end: &mut Plain, now: Instant) -> Result<(), Box<dyn Error>> {
        let is_source = matches!(self.task, Task::Source { .. });
        while is_source && self.sent < self.bytes && end.unsent() < UNSENT {
            let block: Vec<u8> = (self.sent..self.bytes.min(self.sent + BLOCK)).map(byte_at).collect();
            self.write(end, block.into());
        }
        // An echo that cannot be sent is not read: so the peer's window closes, and it waits.
        while (self.task != Task::Echo || end.unsent() < UNSENT)
            && let Some(mut data) = end.read(now)
        {
            // What comes after that is the byte that says: I have all.
            data.truncate(usize::try_from(self.bytes - self.received).unwrap_or(usize::MAX));
            self.take(end, data)?;
        }
        if self.awaits() && self.received == self.bytes && !self.said {
            self.said = true;
            end.write(Bytes::from_static(&[0]));
        }
        Ok(())
    }

    fn write(&mut self, end: &mut Plain, data: Bytes) {
        self.sum_sent.update(&data);
        self.sent += data.len() as u64;
        end.write(data);
    }

    fn take(&mut self, end: &mut Plain, data: Bytes) -> Result<(), Box<dyn Error>> {
        if self.task == (Task::Source { back: false }) {
            return Ok(());
        }
        let from = self.received;
        if self.task != Task::Echo && data.iter().zip(from..).any(|(byte, place)| *byte != byte_at(place)) {
            return Err(format!("other bytes than were sent, from {from} on").into());
        }
        self.sum_received.update(&data);
        self.received += data.len() as u64;
        if self.task == Task::Echo {
            self.write(end, data);
        }
        Ok(())
    }

    /// Whether it waits for data and says when it has all: the peer may not have heard that yet.
    fn awaits(&self) -> bool {
        matches!(self.task, Task::Source { back: true } | Task::Sink)
    }

    fn is_done(&self) -> bool {
        match self.task {
            Task::Source { back: false } => self.sent == self.bytes,
            Task::Source { back: true } | Task::Sink => self.said,
            Task::Echo => self.sent == self.bytes,
        }
    }

    fn report(self) {
        for (word, bytes, sum) in [("sent", self.sent, self.sum_sent), ("received", self.received, self.sum_received)] {
            let digits: String = sum.finish().as_ref().iter().map(|byte| format!("{byte:02x}")).collect();
            if bytes > 0 {
                println!("{word} {bytes} {digits}");
            }
        }
    }
}
