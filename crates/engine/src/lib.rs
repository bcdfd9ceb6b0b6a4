//! Shards, the link driver, the relay, shutdown: streams on one side, packets on the other.
//!
//! Everything here lives on one thread, its shard's: state is in `Rc<RefCell<…>>`, borrowed for
//! one short call at a time and never across an await. Names of links and streams go around, never
//! references to them.

mod activity;
pub mod carriers;
pub mod client;
mod clocks;
pub mod counters;
mod driver;
pub mod histogram;
pub mod memory;
mod notices;
pub mod relay;
pub mod shard;
pub mod stream;
pub mod trace;
mod turns;
pub mod usage;
