//! The operating system's way to names: its hosts file, then the servers of its `resolv.conf`.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use hickory_resolver::config::{ResolveHosts, ResolverConfig, ResolverOpts};
use hickory_resolver::lookup::Lookup;
use hickory_resolver::net::runtime::TokioRuntimeProvider;
use hickory_resolver::net::{DnsError, NetError};
use hickory_resolver::proto::op::Query;
use hickory_resolver::proto::rr::{Name, RecordType};
use hickory_resolver::system_conf::read_system_conf;
use hickory_resolver::{Hosts, TokioResolver};

use super::{CONCURRENT_LOOKUPS, DnsSource, Family, LookupError, Reply, ReplyFuture};

/// The longest wait for one round of questions: inside the resolver's 2 s there is room for a
/// second round, at other servers if there are any. Lost packets are sent again earlier than that.
const ROUND_TIME: Duration = Duration::from_millis(900);

/// Rounds after the first.
const MORE_ROUNDS: usize = 1;

/// Asks the hosts file first, then the name servers.
///
/// A name that the hosts file has in one family is not asked for in the other: whoever pins a name
/// to an address means all of it.
pub struct SystemDns {
    hosts: Arc<Hosts>,
    servers: Result<TokioResolver, LookupError>,
}

impl SystemDns {
    /// Reads the system's configuration, once. A file that is missing or unreadable counts as empty;
    /// without a name server, look-ups past the hosts file answer [`LookupError::NoServer`].
    pub fn read() -> Self {
        Self::from_parts(read_system_conf(), Hosts::from_system().unwrap_or_default())
    }

    /// The same from configurations in hand.
    pub fn from_parts(conf: Result<(ResolverConfig, ResolverOpts), NetError>, hosts: Hosts) -> Self {
        let servers = conf
            .and_then(|(conf, options)| build(conf, options))
            .map_err(|cause| LookupError::NoServer(Arc::new(cause)));
        Self { hosts: Arc::new(hosts), servers }
    }

    fn pinned(&self, name: &Name, kind: RecordType) -> Option<Vec<IpAddr>> {
        let query = Query::query(name.clone(), kind);
        Some(addresses(&self.hosts.lookup_static_host(&query)?))
    }
}

fn build(conf: ResolverConfig, mut options: ResolverOpts) -> Result<TokioResolver, NetError> {
    if conf.name_servers().is_empty() {
        return Err(NetError::NoConnections);
    }
    options.timeout = options.timeout.min(ROUND_TIME);
    options.attempts = MORE_ROUNDS;
    options.max_active_requests = CONCURRENT_LOOKUPS;
    // Ours are in front: one cache, one reading of the hosts file.
    options.cache_size = 0;
    options.use_hosts_file = ResolveHosts::Never;
    TokioResolver::builder_with_config(conf, TokioRuntimeProvider::default()).with_options(options).build()
}

impl DnsSource for SystemDns {
    fn look_up(&self, name: &str, family: Family) -> ReplyFuture {
        let ready = |reply: Reply| -> ReplyFuture { Box::pin(std::future::ready(reply)) };
        let Ok(mut name) = Name::from_ascii(name) else {
            return ready(LookupError::BadName.into());
        };
        // Absolute: no search list.
        name.set_fqdn(true);
        let (kind, other) = match family {
            Family::V4 => (RecordType::A, RecordType::AAAA),
            Family::V6 => (RecordType::AAAA, RecordType::A),
        };
        if let Some(result) = self.pinned(&name, kind) {
            let result = Ok(result);
            return ready(Reply { result, ttl: None });
        }
        if self.pinned(&name, other).is_some() {
            return ready(LookupError::Unknown.into());
        }
        match &self.servers {
            Err(error) => ready(error.clone().into()),
            Ok(servers) => {
                let servers = servers.clone();
                Box::pin(async move { reply(servers.lookup(name, kind).await) })
            }
        }
    }
}

fn reply(result: Result<Lookup, NetError>) -> Reply {
    match result {
        Ok(lookup) => Reply {
            // The whole chain's shortest: an alias may move before the address it leads to.
            ttl: lookup.answers().iter().map(|record| record.ttl).min().map(seconds),
            result: Ok(addresses(&lookup)),
        },
        Err(NetError::Dns(DnsError::NoRecordsFound(nothing))) => {
            Reply { result: Err(LookupError::Unknown), ttl: nothing.negative_ttl.map(seconds) }
        }
        Err(NetError::Timeout) => LookupError::TimedOut.into(),
        Err(cause) => LookupError::Failed(Arc::new(cause)).into(),
    }
}

fn seconds(ttl: u32) -> Duration {
    Duration::from_secs(ttl.into())
}

fn addresses(lookup: &Lookup) -> Vec<IpAddr> {
    let records = lookup.answers().iter();
    records.filter_map(|record| record.data.ip_addr()).collect()
}
