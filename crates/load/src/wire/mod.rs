//! The lossy wire: packets between two TUN devices, with the loss, the rate and the delay of a bad line.
//!
//! The devices are standard input and standard output. Whoever starts this opens them (`IFF_TUN | IFF_NO_PI`), and
//! moves each into a network namespace of its own. One read is one IP packet, and so is one write.

mod direction;

use crate::arguments::Wire;
pub(crate) use direction::Conditions;
use direction::{Counters, Direction};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fd::{AsFd, BorrowedFd};
use rustix::fs::{OFlags, fcntl_getfl, fcntl_setfl};
use rustix::io::Errno;
use serde_json::{Value, json};
use signal_hook::consts::{SIGINT, SIGTERM, SIGUSR1};
use signal_hook::flag;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

/// A packet may leave so much too early, and while there is much to do it is looked at twice as seldom: a wake-up for
/// each packet would cost the machine more than the packet. The mean stays right.
const EARLY: Duration = Duration::from_micros(50);

/// How long it rests after a round that had work, before the next.
const REST: Duration = Duration::from_micros(2 * 50);

/// The longest sleep: a signal that comes right before one is noticed at its end.
const LONGEST_SLEEP: Duration = Duration::from_millis(50);

/// Packets read in a row from one device.
const BATCH: usize = 256;

/// The largest IP packet.
const MAX_PACKET: usize = 65_535;

/// A wire that waits for a processor delays what it should not.
const PRIORITY: i32 = -15;

/// Moves packets until it is told to end.
pub(crate) fn wire(arguments: &Wire) -> io::Result<()> {
    let told = Told::register()?;
    let (stdin, stdout) = (io::stdin(), io::stdout());
    let mut wire = Running::new(arguments.conditions(), arguments.seed, stdin.as_fd(), stdout.as_fd())?;
    // Both only make it more precise; the priority takes a privilege.
    let _ = rustix::process::setpriority_process(None, PRIORITY);
    #[cfg(target_os = "linux")]
    let _ = rustix::thread::set_current_timer_slack(std::num::NonZero::new(1));
    eprintln!("ready");
    while !told.to_end() {
        let moved = wire.round()?;
        if told.to_report() {
            eprintln!("{}", wire.report());
        }
        wire.sleep(moved)?;
    }
    eprintln!("{}", wire.report());
    Ok(())
}

/// What signals have said.
struct Told {
    end: Arc<AtomicBool>,
    report: Arc<AtomicBool>,
}

impl Told {
    fn register() -> io::Result<Self> {
        let told = Self { end: Arc::default(), report: Arc::default() };
        flag::register(SIGINT, told.end.clone())?;
        flag::register(SIGTERM, told.end.clone())?;
        flag::register(SIGUSR1, told.report.clone())?;
        Ok(told)
    }

    fn to_end(&self) -> bool {
        self.end.load(Ordering::Relaxed)
    }

    fn to_report(&self) -> bool {
        self.report.swap(false, Ordering::Relaxed)
    }
}

/// One way, with the device that it leads from and the one it leads to.
struct Way<'a> {
    from: BorrowedFd<'a>,
    to: BorrowedFd<'a>,
    direction: Direction,
    /// Packets that the device would not take: it is down, or its queue is full.
    refused: u64,
}

struct Running<'a> {
    epoch: Instant,
    there: Way<'a>,
    back: Way<'a>,
    packet: Box<[u8]>,
}

impl<'a> Running<'a> {
    fn new(conditions: Conditions, seed: u64, one: BorrowedFd<'a>, other: BorrowedFd<'a>) -> io::Result<Self> {
        for device in [one, other] {
            fcntl_setfl(device, fcntl_getfl(device)? | OFlags::NONBLOCK)?;
        }
        // The two ways share no chance: what is lost there says nothing about what is lost back.
        let way = |from, to, seed| Way { from, to, direction: Direction::new(conditions, seed), refused: 0 };
        Ok(Self {
            epoch: Instant::now(),
            there: way(one, other, seed.wrapping_mul(2)),
            back: way(other, one, seed.wrapping_mul(2) + 1),
            packet: vec![0; MAX_PACKET].into(),
        })
    }

    /// Takes in all that has come and sends all that is due. Whether there was anything.
    fn round(&mut self) -> io::Result<bool> {
        let mut moved = false;
        for way in [&mut self.there, &mut self.back] {
            moved |= way.take_in(self.epoch, &mut self.packet)?;
            moved |= way.send(self.epoch)?;
        }
        Ok(moved)
    }

    /// Rests for a moment after a round that had work; then until there is more.
    fn sleep(&self, moved: bool) -> io::Result<()> {
        if moved {
            interruptible(poll(&mut [], Some(&timespec(REST))))?;
        }
        let next = self.there.direction.next().into_iter().chain(self.back.direction.next()).min();
        let until = next.map(|next| next.saturating_sub(self.epoch.elapsed() + EARLY));
        let time = until.unwrap_or(LONGEST_SLEEP).min(LONGEST_SLEEP);
        if !time.is_zero() {
            let mut devices =
                [self.there.from, self.back.from].map(|from| PollFd::from_borrowed_fd(from, PollFlags::IN));
            interruptible(poll(&mut devices, Some(&timespec(time))))?;
        }
        Ok(())
    }

    fn report(&self) -> Value {
        json!({"there": self.there.report(), "back": self.back.report()})
    }
}

impl Way<'_> {
    fn take_in(&mut self, epoch: Instant, packet: &mut [u8]) -> io::Result<bool> {
        for count in 0..BATCH {
            match rustix::io::read(self.from, &mut *packet) {
                Ok(0) => return Err(io::Error::other("a device has ended: standard input and output are to be TUNs")),
                Ok(length) => self.direction.offer(epoch.elapsed(), &packet[..length]),
                Err(Errno::AGAIN) => return Ok(count > 0),
                Err(Errno::INTR) => {}
                // A device that is down, or is yet to be moved and to come up.
                Err(Errno::IO | Errno::BADFD) => return Ok(false),
                Err(error) => return Err(error.into()),
            }
        }
        Ok(true)
    }

    fn send(&mut self, epoch: Instant) -> io::Result<bool> {
        let mut sent = false;
        while let Some(packet) = self.direction.poll(epoch.elapsed() + EARLY) {
            sent = true;
            match rustix::io::write(self.to, &packet) {
                Ok(_) => {}
                Err(Errno::AGAIN | Errno::IO | Errno::NOBUFS | Errno::INVAL | Errno::BADFD) => self.refused += 1,
                Err(error) => return Err(error.into()),
            }
        }
        Ok(sent)
    }

    fn report(&self) -> Value {
        let Counters { packets_in, bytes_in, lost, overflowed, held, packets_out, bytes_out } =
            self.direction.counters();
        json!({
            "packets_in": packets_in,
            "bytes_in": bytes_in,
            "lost": lost,
            "overflowed": overflowed,
            "held": held,
            "packets_out": packets_out,
            "bytes_out": bytes_out,
            "refused": self.refused,
        })
    }
}

/// A sleep that a signal ends is no error.
fn interruptible(outcome: rustix::io::Result<usize>) -> io::Result<()> {
    match outcome {
        Ok(_) | Err(Errno::INTR) => Ok(()),
        Err(error) => Err(error.into()),
    }
}

fn timespec(time: Duration) -> Timespec {
    Timespec { tv_sec: time.as_secs() as i64, tv_nsec: time.subsec_nanos().into() }
}
