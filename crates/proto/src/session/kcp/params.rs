//! What the two ends of a KCP session tell each other in the handshake.

use thiserror::Error;

/// Version of the parameters.
const VERSION: u8 = 1;

/// The bit of the flags that says: ginnel's own commands (85, 86) are known.
const EXTENDED: u8 = 1;

/// The most lanes of a link.
pub const LANES_MAX: u8 = 16;

/// One end's parameters.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Params {
    /// Knows commands 85 and 86.
    pub extended: bool,
    /// Lanes that it takes part in, 1 to [`LANES_MAX`].
    pub lanes: u8,
    /// Streams that its peer may open at first.
    pub streams: u32,
    /// Bytes that its peer may send on a new stream.
    pub stream_window: u32,
}

/// Session parameters that do not parse.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Error)]
#[error("session parameters that do not parse")]
pub struct BadParams;

impl Params {
    /// Length of the encoding.
    pub const LEN: usize = 11;

    /// Writes them.
    pub fn encode(&self) -> Vec<u8> {
        let mut out = vec![VERSION, u8::from(self.extended) * EXTENDED, self.lanes];
        out.extend_from_slice(&self.streams.to_be_bytes());
        out.extend_from_slice(&self.stream_window.to_be_bytes());
        out
    }

    /// Reads them. Whatever follows is for later versions.
    pub fn decode(bytes: &[u8]) -> Result<Self, BadParams> {
        let &[version, flags, lanes, a, b, c, d, e, f, g, h, ..] = bytes else { return Err(BadParams) };
        if version != VERSION || !(1..=LANES_MAX).contains(&lanes) {
            return Err(BadParams);
        }
        let (streams, stream_window) = (u32::from_be_bytes([a, b, c, d]), u32::from_be_bytes([e, f, g, h]));
        Ok(Self { extended: flags & EXTENDED != 0, lanes, streams, stream_window })
    }
}
