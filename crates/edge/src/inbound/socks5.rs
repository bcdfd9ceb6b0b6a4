//! The SOCKS5 inbound: accept, negotiate, open, relay.

use crate::inbound::newcomers::{Doorman, Newcomer};
use crate::opening::{OpenFailure, open};
use crate::places::Place;
use crate::socket::{self, SocketOptions};
use bytes::Bytes;
use ginnel_engine::client::Client;
use ginnel_engine::relay::relay;
use ginnel_proto::limits::{ACCEPT_PAUSE, Limits, NEGOTIATION_TIME};
use ginnel_proto::open::OpenReply;
use ginnel_proto::parse::Progress;
use ginnel_proto::socks5::{Credentials, Socks5, reply};
use ginnel_proto::target::Target;
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::{sleep, timeout};
use tracing::debug;

/// The address in a reply to CONNECT. The real one is at the far end, and nobody's business.
const BOUND: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(Ipv4Addr::UNSPECIFIED), 0);

/// Bytes read at once while negotiating; what comes behind the request goes to the target.
const NEGOTIATION_BYTES: usize = 1024;

/// One SOCKS5 listener.
#[derive(Clone)]
pub struct Socks5Inbound {
    client: Client,
    credentials: Option<Credentials>,
    doorman: Doorman,
}

impl Socks5Inbound {
    /// With credentials, applications must log in.
    pub fn new(client: Client, credentials: Option<Credentials>, doorman: Doorman) -> Self {
        Self { client, credentials, doorman }
    }

    /// Serves a listener until dropped. Connections that were accepted go on.
    pub async fn serve(self, listener: TcpListener) {
        loop {
            match listener.accept().await {
                Ok((socket, _)) => {
                    // The next is accepted when this one has a place.
                    let newcomer = self.doorman.admit().await;
                    let inbound = self.clone();
                    tokio::task::spawn_local(async move { inbound.serve_connection(socket, newcomer).await });
                }
                Err(error) => {
                    // No descriptors left, perhaps: whoever is silent has one that is of no use.
                    debug!(target: "inbound", %error, "accepting pauses");
                    if is_short(&error) {
                        self.client.shard().limit_reached("descriptors");
                        self.doorman.send_away_oldest();
                    }
                    sleep(ACCEPT_PAUSE).await;
                }
            }
        }
    }

    async fn serve_connection(&self, mut application: TcpStream, newcomer: Newcomer) {
        let limits = self.client.shard().limits();
        // Without its options the connection works, only less well.
        let _ = socket::tune(&application, &SocketOptions::new(&limits));
        let negotiated = tokio::select! {
            biased;
            () = newcomer.sent_away() => return,
            negotiated = timeout(NEGOTIATION_TIME, self.negotiate(&mut application, &limits)) => negotiated,
        };
        let (target, early) = match negotiated.map_err(io::Error::from).flatten() {
            Ok(Some(wanted)) => wanted,
            // Refused, and logged where that was known; or gone without a request.
            Ok(None) => return,
            Err(error) => return debug!(target: "inbound", %error, "an application broke off"),
        };
        let _place: Option<Place> = newcomer.settle();
        match open(&self.client, target, &early, &limits).await {
            Ok((stream, answered)) => {
                let sent = application.write_all(&reply(OpenReply::Connected, BOUND)).await.is_ok();
                if !sent || relay(&application, &stream, answered).await.is_err() {
                    socket::break_off(&application);
                }
            }
            Err(failure) => self.refuse(application, failure).await,
        }
    }

    async fn refuse(&self, mut application: TcpStream, failure: OpenFailure) {
        if application.write_all(&reply(failure.reply(), BOUND)).await.is_ok() {
            let _ = application.shutdown().await;
        }
    }

    /// The target, and what the application has sent behind its request. `None`: refused, and
    /// told so.
    async fn negotiate(&self, application: &mut TcpStream, limits: &Limits) -> io::Result<Option<(Target, Bytes)>> {
        let mut machine = Socks5::new(self.credentials.clone());
        let mut buffer = [0; NEGOTIATION_BYTES];
        loop {
            let length = timeout(limits.step_time, application.read(&mut buffer)).await??;
            if length == 0 {
                return Ok(None);
            }
            let fed = machine.feed(&buffer[..length]);
            let answer = machine.take_answer();
            application.write_all(&answer).await?;
            match fed {
                Ok(Progress::NeedMore) => {}
                Ok(Progress::Done { value, consumed }) => {
                    return Ok(Some((value, Bytes::copy_from_slice(&buffer[consumed..length]))));
                }
                Err(error) => {
                    debug!(target: "inbound", %error, "an application is refused");
                    application.shutdown().await?;
                    return Ok(None);
                }
            }
        }
    }
}

/// Whether an accept failed for want of descriptors or memory.
fn is_short(error: &io::Error) -> bool {
    matches!(error.raw_os_error(), Some(libc::EMFILE | libc::ENFILE | libc::ENOBUFS | libc::ENOMEM))
}
