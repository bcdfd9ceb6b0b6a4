//! Options of the TCP sockets at both edges: accepted from applications, dialled to targets.

pub use ginnel_proto::limits::KEEPALIVE_INTERVAL;
use ginnel_proto::limits::Limits;
use std::io;
use std::time::Duration;

use socket2::{SockRef, TcpKeepalive};
use tokio::net::TcpStream;

/// What is set on a TCP socket. `TCP_NODELAY` is not a choice: the engine writes whole batches, and
/// a kernel that waits for more to send would only add delay.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SocketOptions {
    /// Least size of the kernel's receive and send buffer, each, in bytes. A buffer that the kernel
    /// made larger is left alone. `None` keeps the kernel's own sizes.
    ///
    /// A size that is set turns off the kernel's own tuning of that buffer, so that one connection
    /// carries at most about this many bytes per round-trip time. `None` suits targets that are both
    /// far away and fast; it costs memory that no limit of this program counts.
    pub buffer: Option<usize>,
    /// Silence before the first keep-alive probe; `None` sends none. Seconds are the kernel's unit:
    /// a fraction is cut off.
    pub keepalive: Option<Duration>,
}

impl SocketOptions {
    /// As the limits say.
    pub fn new(limits: &Limits) -> Self {
        Self { buffer: Some(limits.socket_buffer), keepalive: Some(limits.tcp_keep_alive) }
    }
}

impl Default for SocketOptions {
    fn default() -> Self {
        Self::new(&Limits::default())
    }
}

/// Sets `options` on a connected socket.
///
/// # Errors
/// Whatever the kernel answers, for one when the connection is already gone (some systems answer
/// `EINVAL` then). The socket stays usable.
pub fn tune(stream: &TcpStream, options: &SocketOptions) -> io::Result<()> {
    apply(SockRef::from(stream), options)
}

/// The same on a socket in any state. A socket that will be connected wants its buffers *before*
/// that: the window scale is fixed by the first segment (RFC 7323 §2.2).
pub(crate) fn apply(socket: SockRef<'_>, options: &SocketOptions) -> io::Result<()> {
    socket.set_tcp_nodelay(true)?;
    if let Some(idle) = options.keepalive {
        let keepalive = TcpKeepalive::new().with_time(idle).with_interval(KEEPALIVE_INTERVAL);
        socket.set_tcp_keepalive(&keepalive)?;
    }
    if let Some(size) = options.buffer {
        if socket.recv_buffer_size()? < size {
            socket.set_recv_buffer_size(size)?;
        }
        if socket.send_buffer_size()? < size {
            socket.set_send_buffer_size(size)?;
        }
    }
    Ok(())
}

/// Has the socket send a reset when it is dropped: its peer shall not mistake this end for a clean
/// one.
pub fn break_off(stream: &TcpStream) {
    // Fails only where the connection is gone already.
    let _ = SockRef::from(stream).set_linger(Some(Duration::ZERO));
}
