//! How many sockets a call visits.

use super::{SendOptions, Sent, UdpCarrier};
use std::future::poll_fn;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Poll, Wake};
use std::time::Duration;

const LOOPBACK: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);
const SEND: SendOptions = SendOptions { queue: 5000, retries: 3 };

/// Sockets that the next call would visit.
fn waiting(carrier: &UdpCarrier) -> usize {
    carrier.many.as_ref().unwrap().turns.waiting()
}

async fn finds_nothing(carrier: &mut UdpCarrier) -> bool {
    let mut out = Vec::new();
    poll_fn(|cx| Poll::Ready(carrier.poll_receive(cx, &mut out).is_pending())).await
}

#[tokio::test]
async fn a_call_visits_the_sockets_that_have_something_and_no_other() {
    let mut server = UdpCarrier::bind(LOOPBACK, [0; 64], SEND).unwrap();
    let client = UdpCarrier::bind(LOOPBACK, [0], SEND).unwrap();
    let mut out = Vec::new();
    // Nobody has looked at them yet.
    assert_eq!(waiting(&server), 64);
    assert!(finds_nothing(&mut server).await);
    assert_eq!(waiting(&server), 0);
    for port in server.ports().collect::<Vec<_>>() {
        let to = SocketAddr::new(LOOPBACK, port);
        poll_fn(|cx| client.poll_writable(None, cx)).await.unwrap();
        assert_eq!(client.try_send(to, None, b"hello", 5), Sent::Taken);
        let received = poll_fn(|cx| {
            let polled = server.poll_receive(cx, &mut out);
            // It came with the socket's word, and that one alone goes to the end.
            assert!(polled.is_pending() || waiting(&server) == 1);
            polled
        });
        // The clock is asked first: what is there only when the clock has rung was not told of.
        tokio::select! {
            biased;
            () = tokio::time::sleep(Duration::from_secs(10)) => panic!("everything arrives on loopback"),
            received = received => received.unwrap(),
        }
        assert_eq!(out.drain(..).map(|batch| batch.local).collect::<Vec<_>>(), [to]);
        // One more look finds nothing, and that was all.
        assert!(finds_nothing(&mut server).await);
        assert_eq!(waiting(&server), 0);
    }
}

struct Count(AtomicUsize);

impl Wake for Count {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

#[test]
fn a_socket_that_calls_twice_has_one_turn_and_the_last_reader_is_woken() {
    let turns = super::Turns::new(2);
    let (gone, count) = (Arc::new(Count(AtomicUsize::new(0))), Arc::new(Count(AtomicUsize::new(0))));
    assert_eq!(turns.read_by(&gone.clone().into()), 2);
    assert_eq!((turns.next(), turns.next(), turns.next()), (Some(0), Some(1), None));
    assert_eq!(turns.read_by(&count.clone().into()), 0);
    let (first, second) = (turns.waker(0), turns.waker(1));
    for waker in [&second, &second, &first] {
        waker.wake_by_ref();
    }
    assert_eq!((turns.next(), turns.next(), turns.next()), (Some(1), Some(0), None));
    assert_eq!((gone.0.load(Ordering::Relaxed), count.0.load(Ordering::Relaxed)), (0, 3));
}
