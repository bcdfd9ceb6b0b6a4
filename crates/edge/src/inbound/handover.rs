//! The hand-over: a stream for a program in this process, as one end of a socket pair.

use crate::opening::{OpenFailure, open};
use crate::places::Place;
use ginnel_engine::client::Client;
use ginnel_engine::relay::{RelayError, Socket, relay};
use ginnel_proto::limits::HANDOVER_CLOSE_TIME;
use ginnel_proto::target::Target;
use std::io;
use std::os::fd::OwnedFd;
use thiserror::Error;
use tokio::net::UnixStream;
use tokio::time::timeout;

/// Why a stream could not be handed over.
#[derive(Debug, Error)]
pub enum HandoverError {
    /// The stream could not be had.
    #[error(transparent)]
    Open(#[from] OpenFailure),
    /// No socket pair could be had: descriptors, memory.
    #[error("no socket for the stream: {0}")]
    Socket(#[from] io::Error),
}

/// Opens a stream to `target` and returns the owner's end of it; `place` is the stream's. `broken` is called when the far
/// side breaks the stream, before the owner could mistake that for a clean end.
pub async fn hand_over(
    client: &Client,
    target: Target,
    place: Place,
    broken: impl FnOnce() + 'static,
) -> Result<OwnedFd, HandoverError> {
    let limits = client.shard().limits();
    let (stream, early) = open(client, target, b"", &limits).await?;
    let (ours, theirs) = std::os::unix::net::UnixStream::pair()?;
    ours.set_nonblocking(true)?;
    theirs.set_nonblocking(true)?;
    let ours = UnixStream::from_std(ours)?;
    tokio::task::spawn_local(async move {
        if let Err(RelayError::Stream(_) | RelayError::Idle) = relay(&ours, &stream, early).await {
            drop(stream);
            broken();
            let _ = timeout(HANDOVER_CLOSE_TIME, closed(&ours)).await;
        }
        drop(place);
    });
    Ok(theirs.into())
}

/// Waits until the owner has closed its end.
async fn closed(socket: &UnixStream) {
    let mut buffer = bytes::BytesMut::with_capacity(4096);
    while socket.readable().await.is_ok() {
        buffer.clear();
        match Socket::try_read(socket, &mut buffer) {
            Ok(0) => return,
            Err(error) if error.kind() != io::ErrorKind::WouldBlock => return,
            _ => {}
        }
    }
}
