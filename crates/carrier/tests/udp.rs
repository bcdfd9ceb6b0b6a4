//! The UDP carrier against real sockets on loopback.

use ginnel_carrier::udp::{Received, SendOptions, Sent, UdpCarrier};
use std::future::poll_fn;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;
use tokio::time::timeout;

const V4: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);
const V6: IpAddr = IpAddr::V6(Ipv6Addr::LOCALHOST);
const SEND: SendOptions = SendOptions { queue: 5000, retries: 3 };

/// A carrier of one port.
fn one(address: IpAddr) -> UdpCarrier {
    UdpCarrier::bind(address, [0], SEND).unwrap()
}

async fn send(carrier: &UdpCarrier, to: SocketAddr, local: Option<SocketAddr>, data: &[u8], segment: usize) {
    for batch in data.chunks(segment * carrier.max_segments()) {
        while carrier.try_send(to, local, batch, segment) == Sent::Full {
            poll_fn(|cx| carrier.poll_writable(local, cx)).await.unwrap();
        }
    }
}

/// Receives until `total` bytes are there.
async fn receive(carrier: &mut UdpCarrier, total: usize) -> Vec<Received> {
    let mut batches = Vec::new();
    let all = async {
        while batches.iter().map(|batch: &Received| batch.data.len()).sum::<usize>() < total {
            poll_fn(|cx| carrier.poll_receive(cx, &mut batches)).await.unwrap();
        }
    };
    timeout(Duration::from_secs(10), all).await.expect("everything arrives on loopback");
    batches
}

fn datagrams(batches: &[Received]) -> Vec<Vec<u8>> {
    batches.iter().flat_map(|batch| batch.data.chunks(batch.segment).map(<[u8]>::to_vec)).collect()
}

async fn a_batch_arrives_as_it_was_cut(address: IpAddr) {
    let mut receiver = one(address);
    let sender = one(address);
    // Forty-three whole datagrams and a shorter one, each with bytes of its own.
    let data: Vec<u8> = (0..43 * 1400 + 77).map(|at| (at / 1400) as u8 ^ at as u8).collect();
    let to = receiver.local_address().unwrap();
    send(&sender, to, None, &data, 1400).await;
    let batches = receive(&mut receiver, data.len()).await;
    let expected: Vec<Vec<u8>> = data.chunks(1400).map(<[u8]>::to_vec).collect();
    assert_eq!(datagrams(&batches), expected);
    let from = sender.local_address().unwrap();
    assert!(batches.iter().all(|batch| batch.remote == from && batch.local == to));
}

#[tokio::test]
async fn a_batch_arrives_as_it_was_cut_over_ipv4() {
    a_batch_arrives_as_it_was_cut(V4).await;
}

#[tokio::test]
async fn a_batch_arrives_as_it_was_cut_over_ipv6() {
    a_batch_arrives_as_it_was_cut(V6).await;
}

#[tokio::test]
async fn datagrams_of_one_segment_need_no_offload() {
    let mut receiver = one(V4);
    let sender = one(V4);
    let to = receiver.local_address().unwrap();
    for length in [1usize, 33, 1200, 1472] {
        send(&sender, to, None, &vec![7; length], length).await;
        let batches = receive(&mut receiver, length).await;
        assert_eq!(datagrams(&batches), vec![vec![7; length]]);
    }
}

#[tokio::test]
async fn a_socket_for_both_families_speaks_ipv4_in_ipv4_addresses() {
    let mut server = one(V4);
    let mut client = UdpCarrier::bind_any(SEND).unwrap();
    send(&client, server.local_address().unwrap(), None, b"there", 5).await;
    let there = receive(&mut server, 5).await;
    assert!(there[0].remote.is_ipv4(), "{}", there[0].remote);
    send(&server, there[0].remote, Some(there[0].local), b"back!", 5).await;
    let back = receive(&mut client, 5).await;
    assert_eq!(back[0].remote, server.local_address().unwrap());
}

#[tokio::test]
#[cfg(target_os = "linux")]
async fn an_answer_leaves_from_the_address_that_was_hit() {
    let mut server = one(Ipv4Addr::UNSPECIFIED.into());
    let mut client = one(V4);
    let hit = SocketAddr::from(([127, 0, 0, 9], server.local_address().unwrap().port()));
    send(&client, hit, None, b"there", 5).await;
    let there = receive(&mut server, 5).await;
    assert_eq!(there[0].local.ip(), hit.ip());
    send(&server, there[0].remote, Some(there[0].local), b"back!", 5).await;
    let back = receive(&mut client, 5).await;
    assert_eq!(back[0].remote, hit);
}

#[tokio::test]
async fn a_datagram_that_cannot_be_sent_is_lost_and_no_more() {
    let sender = one(V4);
    let mut receiver = one(V4);
    let to = receiver.local_address().unwrap();
    // Larger than UDP can carry at all.
    send(&sender, to, None, &vec![0; 70_000], 70_000).await;
    send(&sender, to, None, b"next", 4).await;
    assert_eq!(datagrams(&receive(&mut receiver, 4).await), vec![b"next".to_vec()]);
}

#[tokio::test]
async fn what_the_system_refuses_is_said_to_be_refused() {
    let sender = one(V4);
    poll_fn(|cx| sender.poll_writable(None, cx)).await.unwrap();
    // Nothing can be sent to port 0, however often it is tried.
    assert_eq!(sender.try_send(SocketAddr::new(V4, 0), None, b"nowhere", 7), Sent::Refused);
}

#[tokio::test]
async fn a_queue_of_packets_is_a_send_buffer_of_that_size() {
    let sender = |queue| UdpCarrier::bind(V4, [0], SendOptions { queue, retries: 0 }).unwrap();
    // The system counts double, for what it needs itself.
    let small = sender(64).send_buffer().unwrap();
    assert_eq!(small, 2 * 64 * 2048);
    assert!(sender(5000).send_buffer().unwrap() > small);
    let mut changed = sender(5000);
    changed.set_options(SendOptions { queue: 64, retries: 0 });
    assert_eq!(changed.send_buffer().unwrap(), small);
}
