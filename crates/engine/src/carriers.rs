//! The carriers of one shard: which one a path leads by, and whose turn it is to be read from.

use ginnel_carrier::batch::{Received, SendOptions, Sent};
use ginnel_carrier::rawtcp::{Config, Mark, Overrides, RawTcpCarrier, Trouble};
use ginnel_carrier::udp::UdpCarrier;
use ginnel_proto::carrier::CarrierKind;
use ginnel_proto::limits::{FIRST_PAYLOAD, FLOW_IDLE, FLOW_RENEW, FLOW_STALLED, FLOW_SWEEP, FLOWS_MAX, Limits};
use ginnel_proto::link::{BATCH_PACKETS, Path};
use ginnel_proto::profile::Span;
use ginnel_proto::rawtcp::{Counts, Settings};
use std::io;
use std::net::SocketAddr;
use std::task::{Context, Poll};

/// At least one carrier, and none twice.
pub struct Carriers {
    udp: Option<UdpCarrier>,
    rawtcp: Option<Box<RawTcpCarrier>>,
    /// Which one is read from first: they take turns.
    first: CarrierKind,
}

impl From<UdpCarrier> for Carriers {
    fn from(udp: UdpCarrier) -> Self {
        Self { udp: Some(udp), rawtcp: None, first: CarrierKind::Udp }
    }
}

impl Carriers {
    /// The one or the other, or both; `None` if there is none.
    pub fn new(udp: Option<UdpCarrier>, rawtcp: Option<RawTcpCarrier>) -> Option<Self> {
        (udp.is_some() || rawtcp.is_some()).then(|| Self { udp, rawtcp: rawtcp.map(Box::new), first: CarrierKind::Udp })
    }

    /// The address that a carrier is bound to, with the lowest of its ports; `None` if there is no such carrier.
    pub fn local_address(&self, kind: CarrierKind) -> Option<io::Result<SocketAddr>> {
        match kind {
            CarrierKind::Udp => self.udp.as_ref().map(UdpCarrier::local_address),
            CarrierKind::RawTcp => self.rawtcp.as_ref().map(|rawtcp| Ok(rawtcp.local_address())),
        }
    }

    /// All ports of a carrier, ascending.
    pub fn ports(&self, kind: CarrierKind) -> Vec<u16> {
        match kind {
            CarrierKind::Udp => self.udp.iter().flat_map(UdpCarrier::ports).collect(),
            CarrierKind::RawTcp => self.rawtcp.as_ref().map(|rawtcp| rawtcp.ports()).unwrap_or_default(),
        }
    }

    pub(crate) fn set_options(&mut self, send: SendOptions, flows: Settings) {
        if let Some(udp) = &mut self.udp {
            udp.set_options(send);
        }
        if let Some(rawtcp) = &mut self.rawtcp {
            rawtcp.set_options(send, flows);
        }
    }

    /// The most datagrams of one batch, whichever carrier it is for.
    pub(crate) fn max_segments(&self) -> usize {
        self.udp.as_ref().map_or(BATCH_PACKETS, UdpCarrier::max_segments)
    }

    /// Receives what one of them has into `out`, and says which. Pending: none has anything. An error of one is told
    /// when the other has nothing.
    pub(crate) fn poll_receive(
        &mut self,
        cx: &mut Context<'_>,
        out: &mut Vec<Received>,
    ) -> Poll<io::Result<CarrierKind>> {
        let mut failed = None;
        for kind in [self.first, other(self.first)] {
            let received = match kind {
                CarrierKind::Udp => self.udp.as_mut().map(|udp| udp.poll_receive(cx, out)),
                CarrierKind::RawTcp => self.rawtcp.as_mut().map(|rawtcp| rawtcp.poll_receive(cx, out)),
            };
            match received {
                Some(Poll::Ready(Ok(()))) => {
                    self.first = other(kind);
                    return Poll::Ready(Ok(kind));
                }
                Some(Poll::Ready(Err(error))) => failed = Some(error),
                Some(Poll::Pending) | None => {}
            }
        }
        failed.map_or(Poll::Pending, |error| Poll::Ready(Err(error)))
    }

    /// Tells the carrier of a batch what became of it.
    pub(crate) fn judged(&mut self, mark: &Mark, ours: bool) {
        if let Some(rawtcp) = &mut self.rawtcp {
            rawtcp.judged(mark, ours);
        }
    }

    /// Sends datagrams of `segment` bytes (the last may be shorter) over a path.
    pub(crate) fn try_send(&mut self, path: &Path, data: &[u8], segment: usize) -> Sent {
        match path.carrier {
            CarrierKind::Udp => self.udp.as_ref().map(|udp| udp.try_send(path.remote, path.local, data, segment)),
            CarrierKind::RawTcp => {
                self.rawtcp.as_mut().map(|rawtcp| rawtcp.try_send(path.remote, path.local, data, segment))
            }
        }
        .unwrap_or(Sent::Refused)
    }

    /// Ready when the socket of a path takes more. One caller at a time: only one waker is kept.
    pub(crate) fn poll_writable(&self, path: &Path, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match path.carrier {
            CarrierKind::Udp => self.udp.as_ref().map(|udp| udp.poll_writable(path.local, cx)),
            CarrierKind::RawTcp => self.rawtcp.as_ref().map(|rawtcp| rawtcp.poll_writable(cx)),
        }
        .unwrap_or(Poll::Ready(Ok(())))
    }

    /// Sends what carriers have of their own to say.
    pub(crate) fn flush(&mut self) {
        if let Some(rawtcp) = &mut self.rawtcp {
            rawtcp.flush();
        }
    }

    /// The server to which raw TCP has another flow since this was last asked.
    pub(crate) fn renewed(&mut self) -> Option<SocketAddr> {
        self.rawtcp.as_mut()?.renewed()
    }

    /// Says goodbye where a carrier has something like that.
    pub(crate) fn close(&mut self) {
        if let Some(rawtcp) = &mut self.rawtcp {
            rawtcp.close();
        }
    }

    /// Why raw TCP has found no way to a server, where it has looked for one since this was last asked.
    pub(crate) fn trouble(&mut self) -> Option<(SocketAddr, Trouble)> {
        self.rawtcp.as_mut()?.trouble()
    }

    /// Frames that raw TCP's sockets had no room for since this was last asked.
    pub(crate) fn frames_dropped(&mut self) -> u64 {
        self.rawtcp.as_mut().map_or(0, |rawtcp| rawtcp.dropped())
    }

    /// How many flows raw TCP has, and what it has counted.
    pub(crate) fn rawtcp_counts(&self) -> Option<(usize, Counts)> {
        self.rawtcp.as_ref().map(|rawtcp| rawtcp.counts())
    }
}

const fn other(kind: CarrierKind) -> CarrierKind {
    match kind {
        CarrierKind::Udp => CarrierKind::RawTcp,
        CarrierKind::RawTcp => CarrierKind::Udp,
    }
}

/// How carriers send, as limits say.
pub fn send_options(limits: &Limits) -> SendOptions {
    SendOptions { queue: limits.packet_queue, retries: limits.packet_retries }
}

/// How flows of raw TCP behave, as limits and profile say.
pub(crate) fn flow_settings(limits: &Limits) -> Settings {
    Settings {
        printable: limits.profile.printable,
        first_size: Span { low: FIRST_PAYLOAD.max(limits.profile.printable.high), ..limits.profile.junk_size },
        idle: FLOW_IDLE,
        sweep: FLOW_SWEEP,
        renew: FLOW_RENEW,
        stalled: FLOW_STALLED,
        flows: FLOWS_MAX,
    }
}

/// What a raw TCP carrier is made of, as limits and a person say.
pub fn rawtcp_config(limits: &Limits, overrides: Overrides) -> Config {
    Config { send: send_options(limits), flows: flow_settings(limits), overrides, seed: rand::random() }
}
