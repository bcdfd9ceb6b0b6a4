//! User name and password of a listener, and their comparison with a client's (RFC 1929).

use std::fmt;
use std::sync::Arc;

use subtle::ConstantTimeEq;
use thiserror::Error;
use zeroize::Zeroizing;

use super::Socks5Error;

/// Longest user name and longest password in bytes (RFC 1929 §2).
pub const MAX_CREDENTIAL_LEN: usize = 255;

/// The user name and password that a listener demands. Copies share one memory, wiped when the last goes.
#[derive(Clone)]
pub struct Credentials(Arc<Login>);

/// Credentials that RFC 1929 cannot carry.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum CredentialsError {
    /// The user name's length in bytes.
    #[error("the SOCKS5 user name has {0} bytes; 1 to {MAX_CREDENTIAL_LEN} are allowed (RFC 1929)")]
    UserName(usize),
    /// The password's length in bytes.
    #[error("the SOCKS5 password has {0} bytes; 1 to {MAX_CREDENTIAL_LEN} are allowed (RFC 1929)")]
    Password(usize),
}

impl Credentials {
    /// Checks and keeps a user name and a password.
    ///
    /// # Errors
    /// One of them is empty or longer than [`MAX_CREDENTIAL_LEN`].
    pub fn new(user_name: &[u8], password: &[u8]) -> Result<Self, CredentialsError> {
        let login = Login {
            user_name: padded(user_name).ok_or(CredentialsError::UserName(user_name.len()))?,
            password: padded(password).ok_or(CredentialsError::Password(password.len()))?,
        };
        Ok(Self(Arc::new(login)))
    }

    /// Whether these are the user name and the password, without telling by the time it takes how much of
    /// which is right.
    pub(super) fn check(&self, user_name: &[u8], password: &[u8]) -> Result<(), Socks5Error> {
        let (Some(user_name), Some(password)) = (padded(user_name), padded(password)) else {
            return Err(Socks5Error::EmptyLogin);
        };
        let same_user_name = self.0.user_name.ct_eq(user_name.as_slice());
        let same_password = self.0.password.ct_eq(password.as_slice());
        // `&` of the library's own type: no branch between the two comparisons.
        if (same_user_name & same_password).into() { Ok(()) } else { Err(Socks5Error::WrongLogin) }
    }
}

impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Credentials(…)")
    }
}

struct Login {
    user_name: Padded,
    password: Padded,
}

/// A length byte and 255 bytes, the unused ones zero: of one size, and so compared in one time, whatever the length.
type Padded = Zeroizing<[u8; 1 + MAX_CREDENTIAL_LEN]>;

/// `None` for what is empty or too long.
fn padded(text: &[u8]) -> Option<Padded> {
    let len = u8::try_from(text.len()).ok().filter(|&len| len > 0)?;
    let mut out = Zeroizing::new([0; 1 + MAX_CREDENTIAL_LEN]);
    out[0] = len;
    out[1..=text.len()].copy_from_slice(text);
    Some(out)
}
