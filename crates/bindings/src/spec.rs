//! The configuration values that Python hands in, checked.

use ginnel_edge::host::{ClientSpec, LogError, LogLevels, ServerSpec, users};
use ginnel_engine::client::ServerAddress;
use ginnel_proto::congestion::Congestion;
use ginnel_proto::envelope::handshake::ClientKeys;
use ginnel_proto::envelope::keys::{PrivateKey, Psk, PublicKey};
use ginnel_proto::hub::gate::Users;
use ginnel_proto::limits::Limits;
use ginnel_proto::ports::Ports;
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};

/// The most servers in one share link.
const SERVERS_MAX: usize = 8;
/// The rates that `fixed` takes, bytes a second: 100 kbit/s to 100 Gbit/s.
const FIXED_RATES: std::ops::RangeInclusive<f64> = 12_500.0..=12_500_000_000.0;

/// A controller's name, and the rate of `fixed` in bytes a second.
pub(crate) type CongestionSpec = (String, Option<f64>);

#[derive(FromPyObject)]
pub(crate) struct ServerConfig {
    listen_host: String,
    listen_port: u16,
    psk: Vec<u8>,
    previous_psk: Option<Vec<u8>>,
    private_key: Vec<u8>,
    users: Vec<(String, Vec<u8>)>,
    allow_private: bool,
    replay_file: String,
    pub(crate) limits: BTreeMap<String, f64>,
    pub(crate) congestion: CongestionSpec,
    pub(crate) log: BTreeMap<String, String>,
}

#[derive(FromPyObject)]
pub(crate) struct ClientConfig {
    servers: Vec<(String, u16, Vec<u8>)>,
    psk: Vec<u8>,
    private_key: Vec<u8>,
    pub(crate) limits: BTreeMap<String, f64>,
    pub(crate) congestion: CongestionSpec,
    pub(crate) log: BTreeMap<String, String>,
}

impl ServerConfig {
    pub(crate) fn spec(self) -> PyResult<ServerSpec> {
        let mut psks = vec![Psk::new(key32("psk", &self.psk)?)];
        if let Some(previous) = &self.previous_psk {
            psks.push(Psk::new(key32("previous_psk", previous)?));
        }
        Ok(ServerSpec {
            listen: address("listen_host", &self.listen_host, self.listen_port)?.ip(),
            ports: Ports::one(self.listen_port),
            psks,
            key: PrivateKey::new(key32("private_key", &self.private_key)?),
            users: user_table(self.users)?,
            allow_private: self.allow_private,
            replay_file: self.replay_file.into(),
        })
    }
}

impl ClientConfig {
    pub(crate) fn spec(self) -> PyResult<ClientSpec> {
        if self.servers.is_empty() || self.servers.len() > SERVERS_MAX {
            let count = self.servers.len();
            return Err(PyValueError::new_err(format!("servers: 1 to {SERVERS_MAX} are allowed, here are {count}")));
        }
        let psk = Psk::new(key32("psk", &self.psk)?);
        let user = PrivateKey::new(key32("private_key", &self.private_key)?);
        let servers = self.servers.into_iter().map(|(host, port, key)| {
            let server = PublicKey(key32("servers: public key", &key)?);
            let keys = ClientKeys { psk: psk.clone(), server, user: user.clone() };
            Ok(ServerAddress { host, ports: Ports::one(port), keys })
        });
        Ok(ClientSpec { servers: servers.collect::<PyResult<_>>()? })
    }
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

/// The defaults with some limits changed, and with the controller of congestion.
pub(crate) fn limits(
    mut limits: Limits,
    changes: &BTreeMap<String, f64>,
    (name, rate): &CongestionSpec,
) -> PyResult<Limits> {
    for (name, value) in changes {
        limits.set(name, *value).map_err(|error| PyValueError::new_err(error.to_string()))?;
    }
    limits.congestion = congestion(name, *rate).map_err(PyValueError::new_err)?;
    Ok(limits)
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
    let ip: IpAddr =
        host.parse().map_err(|_| PyValueError::new_err(format!("{name}: {host:?} is not an IP address")))?;
    Ok(SocketAddr::new(ip, port))
}

/// A key of 32 bytes. The error names the field and the length, never the bytes.
pub(crate) fn key32(name: &str, bytes: &[u8]) -> PyResult<[u8; 32]> {
    let length = bytes.len();
    bytes.try_into().map_err(|_| PyValueError::new_err(format!("{name}: 32 bytes are needed, here are {length}")))
}
