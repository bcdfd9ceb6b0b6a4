//! The floor: what a tunnel costs that does nothing but copy. Each connection is relayed as the engine relays:
//! the same read size, the same socket options, no buffer while nothing moves, ends passed on as they are.

use crate::arguments::Relay;
use crate::serving::{listen, runtime};
use ginnel_proto::open::OpenReply;
use ginnel_proto::parse::Progress;
use ginnel_proto::socks5::{Socks5, reply};
use ginnel_proto::target::Target;
use socket2::SockRef;
use std::cell::RefCell;
use std::future::poll_fn;
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::task::{Poll, ready};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWriteExt, ReadBuf};
use tokio::net::tcp::{ReadHalf, WriteHalf};
use tokio::net::{TcpSocket, TcpStream, lookup_host};

/// Bytes read at once: `tcp_buffer` of the engine's limits.
const READ_BYTES: usize = 64 << 10;

/// Least size of the kernel's buffers: `socket_buffer` of the engine's limits.
const SOCKET_BUFFER: usize = 256 << 10;

/// Unused buffers that a thread keeps.
const SPARE_BUFFERS: usize = 64;

/// How long an application may take to say what it wants.
const NEGOTIATION_TIME: Duration = Duration::from_secs(10);

/// Bytes read at once while negotiating.
const NEGOTIATION_BYTES: usize = 1024;

thread_local! {
    static SPARE: RefCell<Vec<Box<[u8]>>> = const { RefCell::new(Vec::new()) };
}

/// Relays until it is told to end.
pub(crate) fn relay(arguments: &Relay) -> io::Result<()> {
    let towards = arguments.towards.to;
    runtime(arguments.threads.into())?.block_on(listen(arguments.listen, move |socket| {
        tokio::spawn(serve(socket, towards));
    }))
}

/// One connection. When either side breaks, both do.
async fn serve(mut near: TcpStream, towards: Option<SocketAddr>) {
    let _ = widen(&SockRef::from(&near));
    let mut far = match towards {
        Some(target) => match connect(target).await {
            Ok(far) => far,
            Err(_) => return break_off(&near),
        },
        // A refusal was told; anything else is an end to whoever measures, who counts it.
        None => match negotiate(&mut near).await {
            Ok(far) => far,
            Err(_) => return,
        },
    };
    let done = {
        let (mut near_read, mut near_write) = near.split();
        let (mut far_read, mut far_write) = far.split();
        tokio::try_join!(copy(&mut near_read, &mut far_write), copy(&mut far_read, &mut near_write))
    };
    if done.is_err() {
        break_off(&near);
        break_off(&far);
    }
}

/// Has a socket send a reset when it is dropped: its peer shall not mistake this for a clean end.
fn break_off(socket: &TcpStream) {
    // Fails only where the connection is gone already.
    let _ = SockRef::from(socket).set_linger(Some(Duration::ZERO));
}

/// One direction, until its end has been passed on.
async fn copy(from: &mut ReadHalf<'_>, to: &mut WriteHalf<'_>) -> io::Result<()> {
    loop {
        let (buffer, length) = read(from).await?;
        if length == 0 {
            return to.shutdown().await;
        }
        to.write_all(&buffer[..length]).await?;
        give_back(buffer);
    }
}

/// Waits for bytes, and only then takes a buffer.
async fn read(from: &mut ReadHalf<'_>) -> io::Result<(Box<[u8]>, usize)> {
    poll_fn(|context| {
        let mut bytes = SPARE.with_borrow_mut(Vec::pop).unwrap_or_else(|| vec![0; READ_BYTES].into());
        let mut buffer = ReadBuf::new(&mut bytes);
        let polled = Pin::new(&mut *from).poll_read(context, &mut buffer);
        let length = buffer.filled().len();
        if polled.is_pending() {
            give_back(bytes);
            return Poll::Pending;
        }
        ready!(polled)?;
        Ok((bytes, length)).into()
    })
    .await
}

fn give_back(buffer: Box<[u8]>) {
    SPARE.with_borrow_mut(|spare| {
        if spare.len() < SPARE_BUFFERS {
            spare.push(buffer);
        }
    });
}

async fn connect(target: SocketAddr) -> io::Result<TcpStream> {
    let socket = if target.is_ipv4() { TcpSocket::new_v4() } else { TcpSocket::new_v6() }?;
    // Before it connects: the window scale is fixed by the first segment (RFC 7323 §2.2).
    let _ = widen(&SockRef::from(&socket));
    socket.set_nodelay(true)?;
    socket.connect(target).await
}

/// Buffers of the least size; without them a connection works, only less well.
fn widen(socket: &SockRef<'_>) -> io::Result<()> {
    if socket.recv_buffer_size()? < SOCKET_BUFFER {
        socket.set_recv_buffer_size(SOCKET_BUFFER)?;
    }
    if socket.send_buffer_size()? < SOCKET_BUFFER {
        socket.set_send_buffer_size(SOCKET_BUFFER)?;
    }
    Ok(())
}

/// Hears what the application wants, and connects to it.
async fn negotiate(near: &mut TcpStream) -> io::Result<TcpStream> {
    let (target, early) = tokio::time::timeout(NEGOTIATION_TIME, asked(near)).await??;
    let host = target.host.to_string();
    let mut last = io::Error::from(io::ErrorKind::NotFound);
    for address in lookup_host((host.as_str(), target.port)).await? {
        match connect(address).await {
            Ok(mut far) => {
                near.write_all(&reply(OpenReply::Connected, far.local_addr()?)).await?;
                far.write_all(&early).await?;
                return Ok(far);
            }
            Err(error) => last = error,
        }
    }
    near.write_all(&reply(OpenReply::Refused, near.local_addr()?)).await?;
    near.shutdown().await?;
    Err(last)
}

/// The target, and what the application has sent behind its request.
async fn asked(near: &mut TcpStream) -> io::Result<(Target, Vec<u8>)> {
    let mut machine = Socks5::new(None);
    let mut buffer = [0; NEGOTIATION_BYTES];
    loop {
        let length = near.read(&mut buffer).await?;
        if length == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        let fed = machine.feed(&buffer[..length]);
        near.write_all(&machine.take_answer()).await?;
        match fed {
            Ok(Progress::NeedMore) => {}
            Ok(Progress::Done { value, consumed }) => return Ok((value, buffer[consumed..length].to_vec())),
            Err(error) => {
                near.shutdown().await?;
                return Err(io::Error::other(error.to_string()));
            }
        }
    }
}
