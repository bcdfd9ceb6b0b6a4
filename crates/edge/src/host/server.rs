//! A server's loop: what it is told, and what it reports.

use super::command::{Command, Event, Fact, Value};
use super::journal::FileJournal;
use super::key_log::KeyLog;
use super::{Commands, Common, Inbox, ServerSpec, Started, carriers, driver_ended, hub_config, links};
use crate::outbound::{AddressPolicy, Outbound, OutboundOptions};
use crate::places::Places;
use crate::resolver::{Resolver, ResolverLimits};
use crate::serve::serve;
use ginnel_engine::memory::MemoryGauge;
use ginnel_engine::shard::{self, Shard};
use ginnel_proto::hub::gate::GateConfig;
use ginnel_proto::hub::{self, Hub, LinkId};
use ginnel_proto::limits::Limits;
use ginnel_proto::link;
use std::collections::HashMap;
use std::io;
use std::sync::Arc;
use tokio::task::JoinHandle;
use tracing::debug;

pub(super) async fn run(
    spec: ServerSpec,
    limits: Limits,
    gauge: MemoryGauge,
    mut commands: Commands,
    inbox: &Arc<Inbox>,
    started: &Started,
) -> io::Result<()> {
    let (carriers, addresses) = carriers::listen(&spec.listen, &limits, &spec.rawtcp)?;
    let time = shard::now();
    // Without an error number: this is about a file, not about the socket.
    let (journal, replay) = FileJournal::open(&spec.replay_file, time.wall_ns).map_err(|error| {
        io::Error::other(format!("the replay file {} cannot be used: {error}", spec.replay_file.display()))
    })?;
    let key_log = KeyLog::open_where_asked(spec.key_log.as_deref())?;
    let gate = GateConfig { psks: spec.psks, key: spec.key, users: spec.users, replay, journal: Box::new(journal) };
    let hub = Hub::server(hub_config(&limits), gate, time);
    let (shard, driving) = Shard::start(hub, carriers, limits.clone(), gauge);
    if let Some(key_log) = key_log {
        key_log.start(&shard);
    }
    let resolver = Resolver::system(ResolverLimits { lookup_time: limits.resolve_time, ..ResolverLimits::default() });
    let outbound = Outbound::new(resolver, AddressPolicy::new(spec.allow_private), OutboundOptions::new(&limits));
    let places = Places::new(&limits);
    let serving = tokio::task::spawn_local(serve(shard.clone(), outbound.clone(), places.clone()));
    tokio::task::spawn_local(report(shard.clone(), inbox.clone()));
    debug!(target: "engine", role = "server", address = %addresses[0].1, version = env!("CARGO_PKG_VERSION"), "engine started");
    let _ = started.send(Ok(addresses));

    let common = Common { shard, inbox: inbox.clone() };
    let mut state = Loop { common, outbound, places, allow_private: spec.allow_private, serving };
    tokio::select! {
        biased;
        () = state.obey(&mut commands) => Ok(()),
        error = driver_ended(driving) => Err(error),
    }
}

struct Loop {
    common: Common,
    outbound: Outbound,
    places: Places,
    allow_private: bool,
    serving: JoinHandle<()>,
}

impl Loop {
    /// Does what it is told until it is told to end.
    async fn obey(&mut self, commands: &mut Commands) {
        while let Some((ticket, command)) = commands.recv().await {
            let common = &self.common;
            match command {
                Command::SetUsers(users) => {
                    common.shard.set_users(users);
                    common.reply(ticket, Ok(Value::Done));
                }
                Command::SetPsks(psks) => {
                    common.shard.set_psks(psks);
                    common.reply(ticket, Ok(Value::Done));
                }
                Command::SetAllowPrivate(allow) => {
                    self.allow_private = allow;
                    self.change_outbound(&common.shard.limits());
                    common.reply(ticket, Ok(Value::Done));
                }
                Command::SetLimits(limits) => {
                    self.change_outbound(&limits);
                    self.outbound.resolver().set_lookup_time(limits.resolve_time);
                    self.places.set_limits(&limits);
                    common.shard.set_limits(*limits);
                    common.reply(ticket, Ok(Value::Done));
                }
                Command::Shutdown { drain } => {
                    self.serving.abort();
                    common.shut_down(ticket, drain, commands).await;
                    return;
                }
                Command::Stats(sender) => {
                    let _ = sender.send(common.shard.stats());
                }
                Command::Links(sender) => {
                    let _ = sender.send(links::figures(&common.shard));
                }
                _ => common.refuse(ticket, "a server's engine cannot do that"),
            }
        }
    }

    fn change_outbound(&self, limits: &Limits) {
        self.outbound.change(AddressPolicy::new(self.allow_private), OutboundOptions::new(limits));
    }
}

/// Turns the events of links into events for the inbox.
async fn report(shard: Shard, inbox: Arc<Inbox>) {
    // One entry a link that is up.
    let mut links: HashMap<LinkId, (Arc<str>, String)> = HashMap::new();
    loop {
        let (id, event) = shard.link_event().await;
        let link = ("link", Fact::from(id.to_string()));
        match event {
            hub::Event::Up { path, user, kind, .. } => {
                let (user, peer) = (user.unwrap_or_default(), path.remote.to_string());
                let facts = vec![
                    link,
                    ("user", (&*user).into()),
                    ("peer", peer.clone().into()),
                    ("session", kind.name().into()),
                    ("carrier", path.carrier.name().into()),
                ];
                inbox.push_event(Event { name: "link_up", facts });
                links.insert(id, (user, peer));
            }
            hub::Event::Link(link::Event::Moved { from, to }) => {
                let user = links.get_mut(&id).map(|(user, peer)| {
                    *peer = to.to_string();
                    user.to_string()
                });
                let user = user.unwrap_or_default().into();
                let facts = vec![link, ("user", user), ("old", from.into()), ("new", to.into())];
                inbox.push_event(Event { name: "address_changed", facts });
            }
            hub::Event::Link(link::Event::Lost(why)) => {
                let (user, peer) = links.remove(&id).unwrap_or_default();
                let facts = vec![
                    link,
                    ("user", (&*user).into()),
                    ("peer", peer.into()),
                    ("reason", super::reason::reason(why).into()),
                ];
                inbox.push_event(Event { name: "link_down", facts });
            }
            _ => {}
        }
    }
}
