//! The works: what one connection does, again and again, until somebody drops it.

use super::tally::{FirstBytes, Tally};
use crate::arguments::Run;
use crate::dial::dial;
use crate::discarding::{discard, discard_filling};
use crate::wording::{BLOCK, REQUEST, Wanted, invalid};
use std::io;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// Bytes written at once.
const WRITE_BYTES: usize = 256 << 10;

/// Length of an answer to the loops beside the work.
pub(crate) const BESIDE_ANSWER: u32 = 1024;

/// After an error, before it is tried again: a target that is not there is not worth a processor.
const ERROR_PAUSE: Duration = Duration::from_millis(20);

/// What a connection's loop knows.
pub(crate) struct Worker {
    pub(crate) run: Run,
    pub(crate) tally: Tally,
    pub(crate) first: Arc<FirstBytes>,
}

impl Worker {
    /// Down, until it has all the bytes that the run wants.
    pub(crate) async fn down(&self) {
        self.until_done(async || {
            let mut socket = self.open(Wanted::Down(self.run.bytes.unwrap_or(0))).await?;
            self.first.asked();
            let mut total = 0;
            loop {
                match discard_filling(&mut socket).await? {
                    0 => break,
                    length => {
                        self.first.moved(length);
                        self.tally.moved(length);
                        total += length as u64;
                    }
                }
            }
            if Some(total) == self.run.bytes { Ok(()) } else { Err(early(&format!("after {total} bytes"))) }
        })
        .await;
    }

    /// Up, until the origin has counted all the bytes that the run wants.
    pub(crate) async fn up(&self) {
        self.until_done(async || {
            let mut socket = self.open(Wanted::Up).await?;
            let mut left = self.run.bytes.unwrap_or(u64::MAX);
            while left > 0 {
                let length = socket.write(&BLOCK[..left.min(WRITE_BYTES as u64) as usize]).await?;
                self.tally.moved(length);
                left -= length as u64;
            }
            socket.shutdown().await?;
            let counted =
                socket.read_u64().await.map_err(|error| io::Error::new(error.kind(), "no count at the end"))?;
            match self.run.bytes {
                Some(bytes) if counted != bytes => Err(invalid(format!("{counted} of {bytes} bytes have arrived"))),
                _ => Ok(()),
            }
        })
        .await;
    }

    /// Requests on a connection that stays; a new one after an error.
    pub(crate) async fn requests(&self) {
        self.until_done(async || {
            let mut socket = self.open(Wanted::Answers(self.run.size)).await?;
            loop {
                let asked = Instant::now();
                request(&mut socket, self.run.size as usize).await?;
                self.tally.answered(asked, self.run.size as usize);
            }
        })
        .await;
    }

    /// The same beside another work, counted apart.
    pub(crate) async fn beside(&self) {
        self.until_done(async || {
            let mut socket = self.open(Wanted::Answers(BESIDE_ANSWER)).await?;
            loop {
                let asked = Instant::now();
                request(&mut socket, BESIDE_ANSWER as usize).await?;
                self.tally.answered_beside(asked);
            }
        })
        .await;
    }

    /// A connection after the other. The time is that until the byte is there; the far end closes first, so
    /// that it has the port to wait for (TIME-WAIT, RFC 9293 §3.3.2) and not this one, which has only so many.
    pub(crate) async fn connect(&self) {
        self.until_done(async || {
            loop {
                let asked = Instant::now();
                let mut socket = self.open(Wanted::Once).await?;
                if discard_filling(&mut socket).await? != 1 {
                    return Err(early("instead of its one byte"));
                }
                self.tally.answered(asked, 1);
                if discard(&mut socket).await? != 0 {
                    return Err(invalid("there was more than one byte".to_owned()));
                }
            }
        })
        .await;
    }

    /// A connection with one request made on it.
    pub(crate) async fn held(&self) -> io::Result<TcpStream> {
        let asked = Instant::now();
        let mut socket = self.open(Wanted::Answers(self.run.size)).await?;
        request(&mut socket, self.run.size as usize).await?;
        self.tally.answered(asked, self.run.size as usize);
        Ok(socket)
    }

    async fn open(&self, wanted: Wanted) -> io::Result<TcpStream> {
        let mut socket = dial(self.run.via, self.run.target).await?;
        socket.write_all(&wanted.encode()).await?;
        Ok(socket)
    }

    async fn until_done(&self, work: impl AsyncFn() -> io::Result<()>) {
        while let Err(error) = work().await {
            self.tally.failed(&error);
            tokio::time::sleep(ERROR_PAUSE).await;
        }
    }
}

/// One request and its answer of `size` bytes.
pub(crate) async fn request(socket: &mut TcpStream, size: usize) -> io::Result<()> {
    socket.write_all(&BLOCK[..REQUEST]).await?;
    let mut have = 0;
    while have < size {
        match discard_filling(socket).await? {
            0 => return Err(early(&format!("after {have} of the {size} bytes of an answer"))),
            length => have += length,
        }
    }
    if have > size { Err(invalid(format!("an answer of {size} bytes has {have}"))) } else { Ok(()) }
}

fn early(when: &str) -> io::Error {
    io::Error::new(io::ErrorKind::UnexpectedEof, format!("the connection ended {when}"))
}
