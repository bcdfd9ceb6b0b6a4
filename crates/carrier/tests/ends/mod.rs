//! Two ends of a cable, or of one machine's loopback, each with a raw TCP carrier: one dials, the other sends back what
//! it is sent.

use crate::namespaces::Namespace;
use ginnel_carrier::batch::{Received, SendOptions, Sent};
use ginnel_carrier::rawtcp::{Config, Overrides, RawTcpCarrier};
use ginnel_proto::profile::Span;
use ginnel_proto::rawtcp::{Counts, Settings};
use std::future::poll_fn;
use std::net::{IpAddr, SocketAddr};
use std::sync::mpsc;
use std::time::Duration;
use tokio::sync::oneshot;
use tokio::time::timeout;

/// What datagrams of ours begin with; others are a stranger's.
pub(crate) const OURS: &[u8] = b"\0ours";

pub(crate) fn config(overrides: Overrides) -> Config {
    let minutes = |minutes: u64| Duration::from_secs(60 * minutes);
    let flows = Settings {
        printable: Span { low: 8, high: 16 },
        first_size: Span { low: 200, high: 400 },
        idle: minutes(10),
        sweep: minutes(5),
        renew: minutes(20),
        stalled: minutes(1),
        flows: 100,
    };
    Config { send: SendOptions { queue: 2000, retries: 3 }, flows, overrides, seed: [7; 32] }
}

/// Runs something where a runtime and a namespace are, ten seconds at most.
pub(crate) fn run<T: Send>(place: &Namespace, body: impl AsyncFnOnce() -> T + Send) -> T {
    place.inside(|| {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async { timeout(Duration::from_secs(10), body()).await.expect("everything arrives") })
    })
}

/// The next of what comes, each judged.
pub(crate) async fn receive(carrier: &mut RawTcpCarrier) -> Vec<Received> {
    let mut batches = Vec::new();
    while batches.is_empty() {
        poll_fn(|cx| carrier.poll_receive(cx, &mut batches)).await.unwrap();
        for batch in &batches {
            let ours = batch.data.starts_with(OURS);
            carrier.judged(batch.mark.as_ref().expect("a mark"), ours);
        }
        batches.retain(|batch| batch.data.starts_with(OURS));
    }
    batches
}

/// Sends a batch, waiting for room.
pub(crate) async fn send(
    carrier: &mut RawTcpCarrier,
    to: SocketAddr,
    local: Option<SocketAddr>,
    data: &[u8],
    segment: usize,
) -> Sent {
    loop {
        match carrier.try_send(to, local, data, segment) {
            Sent::Full => poll_fn(|cx| carrier.poll_writable(cx)).await.unwrap(),
            sent => return sent,
        }
    }
}

/// As many datagrams as make a batch, the last of them shorter.
pub(crate) fn batch(segment: usize) -> Vec<u8> {
    let mut data: Vec<u8> = (0..43 * segment + 77).map(|at| (at / segment) as u8 ^ at as u8).collect();
    data[..OURS.len()].copy_from_slice(OURS);
    for at in (segment..data.len()).step_by(segment) {
        data[at..at + OURS.len()].copy_from_slice(OURS);
    }
    data
}

/// Sends a batch and waits until all of it has come back. The remote's and the local address that it came from and to.
pub(crate) async fn exchange(
    carrier: &mut RawTcpCarrier,
    to: SocketAddr,
    data: &[u8],
    segment: usize,
) -> (SocketAddr, SocketAddr) {
    assert_eq!(send(carrier, to, None, data, segment).await, Sent::Taken);
    let (mut datagrams, mut ends) = (Vec::new(), None);
    while datagrams.iter().map(Vec::len).sum::<usize>() < data.len() {
        for batch in receive(carrier).await {
            datagrams.extend(batch.data.chunks(batch.segment).map(<[u8]>::to_vec));
            ends = Some((batch.remote, batch.local));
        }
    }
    assert_eq!(datagrams, data.chunks(segment).map(<[u8]>::to_vec).collect::<Vec<_>>());
    ends.unwrap()
}

/// Starts a server at an address and lets `client` talk to it; gives the server's counts.
pub(crate) fn with_server(
    place: &Namespace,
    address: IpAddr,
    offload: bool,
    client: impl FnOnce(SocketAddr) + Send,
) -> (usize, Counts) {
    with_server_as(place, address, offload, Overrides::default(), client)
}

/// The same with what a person has decided.
pub(crate) fn with_server_as(
    place: &Namespace,
    address: IpAddr,
    offload: bool,
    overrides: Overrides,
    client: impl FnOnce(SocketAddr) + Send,
) -> (usize, Counts) {
    let (stop, stopped) = oneshot::channel::<()>();
    let (tell, told) = mpsc::channel();
    std::thread::scope(|scope| {
        let server = scope.spawn(|| {
            run(place, async || {
                let carrier = RawTcpCarrier::listen(address, [0], config(overrides)).unwrap();
                let mut carrier = if offload { carrier } else { carrier.without_offload() };
                tell.send(carrier.local_address()).unwrap();
                tokio::select! {
                    _ = stopped => carrier.counts(),
                    _ = echo(&mut carrier) => unreachable!("it never ends"),
                }
            })
        });
        client(told.recv().unwrap());
        drop(stop);
        server.join().unwrap()
    })
}

async fn echo(carrier: &mut RawTcpCarrier) {
    loop {
        for batch in receive(carrier).await {
            send(carrier, batch.remote, Some(batch.local), &batch.data, batch.segment).await;
        }
    }
}

/// Resets that the kernel has sent here.
pub(crate) fn resets(place: &Namespace) -> u64 {
    let text = place.inside(|| std::fs::read_to_string("/proc/thread-self/net/snmp").unwrap());
    let mut lines = text.lines().filter_map(|line| line.strip_prefix("Tcp: ")).map(str::split_whitespace);
    let at = lines.next().unwrap().position(|name| name == "OutRsts").unwrap();
    lines.next().unwrap().nth(at).unwrap().parse().unwrap()
}

/// Two machines: 10.9.0.1, fd00:9::1 at one end of a cable, 10.9.0.2, fd00:9::2 at the other, by which everything is
/// reached.
pub(crate) fn cable() -> Option<(Namespace, Namespace)> {
    let (here, there) = (Namespace::new()?, Namespace::new()?);
    here.ip(&format!("link add near address 02:00:00:00:00:01 type veth peer name far netns {}", there.name()));
    there.ip("link set far address 02:00:00:00:00:02");
    for (end, device, host) in [(&here, "near", 1), (&there, "far", 2)] {
        end.ip(&format!("address add 10.9.0.{host}/24 dev {device}"));
        end.ip(&format!("address add fd00:9::{host}/64 dev {device} nodad"));
        end.ip(&format!("link set {device} up"));
    }
    here.ip("route add default via 10.9.0.2");
    here.ip("route add default via fd00:9::2");
    for (end, device) in [(&here, "near"), (&there, "far")] {
        // It can be used a little later than it is up: its queue is made when the kernel finds the time.
        while !end.run(&format!("ip link show {device}")).contains("state UP") {}
    }
    Some((here, there))
}
