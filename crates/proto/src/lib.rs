//! (in the making)

#[doc(hidden)]
pub mod fuzz;
pub mod open;
pub mod parse;
pub mod socks5;
pub mod target;
