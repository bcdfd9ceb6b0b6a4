//! (in the making)

pub mod open;
pub mod parse;
pub mod target;
