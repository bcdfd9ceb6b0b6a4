//! Domain names, and what is none although it looks like one.

use std::fmt;
use std::str::FromStr;

use super::TargetError;

/// Longest name in bytes, without a trailing dot: 255 bytes in a DNS message (RFC 1035 §2.3.4) are 253 as text.
pub const MAX_NAME_LEN: usize = 253;

/// Longest label of a name in bytes (RFC 1035 §2.3.4).
pub const MAX_LABEL_LEN: usize = 63;

/// A domain name: 1 to [`MAX_NAME_LEN`] bytes, lower case, without a trailing dot, and never an address.
///
/// Letters, digits, hyphen and underscore make up its labels; hyphens may stand anywhere, as they do in
/// names that exist. International names come in their `xn--` form.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Name(Box<str>);

impl Name {
    /// Checks and normalises a name.
    ///
    /// # Errors
    /// Everything that [`Name`] promises and `text` breaks; an address is refused too ([`Host`](super::Host) reads both).
    pub fn new(text: &str) -> Result<Self, TargetError> {
        let text = text.strip_suffix('.').unwrap_or(text);
        if text.is_empty() {
            return Err(TargetError::EmptyName);
        }
        if text.len() > MAX_NAME_LEN {
            return Err(TargetError::NameTooLong(text.len()));
        }
        let allowed = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.');
        if let Some((index, byte)) = text.bytes().enumerate().find(|&(_, byte)| !allowed(byte)) {
            return Err(TargetError::BadCharacter { byte, at: index + 1 });
        }
        if let Some(label) = text.split('.').find(|label| label.is_empty() || label.len() > MAX_LABEL_LEN) {
            return Err(TargetError::BadLabel(label.len()));
        }
        if ends_in_number(text) {
            return Err(TargetError::EndsInNumber);
        }
        Ok(Self(text.to_ascii_lowercase().into_boxed_str()))
    }

    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// Whether some resolver would take `text` for an IPv4 address (WHATWG URL, "ends in a number checker").
fn ends_in_number(text: &str) -> bool {
    let last = text.rsplit('.').next().unwrap_or(text);
    let digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    let hex = |text: &str| text.bytes().all(|byte| byte.is_ascii_hexdigit());
    digits(last) || last.strip_prefix("0x").or(last.strip_prefix("0X")).is_some_and(hex)
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl FromStr for Name {
    type Err = TargetError;

    fn from_str(text: &str) -> Result<Self, TargetError> {
        Self::new(text)
    }
}
