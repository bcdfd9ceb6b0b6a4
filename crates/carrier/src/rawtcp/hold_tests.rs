use super::*;
use std::io::ErrorKind;
use std::net::{Ipv4Addr, TcpListener, TcpStream};

const V4: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);
const V6: IpAddr = IpAddr::V6(Ipv6Addr::LOCALHOST);

fn held(address: IpAddr) -> Hold {
    Hold::take(SocketAddr::new(address, 0), 0).unwrap()
}

/// An address of a machine that nobody listens at.
fn closed(address: IpAddr) -> SocketAddr {
    TcpListener::bind((address, 0)).unwrap().local_addr().unwrap()
}

#[test]
fn the_kernel_is_silent_at_a_port_that_is_held() {
    for address in [V4, V6] {
        let hold = held(address);
        let caller = Socket::new(Domain::for_address(hold.local()), Type::STREAM, None).unwrap();
        caller.set_nonblocking(true).unwrap();
        let calling = caller.connect(&hold.local().into()).unwrap_err();
        assert_eq!(calling.raw_os_error(), Some(libc::EINPROGRESS));
        // What was sent after it has been answered: an answer to it would be here.
        assert_eq!(TcpStream::connect(closed(address)).unwrap_err().kind(), ErrorKind::ConnectionRefused);
        assert!(caller.take_error().unwrap().is_none());
        assert_eq!(caller.peer_addr().unwrap_err().kind(), ErrorKind::NotConnected);
    }
}

#[test]
fn a_port_that_is_held_is_nobody_elses_until_it_is_let_go() {
    for address in [V4, V6] {
        let hold = held(address);
        let local = hold.local();
        assert_eq!(local.ip(), address);
        assert_eq!(TcpListener::bind(local).unwrap_err().kind(), ErrorKind::AddrInUse);
        assert_eq!(Hold::take(local, 0).err().map(|error| error.kind()), Some(ErrorKind::AddrInUse));
        drop(hold);
        Hold::take(local, 0).unwrap();
    }
}

#[test]
fn an_unspecified_address_of_ipv6_holds_both_families() {
    let hold = held(Ipv6Addr::UNSPECIFIED.into());
    for address in [V4, V6] {
        let taken = TcpListener::bind((address, hold.local().port()));
        assert_eq!(taken.unwrap_err().kind(), ErrorKind::AddrInUse);
    }
}
