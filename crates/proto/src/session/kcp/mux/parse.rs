//! The streaming parser of one pipe: pieces go in, however they were cut; frames and data come out.

use super::Violation;
use super::frame::{CONTROL_MAX, Frame};
use bytes::{Buf, Bytes};

/// What a pipe brings.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Part {
    /// A frame; of a PSH, its header.
    Frame(Frame),
    /// The next bytes of the last PSH, which was for this stream: a slice of the piece.
    Data(u32, Bytes),
}

/// Takes a pipe apart. It holds no more than one control frame.
#[derive(Clone, Debug, Default)]
pub struct Parser {
    /// The beginning of a frame that has not all come.
    kept: [u8; CONTROL_MAX],
    kept_len: usize,
    /// The stream of the PSH that we are in, and how many of its bytes are still to come.
    body: (u32, usize),
}

impl Parser {
    /// The next part of `piece`, which is taken off its front. `None`: the piece is used up.
    pub fn next(&mut self, piece: &mut Bytes) -> Result<Option<Part>, Violation> {
        let (stream, left) = self.body;
        if left > 0 && !piece.is_empty() {
            let data = piece.split_to(left.min(piece.len()));
            self.body.1 -= data.len();
            return Ok(Some(Part::Data(stream, data)));
        }
        Ok(self.next_frame(piece)?.map(|frame| {
            if let Frame::Psh(stream, length) = frame {
                self.body = (stream, length.into());
            }
            Part::Frame(frame)
        }))
    }

    fn next_frame(&mut self, piece: &mut Bytes) -> Result<Option<Frame>, Violation> {
        let kept = self.kept_len;
        if kept == 0
            && let Some(frame) = Frame::decode(piece)?
        {
            piece.advance(frame.wire_len());
            return Ok(Some(frame));
        }
        // No frame is longer than what can be kept, so a full one always decodes.
        let taken = piece.len().min(CONTROL_MAX - kept);
        self.kept[kept..kept + taken].copy_from_slice(&piece[..taken]);
        match Frame::decode(&self.kept[..kept + taken])? {
            Some(frame) => {
                // What was kept was not enough for this frame, so it ends in this piece.
                piece.advance(frame.wire_len().saturating_sub(kept));
                self.kept_len = 0;
                Ok(Some(frame))
            }
            None => {
                piece.advance(taken);
                self.kept_len = kept + taken;
                Ok(None)
            }
        }
    }
}
