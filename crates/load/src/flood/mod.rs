//! A flood: datagrams for one address, from many sources, as fast as the machine sends.

mod datagrams;

use crate::arguments::Flood;
use crate::processor::Usage;
use crate::serving::raise_descriptors;
use datagrams::Datagrams;
use rand::RngExt;
use serde_json::{Map, json};
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket};
use std::thread::sleep;
use std::time::{Duration, Instant};

/// Datagrams between two looks at the clock.
const BURST: u64 = 64;

/// Sends, and prints one JSON object when it is done.
pub(crate) fn flood(arguments: &Flood) -> io::Result<()> {
    raise_descriptors();
    let mut datagrams = Datagrams::new(arguments)?;
    let sockets = sources(arguments.to, arguments.sources)?;
    let (before, began) = (Usage::now(&arguments.pids)?, Instant::now());
    let (mut sent, mut bytes, mut refused) = (0u64, 0u64, 0u64);
    let mut socket = sockets.iter().cycle();
    while began.elapsed() < arguments.seconds && arguments.count.is_none_or(|count| sent < count) {
        let burst = arguments.count.map_or(BURST, |count| BURST.min(count - sent));
        for _ in 0..burst {
            let datagram = datagrams.next()?;
            // The list is not empty, and a cycle of it has no end.
            let Some(socket) = socket.next() else { break };
            // What the system refuses is a datagram less; a flood does not stop for it.
            match socket.send_to(datagram, arguments.to) {
                Ok(length) => bytes += length as u64,
                Err(_) => refused += 1,
            }
        }
        sent += burst;
        if let Some(rate) = arguments.rate {
            sleep(Duration::from_secs_f64(sent as f64 / rate as f64).saturating_sub(began.elapsed()));
        }
    }
    let (seconds, used) = (began.elapsed().as_secs_f64(), Usage::now(&arguments.pids)?.since(&before));
    let processes: Map<_, _> = used.processes.iter().map(|(pid, seconds)| (pid.to_string(), json!(seconds))).collect();
    let report = json!({
        "kind": arguments.kind.name(),
        "to": arguments.to.to_string(),
        "sources": sockets.len(),
        "datagrams": sent - refused,
        "refused": refused,
        "bytes": bytes,
        "seconds": seconds,
        "per_second": (sent - refused) as f64 / seconds,
        "rate_bits": bytes as f64 * 8.0 / seconds,
        "cpu_seconds": processes,
        "machine_cpu_seconds": used.machine,
        "load_cpu_seconds": used.own,
    });
    println!("{report}");
    Ok(())
}

/// Sockets with an address each where that is possible, which it is in 127/8; else with a port each.
fn sources(to: SocketAddr, count: u16) -> io::Result<Vec<UdpSocket>> {
    let mut rng = rand::rng();
    let mut from = || match to.ip() {
        IpAddr::V4(ip) if ip.is_loopback() => {
            let [b, c, d]: [u8; 3] = rng.random();
            IpAddr::V4(Ipv4Addr::new(127, b, c, d.clamp(1, 254)))
        }
        IpAddr::V4(_) => Ipv4Addr::UNSPECIFIED.into(),
        IpAddr::V6(_) => Ipv6Addr::UNSPECIFIED.into(),
    };
    (0..count).map(|_| UdpSocket::bind((from(), 0))).collect()
}
