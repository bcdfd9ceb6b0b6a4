//! The command line.

use crate::dial::Via;
use crate::wording::MAX_ANSWER;
use clap::{Args, Parser, Subcommand, ValueEnum};
use std::net::SocketAddr;
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
            ("ginnel-load relay --listen 127.0.0.1:0".to_owned(), "--socks"),
            ("ginnel-load relay --listen 127.0.0.1:0 --socks --to 127.0.0.1:1".to_owned(), "--to"),
        ] {
            let error = parse(&line).err().unwrap_or_else(|| panic!("{line} was taken"));
            assert!(error.contains(word), "{error}");
        }
    }
}
