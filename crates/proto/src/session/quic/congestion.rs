//! The project's congestion controller behind the library's hooks.
//!
//! The library asks a controller for a window, and paces by that window alone. Ours has a pace as
//! well: it is handed to the session beside the library, and the session sends no faster.

use super::QuicConfig;
use crate::congestion::{Congestion, Controller};
use quinn_proto::RttEstimator;
use quinn_proto::congestion as library;
use rand::{CryptoRng, RngExt};
use std::any::Any;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::time::Instant;

/// What the controller of a connection allows now. The library keeps the controller to itself.
#[derive(Debug, Default)]
pub(super) struct Allowed {
    window: AtomicU64,
    /// 0: not paced.
    pace: AtomicU64,
    /// The library is not to ask for the window for now.
    lifted: AtomicBool,
}

impl Allowed {
    /// Bytes that may be in flight.
    pub(super) fn window(&self) -> u64 {
        self.window.load(Relaxed)
    }

    /// Makes a call of the library with the window lifted.
    pub(super) fn without_window<R>(&self, call: impl FnOnce() -> R) -> R {
        self.lifted.store(true, Relaxed);
        let result = call();
        self.lifted.store(false, Relaxed);
        result
    }

    /// Bytes a second; `None`: as fast as the window lets.
    pub(super) fn pace(&self) -> Option<u64> {
        Some(self.pace.load(Relaxed)).filter(|pace| *pace > 0)
    }
}

/// Builds a controller for each path that the connection comes to have.
pub(super) struct Factory {
    congestion: Congestion,
    seed: u64,
    allowed: Arc<Allowed>,
}

impl Factory {
    /// Controllers as the configuration wants them, which tell `allowed` what they allow.
    pub(super) fn new(config: &QuicConfig, allowed: &Arc<Allowed>, rng: &mut impl CryptoRng) -> Self {
        Self { congestion: config.limits.congestion, seed: rng.random(), allowed: allowed.clone() }
    }
}

impl library::ControllerFactory for Factory {
    fn build(self: Arc<Self>, now: Instant, mtu: u16) -> Box<dyn library::Controller> {
        let controller = self.congestion.controller(now, mtu, self.seed);
        let adapter = Adapter { controller, allowed: self.allowed.clone() };
        adapter.publish();
        Box::new(adapter)
    }
}

struct Adapter {
    controller: Box<dyn Controller>,
    allowed: Arc<Allowed>,
}

impl Adapter {
    fn publish(&self) {
        self.allowed.window.store(self.controller.window(), Relaxed);
        self.allowed.pace.store(self.controller.pace().map_or(0, |pace| pace.max(1)), Relaxed);
    }
}

impl library::Controller for Adapter {
    fn on_sent(&mut self, now: Instant, bytes: u64, _last_packet: u64) {
        self.controller.on_sent(now, bytes);
    }

    fn on_ack(&mut self, now: Instant, sent: Instant, bytes: u64, _app_limited: bool, _rtt: &RttEstimator) {
        self.controller.on_ack(now, sent, bytes);
    }

    fn on_end_acks(&mut self, now: Instant, in_flight: u64, app_limited: bool, _largest: Option<u64>) {
        self.controller.on_end_acks(now, in_flight, app_limited);
        self.publish();
    }

    fn on_congestion_event(&mut self, now: Instant, sent: Instant, _persistent: bool, lost: u64) {
        self.controller.on_loss(now, sent, lost);
        self.publish();
    }

    fn on_mtu_update(&mut self, mtu: u16) {
        self.controller.on_mtu(mtu);
        self.publish();
    }

    fn window(&self) -> u64 {
        if self.allowed.lifted.load(Relaxed) { u64::MAX } else { self.controller.window() }
    }

    fn clone_box(&self) -> Box<dyn library::Controller> {
        Box::new(Self { controller: self.controller.clone_box(), allowed: self.allowed.clone() })
    }

    fn initial_window(&self) -> u64 {
        self.controller.window()
    }

    fn into_any(self: Box<Self>) -> Box<dyn Any> {
        self
    }
}
