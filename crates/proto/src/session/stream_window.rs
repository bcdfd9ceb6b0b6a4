//! The window of one stream, chosen by the path's first round trip.

use std::time::Duration;

/// The rate that one stream is not slowed down below by its window, bytes a second: 800 Mbit/s.
const STREAM_RATE: f64 = 1e8;

/// The least window of a stream.
const STREAM_MIN: u64 = 2 << 20;

/// So much a stream of a link may hold unread, bytes, whose first round trip took `rtt`; never more
/// than `most`.
pub(super) fn stream_window(rtt: Duration, most: u32) -> u32 {
    let needed = (rtt.as_secs_f64() * STREAM_RATE) as u64;
    // A peer's first streams begin under the least window. QUIC's hear of a larger one only once an
    // eighth of it has been read, KCP's with their first data.
    let most = u64::from(most);
    needed.clamp(STREAM_MIN.min(most), most.min(8 * STREAM_MIN)) as u32
}
