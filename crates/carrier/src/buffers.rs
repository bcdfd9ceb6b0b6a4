//! The kernel's buffers of a socket.

use socket2::SockRef;

/// What a full datagram costs of the send buffer: its bytes, and the kernel's own around them.
const PACKET_COST: usize = 2048;

/// Asks for a large buffer: first by right, then within the system's cap. Without it everything works, only less
/// smoothly.
pub(crate) fn set_receive_buffer(socket: SockRef<'_>, size: usize) {
    #[cfg(target_os = "linux")]
    force(SockRef::from(&*socket), libc::SO_RCVBUFFORCE, size);
    if socket.recv_buffer_size().is_ok_and(|now| now < size) {
        let _ = socket.set_recv_buffer_size(size);
    }
}

/// Makes room for so many packets that wait to be sent.
pub(crate) fn set_send_buffer(socket: SockRef<'_>, queue: usize) {
    let size = queue.saturating_mul(PACKET_COST);
    #[cfg(target_os = "linux")]
    force(SockRef::from(&*socket), libc::SO_SNDBUFFORCE, size);
    // The system keeps twice what is asked, for what it needs itself.
    if socket.send_buffer_size().is_ok_and(|now| now != 2 * size) {
        let _ = socket.set_send_buffer_size(size);
    }
}

#[cfg(target_os = "linux")]
#[expect(unsafe_code, reason = "socket2 has no SO_RCVBUFFORCE and SO_SNDBUFFORCE")]
fn force(socket: SockRef<'_>, option: libc::c_int, size: usize) {
    use std::os::fd::AsRawFd;
    let size = size as libc::c_int;
    // SAFETY: the descriptor lives as long as `socket`, and the kernel reads one int from `size`.
    let _ = unsafe {
        libc::setsockopt(
            socket.as_raw_fd(),
            libc::SOL_SOCKET,
            option,
            std::ptr::from_ref(&size).cast(),
            size_of::<libc::c_int>() as libc::socklen_t,
        )
    };
}
