//! The configuration values that Python hands in, checked.

use ginnel_edge::host::{ClientSpec, Listen, LogError, LogLevels, Overrides, ServerSpec, users};
use ginnel_engine::client::ServerAddress;
use ginnel_proto::carrier::CarrierKind;
use ginnel_proto::congestion::Congestion;
use ginnel_proto::envelope::handshake::ClientKeys;
use ginnel_proto::envelope::hello::SessionKind;
use ginnel_proto::envelope::keys::{PrivateKey, Psk, PublicKey};
use ginnel_proto::hub::gate::Users;
use ginnel_proto::limits::{Limits, POOL_MAX};
use ginnel_proto::ports::Ports;
use ginnel_proto::profile::Profile;
use ginnel_proto::session::kcp::mode::Mode;
use ginnel_proto::session::kcp::params::LANES_MAX;
use ginnel_proto::session::kcp::{self};
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};

/// The most servers in one share link.
const SERVERS_MAX: usize = 8;
/// The windows of KCP's fixed modes, segments.
const WINDOWS: std::ops::RangeInclusive<u16> = 32..=32_768;
/// The rates that `fixed` takes, bytes a second: 100 kbit/s to 100 Gbit/s.
const FIXED_RATES: std::ops::RangeInclusive<f64> = 12_500.0..=12_500_000_000.0;

/// A controller's name, and the rate of `fixed` in bytes a second.
pub(crate) type CongestionSpec = (String, Option<f64>);
/// How KCP sends: mode, lanes, and the window of the fixed modes in segments.
pub(crate) type KcpSpec = (String, i64, Option<i64>);
/// The least and the most of each field of a profile, by its name. Wider than they can be, so that
/// a number too large is refused with its field's name.
pub(crate) type ProfileSpec = BTreeMap<String, (i64, i64)>;
/// Ranges of ports, both bounds included.
type PortRanges = Vec<(u16, u16)>;
/// Where a server listens: carrier, address, ports.
type ListenTuple = (String, String, PortRanges);
/// Carrier, host, ports, the server's public key, the deployment's secret, the user's private key.
type ServerTuple = (String, String, PortRanges, Vec<u8>, Vec<u8>, Vec<u8>);
/// What is decided about the way of raw TCP, by name.
type RawTcpSpec = BTreeMap<String, String>;

#[derive(FromPyObject)]
pub(crate) struct ServerConfig {
    listen: Vec<ListenTuple>,
    rawtcp: RawTcpSpec,
    psk: Vec<u8>,
    previous_psk: Option<Vec<u8>>,
    private_key: Vec<u8>,
    users: Vec<(String, Vec<u8>)>,
    allow_private: bool,
    replay_file: String,
    key_log: Option<String>,
    pub(crate) limits: BTreeMap<String, f64>,
    pub(crate) congestion: CongestionSpec,
    pub(crate) kcp: KcpSpec,
    pub(crate) profile: ProfileSpec,
    pub(crate) log: BTreeMap<String, String>,
}

#[derive(FromPyObject)]
pub(crate) struct ClientConfig {
    servers: Vec<ServerTuple>,
    rawtcp: RawTcpSpec,
    /// As Python has it: what is out of range is refused by name.
    links: i64,
    key_log: Option<String>,
    pub(crate) session: String,
    pub(crate) limits: BTreeMap<String, f64>,
    pub(crate) congestion: CongestionSpec,
    pub(crate) kcp: KcpSpec,
    pub(crate) profile: ProfileSpec,
    pub(crate) log: BTreeMap<String, String>,
}

impl ServerConfig {
    pub(crate) fn spec(self) -> PyResult<ServerSpec> {
        let mut psks = vec![Psk::new(key32("psk", &self.psk)?)];
        if let Some(previous) = &self.previous_psk {
            psks.push(Psk::new(key32("previous_psk", previous)?));
        }
        Ok(ServerSpec {
            listen: listens(self.listen)?,
            rawtcp: overrides(&self.rawtcp)?,
            psks,
            key: PrivateKey::new(key32("private_key", &self.private_key)?),
            users: user_table(self.users)?,
            allow_private: self.allow_private,
            replay_file: self.replay_file.into(),
            key_log: self.key_log.map(Into::into),
        })
    }
}

impl ClientConfig {
    pub(crate) fn spec(self) -> PyResult<ClientSpec> {
        if self.servers.is_empty() || self.servers.len() > SERVERS_MAX {
            let count = self.servers.len();
            return Err(PyValueError::new_err(format!("servers: 1 to {SERVERS_MAX} are allowed, here are {count}")));
        }
        let servers = self.servers.into_iter().map(|(by, host, ranges, server, psk, user)| {
            let keys = ClientKeys {
                psk: Psk::new(key32("servers: psk", &psk)?),
                server: PublicKey(key32("servers: public key", &server)?),
                user: PrivateKey::new(key32("servers: private key", &user)?),
            };
            let ports = ports("servers: ports", ranges)?;
            if ports.contains(0) {
                return Err(PyValueError::new_err("servers: ports: nobody can reach port 0"));
            }
            Ok(ServerAddress { carrier: carrier("servers: carrier", &by)?, host, ports, keys })
        });
        let servers = servers.collect::<PyResult<_>>()?;
        Ok(ClientSpec {
            servers,
            links: links(self.links)?,
            rawtcp: overrides(&self.rawtcp)?,
            key_log: self.key_log.map(Into::into),
        })
    }
}

/// Where a server listens: at least one place, and no carrier twice.
fn listens(list: Vec<ListenTuple>) -> PyResult<Vec<Listen>> {
    let mut listens: Vec<Listen> = Vec::new();
    for (by, address, ranges) in list {
        let carrier = carrier("listen: carrier", &by)?;
        if listens.iter().any(|one| one.carrier == carrier) {
            return Err(PyValueError::new_err(format!("listen: the carrier {by:?} stands there twice")));
        }
        listens.push(Listen {
            carrier,
            address: ip("listen: host", &address)?,
            ports: ports("listen: ports", ranges)?,
        });
    }
    if listens.is_empty() {
        return Err(PyValueError::new_err("listen: a server needs a carrier"));
    }
    Ok(listens)
}

fn carrier(name: &str, word: &str) -> PyResult<CarrierKind> {
    let names = CarrierKind::ALL.map(|kind| format!("{:?}", kind.name())).join(", ");
    let known = CarrierKind::by_name(word);
    known.ok_or_else(|| PyValueError::new_err(format!("{name}: {word:?} is none of {names}")))
}

/// What a person has decided about the way of raw TCP; what is not named is found out.
fn overrides(given: &RawTcpSpec) -> PyResult<Overrides> {
    let mut overrides = Overrides::default();
    for (name, value) in given {
        match &**name {
            "interface" => overrides.interface = Some(value.clone()),
            "source" => overrides.source = Some(ip("rawtcp: source", value)?),
            "gateway" => overrides.gateway = Some(hardware("rawtcp: gateway", value)?),
            _ => return Err(PyValueError::new_err(format!("rawtcp: there is no {name:?}"))),
        }
    }
    Ok(overrides)
}

/// A hardware address: six pairs of hexadecimal digits with colons between them.
fn hardware(name: &str, text: &str) -> PyResult<[u8; 6]> {
    let pairs: Vec<&str> = text.split(':').collect();
    let is_pair = |pair: &&str| pair.len() == 2 && pair.bytes().all(|digit| digit.is_ascii_hexdigit());
    let bytes = pairs.iter().filter(|pair| is_pair(pair)).filter_map(|pair| u8::from_str_radix(pair, 16).ok());
    let bytes = bytes.collect::<Vec<u8>>();
    let address = if bytes.len() == pairs.len() { bytes.try_into().ok() } else { None };
    address.ok_or_else(|| PyValueError::new_err(format!("{name}: {text:?} is not a hardware address")))
}

/// How many links a client keeps.
fn links(count: i64) -> PyResult<u16> {
    let links = u16::try_from(count).ok().filter(|links| (1..=POOL_MAX).contains(links));
    links.ok_or_else(|| PyValueError::new_err(format!("links = {count} is not between 1 and {POOL_MAX}")))
}

/// The levels of the log by area; the area "" stands for all that are not named.
pub(crate) fn log_levels(given: &BTreeMap<String, String>) -> PyResult<LogLevels> {
    let levels = LogLevels::default();
    levels.set(named(given)).map_err(log_error)?;
    Ok(levels)
}

pub(crate) fn named(levels: &BTreeMap<String, String>) -> impl Iterator<Item = (&str, &str)> {
    levels.iter().map(|(area, level)| (area.as_str(), level.as_str()))
}

pub(crate) fn log_error(error: LogError) -> PyErr {
    PyValueError::new_err(format!("log: {error}"))
}

/// The defaults with some limits changed, with the controller of congestion, with how KCP sends, and with the
/// profile.
pub(crate) fn limits(
    mut limits: Limits,
    changes: &BTreeMap<String, f64>,
    (name, rate): &CongestionSpec,
    kcp: &KcpSpec,
    profile: &ProfileSpec,
) -> PyResult<Limits> {
    for (name, value) in changes {
        limits.set(name, *value).map_err(|error| PyValueError::new_err(error.to_string()))?;
    }
    limits.congestion = congestion(name, *rate).map_err(PyValueError::new_err)?;
    limits.kcp = self::kcp(kcp).map_err(PyValueError::new_err)?;
    limits.profile = shape(profile)?;
    Ok(limits)
}

/// The session of this name.
pub(crate) fn session(name: &str) -> PyResult<SessionKind> {
    let named = SessionKind::named(name);
    named.ok_or_else(|| PyValueError::new_err(format!("session: {name:?} is none of \"quic\", \"kcp\"")))
}

fn kcp((mode, lanes, window): &KcpSpec) -> Result<kcp::Settings, String> {
    let Some(mode) = Mode::named(mode) else {
        let names = Mode::ALL.map(|mode| format!("{:?}", mode.name())).join(", ");
        return Err(format!("kcp.mode: {mode:?} is none of {names}"));
    };
    let most = LANES_MAX;
    let lanes = u8::try_from(*lanes).ok().filter(|lanes| (1..=most).contains(lanes));
    let lanes = lanes.ok_or_else(|| format!("kcp.lanes: 1 to {most} are possible"))?;
    let (least, most) = WINDOWS.into_inner();
    let window = window.map_or(Some(kcp::WINDOW), |window| u16::try_from(window).ok().filter(|w| WINDOWS.contains(w)));
    let window = window.ok_or_else(|| format!("kcp.window: {least} to {most} segments are possible"))?;
    Ok(kcp::Settings { mode, lanes, window })
}

/// A profile of which some fields are given; the others shape nothing.
fn shape(fields: &ProfileSpec) -> PyResult<Profile> {
    let mut profile = Profile::plain();
    for (name, (low, high)) in fields {
        let (Ok(least), Ok(most)) = (u16::try_from(*low), u16::try_from(*high)) else {
            let (_, range) = Profile::fields().find(|(field, _)| field == name).unwrap_or(("", 0..=u16::MAX));
            let (start, end) = range.into_inner();
            let why = format!("both must be from {start} to {end}");
            return Err(PyValueError::new_err(format!("profile.{name} = [{low}, {high}] is not possible: {why}")));
        };
        profile.set(name, least, most).map_err(|error| PyValueError::new_err(error.to_string()))?;
    }
    Ok(profile)
}

/// A set of ports.
fn ports(name: &str, ranges: PortRanges) -> PyResult<Ports> {
    let ports = Ports::new(ranges).map_err(|error| PyValueError::new_err(format!("{name}: {error}")))?;
    if ports.contains(0) && ports.count() > 1 {
        return Err(PyValueError::new_err(format!("{name}: port 0 stands alone, for any free port")));
    }
    Ok(ports)
}

fn congestion(name: &str, rate: Option<f64>) -> Result<Congestion, String> {
    match (name, rate) {
        ("adaptive", None) => Ok(Congestion::Adaptive),
        ("cubic", None) => Ok(Congestion::Cubic),
        // Not a number is in no range.
        ("fixed", Some(rate)) if FIXED_RATES.contains(&rate) => Ok(Congestion::Fixed { rate: rate as u64 }),
        ("fixed", Some(rate)) => {
            let (low, high) = FIXED_RATES.into_inner();
            Err(format!("congestion: rate = {rate} is not between {low} and {high} bytes a second"))
        }
        ("fixed", None) => Err("congestion: \"fixed\" needs a rate, in bytes a second".into()),
        ("adaptive" | "cubic", Some(_)) => Err(format!("congestion: {name:?} takes no rate; \"fixed\" does")),
        _ => Err(format!("congestion: {name:?} is none of \"adaptive\", \"cubic\", \"fixed\"")),
    }
}

/// Every limit that can be set, with the default of a role, in seconds, bytes or as a count.
#[pyfunction]
pub(crate) fn default_limits(role: &str) -> PyResult<BTreeMap<&'static str, f64>> {
    let limits = match role {
        "client" => Limits::client(),
        "server" => Limits::server(),
        _ => return Err(PyValueError::new_err(format!("role: {role:?} is neither 'client' nor 'server'"))),
    };
    Ok(limits.settings().collect())
}

pub(crate) fn user_table(list: Vec<(String, Vec<u8>)>) -> PyResult<Users> {
    let list = list.into_iter().map(|(name, key)| Ok((name, key32("users: public key", &key)?)));
    Ok(users(list.collect::<PyResult<Vec<_>>>()?))
}

/// An IP address and a port.
pub(crate) fn address(name: &str, host: &str, port: u16) -> PyResult<SocketAddr> {
    Ok(SocketAddr::new(ip(name, host)?, port))
}

fn ip(name: &str, host: &str) -> PyResult<IpAddr> {
    host.parse().map_err(|_| PyValueError::new_err(format!("{name}: {host:?} is not an IP address")))
}

/// A key of 32 bytes. The error names the field and the length, never the bytes.
pub(crate) fn key32(name: &str, bytes: &[u8]) -> PyResult<[u8; 32]> {
    let length = bytes.len();
    bytes.try_into().map_err(|_| PyValueError::new_err(format!("{name}: 32 bytes are needed, here are {length}")))
}
