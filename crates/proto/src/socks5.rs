//! The server's side of SOCKS5 (RFC 1928, CONNECT only) with user name and password (RFC 1929), without a socket.
//!
//! ```text
//! state      message of the client                        next state
//! Greeting   offers method 0x00, and no login is wanted   Request
//! Greeting   offers method 0x02, and a login is wanted    Login
//! Login      user name and password match                 Request
//! Request    CONNECT to a target that can exist           Over, with the target
//! any        anything else                                Over, with an error
//! ```
//!
//! One call does everything that the bytes at hand allow, for clients may send all their messages, and the
//! first bytes for the target, in one packet:
//!
//! ```
//! use ginnel_proto::{parse::Progress, socks5::Socks5};
//!
//! let mut socks = Socks5::new(None);
//! let input = b"\x05\x01\x00\x05\x01\x00\x03\x0bexample.org\x01\xbbhello";
//! let progress = socks.feed(input);
//! assert_eq!(socks.take_answer(), b"\x05\x00"); // to be sent, also after an error
//! let Ok(Progress::Done { value: target, consumed }) = progress else { panic!() };
//! assert_eq!(target.to_string(), "example.org:443");
//! assert_eq!(&input[consumed..], b"hello"); // for the target
//! ```

mod answer;
mod credentials;

use answer::code;
pub use answer::{Socks5Error, reply};
pub use credentials::{Credentials, CredentialsError, MAX_CREDENTIAL_LEN};

use crate::parse::{Gather, Progress};
use crate::target::{Target, Unchecked};

/// Longest message of a client: the login with 255 bytes of user name and as many of password.
pub const MAX_MESSAGE_LEN: usize = 1 + 1 + 255 + 1 + 255;

/// Version byte of greeting, request and reply (RFC 1928 §3).
const VERSION: u8 = 5;
/// Version byte of the login (RFC 1929 §2).
const LOGIN_VERSION: u8 = 1;
/// Method: nothing to prove (RFC 1928 §3).
const METHOD_NONE: u8 = 0x00;
/// Method: user name and password.
const METHOD_LOGIN: u8 = 0x02;
/// The server's choice when no offered method will do.
const METHOD_NONE_ACCEPTABLE: u8 = 0xff;
/// Command (RFC 1928 §4); BIND is 2, UDP ASSOCIATE is 3.
const COMMAND_CONNECT: u8 = 1;

/// The negotiation on one accepted connection, from the greeting to the target.
///
/// Feed it what the client sends; after *every* call, also one that failed, send what [`Socks5::take_answer`] has.
/// When the target is there, open it and send [`reply`]. After an error close the connection.
pub struct Socks5 {
    state: State,
    gather: Gather<MAX_MESSAGE_LEN>,
    /// At most 14 bytes: method choice, login status, and one failure.
    answer: Vec<u8>,
}

enum State {
    /// Waits for the client's methods. With credentials a login follows.
    Greeting(Option<Credentials>),
    /// Waits for user name and password.
    Login(Credentials),
    /// Waits for the request.
    Request,
    /// Has given its result.
    Over,
}

/// What a complete message leads to.
enum Step {
    Next(State),
    Target(Target),
}

impl Socks5 {
    /// A negotiation before its first byte. Without credentials the client has nothing to prove.
    pub const fn new(credentials: Option<Credentials>) -> Self {
        Self { state: State::Greeting(credentials), gather: Gather::new(), answer: Vec::new() }
    }

    /// Takes the next bytes from the client.
    ///
    /// `consumed` counts in this call's `input`; the bytes behind it are for the target.
    ///
    /// # Errors
    /// The negotiation failed; it is over, and so is the connection once the answer is sent.
    pub fn feed(&mut self, input: &[u8]) -> Result<Progress<Target>, Socks5Error> {
        let mut taken = 0;
        loop {
            match self.take_message(&input[taken..]) {
                Ok(Progress::NeedMore) => return Ok(Progress::NeedMore),
                Ok(Progress::Done { value: Step::Next(state), consumed }) => {
                    taken += consumed;
                    self.enter(state);
                }
                Ok(Progress::Done { value: Step::Target(value), consumed }) => {
                    self.enter(State::Over);
                    return Ok(Progress::Done { value, consumed: taken + consumed });
                }
                Err(error) => {
                    self.answer.extend(error.answer());
                    self.enter(State::Over);
                    return Err(error);
                }
            }
        }
    }

    /// The bytes to send to the client now; empty when there are none.
    #[must_use]
    pub fn take_answer(&mut self) -> Vec<u8> {
        std::mem::take(&mut self.answer)
    }

    fn take_message(&mut self, input: &[u8]) -> Result<Progress<Step>, Socks5Error> {
        match &self.state {
            State::Greeting(None) => {
                let progress = self.gather.feed(input, |bytes| read_greeting(bytes, METHOD_NONE))?;
                Ok(progress.map(|()| {
                    self.answer.extend([VERSION, METHOD_NONE]);
                    Step::Next(State::Request)
                }))
            }
            State::Greeting(Some(credentials)) => {
                let progress = self.gather.feed(input, |bytes| read_greeting(bytes, METHOD_LOGIN))?;
                Ok(progress.map(|()| {
                    self.answer.extend([VERSION, METHOD_LOGIN]);
                    Step::Next(State::Login(credentials.clone()))
                }))
            }
            State::Login(credentials) => {
                let progress = self.gather.feed(input, |bytes| read_login(bytes, credentials))?;
                Ok(progress.map(|()| {
                    self.answer.extend([LOGIN_VERSION, code::SUCCEEDED]);
                    Step::Next(State::Request)
                }))
            }
            State::Request => Ok(self.gather.feed(input, read_request)?.map(Step::Target)),
            State::Over => Err(Socks5Error::Over),
        }
    }

    fn enter(&mut self, state: State) {
        self.forget_login();
        self.state = state;
    }

    /// Wipes the gathered bytes where a password may be among them.
    fn forget_login(&mut self) {
        if matches!(self.state, State::Greeting(Some(_)) | State::Login(_)) {
            self.gather.wipe();
        }
    }
}

impl Drop for Socks5 {
    fn drop(&mut self) {
        self.forget_login();
    }
}

// The readers of messages: `None` while one is incomplete, else what it says and its length in bytes.
// They judge a byte only where a longer input could not change the judgement (see `Gather::feed`).

/// Greeting: version · count · methods (RFC 1928 §3).
fn read_greeting(bytes: &[u8], wanted: u8) -> Result<Option<((), usize)>, Socks5Error> {
    let Some((&version, rest)) = bytes.split_first() else {
        return Ok(None);
    };
    if version != VERSION {
        return Err(Socks5Error::NotSocks5(version));
    }
    let Some((methods, _)) = split_counted(rest) else {
        return Ok(None);
    };
    if !methods.contains(&wanted) {
        return Err(Socks5Error::NoAcceptableMethod { login: wanted == METHOD_LOGIN });
    }
    Ok(Some(((), 1 + 1 + methods.len())))
}

/// Login: version · length · user name · length · password (RFC 1929 §2).
fn read_login(bytes: &[u8], credentials: &Credentials) -> Result<Option<((), usize)>, Socks5Error> {
    let Some((&version, rest)) = bytes.split_first() else {
        return Ok(None);
    };
    if version != LOGIN_VERSION {
        return Err(Socks5Error::LoginVersion(version));
    }
    let Some((user_name, rest)) = split_counted(rest) else {
        return Ok(None);
    };
    let Some((password, _)) = split_counted(rest) else {
        return Ok(None);
    };
    credentials.check(user_name, password)?;
    Ok(Some(((), 1 + 1 + user_name.len() + 1 + password.len())))
}

/// Request: version · command · reserved · target (RFC 1928 §4).
///
/// It is taken in whole before command and target are judged: closing a connection with bytes unread makes
/// the kernel send a reset, which can overtake the answer.
fn read_request(bytes: &[u8]) -> Result<Option<(Target, usize)>, Socks5Error> {
    let Some((&version, rest)) = bytes.split_first() else {
        return Ok(None);
    };
    if version != VERSION {
        return Err(Socks5Error::RequestVersion(version));
    }
    // The reserved byte is not judged: RFC 1928 §4 wants it 0, and nothing depends on it.
    let Some(([command, _reserved], rest)) = rest.split_first_chunk() else {
        return Ok(None);
    };
    let Some((target, len)) = Unchecked::decode(rest)? else {
        return Ok(None);
    };
    if *command != COMMAND_CONNECT {
        return Err(Socks5Error::UnsupportedCommand(*command));
    }
    Ok(Some((target.check()?, 1 + 1 + 1 + len)))
}

/// Splits off a length byte and as many bytes as it says.
fn split_counted(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let (&count, rest) = bytes.split_first()?;
    rest.split_at_checked(count.into())
}

#[cfg(test)]
mod tests {
    use super::{Credentials, Socks5};

    fn holds_password(socks: &Socks5) -> bool {
        socks.gather.memory().windows(6).any(|part| part == b"secret")
    }

    #[test]
    fn a_password_is_wiped_as_soon_as_it_is_judged() {
        for (password, good) in [(&b"secret"[..], true), (b"Secret", false)] {
            let login = Credentials::new(b"user", password).expect("good credentials");
            let mut socks = Socks5::new(Some(login));
            assert!(socks.feed(b"\x05\x01\x02\x01\x04user\x06secre").is_ok());
            assert!(!holds_password(&socks));
            assert_eq!(socks.feed(b"t").is_ok(), good);
            assert!(!holds_password(&socks));
            assert!(socks.gather.memory().iter().all(|&byte| byte == 0));
        }
    }
}
