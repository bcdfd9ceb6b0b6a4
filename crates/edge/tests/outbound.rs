//! The outbound against real listeners on loopback, with names from a script.

mod common;

use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use common::{FakeDns, addresses};
use ginnel_edge::outbound::{AddressPolicy, ConnectError, Outbound, OutboundOptions};
use ginnel_edge::resolver::{Family, Resolver, ResolverLimits};
use ginnel_edge::socket::{self, SocketOptions};
use socket2::SockRef;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpSocket, TcpStream};

const NOW: Duration = Duration::ZERO;
const NAME: &str = "host.example";

fn outbound(dns: &FakeDns, allow_private: bool) -> Outbound {
    let resolver = Resolver::new(dns.clone(), ResolverLimits::default());
    let policy = AddressPolicy::new(allow_private);
    Outbound::new(resolver, policy, OutboundOptions::default())
}

async fn listener() -> (TcpListener, SocketAddr) {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let address = listener.local_addr().unwrap();
    (listener, address)
}

/// A port of loopback at which nobody listens, ours for as long as the socket lives.
fn closed_port() -> (TcpSocket, SocketAddr) {
    let socket = TcpSocket::new_v4().unwrap();
    socket.bind((Ipv4Addr::LOCALHOST, 0).into()).unwrap();
    let address = socket.local_addr().unwrap();
    (socket, address)
}

/// Listeners on one port of 127.0.0.1 and of 127.0.0.2.
async fn two_listeners_on_one_port() -> (TcpListener, TcpListener) {
    loop {
        let (one, address) = listener().await;
        // Taken on the second address, by whomever: another port will do.
        if let Ok(two) = TcpListener::bind((Ipv4Addr::new(127, 0, 0, 2), address.port())).await {
            return (one, two);
        }
    }
}

/// Nobody has connected to `listener`, or ever tried to as far as the kernel knows.
fn is_untouched(listener: &TcpListener) -> bool {
    let mut context = std::task::Context::from_waker(std::task::Waker::noop());
    listener.poll_accept(&mut context).is_pending()
}

async fn assert_speaks(mut near: TcpStream, listener: TcpListener) {
    let (mut far, _) = listener.accept().await.unwrap();
    near.write_all(b"ping").await.unwrap();
    let mut heard = [0; 4];
    far.read_exact(&mut heard).await.unwrap();
    assert_eq!(&heard, b"ping");
}

#[tokio::test(flavor = "local")]
async fn a_name_connects_through_the_address_that_answers() {
    let (listener, address) = listener().await;
    let dns = FakeDns::default();
    // Nobody listens there in IPv6.
    dns.says(NAME, Family::V6, NOW, addresses(&["::1"], 300));
    dns.says(NAME, Family::V4, NOW, addresses(&["127.0.0.1"], 300));
    let near = outbound(&dns, true).connect_name(NAME, address.port()).await.unwrap();
    assert_eq!(near.peer_addr().unwrap(), address);
    assert_speaks(near, listener).await;
}

#[tokio::test(flavor = "local")]
async fn an_address_in_letters_is_dialled_without_asking() {
    let dns = FakeDns::default();
    let outbound = outbound(&dns, true);
    for text in ["127.0.0.1", "::ffff:127.0.0.1"] {
        let (listener, address) = listener().await;
        let near = outbound.connect_name(text, address.port()).await.unwrap();
        assert_eq!(near.peer_addr().unwrap(), address);
        assert_speaks(near, listener).await;
    }
    assert_eq!(dns.asked().len(), 0);
}

#[tokio::test(flavor = "local")]
async fn an_address_connects_in_whichever_form() {
    let outbound = outbound(&FakeDns::default(), true);
    let (listener, address) = listener().await;
    let mapped = Ipv4Addr::LOCALHOST.to_ipv6_mapped();
    let near = outbound.connect_addr((mapped, address.port()).into()).await.unwrap();
    assert_eq!(near.peer_addr().unwrap(), address);
    assert_speaks(near, listener).await;
}

#[tokio::test(flavor = "local")]
async fn a_closed_port_is_refused_by_name_and_by_address() {
    let dns = FakeDns::default();
    dns.says(NAME, Family::V4, NOW, addresses(&["127.0.0.1"], 300));
    let outbound = outbound(&dns, true);
    let (_reserved, closed) = closed_port();
    let by_address = outbound.connect_addr(closed).await.unwrap_err();
    assert!(matches!(by_address, ConnectError::Refused), "{by_address:?}");
    let by_name = outbound.connect_name(NAME, closed.port()).await.unwrap_err();
    assert!(matches!(by_name, ConnectError::Refused), "{by_name:?}");
}

#[tokio::test(flavor = "local")]
async fn an_unknown_name_is_unknown() {
    let outbound = outbound(&FakeDns::default(), true);
    for name in ["nobody.example", "not a name"] {
        let error = outbound.connect_name(name, 80).await.unwrap_err();
        assert!(matches!(error, ConnectError::NameUnknown), "{error:?}");
    }
}

#[tokio::test(flavor = "local")]
async fn a_private_address_is_not_allowed_in_any_disguise() {
    let (listener, address) = listener().await;
    let dns = FakeDns::default();
    dns.says(NAME, Family::V4, NOW, addresses(&["127.0.0.1", "10.0.0.1"], 300));
    dns.says(NAME, Family::V6, NOW, addresses(&["::ffff:127.0.0.1", "::1", "fd00::1"], 300));
    let (outbound, port) = (outbound(&dns, false), address.port());
    for text in [NAME, "127.0.0.1", "::1", "::ffff:127.0.0.1", "0.0.0.0", "::", "169.254.169.254"] {
        let error = outbound.connect_name(text, port).await.unwrap_err();
        assert!(matches!(error, ConnectError::NotAllowed), "{text}: {error:?}");
    }
    let error = outbound.connect_addr(address).await.unwrap_err();
    assert!(matches!(error, ConnectError::NotAllowed), "{error:?}");
    assert!(is_untouched(&listener));
}

#[tokio::test(flavor = "local")]
async fn loopback_by_its_unspecified_name_is_not_allowed_even_with_allow_private() {
    let (listener, address) = listener().await;
    let outbound = outbound(&FakeDns::default(), true);
    let error = outbound.connect_name("0.0.0.0", address.port()).await.unwrap_err();
    assert!(matches!(error, ConnectError::NotAllowed), "{error:?}");
    assert!(is_untouched(&listener));
}

#[tokio::test(flavor = "local")]
async fn a_name_that_changes_its_answer_gains_nothing() {
    let (forbidden, allowed) = two_listeners_on_one_port().await;
    let address = allowed.local_addr().unwrap();
    let dns = FakeDns::default();
    let resolver = Resolver::new(dns.clone(), ResolverLimits::default());
    let policy = AddressPolicy::new(true).refusing([forbidden.local_addr().unwrap().ip()]);
    let outbound = Outbound::new(resolver, policy, OutboundOptions::default());

    let both = addresses(&["127.0.0.1", "127.0.0.2"], 0);
    dns.says("mixed.example", Family::V4, NOW, both);
    let near = outbound.connect_name("mixed.example", address.port()).await.unwrap();
    assert_eq!(near.peer_addr().unwrap(), address);

    // The first question is answered as it should be, any other with the way in.
    dns.says(NAME, Family::V4, NOW, addresses(&["127.0.0.2"], 0));
    dns.says(NAME, Family::V4, NOW, addresses(&["127.0.0.1"], 0));
    let near = outbound.connect_name(NAME, address.port()).await.unwrap();
    assert_eq!(near.peer_addr().unwrap(), address);
    tokio::time::pause();
    tokio::time::advance(Duration::from_secs(1)).await;
    let error = outbound.connect_name(NAME, address.port()).await.unwrap_err();
    assert!(matches!(error, ConnectError::NotAllowed), "{error:?}");
    assert!(is_untouched(&forbidden));
}

#[tokio::test(flavor = "local")]
async fn one_connection_takes_one_look_up_per_family() {
    let (listener, address) = listener().await;
    let dns = FakeDns::default();
    dns.says(NAME, Family::V4, NOW, addresses(&["127.0.0.1"], 0));
    let near = outbound(&dns, true).connect_name(NAME, address.port()).await.unwrap();
    assert_eq!(dns.asked(), ["host.example V6", "host.example V4"]);
    assert_speaks(near, listener).await;
}

#[tokio::test(flavor = "local")]
async fn the_owners_refusals_hold() {
    let (listener, address) = listener().await;
    let resolver = Resolver::new(FakeDns::default(), ResolverLimits::default());
    let policy = AddressPolicy::new(true).refusing([address.ip()]);
    let outbound = Outbound::new(resolver, policy, OutboundOptions::default());
    let error = outbound.connect_addr(address).await.unwrap_err();
    assert!(matches!(error, ConnectError::NotAllowed), "{error:?}");
    assert!(is_untouched(&listener));
}

#[tokio::test(flavor = "local")]
async fn dialled_sockets_carry_the_options() {
    let (_listener, address) = listener().await;
    let near = outbound(&FakeDns::default(), true).connect_addr(address).await.unwrap();
    let near = SockRef::from(&near);
    assert!(near.tcp_nodelay().unwrap());
    assert!(near.keepalive().unwrap());
}

/// The sizes of a fresh pair's accepted socket, receive and send, before and after `options`.
async fn sizes_around(options: &SocketOptions) -> [(usize, usize); 2] {
    let (listener, address) = listener().await;
    let _near = TcpStream::connect(address).await.unwrap();
    let (accepted, _) = listener.accept().await.unwrap();
    let sizes = || {
        let socket = SockRef::from(&accepted);
        (socket.recv_buffer_size().unwrap(), socket.send_buffer_size().unwrap())
    };
    let before = sizes();
    socket::tune(&accepted, options).unwrap();
    assert!(SockRef::from(&accepted).tcp_nodelay().unwrap());
    [before, sizes()]
}

#[tokio::test]
async fn buffers_grow_to_what_is_asked_and_never_shrink() {
    let sized = |buffer| SocketOptions { buffer, keepalive: None };
    let [(receive, send), after] = sizes_around(&SocketOptions::default()).await;
    // The kernel caps what is asked for at a maximum of its own, which no default exceeds.
    assert!(after.0 >= receive.max(SocketOptions::default().buffer.unwrap().min(200 * 1024)), "{after:?}");
    assert!(after.1 >= send.max(SocketOptions::default().buffer.unwrap().min(200 * 1024)), "{after:?}");

    let [before, after] = sizes_around(&sized(Some(4096))).await;
    assert_eq!(before, after, "a smaller size than the kernel's is not set");
    let [before, after] = sizes_around(&sized(None)).await;
    assert_eq!(before, after);
}
