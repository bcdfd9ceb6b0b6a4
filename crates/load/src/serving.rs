//! What the programs that listen have in common: they say where, and serve until they are told to end.

use std::io::{self, Write};
use std::net::SocketAddr;
use std::time::Duration;
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::{Builder, Runtime};
use tokio::signal::unix::{SignalKind, signal};

/// Connections that may wait to be accepted; the kernel has a bound of its own.
const BACKLOG: u32 = 4096;

/// After an accept that failed, for want of descriptors perhaps.
const ACCEPT_PAUSE: Duration = Duration::from_millis(10);

/// A runtime with so many threads; 1 is the caller's own.
pub(crate) fn runtime(threads: usize) -> io::Result<Runtime> {
    if threads == 1 {
        return Builder::new_current_thread().enable_all().build();
    }
    Builder::new_multi_thread().worker_threads(threads).enable_all().build()
}

/// How many threads the machine can run at once.
pub(crate) fn processors() -> usize {
    std::thread::available_parallelism().map_or(1, usize::from)
}

/// Listens, prints `listening ADDRESS`, and hands each connection to `serve` until SIGINT or SIGTERM.
pub(crate) async fn listen(address: SocketAddr, mut serve: impl FnMut(TcpStream)) -> io::Result<()> {
    raise_descriptors();
    let listener = bind(address).map_err(|error| io::Error::new(error.kind(), format!("{address}: {error}")))?;
    let (mut interrupt, mut terminate) = (signal(SignalKind::interrupt())?, signal(SignalKind::terminate())?);
    let mut out = io::stdout();
    writeln!(out, "listening {}", listener.local_addr()?)?;
    out.flush()?;
    loop {
        tokio::select! {
            accepted = listener.accept() => match accepted {
                Ok((socket, _)) => {
                    // Without it the connection works, only less well.
                    let _ = socket.set_nodelay(true);
                    serve(socket);
                }
                Err(_) => tokio::time::sleep(ACCEPT_PAUSE).await,
            },
            _ = interrupt.recv() => return Ok(()),
            _ = terminate.recv() => return Ok(()),
        }
    }
}

fn bind(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = match address {
        SocketAddr::V4(_) => tokio::net::TcpSocket::new_v4(),
        SocketAddr::V6(_) => tokio::net::TcpSocket::new_v6(),
    }?;
    socket.set_reuseaddr(true)?;
    socket.bind(address)?;
    socket.listen(BACKLOG)
}

/// As many descriptors as this process may have: the usual soft bound is below what a load opens.
pub(crate) fn raise_descriptors() {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    let maximum = getrlimit(Resource::Nofile).maximum;
    // Where it fails, the accept or connect that finds none left says so.
    let _ = setrlimit(Resource::Nofile, Rlimit { current: maximum, maximum });
}
