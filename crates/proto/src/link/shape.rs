//! The sizes of what a link sends, by the profile of this end.
//!
//! The first packets of a burst go one by one, each of a size of its own: full ones are made
//! smaller, others are padded. After them full packets leave in batches of equal segments, as
//! segmentation offload needs them, of a size that is drawn for each session and each of its keys.
//! What is not full (an acknowledgement, the last of a batch) is padded.

use crate::envelope::OVERHEAD;
use crate::envelope::header::Kind;
use crate::limits::BURST_GAP;
use crate::profile::Profile;
use rand::CryptoRng;
use std::time::Instant;

/// So many zeros at the end of a packet are worth the two bytes that say how many they were.
const TRIM_LEAST: usize = 16;

/// Shapes the session packets of one link.
pub struct Shaper {
    profile: Profile,
    /// Packets of this burst that still go one by one.
    burst: usize,
    /// When a session packet was last sent.
    last: Option<Instant>,
    /// By how much full packets of a batch are smaller than the path allows.
    cut: usize,
    /// The peer understands packets without their zeros.
    trims: bool,
}

/// How the next packets are to be.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Plan {
    /// One packet, whose size is its own.
    pub single: bool,
    /// Bytes that the session shall leave free behind each packet, the envelope's included.
    pub spare: usize,
}

impl Shaper {
    /// Draws what is drawn once for a link.
    pub fn new(profile: &Profile, trims: bool, rng: &mut impl CryptoRng) -> Self {
        let mut shaper = Self { profile: *profile, burst: 0, last: None, cut: 0, trims };
        shaper.draw_segment(rng);
        shaper
    }

    /// The link has new keys, and its full packets another size.
    pub fn draw_segment(&mut self, rng: &mut impl CryptoRng) {
        self.cut = self.profile.segment_cut.half().draw(rng);
    }

    /// How the session's next packets are to be.
    pub fn plan(&mut self, now: Instant, rng: &mut impl CryptoRng) -> Plan {
        if self.profile.burst_packets.high == 0 {
            return Plan { single: false, spare: OVERHEAD + self.cut };
        }
        if self.last.is_none_or(|last| now.saturating_duration_since(last) >= BURST_GAP) {
            self.burst = self.profile.burst_packets.draw(rng);
        }
        let single = self.burst > 0;
        let cut = if single { self.profile.burst_cut.draw(rng) } else { self.cut };
        Plan { single, spare: OVERHEAD + cut }
    }

    /// Something of the session leaves.
    pub fn sent(&mut self, now: Instant) {
        self.last = Some(now);
        self.burst = self.burst.saturating_sub(1);
    }

    /// Gives a lone packet, `content` bytes followed by room of no meaning, its size: at most `max`,
    /// and exactly that if it is to find out whether the path takes so much. Returns its kind and
    /// whether it is padded; behind it is the room for the envelope.
    pub fn lone(
        &self,
        plan: Plan,
        content: usize,
        max: usize,
        exactly: bool,
        out: &mut Vec<u8>,
        rng: &mut impl CryptoRng,
    ) -> (Kind, bool) {
        let is_full = content + plan.spare >= max;
        out.truncate(content);
        let mut kind = Kind::Session;
        if self.trims && !exactly {
            kind = trim(out);
        }
        let wanted = match plan.single {
            _ if exactly => max,
            true if is_full && kind == Kind::Session => 0,
            true => self.profile.burst_padding.draw(rng),
            false if is_full && kind == Kind::Session => 0,
            false => self.profile.small_padding.draw(rng),
        };
        let padded = pad(out, wanted, max);
        out.resize(out.len() + OVERHEAD, 0);
        (kind, padded)
    }

    /// Pads the last packet of a batch, which lies at the end of `out` from `start` on without room
    /// for the envelope, up to `max` bytes at most.
    pub fn last(&self, start: usize, max: usize, out: &mut Vec<u8>, rng: &mut impl CryptoRng) -> bool {
        let padded = pad(out, self.profile.small_padding.draw(rng), start + max);
        out.resize(out.len() + OVERHEAD, 0);
        padded
    }
}

/// Puts at most `wanted` zeros and their number behind a packet, so that it fits, once sealed, into
/// `max`. Returns whether there was something to put.
fn pad(out: &mut Vec<u8>, wanted: usize, max: usize) -> bool {
    let Some(room) = max.checked_sub(out.len() + OVERHEAD + 2).filter(|_| wanted > 0) else { return false };
    let padding = wanted.min(room);
    out.resize(out.len() + padding, 0);
    out.extend_from_slice(&(padding as u16).to_be_bytes());
    true
}

/// Takes the zeros off the end of a packet and writes their number there, if they are many.
fn trim(out: &mut Vec<u8>) -> Kind {
    let zeros = out.iter().rev().take_while(|byte| **byte == 0).count();
    if zeros < TRIM_LEAST {
        return Kind::Session;
    }
    out.truncate(out.len() - zeros);
    out.extend_from_slice(&(zeros as u16).to_be_bytes());
    Kind::Trimmed
}

/// Puts back the zeros of a trimmed packet, which is followed by `OVERHEAD` bytes of no meaning
/// before and after. `None`: it would be longer than any packet.
pub fn untrim(mut packet: bytes::BytesMut, longest: usize) -> Option<bytes::BytesMut> {
    packet.truncate(packet.len().checked_sub(OVERHEAD)?);
    let zeros = usize::from(u16::from_be_bytes(*packet.last_chunk::<2>()?));
    let length = packet.len() - 2;
    if length + zeros + OVERHEAD > longest {
        return None;
    }
    packet.truncate(length);
    packet.resize(length + zeros + OVERHEAD, 0);
    Some(packet)
}
