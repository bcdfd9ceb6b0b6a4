//! The wire between two sockets of packets, which anybody may have, and between two TUN devices, which take root.

mod programs;

use programs::{Running, load};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use std::io::{BufRead, BufReader, Read, Write};
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixDatagram;
use std::process::{Child, ChildStderr, Command, Stdio};
use std::time::Duration;

const PATIENCE: Duration = Duration::from_secs(10);

/// A wire whose ends are sockets.
struct Wire {
    child: Child,
    said: BufReader<ChildStderr>,
    one: UnixDatagram,
    other: UnixDatagram,
}

impl Wire {
    fn new(line: &str) -> Self {
        let pair = || {
            let (ours, its) = UnixDatagram::pair().unwrap();
            ours.set_read_timeout(Some(PATIENCE)).unwrap();
            (ours, Stdio::from(OwnedFd::from(its)))
        };
        let ((one, stdin), (other, stdout)) = (pair(), pair());
        let arguments: Vec<_> = ["wire"].into_iter().chain(line.split(' ')).collect();
        let mut child = load(&arguments).stdin(stdin).stdout(stdout).spawn().unwrap();
        let said = BufReader::new(child.stderr.take().unwrap());
        let mut wire = Self { child, said, one, other };
        assert_eq!(wire.line(), "ready\n");
        wire
    }

    fn line(&mut self) -> String {
        let mut line = String::new();
        self.said.read_line(&mut line).unwrap();
        line
    }

    fn signal(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.child), signal).unwrap();
    }

    /// Its last report.
    fn end(mut self) -> Value {
        self.signal(Signal::TERM);
        let report = serde_json::from_str(&self.line()).unwrap();
        assert!(self.child.wait().unwrap().success());
        report
    }
}

impl Drop for Wire {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn receive(socket: &UnixDatagram) -> Vec<u8> {
    let mut packet = vec![0; 65_536];
    let length = socket.recv(&mut packet).unwrap();
    packet.truncate(length);
    packet
}

#[test]
fn packets_go_both_ways_whole_and_in_order() {
    let wire = Wire::new("--rate-mbit 0 --delay-ms 1");
    let packets: Vec<Vec<u8>> = (0..200u8).map(|number| vec![number; 1 + usize::from(number) * 7]).collect();
    // Socket pairs have short queues: each packet is fetched before the next dozen is sent.
    for dozen in packets.chunks(12) {
        dozen.iter().for_each(|packet| assert_eq!(wire.one.send(packet).unwrap(), packet.len()));
        dozen.iter().for_each(|packet| assert_eq!(&receive(&wire.other), packet));
        wire.other.send(&dozen[0]).unwrap();
        assert_eq!(receive(&wire.one), dozen[0]);
    }
    let report = wire.end();
    let bytes: usize = packets.iter().map(Vec::len).sum();
    for (name, count) in [("packets_in", 200), ("packets_out", 200), ("bytes_in", bytes), ("bytes_out", bytes)] {
        assert_eq!(report["there"][name], count, "{name} in {report}");
    }
    assert_eq!(report["back"]["packets_out"], packets.chunks(12).count(), "{report}");
}

#[test]
fn a_packet_takes_at_least_its_delay() {
    let wire = Wire::new("--rate-mbit 0 --delay-ms 30");
    let sent = std::time::Instant::now();
    wire.one.send(b"there").unwrap();
    assert_eq!(receive(&wire.other), b"there");
    wire.other.send(b"back").unwrap();
    assert_eq!(receive(&wire.one), b"back");
    // The grain of a wire is 50 µs in each direction.
    assert!(sent.elapsed() >= Duration::from_micros(2 * (30_000 - 50)), "{:?}", sent.elapsed());
}

#[test]
fn it_reports_when_it_is_asked_and_goes_on() {
    let mut wire = Wire::new("--rate-mbit 1 --delay-ms 0 --buffer-bytes 1000");
    // There is never room for the first.
    wire.one.send(&[1; 1001]).unwrap();
    wire.one.send(&[2; 100]).unwrap();
    assert_eq!(receive(&wire.other), [2; 100]);
    wire.signal(Signal::USR1);
    let report: Value = serde_json::from_str(&wire.line()).unwrap();
    assert_eq!((&report["there"]["packets_in"], &report["there"]["overflowed"]), (&Value::from(2), &Value::from(1)));
    wire.one.send(&[3; 100]).unwrap();
    assert_eq!(receive(&wire.other), [3; 100]);
    assert_eq!(wire.end()["there"]["packets_out"], 2);
}

#[test]
fn what_is_no_device_is_named() {
    let output = load(&["wire", "--rate-mbit", "1", "--delay-ms", "1"]).stdin(Stdio::null()).output().unwrap();
    let error = String::from_utf8(output.stderr).unwrap();
    assert!(!output.status.success() && error.contains("are to be TUNs"), "{error}");
}

/// Says aloud why a test does not run: the runner swallows what is merely printed.
fn skipped(why: &str) {
    std::io::stderr().write_all(format!("SKIPPED a wire between TUN devices: {why}\n").as_bytes()).unwrap();
}

#[test]
fn tcp_runs_over_it_between_two_namespaces() {
    if !rustix::process::geteuid().is_root() || !std::path::Path::new("/dev/net/tun").exists() {
        return skipped("it takes root and /dev/net/tun");
    }
    if [("ip", "-V"), ("python3", "-V")].iter().any(|(program, ask)| Command::new(program).arg(ask).output().is_err()) {
        return skipped("it takes ip and python3");
    }
    let names = ["a", "b"].map(|end| format!("ginnel-load-{}-{end}", std::process::id()));
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/programs/tun.py");
    let mut wire = Command::new("python3")
        .args([script, &names[0], &names[1], env!("CARGO_BIN_EXE_ginnel-load"), "wire"])
        .args(["--rate-mbit", "100", "--delay-ms", "10", "--loss", "0.01"])
        .stdin(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut said = BufReader::new(wire.stderr.take().unwrap());
    let mut first = String::new();
    said.read_line(&mut first).unwrap();
    if first.starts_with("not permitted") {
        wire.wait().unwrap();
        return skipped(&first);
    }
    assert_eq!(first, "ready\n");

    let origin = Running::start_in(&names[1], &["origin", "--listen", "10.0.0.2:0"]);
    let report = programs::run_in(
        &names[0],
        &format!("--via direct --target {} --work requests --connections 4 --seconds 1", origin.address),
    )
    .unwrap();
    assert_eq!(report["errors"], 0, "{report}");
    // There and back, but for the grain.
    assert!(report["latency_us"]["p50"].as_f64().unwrap() >= 19_900.0 * 0.98, "{report}");

    drop(origin);
    drop(wire.stdin.take());
    let mut rest = String::new();
    said.read_to_string(&mut rest).unwrap();
    assert!(wire.wait().unwrap().success(), "{rest}");
    let report: Value = serde_json::from_str(&rest).unwrap();
    for way in ["there", "back"] {
        // However slow the machine, and whatever a loss costs: a handshake and some requests of each connection.
        assert!(report[way]["packets_out"].as_u64().unwrap() > 20, "{report}");
    }
}
