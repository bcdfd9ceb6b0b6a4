//! What a connection to the origin begins with, and what its bytes are.
//!
//! ```text
//! first byte         then                              the origin
//! 'd' u64            nothing                           sends so many bytes and ends; 0: sends for ever
//! 'u'                any bytes until the end           answers how many there were, u64, and ends
//! 'r' u32            100 bytes, again and again        answers each with so many bytes
//! 'c'                nothing                           answers one byte and ends
//! ```
//!
//! Numbers are big-endian.

use std::io;
use tokio::io::{AsyncRead, AsyncReadExt};

/// Length of a request, bytes.
pub(crate) const REQUEST: usize = 100;
/// The largest answer to a request, bytes: it comes out of one block of memory.
pub(crate) const MAX_ANSWER: u32 = 1 << 20;
/// What the origin sends, in every byte. Anything else is not from it.
pub(crate) const FILLING: u8 = b'g';

/// What everything that is sent is cut from.
pub(crate) static BLOCK: [u8; MAX_ANSWER as usize] = [FILLING; MAX_ANSWER as usize];

/// What a connection is for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Wanted {
    /// So many bytes; 0 is no end of them.
    Down(u64),
    /// To send.
    Up,
    /// Answers of so many bytes.
    Answers(u32),
    /// One byte.
    Once,
}

impl Wanted {
    /// The bytes that say so.
    pub(crate) fn encode(self) -> Vec<u8> {
        match self {
            Self::Down(bytes) => [b"d".as_slice(), &bytes.to_be_bytes()].concat(),
            Self::Up => b"u".to_vec(),
            Self::Answers(size) => [b"r".as_slice(), &size.to_be_bytes()].concat(),
            Self::Once => b"c".to_vec(),
        }
    }

    /// Reads them. `InvalidData`: they say something else.
    pub(crate) async fn read(from: &mut (impl AsyncRead + Unpin)) -> io::Result<Self> {
        match from.read_u8().await? {
            b'd' => from.read_u64().await.map(Self::Down),
            b'u' => Ok(Self::Up),
            b'r' => match from.read_u32().await? {
                size @ 1..=MAX_ANSWER => Ok(Self::Answers(size)),
                size => Err(invalid(format!("answers of {size} bytes: 1 to {MAX_ANSWER} can be had"))),
            },
            b'c' => Ok(Self::Once),
            other => Err(invalid(format!("{:?} is no command; d, u, r and c are", char::from(other)))),
        }
    }
}

/// An error of what was said, not of the connection.
pub(crate) fn invalid(why: String) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, why)
}

#[cfg(test)]
mod tests {
    use super::Wanted;

    async fn read(mut bytes: &[u8]) -> std::io::Result<Wanted> {
        Wanted::read(&mut bytes).await
    }

    #[tokio::test]
    async fn what_is_said_is_understood() {
        for wanted in [Wanted::Down(0), Wanted::Down(u64::MAX), Wanted::Up, Wanted::Answers(65_536), Wanted::Once] {
            assert_eq!(read(&wanted.encode()).await.unwrap(), wanted);
        }
    }

    #[tokio::test]
    async fn the_numbers_are_big_endian() {
        assert_eq!(Wanted::Down(258).encode(), b"d\0\0\0\0\0\0\x01\x02");
        assert_eq!(Wanted::Answers(1024).encode(), b"r\0\0\x04\0");
    }

    #[tokio::test]
    async fn anything_else_is_refused() {
        for bytes in [&b"GET / HTTP/1.1"[..], b"r\0\0\0\0", b"r\xff\xff\xff\xff"] {
            assert_eq!(read(bytes).await.unwrap_err().kind(), std::io::ErrorKind::InvalidData, "{bytes:?}");
        }
        assert_eq!(read(b"d\0\0").await.unwrap_err().kind(), std::io::ErrorKind::UnexpectedEof);
    }
}
