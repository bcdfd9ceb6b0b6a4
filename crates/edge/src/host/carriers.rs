//! The carriers that a server listens with, and those that a client needs for its servers.

use super::Listen;
use ginnel_carrier::rawtcp::{self, Overrides, RawTcpCarrier};
use ginnel_carrier::udp::UdpCarrier;
use ginnel_engine::carriers::{Carriers, rawtcp_config, send_options};
use ginnel_engine::client::ServerAddress;
use ginnel_proto::carrier::CarrierKind;
use ginnel_proto::limits::Limits;
use std::io;
use std::net::SocketAddr;
use tracing::warn;

/// Where carriers are: their addresses, with the lowest of their ports.
type Addresses = Vec<(CarrierKind, SocketAddr)>;

/// Binds a carrier for each place.
pub(super) fn listen(places: &[Listen], limits: &Limits, overrides: &Overrides) -> io::Result<(Carriers, Addresses)> {
    let (mut udp, mut rawtcp) = (None, None);
    for Listen { carrier, address, ports } in places {
        match carrier {
            CarrierKind::Udp => udp = Some(UdpCarrier::bind(*address, ports.iter(), send_options(limits))?),
            CarrierKind::RawTcp => {
                let config = rawtcp_config(limits, overrides.clone());
                let carrier = RawTcpCarrier::listen(*address, ports.iter(), config);
                rawtcp = Some(carrier.map_err(refused)?);
            }
        }
    }
    let kinds = places.iter().map(|place| place.carrier);
    finish(udp, rawtcp, kinds.collect())
}

/// Makes the carriers that lead to these servers. Where only raw TCP cannot be had, servers that are reached by it are
/// left out, if there are others.
pub(super) fn dial(
    servers: &mut Vec<ServerAddress>,
    limits: &Limits,
    overrides: Overrides,
) -> io::Result<(Carriers, Addresses)> {
    let mut kinds: Vec<CarrierKind> = CarrierKind::ALL.to_vec();
    kinds.retain(|kind| servers.iter().any(|server| server.carrier == *kind));
    let mut rawtcp = None;
    if kinds.contains(&CarrierKind::RawTcp) {
        match RawTcpCarrier::dialler(rawtcp_config(limits, overrides)) {
            Ok(carrier) => rawtcp = Some(carrier),
            Err(error) if kinds.contains(&CarrierKind::Udp) => {
                warn!(target: "link", %error, "no raw TCP: only the servers that are reached by UDP are used");
                servers.retain(|server| server.carrier == CarrierKind::Udp);
                kinds.retain(|kind| *kind == CarrierKind::Udp);
            }
            Err(error) => return Err(refused(error)),
        }
    }
    let udp = kinds.contains(&CarrierKind::Udp).then(|| UdpCarrier::bind_any(send_options(limits))).transpose()?;
    finish(udp, rawtcp, kinds)
}

fn finish(
    udp: Option<UdpCarrier>,
    rawtcp: Option<RawTcpCarrier>,
    kinds: Vec<CarrierKind>,
) -> io::Result<(Carriers, Addresses)> {
    let none = || io::Error::new(io::ErrorKind::InvalidInput, "an engine needs a carrier");
    let carriers = Carriers::new(udp, rawtcp).ok_or_else(none)?;
    let addresses = kinds.into_iter().filter_map(|kind| Some(carriers.local_address(kind)?.map(|at| (kind, at))));
    let addresses = addresses.collect::<io::Result<_>>()?;
    Ok((carriers, addresses))
}

/// An error in which [`rawtcp::Error`] can be found again.
fn refused(error: rawtcp::Error) -> io::Error {
    io::Error::other(error)
}
