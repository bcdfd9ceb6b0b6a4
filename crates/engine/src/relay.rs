//! The relay: bytes between a socket and a stream, both ways, with ends that mean what they say.
//!
//! End-of-file in one direction leaves the other open. A socket that breaks becomes a reset of the
//! stream; one that only takes no more stops it, and what it still has to say is passed on. A reset
//! stream becomes an error that the caller turns into a broken socket. None of them ever looks like
//! a clean end. Buffers exist only while data is in flight: an idle relay holds none, but for a
//! small one while it discards what nobody wants.

use crate::activity::Activity;
use crate::stream::{Early, Stream, StreamError, code};
use bytes::{Buf, Bytes, BytesMut};
use ginnel_proto::limits::LINGER_TIME;
use std::collections::VecDeque;
use std::future::poll_fn;
use std::io::{self, IoSlice};
use std::net::Shutdown;
use std::pin::pin;
use std::task::{Context, Poll};
use std::time::Duration;
use thiserror::Error;
use tokio::io::Interest;
use tokio::net::{TcpStream, UnixStream};

/// After so many bytes in one direction without waiting, other tasks get their turn.
const TURN_BYTES: usize = 128 << 10;

/// Bytes taken from a stream at once.
const READ_BYTES: usize = 1 << 20;

/// Bytes read at once when nobody wants them.
const DISCARD_BYTES: usize = 16 << 10;

/// Chunks handed to the socket in one call.
const SLICES: usize = 64;

/// Why a relay ended other than cleanly.
#[derive(Debug, Error)]
pub enum RelayError {
    /// The socket broke.
    #[error("the local connection broke")]
    Socket(#[source] io::Error),
    /// The stream broke: the socket should be closed by a reset.
    #[error(transparent)]
    Stream(#[from] StreamError),
    /// Nothing has moved for too long.
    #[error("nothing has moved for too long")]
    Idle,
}

impl RelayError {
    /// The code that the far end is told.
    fn code(&self) -> u32 {
        match self {
            Self::Idle => code::IDLE,
            Self::Stream(StreamError::Shed) => code::SHED,
            Self::Socket(_) | Self::Stream(_) => code::BROKEN,
        }
    }
}

/// A connected socket whose directions end separately.
#[expect(async_fn_in_trait, reason = "both sockets live on the shard's thread, where futures need not be Send")]
pub trait Socket {
    /// Ready when there may be something to read. One caller at a time: only one waker is kept.
    fn poll_readable(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>>;
    /// The same for room to write.
    fn poll_writable(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>>;
    /// Reads what is there.
    fn try_read(&self, buffer: &mut BytesMut) -> io::Result<usize>;
    /// Writes what fits.
    fn try_write(&self, slices: &[IoSlice<'_>]) -> io::Result<usize>;
    /// Ends our direction.
    fn shutdown(&self) -> io::Result<()>;
    /// Waits until the peer has broken the connection.
    async fn broken(&self);
}

macro_rules! socket {
    ($kind:ty) => {
        impl Socket for $kind {
            fn poll_readable(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
                self.poll_read_ready(cx)
            }
            fn poll_writable(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
                self.poll_write_ready(cx)
            }
            fn try_read(&self, buffer: &mut BytesMut) -> io::Result<usize> {
                let room = buffer.capacity() - buffer.len();
                let mut read = 0;
                let drained = self.try_io(Interest::READABLE, || {
                    read = self.try_read_buf(buffer)?;
                    // Nothing is left: the wait that follows need not ask the kernel again.
                    if read > 0 && read < room { Err(io::ErrorKind::WouldBlock.into()) } else { Ok(()) }
                });
                if read > 0 { Ok(read) } else { drained.map(|()| read) }
            }
            fn try_write(&self, slices: &[IoSlice<'_>]) -> io::Result<usize> {
                match slices {
                    [slice] => <$kind>::try_write(self, slice),
                    slices => self.try_write_vectored(slices),
                }
            }
            fn shutdown(&self) -> io::Result<()> {
                socket2::SockRef::from(self).shutdown(Shutdown::Write)
            }
            async fn broken(&self) {
                // An error of the wait itself is one of the socket.
                let _ = self.ready(Interest::ERROR).await;
            }
        }
    };
}

socket!(TcpStream);
socket!(UnixStream);

/// How one direction came to its end.
#[derive(Clone, Copy, PartialEq, Eq)]
enum End {
    /// Everything was passed on, and the end as well.
    Clean,
    /// Whoever receives wants no more; the other direction may still be of use.
    Unwanted,
}

/// Relays until both directions have ended. On an error both have ended, the stream is given up,
/// and the caller should break the socket rather than close it.
/// `early` is what was read of the stream before.
pub async fn relay(socket: &impl Socket, stream: &Stream, early: Early) -> Result<(), RelayError> {
    let result = both(socket, stream, early).await;
    if let Err(error) = &result {
        stream.reset(error.code());
        stream.stop(error.code());
    }
    match &result {
        Ok(()) => stream.log_ended(&"clean"),
        Err(error) => stream.log_ended(error),
    }
    result
}

async fn both(socket: &impl Socket, stream: &Stream, early: Early) -> Result<(), RelayError> {
    let limits = stream.shard().limits();
    // Somebody who takes his time to read a long answer is not to be taken for gone.
    let half_closed = (limits.half_closed, limits.stream_idle);
    let activity = Activity::new(stream);
    let mut up = pin!(upstream(socket, stream, &activity));
    let mut down = pin!(downstream(socket, stream, early, &activity));
    let (up_end, down_end) = tokio::select! {
        end = &mut up => match end? {
            End::Clean => (End::Clean, activity.guard(half_closed, down).await?),
            // What the application still sends goes nowhere, as with a connection of its own; but
            // it is read, for closing a socket with unread data would break the way back.
            End::Unwanted => tokio::select! {
                end = activity.guard(half_closed, &mut down) => (End::Unwanted, end?),
                error = discard(socket) => return Err(error),
            },
        },
        end = &mut down => {
            let down_end = end?;
            (activity.guard(half_closed, up).await?, down_end)
        }
        error = activity.over(limits.stream_idle, limits.stream_idle) => return Err(error),
        error = gone(socket, &activity, limits.step_time) => return Err(error),
    };
    if up_end == End::Clean {
        return Ok(());
    }
    if down_end == End::Clean {
        let _ = tokio::time::timeout(LINGER_TIME, discard(socket)).await;
    }
    Err(StreamError::Stopped(code::BROKEN).into())
}

/// Ready when the socket is broken and nothing moves any more. While both directions wait for
/// somebody to read, nobody touches the socket, and nobody else would notice. What it has said
/// before may still be passed on, as long as it is taken.
async fn gone(socket: &impl Socket, activity: &Activity<'_>, patience: Duration) -> RelayError {
    socket.broken().await;
    activity.moved();
    match activity.over(patience, patience).await {
        RelayError::Idle => RelayError::Socket(io::ErrorKind::ConnectionReset.into()),
        error => error,
    }
}

/// Socket → stream.
async fn upstream(socket: &impl Socket, stream: &Stream, activity: &Activity<'_>) -> Result<End, RelayError> {
    let mut queue = VecDeque::new();
    let mut turn = 0;
    loop {
        if !wait_readable(socket, stream).await? {
            stream.reset(code::BROKEN);
            return Ok(End::Unwanted);
        }
        let bytes = match read_some(socket, stream) {
            Ok(bytes) if bytes.is_empty() => {
                stream.finish();
                return Ok(End::Clean);
            }
            Ok(bytes) => bytes,
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                turn = 0;
                continue;
            }
            Err(error) => return Err(RelayError::Socket(error)),
        };
        turn += bytes.len();
        activity.moved();
        queue.push_back(bytes);
        match stream.write_queue(&mut queue).await {
            // The next wait says so again, and says what to do.
            Ok(()) | Err(StreamError::Stopped(_)) => {}
            Err(error) => return Err(error.into()),
        }
        activity.moved();
        if turn >= TURN_BYTES {
            turn = 0;
            tokio::task::yield_now().await;
        }
    }
}

/// Reads what is there; empty at the end.
fn read_some(socket: &impl Socket, stream: &Stream) -> io::Result<Bytes> {
    let mut buffer = stream.shard().take_buffer();
    let read = socket.try_read(&mut buffer);
    if matches!(read, Ok(length) if length >= buffer.capacity() / 2) {
        return Ok(buffer.freeze());
    }
    // A copy to the size of the data: a small message must not keep a large buffer.
    let bytes = Bytes::copy_from_slice(&buffer);
    buffer.clear();
    stream.shard().return_buffer(buffer);
    read.map(|_| bytes)
}

/// Reads and drops until the socket breaks; after its end, waits for ever.
async fn discard(socket: &impl Socket) -> RelayError {
    let mut buffer = BytesMut::with_capacity(DISCARD_BYTES);
    loop {
        if let Err(error) = poll_fn(|cx| socket.poll_readable(cx)).await {
            return RelayError::Socket(error);
        }
        buffer.clear();
        match socket.try_read(&mut buffer) {
            Ok(0) => return std::future::pending().await,
            Ok(_) => tokio::task::yield_now().await,
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            Err(error) => return RelayError::Socket(error),
        }
    }
}

/// Waits for the socket; `false` when the far side stops reading first.
async fn wait_readable(socket: &impl Socket, stream: &Stream) -> Result<bool, RelayError> {
    poll_fn(|cx| match stream.poll_stopped(cx) {
        Poll::Ready(StreamError::Stopped(_)) => Poll::Ready(Ok(false)),
        Poll::Ready(error) => Poll::Ready(Err(error.into())),
        Poll::Pending => socket.poll_readable(cx).map_ok(|()| true).map_err(RelayError::Socket),
    })
    .await
}

/// Stream → socket.
async fn downstream(
    socket: &impl Socket,
    stream: &Stream,
    early: Early,
    activity: &Activity<'_>,
) -> Result<End, RelayError> {
    let mut queue = VecDeque::from(early.chunks);
    let mut ended = early.ended;
    let mut chunks = Vec::new();
    let mut turn = 0;
    loop {
        while !queue.is_empty() {
            match write_some(socket, &mut queue) {
                Ok(written) => {
                    turn += written;
                    activity.moved();
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    turn = 0;
                    stream.set_stuck(true);
                    poll_fn(|cx| socket.poll_writable(cx)).await.map_err(RelayError::Socket)?;
                    stream.set_stuck(false);
                }
                Err(_) => {
                    // The socket takes no more. What it still has to say may be worth hearing.
                    stream.stop(code::BROKEN);
                    return Ok(End::Unwanted);
                }
            }
            if turn >= TURN_BYTES {
                turn = 0;
                tokio::task::yield_now().await;
            }
        }
        if ended {
            // Fails only where the connection has ended in both directions already.
            let _ = socket.shutdown();
            return Ok(End::Clean);
        }
        ended = stream.read(READ_BYTES, &mut chunks).await?;
        queue.extend(chunks.drain(..));
    }
}

fn write_some(socket: &impl Socket, queue: &mut VecDeque<Bytes>) -> io::Result<usize> {
    let mut slices = [IoSlice::new(&[]); SLICES];
    let mut count = 0;
    for (slice, chunk) in slices.iter_mut().zip(queue.iter()) {
        *slice = IoSlice::new(chunk);
        count += 1;
    }
    let written = socket.try_write(&slices[..count])?;
    let mut left = written;
    while let Some(front) = queue.front_mut() {
        if left < front.len() {
            front.advance(left);
            break;
        }
        left -= front.len();
        queue.pop_front();
    }
    Ok(written)
}
