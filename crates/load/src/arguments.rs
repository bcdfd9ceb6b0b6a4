//! The command line.

use crate::dial::Via;
use crate::wire::Conditions;
use crate::wording::MAX_ANSWER;
use clap::{Args, Parser, Subcommand, ValueEnum};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

/// The measuring programs behind make bench and make profile.
#[derive(Parser)]
#[command(name = "ginnel-load", version)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    pub(crate) program: Program,
}

#[derive(Subcommand)]
pub(crate) enum Program {
    /// The far end of the measured connections; prints `listening ADDRESS` and serves until it is told to end
    Origin(Origin),
    /// Load an origin, directly or through a proxy, and print one JSON object
    Run(Run),
    /// The floor: a TCP relay without any crypto
    Relay(Relay),
    /// A lossy line between two TUN devices, which are standard input and output; prints `ready` on standard error,
    /// and what it has counted as one JSON object there at SIGUSR1 and at its end
    Wire(Wire),
    /// Run both ends of the tunnel in this process, and print how often they allocate for each unit of work
    Allocations(Allocations),
    /// Send datagrams from many sources as fast as the machine does, and print one JSON object
    Flood(Flood),
    /// Draw what `perf script` prints, on standard input, as a flame graph (SVG), on standard output
    Flame(Flame),
}

#[derive(Args)]
pub(crate) struct Origin {
    /// Address and port; port 0 lets the system choose
    #[arg(long, value_name = "ADDRESS")]
    pub(crate) listen: SocketAddr,
}

#[derive(Args)]
pub(crate) struct Relay {
    /// Address and port; port 0 lets the system choose
    #[arg(long, value_name = "ADDRESS")]
    pub(crate) listen: SocketAddr,
    #[command(flatten)]
    pub(crate) towards: Towards,
    /// Threads that relay
    #[arg(long, default_value_t = 1, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=1024))]
    pub(crate) threads: u16,
}

#[derive(Args)]
#[group(required = true, multiple = false)]
pub(crate) struct Towards {
    /// Connect every connection to this address
    #[arg(long, value_name = "ADDRESS")]
    pub(crate) to: Option<SocketAddr>,
    /// Be a SOCKS5 proxy: CONNECT, without a login
    #[arg(long)]
    pub(crate) socks: bool,
}

/// What a run does.
#[derive(Clone, Copy, PartialEq, Eq, Debug, ValueEnum)]
pub(crate) enum Work {
    /// Receive, as fast as it comes
    Down,
    /// Send, as fast as it goes
    Up,
    /// 100 bytes there, an answer back, again and again on connections that stay
    Requests,
    /// A connection for each byte
    Connect,
    /// One request on each connection, then hold them all until standard input ends
    Hold,
}

impl Work {
    /// Its name in reports.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Down => "down",
            Self::Up => "up",
            Self::Requests => "requests",
            Self::Connect => "connect",
            Self::Hold => "hold",
        }
    }
}

#[derive(Args, Clone)]
pub(crate) struct Run {
    /// The way to the target: direct, socks5://ADDRESS or http://ADDRESS
    #[arg(long, value_name = "WAY")]
    pub(crate) via: Via,
    /// Where the origin listens
    #[arg(long, value_name = "ADDRESS")]
    pub(crate) target: SocketAddr,
    #[arg(long)]
    pub(crate) work: Work,
    /// Connections at the same time
    #[arg(long, default_value_t = 1, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    pub(crate) connections: u32,
    /// How long to measure; with --bytes, the longest time that it may take
    #[arg(long, default_value = "10", value_name = "S", value_parser = seconds)]
    pub(crate) seconds: Duration,
    /// How long the work goes on before it is measured
    #[arg(long, default_value = "0", value_name = "S", value_parser = seconds)]
    pub(crate) warmup: Duration,
    /// Length of an answer in `requests` and `hold`, bytes
    #[arg(long, default_value_t = 1024, value_name = "BYTES",
        value_parser = clap::value_parser!(u32).range(1..=i64::from(MAX_ANSWER)))]
    pub(crate) size: u32,
    /// Down and up: each connection moves so many bytes, and the run ends when all have
    #[arg(long, value_name = "N", conflicts_with = "warmup", value_parser = clap::value_parser!(u64).range(1..))]
    pub(crate) bytes: Option<u64>,
    /// Processes whose CPU time is measured
    #[arg(long, value_name = "PID", value_delimiter = ',')]
    pub(crate) pids: Vec<u32>,
    /// Loops of requests with 1,024-byte answers beside the work, on connections of their own
    #[arg(long, default_value_t = 0, value_name = "N", value_parser = clap::value_parser!(u32).range(0..=10_000))]
    pub(crate) beside: u32,
}

#[derive(Args)]
pub(crate) struct Wire {
    /// Bits that pass in a second in each direction, in millions; 0 is no limit
    #[arg(long, value_name = "R", value_parser = number)]
    rate_mbit: f64,
    /// Delay in each direction, milliseconds
    #[arg(long, value_name = "D", value_parser = number)]
    delay_ms: f64,
    /// Probability that a packet is lost, in each direction: 0.01 is one in a hundred
    #[arg(long, value_name = "P", default_value_t = 0.0, value_parser = probability)]
    loss: f64,
    /// The same seed loses the same packets
    #[arg(long, value_name = "N", default_value_t = 1)]
    pub(crate) seed: u64,
    /// Bytes that may wait for the limiter; one bandwidth-delay product if not given
    #[arg(long, value_name = "B", value_parser = clap::value_parser!(u64).range(1..))]
    buffer_bytes: Option<u64>,
    /// Probability that a packet is held, so that others overtake it
    #[arg(long, value_name = "P", default_value_t = 0.0, value_parser = probability, requires = "hold_ms")]
    reorder: f64,
    /// How much longer it takes then, milliseconds
    #[arg(long, value_name = "H", default_value_t = 0.0, value_parser = number)]
    hold_ms: f64,
}

impl Wire {
    /// What it does to packets.
    pub(crate) fn conditions(&self) -> Conditions {
        let (rate, delay) = ((self.rate_mbit * 1e6) as u64, Duration::from_secs_f64(self.delay_ms / 1e3));
        // Without a rate nothing waits.
        let product = if rate == 0 { u64::MAX } else { Conditions::product(rate, delay) };
        Conditions {
            rate,
            delay,
            loss: self.loss,
            buffer: self.buffer_bytes.unwrap_or(product),
            reorder: self.reorder,
            hold: Duration::from_secs_f64(self.hold_ms / 1e3),
        }
    }
}

/// What is counted for.
#[derive(Clone, Copy, PartialEq, Eq, Debug, ValueEnum)]
pub(crate) enum Unit {
    /// A request of 100 bytes and its answer of 1,024, on a connection that stays
    Requests,
    /// A connection, one byte, and its end
    Connect,
}

impl Unit {
    /// Its name in reports.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Requests => Work::Requests.name(),
            Self::Connect => Work::Connect.name(),
        }
    }
}

#[derive(Args)]
pub(crate) struct Allocations {
    #[arg(long)]
    pub(crate) work: Unit,
    /// Units of work, over all connections
    #[arg(long, default_value_t = 10_000, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=100_000_000))]
    pub(crate) count: u32,
    /// Connections at the same time
    #[arg(long, default_value_t = 1, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=10_000))]
    pub(crate) connections: u32,
    /// Where an origin listens; without it one is started
    #[arg(long, value_name = "ADDRESS")]
    pub(crate) target: Option<SocketAddr>,
}

/// What a flood is made of.
#[derive(Clone, Copy, PartialEq, Eq, Debug, ValueEnum)]
pub(crate) enum FloodKind {
    /// Random bytes of random length
    Random,
    /// Requests of somebody who has the deployment's secret, but no user's key
    Handshake,
    /// What was recorded
    Replay,
}

impl FloodKind {
    /// Its name in reports.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Random => "random",
            Self::Handshake => "handshake",
            Self::Replay => "replay",
        }
    }
}

#[derive(Args)]
pub(crate) struct Flood {
    /// Where to send
    #[arg(long, value_name = "ADDRESS")]
    pub(crate) to: SocketAddr,
    #[arg(long)]
    pub(crate) kind: FloodKind,
    /// The longest time that it may take
    #[arg(long, default_value = "10", value_name = "S", value_parser = seconds)]
    pub(crate) seconds: Duration,
    /// Datagrams in all; as many as the time allows, if not given
    #[arg(long, value_name = "N")]
    pub(crate) count: Option<u64>,
    /// Datagrams a second; as many as the machine sends, if not given
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    pub(crate) rate: Option<u32>,
    /// Sockets to send from in turn; towards 127.0.0.0/8 each has an address of its own there
    #[arg(long, default_value_t = 256, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=10_000))]
    pub(crate) sources: u16,
    /// Handshake: a file, or - for standard input, with {"psk": "HEX", "server": "HEX"}
    #[arg(long, value_name = "FILE", required_if_eq("kind", "handshake"))]
    pub(crate) key_file: Option<PathBuf>,
    /// Replay: a file of datagrams, each behind its length in two bytes, big-endian
    #[arg(long, value_name = "FILE", required_if_eq("kind", "replay"))]
    pub(crate) file: Option<PathBuf>,
    /// Processes whose CPU time is measured
    #[arg(long, value_name = "PID", value_delimiter = ',')]
    pub(crate) pids: Vec<u32>,
}

#[derive(Args)]
pub(crate) struct Flame {
    /// What stands above the graph
    #[arg(long, default_value = "Flame graph")]
    pub(crate) title: String,
}

fn number(text: &str) -> Result<f64, String> {
    let number: f64 = text.parse().map_err(|_| "not a number".to_owned())?;
    if (0.0..=1e6).contains(&number) { Ok(number) } else { Err("0 to 1000000 are possible".to_owned()) }
}

fn probability(text: &str) -> Result<f64, String> {
    let number = number(text)?;
    // Somebody who writes 1 means one in a hundred.
    if number < 1.0 { Ok(number) } else { Err("a probability below 1 is meant: 0.01 is one in a hundred".to_owned()) }
}

fn seconds(text: &str) -> Result<Duration, String> {
    let seconds: f64 = text.parse().map_err(|_| "not a number of seconds".to_owned())?;
    if (0.0..=86_400.0).contains(&seconds) {
        Ok(Duration::from_secs_f64(seconds))
    } else {
        Err("0 to 86400 seconds are possible".to_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::{Arguments, Program};
    use clap::{CommandFactory, Parser};

    fn parse(line: &str) -> Result<Arguments, String> {
        Arguments::try_parse_from(line.split(' ')).map_err(|error| error.to_string())
    }

    #[test]
    fn the_definition_is_sound() {
        Arguments::command().debug_assert();
    }

    #[test]
    fn a_whole_run_is_read() {
        let line = "ginnel-load run --via socks5://127.0.0.1:1080 --target 10.0.0.1:80 --work down --connections 8 \
            --seconds 2.5 --warmup 1 --pids 12,34 --beside 2";
        let Ok(Arguments { program: Program::Run(run) }) = parse(line) else { panic!("no run") };
        assert_eq!((run.connections, run.seconds.as_millis(), run.size), (8, 2500, 1024));
        assert_eq!((run.pids, run.beside, run.bytes), (vec![12, 34], 2, None));
        assert_eq!(run.via.to_string(), "socks5://127.0.0.1:1080");
    }

    #[test]
    fn a_whole_wire_is_read() {
        let line = "ginnel-load wire --rate-mbit 200 --delay-ms 25 --loss 0.05 --seed 7 --reorder 0.1 --hold-ms 2.5";
        let Ok(Arguments { program: Program::Wire(wire) }) = parse(line) else { panic!("no wire") };
        let conditions = wire.conditions();
        assert_eq!((conditions.rate, conditions.buffer, wire.seed), (200_000_000, 1_250_000, 7));
        assert_eq!((conditions.loss, conditions.reorder), (0.05, 0.1));
        assert_eq!((conditions.delay.as_micros(), conditions.hold.as_micros()), (25_000, 2500));
    }

    #[test]
    fn mistakes_are_named() {
        let run = "ginnel-load run --target 127.0.0.1:1 --work down --via";
        for (line, word) in [
            (format!("{run} ftp://127.0.0.1:1"), "ftp://127.0.0.1:1"),
            (format!("{run} socks5://here:1"), "socks5://here:1"),
            (format!("{run} direct --seconds=-1"), "--seconds"),
            (format!("{run} direct --seconds NaN"), "NaN"),
            (format!("{run} direct --size 0"), "--size"),
            (format!("{run} direct --pids x"), "--pids"),
            (format!("{run} direct --bytes 5 --warmup 1"), "--warmup"),
            ("ginnel-load wire --rate-mbit 200 --delay-ms 25 --loss 1".to_owned(), "0.01 is one in a hundred"),
            ("ginnel-load wire --rate-mbit 200 --delay-ms 25 --reorder 0.1".to_owned(), "--hold-ms"),
            ("ginnel-load wire --rate-mbit -5 --delay-ms 25".to_owned(), "-5"),
            ("ginnel-load flood --to 127.0.0.1:1 --kind handshake".to_owned(), "--key-file"),
            ("ginnel-load flood --to 127.0.0.1:1 --kind replay".to_owned(), "--file"),
            ("ginnel-load relay --listen 127.0.0.1:0".to_owned(), "--socks"),
            ("ginnel-load relay --listen 127.0.0.1:0 --socks --to 127.0.0.1:1".to_owned(), "--to"),
        ] {
            let error = parse(&line).err().unwrap_or_else(|| panic!("{line} was taken"));
            assert!(error.contains(word), "{error}");
        }
    }
}
