//! News of the network, as the kernel tells them to all who listen.

use netlink_sys::{Socket, SocketAddr, protocols::NETLINK_ROUTE};
use std::io;
use std::task::{Context, Poll, ready};
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;

/// Groups that are listened to (linux/rtnetlink.h): links, neighbours, addresses, routes and rules of both families,
/// next hops.
const GROUPS: [u32; 9] = [1, 3, 5, 7, 8, 9, 11, 19, 32];

/// Messages that are taken before whoever waits is told. More of them tell it once more.
const MESSAGES_MAX: usize = 256;

pub(super) struct Watch(AsyncFd<Socket>);

impl Watch {
    pub(super) fn new() -> io::Result<Self> {
        let mut socket = Socket::new(NETLINK_ROUTE)?;
        socket.set_non_blocking(true)?;
        socket.bind(&SocketAddr::new(0, 0))?;
        for group in GROUPS {
            match socket.add_membership(group) {
                // A kernel without IPv6, or one older than next hops of their own.
                Err(error) if matches!(error.raw_os_error(), Some(libc::EINVAL | libc::ENOENT)) => {}
                joined => joined?,
            }
        }
        Ok(Self(register(socket)?))
    }

    pub(super) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let mut seen = 0;
        loop {
            let Ok(mut ready) = ready!(self.0.poll_read_ready(cx)) else {
                // The runtime ends.
                return Poll::Pending;
            };
            // What they say is asked for anew, so one byte is enough: the rest is cut off.
            match ready.try_io(|socket| socket.get_ref().recv(&mut [0u8; 1].as_mut_slice(), 0)) {
                // That messages were lost is a change, too.
                Ok(Ok(_)) => seen += 1,
                Ok(Err(error)) if error.raw_os_error() == Some(libc::ENOBUFS) => seen += 1,
                Ok(Err(error)) if error.kind() == io::ErrorKind::Interrupted => {}
                // Nothing that is known; to try at once again would never end.
                Ok(Err(_)) => ready.clear_ready(),
                Err(_) if seen > 0 => return Poll::Ready(()),
                Err(_) => {}
            }
            if seen >= MESSAGES_MAX {
                return Poll::Ready(());
            }
        }
    }
}

#[expect(unsafe_code, reason = "tokio cannot know that a type's descriptor stays the same")]
fn register(socket: Socket) -> io::Result<AsyncFd<Socket>> {
    // SAFETY: a netlink socket owns one open descriptor, names that one whenever it is asked, and closes it when it is
    // dropped; nothing takes it out of the AsyncFd.
    Ok(unsafe { AsyncFd::register_with_interest(socket, Interest::READABLE) }?)
}
