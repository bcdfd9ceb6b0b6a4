//! The server's half of a stream: read the open request, connect, reply, relay.

use crate::outbound::{ConnectError, Outbound};
use crate::places::Places;
use crate::socket;
use bytes::{Buf, Bytes};
use ginnel_engine::relay::relay;
use ginnel_engine::shard::Shard;
use ginnel_engine::stream::{Early, Stream, StreamError, code};
use ginnel_engine::trace::Stage;
use ginnel_proto::open::{OpenError, OpenReply, OpenRequest, OpenRequestParser};
use ginnel_proto::parse::Progress;
use ginnel_proto::target::{Host, Target};
use std::fmt;
use std::net::SocketAddr;
use thiserror::Error;
use tokio::net::TcpStream;
use tokio::time::{sleep, timeout};
use tracing::debug;

/// Bytes behind an open request that are taken in with it.
const EARLY_MAX: usize = 64 << 10;

/// Serves the streams that clients open, until the shard's runtime ends it. A stream that finds no
/// place waits in its link.
pub async fn serve(shard: Shard, outbound: Outbound, places: Places) {
    loop {
        let place = match places.try_take() {
            Some(place) => place,
            None => {
                shard.limit_reached("streams");
                places.take().await
            }
        };
        let stream = shard.accept().await;
        let outbound = outbound.clone();
        tokio::task::spawn_local(async move {
            serve_stream(stream, outbound).await;
            drop(place);
        });
    }
}

/// What came instead of an open request.
#[derive(Debug, Error)]
enum RequestError {
    #[error(transparent)]
    Bad(#[from] OpenError),
    #[error(transparent)]
    Stream(#[from] StreamError),
    #[error("the stream ended before its open request was complete")]
    Ended,
}

async fn serve_stream(stream: Stream, outbound: Outbound) {
    let step_time = stream.shard().limits().step_time;
    match stream.turn() {
        Some(wait) if wait.is_zero() => {}
        Some(wait) => sleep(wait).await,
        None => return refuse(&stream, OpenReply::LimitReached).await,
    }
    let (request, early) = match timeout(step_time, read_request(&stream)).await {
        Ok(Ok(read)) => read,
        Ok(Err(RequestError::Bad(error))) => {
            log_bad(&stream, &error);
            return refuse(&stream, error.reply()).await;
        }
        Ok(Err(error)) => {
            log_bad(&stream, &error);
            return stream.reset(code::BAD_REQUEST);
        }
        Err(late) => {
            log_bad(&stream, &late);
            return stream.reset(code::BAD_REQUEST);
        }
    };
    stream.end_stage(Stage::Requested);
    match connect(&outbound, &request.target).await {
        Ok(target) => {
            stream.end_stage(Stage::Connected);
            stream.log_opened(&request.target);
            let connected = Bytes::copy_from_slice(&[OpenReply::Connected.to_byte()]);
            let sent = stream.write_all(connected).await.is_ok();
            stream.await_first_byte();
            if !sent || relay(&target, &stream, early).await.is_err() {
                socket::break_off(&target);
            }
        }
        Err(error) => {
            let (link, id) = (stream.link(), stream.id().0);
            debug!(target: "outbound", %link, stream = id, to = %request.target, why = %error, "target not connected");
            if matches!(error, ConnectError::LimitReached) {
                stream.shard().limit_reached("connections to targets");
            }
            refuse(&stream, reply_for(&error)).await;
        }
    }
}

fn log_bad(stream: &Stream, why: &dyn fmt::Display) {
    debug!(target: "stream", link = %stream.link(), stream = stream.id().0, %why, "bad open request");
}

async fn refuse(stream: &Stream, reply: OpenReply) {
    if stream.write_all(Bytes::copy_from_slice(&[reply.to_byte()])).await.is_ok() {
        stream.finish();
    }
}

async fn read_request(stream: &Stream) -> Result<(OpenRequest, Early), RequestError> {
    let mut parser = OpenRequestParser::new();
    let mut chunks: Vec<Bytes> = Vec::new();
    loop {
        let ended = stream.read(EARLY_MAX, &mut chunks).await?;
        for index in 0..chunks.len() {
            if let Progress::Done { value, consumed } = parser.feed(&chunks[index])? {
                chunks[index].advance(consumed);
                chunks.drain(..index);
                chunks.retain(|chunk| !chunk.is_empty());
                return Ok((value, Early { chunks, ended }));
            }
        }
        if ended {
            return Err(RequestError::Ended);
        }
        chunks.clear();
    }
}

async fn connect(outbound: &Outbound, target: &Target) -> Result<TcpStream, ConnectError> {
    match &target.host {
        Host::V4(ip) => outbound.connect_addr(SocketAddr::from((*ip, target.port))).await,
        Host::V6(ip) => outbound.connect_addr(SocketAddr::from((*ip, target.port))).await,
        Host::Name(name) => outbound.connect_name(name.as_str(), target.port).await,
    }
}

fn reply_for(error: &ConnectError) -> OpenReply {
    match error {
        ConnectError::Refused => OpenReply::Refused,
        ConnectError::HostUnreachable => OpenReply::HostUnreachable,
        ConnectError::NameUnknown => OpenReply::NameUnknown,
        ConnectError::TimedOut => OpenReply::TimedOut,
        ConnectError::NetworkUnreachable => OpenReply::NetworkUnreachable,
        ConnectError::NotAllowed => OpenReply::NotAllowed,
        ConnectError::LimitReached => OpenReply::LimitReached,
        // A resolver without servers, and whatever else kept us from the host.
        ConnectError::Failed(_) => OpenReply::HostUnreachable,
    }
}
