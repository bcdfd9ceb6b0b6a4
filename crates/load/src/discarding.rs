//! Reading what nobody looks at.

use crate::wording::{FILLING, invalid};
use std::cell::RefCell;
use std::future::poll_fn;
use std::io;
use std::pin::Pin;
use std::task::ready;
use tokio::io::{AsyncRead, ReadBuf};
use tokio::net::TcpStream;

/// The most that is read at once, bytes.
const MOST: usize = 256 << 10;

thread_local! {
    /// One block for all connections of a thread: nothing stays in it across an await.
    static BLOCK: RefCell<Box<[u8]>> = RefCell::new(vec![0; MOST].into());
}

/// Reads what is there, when something is. 0: the end.
pub(crate) async fn discard(socket: &mut TcpStream) -> io::Result<usize> {
    read(socket, |_| Ok(())).await
}

/// The same for what the origin sends. `InvalidData`: the first byte is none of the origin's, so this is
/// somebody else's answer.
pub(crate) async fn discard_filling(socket: &mut TcpStream) -> io::Result<usize> {
    read(socket, |read| match read.first() {
        Some(&byte) if byte != FILLING => Err(invalid(format!("the answer has {byte:#04x} in it: not the origin's"))),
        _ => Ok(()),
    })
    .await
}

/// The one read of a small answer tells the runtime that nothing more is there: it fills less than the block.
async fn read(socket: &mut TcpStream, check: impl Fn(&[u8]) -> io::Result<()>) -> io::Result<usize> {
    poll_fn(|context| {
        BLOCK.with_borrow_mut(|block| {
            let mut buffer = ReadBuf::new(block);
            ready!(Pin::new(&mut *socket).poll_read(context, &mut buffer))?;
            check(buffer.filled())?;
            Ok(buffer.filled().len()).into()
        })
    })
    .await
}
