//! The machines of ginnel: envelope, session, links, SOCKS5, open request.
//!
//! Nothing here has a socket, a clock, an async runtime or a source of randomness: time and
//! randomness are arguments, so that a test can replay hours in milliseconds from a seed. A packet
//! machine is used in one way everywhere: call one `handle_*`, then drain every `poll_*`.

pub mod envelope;
pub mod hub;
pub mod limits;
pub mod link;
pub mod session;
