//! Packet sockets (packet(7)). All that is unsafe about raw TCP is here.

use super::frame::{FRONT_MAX, ether_type};
use crate::buffers::{set_receive_buffer, set_send_buffer};
use libc::{c_int, c_void, mmsghdr, msghdr, sock_filter, sockaddr_ll, socklen_t};
use socket2::{Domain, SockRef, Type};
use std::io::{self, IoSlice};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::task::{Context, Poll, ready};
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;

/// Frames that one system call may bring.
const RECEIVE_FRAMES: usize = 8;

/// Bytes of one: the largest IP packet, and what is in front.
const RECEIVE_BYTES: usize = (64 << 10) + FRONT_MAX;

/// Frames that one system call may send.
pub(super) const SEND_FRAMES: usize = 32;

/// What is asked of the system for the receive buffer, as for UDP.
const RECEIVE_BUFFER: usize = 16 << 20;

/// Options of packet sockets (linux/if_packet.h).
const PACKET_STATISTICS: c_int = 6;
const PACKET_VNET_HDR: c_int = 15;

/// The most hops that an IP header has room for, and the option that makes them the least (linux/in6.h).
const HOPS_MOST: c_int = 255;
const IPV6_MINHOPCOUNT: c_int = 73;

/// An empty place is not waited for, and nobody is killed for a broken pipe.
const SEND_FLAGS: c_int = libc::MSG_DONTWAIT | libc::MSG_NOSIGNAL;

/// Frames as the kernel hands them over; they have been written to by nobody else.
pub(super) struct Buffers(Vec<Box<[u8]>>);

impl Buffers {
    pub(super) fn new() -> Self {
        Self((0..RECEIVE_FRAMES).map(|_| vec![0; RECEIVE_BYTES].into()).collect())
    }
}

/// A frame that has come.
pub(super) struct Arrival<'a> {
    /// By which interface.
    pub(super) interface: u32,
    /// Its kind of link, as linux/if_arp.h numbers them.
    pub(super) link: u16,
    /// What the system says of its offloads, the link's header, and the packet.
    pub(super) frame: &'a [u8],
}

/// One for all interfaces and one IP family.
pub(super) struct PacketSocket {
    socket: AsyncFd<OwnedFd>,
    is_v4: bool,
}

impl PacketSocket {
    /// Opens one that sees what the filter lets through. Must be called inside a tokio runtime.
    pub(super) fn open(is_v4: bool, filter: &[sock_filter], queue: usize) -> io::Result<Self> {
        // Without a protocol it sees nothing, until the filter is there and it is bound to one.
        let socket = socket2::Socket::new(Domain::PACKET, Type::RAW, None)?;
        attach(socket.as_fd(), filter)?;
        set_option(socket.as_fd(), libc::SOL_PACKET, PACKET_VNET_HDR, &1)?;
        set_receive_buffer(SockRef::from(&socket), RECEIVE_BUFFER);
        set_send_buffer(SockRef::from(&socket), queue);
        socket.set_nonblocking(true)?;
        bind(socket.as_fd(), &address(is_v4, 0))?;
        Ok(Self { socket: register(socket.into())?, is_v4 })
    }

    /// Whether it is IPv4's.
    pub(super) fn is_v4(&self) -> bool {
        self.is_v4
    }

    /// Sees what another filter lets through.
    pub(super) fn set_filter(&self, filter: &[sock_filter]) -> io::Result<()> {
        attach(self.socket.as_fd(), filter)
    }

    pub(super) fn set_queue(&self, queue: usize) {
        set_send_buffer(SockRef::from(&self.socket), queue);
    }

    /// Takes what is there, one system call's worth.
    pub(super) fn poll_receive(
        &self,
        cx: &mut Context<'_>,
        buffers: &mut Buffers,
        mut take: impl FnMut(Arrival<'_>),
    ) -> Poll<io::Result<()>> {
        loop {
            let mut ready = ready!(self.socket.poll_read_ready(cx))?;
            let mut seen = [Seen::default(); RECEIVE_FRAMES];
            match receive(self.socket.as_fd(), buffers, &mut seen) {
                Ok(count) => {
                    if count < RECEIVE_FRAMES {
                        // It has been emptied. What comes from now on tells anew.
                        ready.clear_ready();
                    }
                    for (seen, buffer) in seen[..count].iter().zip(&buffers.0) {
                        if seen.is_ours && seen.length <= buffer.len() {
                            let frame = &buffer[..seen.length];
                            take(Arrival { interface: seen.interface, link: seen.link, frame });
                        }
                    }
                    return Poll::Ready(Ok(()));
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => ready.clear_ready(),
                // An interface that went, or a packet that the kernel cannot describe: it is gone, the next may be well.
                Err(error) if matches!(error.raw_os_error(), Some(libc::ENETDOWN | libc::EINVAL | libc::EINTR)) => {}
                Err(error) => return Poll::Ready(Err(error)),
            }
        }
    }

    /// Sends one frame, whose parts are these.
    pub(super) fn send(&self, interface: u32, parts: [&[u8]; 2]) -> io::Result<()> {
        let (mut address, mut parts) = (address(self.is_v4, interface), parts.map(IoSlice::new));
        self.socket.try_io(Interest::WRITABLE, |socket| sendmsg(socket.as_fd(), &mut address, &mut parts))
    }

    /// Sends frames, [`SEND_FRAMES`] at most, each by its interface. How many the system has taken: one at least.
    pub(super) fn send_many<'a>(&self, frames: impl Iterator<Item = (u32, &'a [u8])>) -> io::Result<usize> {
        let frames = frames.take(SEND_FRAMES);
        let mut frames: Vec<_> =
            frames.map(|(interface, frame)| (address(self.is_v4, interface), [IoSlice::new(frame)])).collect();
        self.socket.try_io(Interest::WRITABLE, |socket| sendmmsg(socket.as_fd(), &mut frames))
    }

    pub(super) fn poll_writable(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.socket.poll_write_ready(cx).map_ok(drop)
    }

    /// Frames that found the receive buffer full since this was last asked.
    pub(super) fn dropped(&self) -> u64 {
        statistics(self.socket.as_fd()).map_or(0, |[_, dropped]| dropped.into())
    }
}

/// What the kernel says beside a frame.
#[derive(Clone, Copy, Default)]
struct Seen {
    length: usize,
    interface: u32,
    link: u16,
    /// It was sent to this machine, and not by it.
    is_ours: bool,
}

fn address(is_v4: bool, interface: u32) -> sockaddr_ll {
    sockaddr_ll {
        sll_family: libc::AF_PACKET as u16,
        sll_protocol: ether_type(is_v4).to_be(),
        sll_ifindex: interface as c_int,
        sll_hatype: 0,
        sll_pkttype: 0,
        sll_halen: 6,
        sll_addr: [0; 8],
    }
}

/// A message that points to an address and to `count` parts.
#[expect(unsafe_code, reason = "some targets' msghdr has private fields, so that it can only be made of zeros")]
fn message(address: &mut sockaddr_ll, parts: *mut libc::iovec, count: usize) -> msghdr {
    // SAFETY: a msghdr of null pointers and zeros is a valid one.
    let mut message: msghdr = unsafe { std::mem::zeroed() };
    message.msg_name = std::ptr::from_mut(address).cast();
    message.msg_namelen = size_of::<sockaddr_ll>() as socklen_t;
    message.msg_iov = parts;
    message.msg_iovlen = count as _;
    message
}

#[expect(unsafe_code, reason = "no safe wrapper receives many messages of a packet socket")]
fn receive(socket: BorrowedFd<'_>, buffers: &mut Buffers, seen: &mut [Seen; RECEIVE_FRAMES]) -> io::Result<usize> {
    let mut addresses = [address(true, 0); RECEIVE_FRAMES];
    let mut parts = [libc::iovec { iov_base: std::ptr::null_mut(), iov_len: 0 }; RECEIVE_FRAMES];
    for (part, buffer) in parts.iter_mut().zip(&mut buffers.0) {
        *part = libc::iovec { iov_base: buffer.as_mut_ptr().cast(), iov_len: buffer.len() };
    }
    let mut messages: [mmsghdr; RECEIVE_FRAMES] =
        std::array::from_fn(|at| mmsghdr { msg_hdr: message(&mut addresses[at], &raw mut parts[at], 1), msg_len: 0 });
    let flags = (libc::MSG_DONTWAIT | libc::MSG_TRUNC) as _;
    // SAFETY: each message points to an address and a part of this frame's, each part to a buffer as long as it says,
    // which is borrowed by nobody else; there are as many messages as is said, and no time-out.
    let count = unsafe {
        libc::recvmmsg(socket.as_raw_fd(), messages.as_mut_ptr(), RECEIVE_FRAMES as u32, flags, std::ptr::null_mut())
    };
    let count = usize::try_from(count).map_err(|_| io::Error::last_os_error())?;
    for ((seen, message), address) in seen.iter_mut().zip(&messages[..count]).zip(&addresses) {
        *seen = Seen {
            length: message.msg_len as usize,
            interface: address.sll_ifindex as u32,
            link: address.sll_hatype,
            is_ours: address.sll_pkttype == libc::PACKET_HOST,
        };
    }
    Ok(count)
}

#[expect(unsafe_code, reason = "socket2 has no addresses of packet sockets")]
fn sendmsg(socket: BorrowedFd<'_>, address: &mut sockaddr_ll, parts: &mut [IoSlice<'_>]) -> io::Result<()> {
    // An IoSlice is an iovec, by its documentation.
    let message = message(address, parts.as_mut_ptr().cast(), parts.len());
    // SAFETY: the message points to what the arguments hold, and the kernel only reads it.
    let sent = unsafe { libc::sendmsg(socket.as_raw_fd(), &raw const message, SEND_FLAGS) };
    if sent < 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
}

#[expect(unsafe_code, reason = "no safe wrapper sends many messages")]
fn sendmmsg(socket: BorrowedFd<'_>, frames: &mut [(sockaddr_ll, [IoSlice<'_>; 1])]) -> io::Result<usize> {
    let messages = frames.iter_mut();
    let mut messages: Vec<mmsghdr> = messages
        .map(|(address, parts)| mmsghdr { msg_hdr: message(address, parts.as_mut_ptr().cast(), 1), msg_len: 0 })
        .collect();
    let (first, count) = (messages.as_mut_ptr(), messages.len() as u32);
    // SAFETY: the messages point to what `frames` holds, which the kernel only reads; there are as many as is said.
    let sent = unsafe { libc::sendmmsg(socket.as_raw_fd(), first, count, SEND_FLAGS as _) };
    usize::try_from(sent).map_err(|_| io::Error::last_os_error())
}

#[expect(unsafe_code, reason = "socket2 has no addresses of packet sockets")]
fn bind(socket: BorrowedFd<'_>, address: &sockaddr_ll) -> io::Result<()> {
    let length = size_of::<sockaddr_ll>() as socklen_t;
    // SAFETY: the kernel reads as many bytes as a sockaddr_ll has.
    let bound = unsafe { libc::bind(socket.as_raw_fd(), std::ptr::from_ref(address).cast(), length) };
    if bound < 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
}

#[expect(unsafe_code, reason = "tokio has no packet sockets")]
fn register(socket: OwnedFd) -> io::Result<AsyncFd<OwnedFd>> {
    // SAFETY: an OwnedFd has one descriptor for all its life, and nobody takes it out of what this returns.
    unsafe { AsyncFd::register(socket) }.map_err(io::Error::from)
}

/// Puts a filter in front of a socket, instead of the one that was there.
pub(super) fn attach(socket: BorrowedFd<'_>, filter: &[sock_filter]) -> io::Result<()> {
    let len = u16::try_from(filter.len()).map_err(|_| io::ErrorKind::InvalidInput)?;
    let program = libc::sock_fprog { len, filter: filter.as_ptr().cast_mut() };
    // The kernel copies the program before the call returns.
    set_option(socket, libc::SOL_SOCKET, libc::SO_ATTACH_FILTER, &program)
}

/// Has a TCP socket hear only of segments with 255 hops left (ip(7), `IP_MINTTL`), which needs no right.
pub(super) fn set_least_hops(socket: BorrowedFd<'_>, is_v6: bool) -> io::Result<()> {
    if is_v6 {
        set_option(socket, libc::IPPROTO_IPV6, IPV6_MINHOPCOUNT, &HOPS_MOST)?;
    }
    // One for both families has both options.
    set_option(socket, libc::IPPROTO_IP, libc::IP_MINTTL, &HOPS_MOST)
}

#[expect(unsafe_code, reason = "socket2 has no options of packet sockets")]
fn set_option<T>(socket: BorrowedFd<'_>, level: c_int, name: c_int, value: &T) -> io::Result<()> {
    let length = size_of::<T>() as socklen_t;
    // SAFETY: the kernel reads as many bytes as `value` has; of a program, as many lines as it says that it has.
    let set = unsafe { libc::setsockopt(socket.as_raw_fd(), level, name, std::ptr::from_ref(value).cast(), length) };
    if set < 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
}

/// Frames let through, and those of them that found no room, since this was last asked (`struct tpacket_stats`).
#[expect(unsafe_code, reason = "socket2 has no options of packet sockets")]
fn statistics(socket: BorrowedFd<'_>) -> io::Result<[u32; 2]> {
    let mut value = [0; 2];
    let mut length = size_of_val(&value) as socklen_t;
    let place: *mut c_void = value.as_mut_ptr().cast();
    // SAFETY: the kernel writes no more than `length` bytes to `value`, of which every pattern is valid.
    let got = unsafe { libc::getsockopt(socket.as_raw_fd(), libc::SOL_PACKET, PACKET_STATISTICS, place, &mut length) };
    if got < 0 { Err(io::Error::last_os_error()) } else { Ok(value) }
}
