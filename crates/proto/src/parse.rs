//! What the parsers of byte streams have in common: bytes go in, however the network cut them,
//! and either nothing, one value or an error comes out.

use zeroize::Zeroize;

/// How far a parser has come with the bytes it was given.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[must_use]
pub enum Progress<T> {
    /// Every byte given was taken, and more are needed.
    NeedMore,
    /// The value is complete.
    Done {
        /// What was parsed.
        value: T,
        /// How many bytes of the *last* call's input belong to it. The bytes behind them are the caller's.
        consumed: usize,
    },
}

impl<T> Progress<T> {
    /// The same progress with another value.
    pub fn map<U>(self, change: impl FnOnce(T) -> U) -> Progress<U> {
        match self {
            Self::NeedMore => Progress::NeedMore,
            Self::Done { value, consumed } => Progress::Done { value: change(value), consumed },
        }
    }
}

/// Gathers the pieces of one message of at most `N` bytes until its decoder has enough.
///
/// `N` must be at least the length of the longest message, so that a full buffer always decodes.
pub(crate) struct Gather<const N: usize> {
    bytes: [u8; N],
    len: usize,
}

impl<const N: usize> Gather<N> {
    pub(crate) const fn new() -> Self {
        Self { bytes: [0; N], len: 0 }
    }

    /// Tries `decode` on what was kept and `input` together.
    ///
    /// `decode` sees a prefix of the stream and answers `None` (incomplete) or the value with its length.
    /// It has to judge a longer prefix as it judged the shorter one; then the way the stream was cut
    /// cannot change the result. After a value the buffer is empty, after an error it is as before.
    pub(crate) fn feed<T, E>(
        &mut self,
        input: &[u8],
        decode: impl FnOnce(&[u8]) -> Result<Option<(T, usize)>, E>,
    ) -> Result<Progress<T>, E> {
        let kept = self.len;
        let taken = input.len().min(N - kept);
        self.bytes[kept..kept + taken].copy_from_slice(&input[..taken]);
        match decode(&self.bytes[..kept + taken])? {
            Some((value, used)) => {
                self.len = 0;
                // What was kept was incomplete, so the message ends in this input.
                Ok(Progress::Done { value, consumed: used.saturating_sub(kept) })
            }
            None => {
                self.len = kept + taken;
                Ok(Progress::NeedMore)
            }
        }
    }

    /// Overwrites all that was ever gathered; for messages that hold a secret.
    pub(crate) fn wipe(&mut self) {
        self.bytes.zeroize();
        self.len = 0;
    }

    /// All the memory, for tests that look for what should be gone.
    #[cfg(test)]
    pub(crate) const fn memory(&self) -> &[u8; N] {
        &self.bytes
    }
}
