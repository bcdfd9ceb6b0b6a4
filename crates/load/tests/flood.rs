//! The flood: how much, of what, from where.

mod programs;

use ginnel_proto::envelope::keys::{OuterKeys, PrivateKey, Psk};
use programs::{ended, load};
use serde_json::Value;
use std::collections::HashSet;
use std::io::Write;
use std::net::{IpAddr, SocketAddr, UdpSocket};
use std::time::Duration;

/// Few enough for the smallest of receive buffers: nothing is lost, however slowly the test reads.
const FEW: usize = 60;

fn receiver() -> (UdpSocket, String) {
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    socket.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
    let address = socket.local_addr().unwrap().to_string();
    (socket, address)
}

fn received(socket: &UdpSocket) -> Vec<(SocketAddr, Vec<u8>)> {
    let mut buffer = [0; 2048];
    let mut one = || {
        let (length, from) = socket.recv_from(&mut buffer).unwrap();
        (from, buffer[..length].to_vec())
    };
    (0..FEW).map(|_| one()).collect()
}

/// Runs a flood of a few datagrams to its end, and returns its report.
fn flood(to: &str, more: &[&str]) -> Value {
    let arguments = [&["flood", "--to", to, "--count", "60", "--seconds", "60"], more].concat();
    let (success, out, error) = ended(load(&arguments));
    assert!(success, "{error}");
    serde_json::from_str(&out).unwrap()
}

#[test]
fn noise_comes_from_many_addresses_and_has_many_lengths() {
    let (socket, address) = receiver();
    let report = flood(&address, &["--kind", "random", "--sources", "30", "--pids", &std::process::id().to_string()]);
    let all = received(&socket);
    let sources: HashSet<IpAddr> = all.iter().map(|(from, _)| from.ip()).collect();
    // Two draws may be alike among 16 million, hardly three.
    assert!(sources.len() > 27 && sources.iter().all(IpAddr::is_loopback), "{sources:?}");
    assert!(all.iter().map(|(_, data)| data.len()).collect::<HashSet<_>>().len() > FEW / 2);
    let bytes: usize = all.iter().map(|(_, data)| data.len()).sum();
    assert_eq!((&report["datagrams"], &report["bytes"], &report["refused"]), (&FEW.into(), &bytes.into(), &0.into()));
    assert!(report["per_second"].as_f64().unwrap() > 0.0 && report["cpu_seconds"].as_object().unwrap().len() == 1);
}

#[test]
fn handshakes_are_made_with_keys_that_come_by_standard_input() {
    let (psk, server) = (Psk::new([0xab; 32]), PrivateKey::new([2; 32]).public());
    let hex = |bytes: &[u8]| bytes.iter().map(|byte| format!("{byte:02x}")).collect::<String>();
    let keys = format!(r#"{{"psk": "{}", "server": "{}"}}"#, hex(psk.expose()), hex(&server.0));
    let (socket, address) = receiver();
    let mut command = load(&["flood", "--to", &address, "--count", "60", "--kind", "handshake", "--key-file", "-"]);
    let mut child = command.spawn().unwrap();
    child.stdin.take().unwrap().write_all(keys.as_bytes()).unwrap();
    assert!(child.wait_with_output().unwrap().status.success());
    let outer = OuterKeys::derive(&psk, &server);
    for (_, datagram) in received(&socket) {
        outer.unwrap_request(&datagram).unwrap();
    }
}

#[test]
fn what_was_recorded_is_sent_again_in_turn() {
    let path = std::env::temp_dir().join(format!("ginnel-load-{}.recorded", std::process::id()));
    std::fs::write(&path, b"\0\x05hello\0\x05world").unwrap();
    let (socket, address) = receiver();
    flood(&address, &["--kind", "replay", "--sources", "1", "--rate", "10000", "--file", path.to_str().unwrap()]);
    std::fs::remove_file(&path).unwrap();
    let all = received(&socket);
    for word in [b"hello", b"world"] {
        assert_eq!(all.iter().filter(|(_, data)| data == word).count(), FEW / 2);
    }
}

#[test]
fn keys_that_are_none_are_refused_and_not_repeated() {
    let secret = "5ec2e7".repeat(10);
    let mut command = load(&["flood", "--to", "127.0.0.1:9", "--kind", "handshake", "--key-file", "-"]);
    let mut child = command.spawn().unwrap();
    child.stdin.take().unwrap().write_all(format!(r#"{{"psk": "{secret}"}}"#).as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    let error = String::from_utf8(output.stderr).unwrap();
    assert!(
        !output.status.success() && error.contains("\"psk\" is not 32 bytes") && !error.contains("5ec2"),
        "{error}"
    );
}
