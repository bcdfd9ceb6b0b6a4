//! What comes on the streams of a connection, and who puts it in order: the library, or
//! [`Reassembly`] where packets are lost.

use super::reassembly::{End, Reassembly};
use super::{code, theirs};
use crate::session::{Gone, READ_CHUNKS_MAX, Read, StreamId};
use bytes::Bytes;
use quinn_proto::{Chunks, Connection, ReadError};
use rustc_hash::FxHashMap;

/// A reader that finds nothing in its turn after so many frames waits behind a gap.
const FRAMES_BEHIND_GAP: u32 = 64;

/// So many frames may wait unread in the library. It allows 1,024 gaps: with fewer frames than that
/// there cannot be too many, unless one datagram brings hundreds.
const FRAMES_UNREAD_MAX: u32 = 512;

/// A stream in more pieces than this is somebody's joke. The rest stays in the library, which ends
/// the connection.
pub(super) const PIECES_MAX: usize = 1 << 16;

/// With so many frames unread nobody seems to read a stream for now.
const FRAMES_UNREAD: u32 = 16;

/// What is known of a stream on which something has come.
#[derive(Debug, Default)]
struct Arrival {
    /// Bytes read.
    read: u64,
    /// Frames that have come since something was read.
    frames: u32,
    is_unread: bool,
    /// Where the stream's bytes are put in order, once it has met with gaps.
    order: Option<Reassembly>,
}

/// The incoming side of all streams.
#[derive(Debug)]
pub(super) struct Incoming {
    streams: FxHashMap<StreamId, Arrival>,
    /// Bytes that wait in pieces, of all streams.
    held: usize,
    /// How many streams nobody seems to read.
    unread: usize,
    /// Bytes that may wait in pieces: of a stream whose reader pauses, and of all together.
    paused_max: usize,
    held_max: usize,
}

impl Incoming {
    /// So many bytes may wait in pieces: of a stream whose reader pauses, and of all together. The
    /// link's window must end the latter long before: what does not come out of the library for
    /// want of room may be too much for the library.
    pub(super) fn new(paused_max: u64, held_max: u64) -> Self {
        let size = |bytes| usize::try_from(bytes).unwrap_or(usize::MAX);
        Self {
            streams: FxHashMap::default(),
            held: 0,
            unread: 0,
            paused_max: size(paused_max),
            held_max: size(held_max),
        }
    }

    /// Memory that waits in pieces, bytes.
    pub(super) fn held(&self) -> usize {
        self.held
    }

    /// How many streams nobody seems to read.
    pub(super) fn unread(&self) -> usize {
        self.unread
    }

    /// Takes note that a frame of a stream has come.
    pub(super) fn arrived(&mut self, connection: &mut Connection, id: StreamId) {
        let arrival = self.streams.entry(id).or_default();
        arrival.frames += 1;
        if arrival.frames == FRAMES_UNREAD && !arrival.is_unread {
            arrival.is_unread = true;
            self.unread += 1;
        }
        if arrival.frames < FRAMES_UNREAD_MAX {
            return;
        }
        arrival.frames = 0;
        let order = arrival.order.get_or_insert_with(|| Reassembly::new(arrival.read));
        let before = order.held();
        let all = self.held_max.saturating_sub(self.held - before);
        let paused = self.paused_max.min(all);
        // A stream that is gone has nothing to hold.
        let _ = with_chunks(connection, id, false, |chunks| {
            // What is in its turn waits for a reader, who gets no more than his window.
            let first = match chunks.next(0) {
                Ok(Some(first)) => first.offset,
                Ok(None) => return order.end = Some(End::Clean),
                Err(ReadError::Reset(error)) => return give_up(order, code(error)),
                Err(ReadError::Blocked) => return,
            };
            let waits = !order.is_behind_gap() || first == order.next();
            let room = if waits { paused } else { all };
            while order.end.is_none() && order.has_room(room) && take_piece(chunks, order) {}
        });
        self.held = self.held + order.held() - before;
    }

    /// As [`Session::read`](crate::session::Session::read).
    pub(super) fn read(
        &mut self,
        connection: &mut Connection,
        id: StreamId,
        max: usize,
        out: &mut Vec<Bytes>,
    ) -> Result<Read, Gone> {
        let is_in_pieces = self.streams.get(&id).is_some_and(|arrival| arrival.order.is_some());
        let read = if is_in_pieces {
            self.read_pieces(connection, id, max, out)?
        } else {
            match with_chunks(connection, id, true, |chunks| read_in_order(chunks, max, out))? {
                Read::Blocked if self.is_behind_gap(id) => self.read_pieces(connection, id, max, out)?,
                read => read,
            }
        };
        match read {
            Read::Data(bytes) if bytes > 0 => {
                let arrival = self.streams.entry(id).or_default();
                arrival.read += bytes as u64;
                arrival.frames = 0;
                self.unread -= usize::from(std::mem::take(&mut arrival.is_unread));
            }
            Read::Data(_) | Read::Blocked => {}
            Read::End(_) | Read::Reset(_) => self.forget(id),
        }
        Ok(read)
    }

    /// Nobody reads the stream any more.
    pub(super) fn forget(&mut self, id: StreamId) {
        if let Some(arrival) = self.streams.remove(&id) {
            self.unread -= usize::from(arrival.is_unread);
            self.held -= arrival.order.map_or(0, |order| order.held());
        }
    }

    fn is_behind_gap(&self, id: StreamId) -> bool {
        self.streams.get(&id).is_some_and(|arrival| arrival.frames >= FRAMES_BEHIND_GAP)
    }

    fn read_pieces(
        &mut self,
        connection: &mut Connection,
        id: StreamId,
        max: usize,
        out: &mut Vec<Bytes>,
    ) -> Result<Read, Gone> {
        let arrival = self.streams.entry(id).or_default();
        let order = arrival.order.get_or_insert_with(|| Reassembly::new(arrival.read));
        let before = order.held();
        let room = self.held_max.saturating_sub(self.held - before);
        let mut limit = Limit { bytes: max, chunks: READ_CHUNKS_MAX };
        take_ready(order, &mut limit, out);
        // Not while there is more here: a reader takes no more from the library than it can use.
        let pulled = if order.end.is_none() && limit.is_open() {
            with_chunks(connection, id, false, |chunks| pull(chunks, order, room, &mut limit, out))
        } else {
            Ok(())
        };
        self.held = self.held + order.held() - before;
        pulled?;
        let bytes = max - limit.bytes;
        Ok(match order.end {
            Some(End::Reset(code)) => Read::Reset(code),
            Some(End::Clean) if order.is_empty() => Read::End(bytes),
            _ if bytes > 0 || max == 0 => Read::Data(bytes),
            _ => Read::Blocked,
        })
    }
}

/// What one read may still bring.
struct Limit {
    bytes: usize,
    chunks: usize,
}

impl Limit {
    fn is_open(&self) -> bool {
        self.bytes > 0 && self.chunks > 0
    }

    fn count(&mut self, bytes: usize) {
        self.bytes -= bytes;
        self.chunks -= 1;
    }
}

fn with_chunks<R>(
    connection: &mut Connection,
    id: StreamId,
    ordered: bool,
    call: impl FnOnce(&mut Chunks<'_>) -> R,
) -> Result<R, Gone> {
    let mut stream = connection.recv_stream(theirs(id)?);
    let mut chunks = stream.read(ordered).map_err(|_| Gone)?;
    let result = call(&mut chunks);
    // The caller asks for a transmission after every call, so the hint is of no use.
    let _ = chunks.finalize();
    Ok(result)
}

fn read_in_order(chunks: &mut Chunks<'_>, max: usize, out: &mut Vec<Bytes>) -> Read {
    let mut limit = Limit { bytes: max, chunks: READ_CHUNKS_MAX };
    loop {
        let bytes = max - limit.bytes;
        if !limit.is_open() {
            return Read::Data(bytes);
        }
        match chunks.next(limit.bytes) {
            Ok(Some(chunk)) => {
                limit.count(chunk.bytes.len());
                out.push(chunk.bytes);
            }
            Ok(None) => return Read::End(bytes),
            Err(ReadError::Blocked) if bytes > 0 => return Read::Data(bytes),
            Err(ReadError::Blocked) => return Read::Blocked,
            Err(ReadError::Reset(error)) => return Read::Reset(code(error)),
        }
    }
}

/// Passes on what lies ready.
fn take_ready(order: &mut Reassembly, limit: &mut Limit, out: &mut Vec<Bytes>) {
    while limit.is_open()
        && let Some(piece) = order.take(limit.bytes)
    {
        limit.count(piece.len());
        out.push(piece);
    }
}

/// Takes from the library: passes on what is in its turn, keeps the rest within `room`.
fn pull(chunks: &mut Chunks<'_>, order: &mut Reassembly, room: usize, limit: &mut Limit, out: &mut Vec<Bytes>) {
    while limit.is_open() && order.end.is_none() {
        // A read of nothing tells where the first piece begins, and leaves it.
        match chunks.next(0) {
            Ok(Some(first)) if first.offset == order.next() => {
                if let Ok(Some(chunk)) = chunks.next(limit.bytes) {
                    order.passed(chunk.bytes.len());
                    limit.count(chunk.bytes.len());
                    out.push(chunk.bytes);
                }
                take_ready(order, limit, out);
            }
            Ok(Some(_)) if order.has_room(room) => {
                take_piece(chunks, order);
            }
            Ok(Some(_)) | Err(ReadError::Blocked) => return,
            Ok(None) => order.end = Some(End::Clean),
            Err(ReadError::Reset(error)) => give_up(order, code(error)),
        }
    }
}

/// Moves the library's first piece over. `false`: there is none.
fn take_piece(chunks: &mut Chunks<'_>, order: &mut Reassembly) -> bool {
    match chunks.next(usize::MAX) {
        Ok(Some(chunk)) => order.keep(chunk.offset, &chunk.bytes),
        Ok(None) => order.end = Some(End::Clean),
        Err(ReadError::Reset(error)) => give_up(order, code(error)),
        Err(ReadError::Blocked) => return false,
    }
    true
}

fn give_up(order: &mut Reassembly, code: u32) {
    order.clear();
    order.end = Some(End::Reset(code));
}
