//! (in the making)

pub mod parse;
pub mod target;
