//! Opening a stream to a target through a link: the client's half of the open request.

use bytes::{Buf, Bytes};
use ginnel_engine::client::Client;
use ginnel_engine::stream::{Early, Stream, StreamError};
use ginnel_engine::trace::Stage;
use ginnel_proto::limits::Limits;
use ginnel_proto::open::{OpenReply, OpenRequest};
use ginnel_proto::target::Target;
use std::time::Duration;
use thiserror::Error;
use tokio::time::{Instant, timeout};
use tracing::debug;

/// Bytes that may come together with the reply and are taken in at once.
const EARLY_MAX: usize = 64 << 10;

/// What the far end may need beyond its own limits, for the way there and back.
const MARGIN: Duration = Duration::from_secs(5);

/// Why a stream to a target could not be had.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Error)]
pub enum OpenFailure {
    /// There is no link, or it went away meanwhile.
    #[error("the link is down")]
    LinkDown,
    /// The far end says no.
    #[error("{0}")]
    Refused(OpenReply),
    /// The far end says nothing, or something that is not a reply.
    #[error("the far end did not answer the open request")]
    NoReply,
}

impl OpenFailure {
    /// The reply that says the same.
    pub fn reply(self) -> OpenReply {
        match self {
            Self::Refused(reply) => reply,
            Self::LinkDown | Self::NoReply => OpenReply::Failed,
        }
    }
}

/// Opens a stream to `target`. `first` is what the application has sent already: it leaves with the
/// open request. What comes together with the reply is handed on.
///
/// A request whose link goes away before the reply is made again on the next link, for up to
/// `link_wait` in all, unless something was sent behind it: that could reach the target twice.
pub async fn open(
    client: &Client,
    target: Target,
    first: &[u8],
    limits: &Limits,
) -> Result<(Stream, Early), OpenFailure> {
    let deadline = Instant::now() + limits.link_wait;
    loop {
        match attempt(client, &target, first, limits, deadline).await {
            Err(OpenFailure::LinkDown) if first.is_empty() && Instant::now() < deadline => {
                // Whoever knows that the link is gone gets a turn to say so.
                tokio::task::yield_now().await;
            }
            outcome => return outcome,
        }
    }
}

async fn attempt(
    client: &Client,
    target: &Target,
    first: &[u8],
    limits: &Limits,
    deadline: Instant,
) -> Result<(Stream, Early), OpenFailure> {
    let patience = deadline.saturating_duration_since(Instant::now());
    let stream = client.open(patience).await.ok_or(OpenFailure::LinkDown)?;
    match ask(&stream, target, first, limits).await {
        Ok(early) => {
            stream.end_stage(Stage::Connected);
            if early.chunks.is_empty() {
                stream.await_first_byte();
            } else {
                stream.end_stage(Stage::FirstByte);
            }
            stream.log_opened(target);
            Ok((stream, early))
        }
        Err(failure) => {
            let (link, id) = (stream.link(), stream.id().0);
            debug!(target: "stream", %link, stream = id, to = %target, why = %failure, "stream not opened");
            Err(failure)
        }
    }
}

async fn ask(stream: &Stream, target: &Target, first: &[u8], limits: &Limits) -> Result<Early, OpenFailure> {
    let mut request = Vec::new();
    OpenRequest { target: target.clone() }.encode(&mut request);
    request.extend_from_slice(first);
    stream.write_all(request.into()).await?;
    stream.end_stage(Stage::Opened);
    let patience = limits.connect_time + MARGIN;
    timeout(patience, read_reply(stream)).await.map_err(|_| OpenFailure::NoReply)?
}

async fn read_reply(stream: &Stream) -> Result<Early, OpenFailure> {
    let mut chunks: Vec<Bytes> = Vec::new();
    let ended = stream.read(EARLY_MAX, &mut chunks).await?;
    let Some(first) = chunks.first_mut().filter(|chunk| !chunk.is_empty()) else {
        return Err(OpenFailure::NoReply);
    };
    match OpenReply::from_byte(first.get_u8()) {
        Ok(OpenReply::Connected) => {}
        Ok(reply) => return Err(OpenFailure::Refused(reply)),
        Err(_) => return Err(OpenFailure::NoReply),
    }
    chunks.retain(|chunk| !chunk.is_empty());
    Ok(Early { chunks, ended })
}

impl From<StreamError> for OpenFailure {
    fn from(error: StreamError) -> Self {
        match error {
            StreamError::LinkDown => Self::LinkDown,
            StreamError::Reset(_) | StreamError::Stopped(_) | StreamError::Shed => Self::NoReply,
        }
    }
}
