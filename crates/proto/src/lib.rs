//! (in the making)

pub mod open;
pub mod parse;
pub mod socks5;
pub mod target;
