//! A carrier of many ports, against real sockets on loopback.

use ginnel_carrier::udp::{PORTS_MAX, PortError, Received, SendOptions, Sent, UdpCarrier};
use std::collections::BTreeSet;
use std::future::poll_fn;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;
use tokio::time::sleep;

const V4: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);
const V6: IpAddr = IpAddr::V6(Ipv6Addr::LOCALHOST);
const SEND: SendOptions = SendOptions { queue: 5000, retries: 3 };

/// A carrier of so many ports that the system chooses.
fn bound(address: IpAddr, ports: usize) -> UdpCarrier {
    UdpCarrier::bind(address, vec![0; ports], SEND).unwrap()
}

fn ports(carrier: &UdpCarrier) -> Vec<u16> {
    carrier.ports().collect()
}

async fn send(carrier: &UdpCarrier, to: SocketAddr, local: Option<SocketAddr>, data: &[u8]) {
    while carrier.try_send(to, local, data, data.len()) == Sent::Full {
        poll_fn(|cx| carrier.poll_writable(local, cx)).await.unwrap();
    }
}

/// What one call brings.
async fn receive(carrier: &mut UdpCarrier) -> Vec<Received> {
    let mut batches = Vec::new();
    // The clock is asked first: what is there only when the clock has rung was not told of.
    tokio::select! {
        biased;
        () = sleep(Duration::from_secs(10)) => panic!("everything arrives on loopback"),
        received = poll_fn(|cx| carrier.poll_receive(cx, &mut batches)) => received.unwrap(),
    }
    batches
}

/// Takes what is there, and has all sockets waited for.
async fn drain(carrier: &mut UdpCarrier) {
    let mut batches = Vec::new();
    poll_fn(|cx| {
        while carrier.poll_receive(cx, &mut batches).is_ready() {}
        std::task::Poll::Ready(())
    })
    .await;
}

/// A client sends to each port of a server at `hit`, and each time is answered from there.
async fn answers_leave_from_the_port_that_was_hit(listen: IpAddr, from: IpAddr, hit: IpAddr) {
    let mut server = bound(listen, 5);
    let mut client = UdpCarrier::bind(from, [0], SEND).unwrap();
    let from = client.local_address().unwrap();
    // Twice, and the second time in another order.
    let order: Vec<u16> =
        ports(&server).into_iter().chain(server.ports().collect::<Vec<_>>().into_iter().rev()).collect();
    for port in order {
        let to = SocketAddr::new(hit, port);
        send(&client, to, None, &port.to_be_bytes()).await;
        let there = receive(&mut server).await.remove(0);
        assert_eq!((there.remote, there.local, &there.data[..]), (from, to, &port.to_be_bytes()[..]));
        send(&server, there.remote, Some(there.local), b"back").await;
        assert_eq!(receive(&mut client).await.remove(0).remote, to);
    }
}

#[tokio::test]
async fn answers_leave_from_the_port_that_was_hit_over_ipv4() {
    answers_leave_from_the_port_that_was_hit(V4, V4, V4).await;
}

#[tokio::test]
async fn answers_leave_from_the_port_that_was_hit_over_ipv6() {
    answers_leave_from_the_port_that_was_hit(V6, V6, V6).await;
}

#[tokio::test]
#[cfg(target_os = "linux")]
async fn answers_leave_from_the_address_and_the_port_that_were_hit() {
    let other = Ipv4Addr::new(127, 0, 0, 9).into();
    answers_leave_from_the_port_that_was_hit(Ipv4Addr::UNSPECIFIED.into(), V4, other).await;
    answers_leave_from_the_port_that_was_hit(Ipv6Addr::UNSPECIFIED.into(), V4, other).await;
    answers_leave_from_the_port_that_was_hit(Ipv6Addr::UNSPECIFIED.into(), V6, V6).await;
}

#[tokio::test]
async fn what_is_sent_from_a_port_that_is_not_ours_leaves_from_the_first() {
    let server = bound(V4, 3);
    let mut client = bound(V4, 1);
    let to = client.local_address().unwrap();
    let first = server.local_address().unwrap();
    assert_eq!(first.port(), ports(&server)[0]);
    for local in [None, Some(to)] {
        send(&server, to, local, b"hello").await;
        assert_eq!(receive(&mut client).await.remove(0).remote, first);
    }
}

#[tokio::test]
async fn nothing_is_lost_on_as_many_ports_as_there_can_be() {
    let mut server = bound(V4, PORTS_MAX);
    let client = bound(V4, 1);
    let all: BTreeSet<u16> = server.ports().collect();
    assert_eq!(all.len(), PORTS_MAX);
    // More calls in a row than the runtime lets a task make in one turn; from the second round on all sockets have
    // been waited for, and say themselves that they have something.
    for _ in 0..3 {
        for port in &all {
            send(&client, SocketAddr::new(V4, *port), None, b"hello").await;
        }
        let mut heard = BTreeSet::new();
        while heard.len() < PORTS_MAX {
            heard.extend(receive(&mut server).await.iter().map(|batch| batch.local.port()));
        }
        assert_eq!(heard, all);
        drain(&mut server).await;
    }
}

#[tokio::test]
async fn a_flood_on_one_port_keeps_the_others_waiting_for_one_call() {
    const FLOOD: usize = 200;
    let mut server = bound(V4, 4);
    let client = bound(V4, 1).without_offload();
    drain(&mut server).await;
    let [flooded, others @ ..] = &ports(&server)[..] else { panic!("no ports") };
    for _ in 0..FLOOD {
        send(&client, SocketAddr::new(V4, *flooded), None, &[0; 100]).await;
    }
    for port in others {
        send(&client, SocketAddr::new(V4, *port), None, b"me too").await;
    }
    let (mut waiting, mut taken): (BTreeSet<u16>, usize) = (others.iter().copied().collect(), 0);
    for calls in 1.. {
        for batch in receive(&mut server).await {
            taken += usize::from(batch.local.port() == *flooded);
            waiting.remove(&batch.local.port());
        }
        if waiting.is_empty() {
            assert!(calls <= 8 && taken < FLOOD, "{calls} calls, {taken} datagrams of the flood");
            break;
        }
    }
}

#[tokio::test]
async fn a_port_that_is_taken_is_named_and_the_others_are_given_back() {
    let taken = bound(V4, 1);
    let port = taken.local_address().unwrap().port();
    let free = ports(&bound(V4, 2));
    let wanted = [free[0], port, free[1]];
    let error = UdpCarrier::bind(V4, wanted, SEND).err().expect("one of them is taken");
    assert_eq!(error.kind(), io::ErrorKind::AddrInUse);
    assert!(error.to_string().starts_with(&format!("port {port}: ")), "{error}");
    let cause = error.get_ref().and_then(|error| error.downcast_ref::<PortError>()).unwrap();
    assert_eq!((cause.port, cause.source.raw_os_error()), (port, Some(libc::EADDRINUSE)));
    drop(taken);
    UdpCarrier::bind(V4, wanted, SEND).unwrap();
}

#[tokio::test]
async fn a_carrier_has_a_port_and_not_too_many() {
    for count in [0, PORTS_MAX + 1, 100_000] {
        let error = UdpCarrier::bind(V4, std::iter::repeat_n(0, count), SEND).err().expect("no carrier");
        assert!(error.to_string().contains("1 to 256 ports"), "{error}");
    }
}

#[tokio::test]
async fn many_ports_share_the_queue() {
    let buffer = |ports, queue| {
        let carrier = UdpCarrier::bind(V4, vec![0; ports], SendOptions { queue, retries: 0 }).unwrap();
        carrier.send_buffer().unwrap()
    };
    assert_eq!(buffer(4, 4096), buffer(1, 1024));
    // No port has less than 256 packets, but for a queue that is smaller.
    assert_eq!(buffer(64, 4096), buffer(1, 256));
    assert_eq!(buffer(64, 100), buffer(1, 100));
}
