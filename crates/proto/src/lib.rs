//! The machines of ginnel: envelope, session, links, SOCKS5, open request.
//!
//! Nothing here has a socket, a clock, an async runtime or a source of randomness: time and
//! randomness are arguments, so that a test can replay hours in milliseconds from a seed. A packet
//! machine is used in one way everywhere: call one `handle_*`, then drain every `poll_*`. A parser
//! is fed bytes as they come, and says how many of them were its own ([`parse`]).

pub mod carrier;
pub mod congestion;
pub mod envelope;
#[doc(hidden)]
pub mod fuzz;
#[doc(hidden)]
pub mod fuzz_envelope;
#[doc(hidden)]
pub mod fuzz_kcp;
#[doc(hidden)]
pub mod fuzz_kcp_segments;
#[doc(hidden)]
pub mod fuzz_rawtcp;
pub mod hub;
pub mod keeper;
pub mod limits;
pub mod link;
pub mod open;
pub mod parse;
pub mod ports;
pub mod profile;
pub mod rawtcp;
pub mod session;
pub mod socks5;
pub mod target;
