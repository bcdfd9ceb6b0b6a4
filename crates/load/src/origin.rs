//! The origin: the far end of every measured connection.

use crate::arguments::Origin;
use crate::discarding::discard;
use crate::serving::{listen, processors, runtime};
use crate::wording::{BLOCK, REQUEST, Wanted};
use std::io;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// Bytes written at once by a source.
const SOURCE_BYTES: usize = 256 << 10;

/// Room for requests read at once.
const REQUEST_BYTES: usize = 1024;

/// Serves until it is told to end.
pub(crate) fn origin(arguments: &Origin) -> io::Result<()> {
    runtime(processors().max(2))?.block_on(listen(arguments.listen, spawn))
}

/// Serves one connection. An origin has no opinion on connections that break: whoever loads it counts them.
pub(crate) fn spawn(socket: TcpStream) {
    tokio::spawn(async move {
        let _ = serve(socket).await;
    });
}

async fn serve(mut socket: TcpStream) -> io::Result<()> {
    match Wanted::read(&mut socket).await? {
        Wanted::Down(0) => source(socket, u64::MAX).await,
        Wanted::Down(bytes) => source(socket, bytes).await,
        Wanted::Up => sink(socket).await,
        Wanted::Answers(size) => answers(socket, size as usize).await,
        Wanted::Once => {
            socket.write_all(&BLOCK[..1]).await?;
            socket.shutdown().await
        }
    }
}

async fn source(mut socket: TcpStream, bytes: u64) -> io::Result<()> {
    let mut left = bytes;
    while left > 0 {
        let length = left.min(SOURCE_BYTES as u64) as usize;
        left -= socket.write(&BLOCK[..length]).await? as u64;
    }
    socket.shutdown().await?;
    // Until the reader has it all: closing earlier is no harm, but an end of its own would be missed.
    socket.read(&mut [0]).await.map(drop)
}

/// Counts until the end.
async fn sink(mut socket: TcpStream) -> io::Result<()> {
    let mut total: u64 = 0;
    loop {
        match discard(&mut socket).await? {
            0 => break,
            length => total += length as u64,
        }
    }
    socket.write_all(&total.to_be_bytes()).await?;
    socket.shutdown().await
}

async fn answers(mut socket: TcpStream, size: usize) -> io::Result<()> {
    let mut buffer = [0; REQUEST_BYTES];
    let mut have = 0;
    loop {
        let length = socket.read(&mut buffer).await?;
        if length == 0 {
            return socket.shutdown().await;
        }
        have += length;
        while have >= REQUEST {
            have -= REQUEST;
            socket.write_all(&BLOCK[..size]).await?;
        }
    }
}
