//! A seeded network in virtual time that drives the machines of `ginnel-proto`. For tests only.
//!
//! [`network`] carries datagrams over wires that lose, delay, reorder, duplicate and rewrite them;
//! [`lab`] puts a server's hub and any number of clients' hubs on it and moves time from one event
//! to the next; [`flow`] fills streams with a pattern that shows every misplaced byte. All chance
//! comes from one seed, so that a failure replays: a failing test prints its seed, and
//! `GINNEL_NETEM_SEED=<seed>` runs that one alone. What depends on the session is told over each of
//! [`sessions`], or over the one that `GINNEL_NETEM_SESSION=<name>` names.
//!
//! What goes wrong in here is a fault of the test or of the machines under it, so it panics.

pub mod bottleneck;
pub mod conditions;
pub mod flow;
pub mod journal;
pub mod keeping;
pub mod lab;
pub mod network;
pub mod node;
pub mod pattern;
pub mod pipe;
pub mod seeds;
pub mod sessions;
