//! A client's loop: what it is told, and what it reports.

use super::command::{Command, Event, Fact, Failure, Outcome, Value};
use super::key_log::KeyLog;
use super::{ClientSpec, Commands, Common, Inbox, Started, carriers, driver_ended, hub_config, links};
use crate::inbound::handover::{HandoverError, hand_over};
use crate::inbound::newcomers::Doorman;
use crate::inbound::socks5::Socks5Inbound;
use crate::opening::OpenFailure;
use crate::places::Places;
use ginnel_engine::client::{Client, ProbeError, Report};
use ginnel_engine::memory::MemoryGauge;
use ginnel_engine::shard::{self, Shard};
use ginnel_proto::hub::Hub;
use ginnel_proto::limits::Limits;
use ginnel_proto::open::OpenReply;
use ginnel_proto::socks5::Credentials;
use ginnel_proto::target::Target;
use std::collections::HashMap;
use std::io;
use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use tracing::debug;

/// Seconds that this machine's clock may differ from the server's before a person is told.
const CLOCK_OFF: f64 = 10.0;

struct Loop {
    common: Rc<Common>,
    client: Client,
    doorman: Doorman,
    /// Where the first server is, as the share link says, for messages.
    server: String,
    listeners: HashMap<u64, JoinHandle<()>>,
    /// Numbers listeners and handed-over streams.
    last: u64,
}

pub(super) async fn run(
    mut spec: ClientSpec,
    limits: Limits,
    gauge: MemoryGauge,
    mut commands: Commands,
    inbox: &Arc<Inbox>,
    started: &Started,
) -> io::Result<()> {
    let (carriers, addresses) = carriers::dial(&mut spec.servers, &limits, spec.rawtcp)?;
    let key_log = KeyLog::open_where_asked(spec.key_log.as_deref())?;
    let hub = Hub::client(hub_config(&limits), shard::now());
    let places = Places::new(&limits);
    let (shard, driving) = Shard::start(hub, carriers, limits, gauge);
    if let Some(key_log) = key_log {
        key_log.start(&shard);
    }
    // A server has nothing to open; that will be the business of services.
    shard.stop_accepting();
    let server = spec.servers.first().map(|server| format!("{}:{}", server.host, server.ports.first()));
    let reports = inbox.clone();
    let report = move |report| reports.push_event(event(report));
    let client = Client::start(shard.clone(), spec.servers, spec.links, report);
    debug!(target: "engine", role = "client", address = %addresses[0].1, version = env!("CARGO_PKG_VERSION"), "engine started");
    let _ = started.send(Ok(addresses));

    let doorman = Doorman::new(shard.clone(), places);
    let common = Rc::new(Common { shard, inbox: inbox.clone() });
    let server = server.unwrap_or_default();
    let mut state = Loop { common, client, doorman, server, listeners: HashMap::new(), last: 0 };
    tokio::select! {
        biased;
        () = state.obey(&mut commands) => Ok(()),
        error = driver_ended(driving) => Err(error),
    }
}

impl Loop {
    /// Does what it is told until it is told to end.
    async fn obey(&mut self, commands: &mut Commands) {
        while let Some((ticket, command)) = commands.recv().await {
            if let Command::Shutdown { drain } = command {
                self.listeners.values().for_each(JoinHandle::abort);
                self.client.stop();
                self.common.shut_down(ticket, drain, commands).await;
                return;
            }
            self.handle(ticket, command).await;
        }
    }

    async fn handle(&mut self, ticket: u64, command: Command) {
        match command {
            Command::Connect { timeout } => {
                let (client, server) = (self.client.clone(), self.server.clone());
                self.answer(ticket, async move { connect(&client, server, timeout).await });
            }
            Command::Probe { timeout } => {
                let (client, server) = (self.client.clone(), self.server.clone());
                self.answer(ticket, async move {
                    client.probe(timeout).await.map(Value::Seconds).map_err(|error| match error {
                        ProbeError::LinkDown => Failure::new("link_down", error.to_string()),
                        ProbeError::NoAnswer => no_answer(server, timeout),
                    })
                });
            }
            Command::ListenSocks5 { address, credentials } => {
                let outcome = self.listen(address, credentials).await;
                self.common.reply(ticket, outcome);
            }
            Command::CloseListener(listener) => {
                if let Some(task) = self.listeners.remove(&listener) {
                    task.abort();
                    // The socket is closed when the task is, and not before.
                    let _ = task.await;
                }
                self.common.reply(ticket, Ok(Value::Done));
            }
            Command::Open(target) => self.open(ticket, target),
            Command::Stats(sender) => {
                let _ = sender.send(self.common.shard.stats());
            }
            Command::Links(sender) => {
                let _ = sender.send(links::figures(&self.common.shard));
            }
            Command::SetLimits(limits) => {
                self.doorman.places().set_limits(&limits);
                self.common.shard.set_limits(*limits);
                self.common.reply(ticket, Ok(Value::Done));
            }
            Command::SetPsks(_) => self.common.refuse(ticket, "a client's engine has no secrets to change"),
            Command::SetUsers(_) => self.common.refuse(ticket, "a client's engine has no users"),
            Command::SetAllowPrivate(_) => self.common.refuse(ticket, "a client's engine connects to no targets"),
            // Taken by the loop.
            Command::Shutdown { .. } => {}
        }
    }

    /// Replies when `work` is done, without holding up the loop.
    fn answer(&self, ticket: u64, work: impl Future<Output = Outcome> + 'static) {
        let common = self.common.clone();
        tokio::task::spawn_local(async move { common.reply(ticket, work.await) });
    }

    async fn listen(&mut self, address: SocketAddr, credentials: Option<Credentials>) -> Outcome {
        let failed = |error: io::Error| {
            let number = i64::from(error.raw_os_error().unwrap_or(0));
            Failure::new("listen", error.to_string()).with("errno", number).with("address", address)
        };
        let listener = TcpListener::bind(address).await.map_err(failed)?;
        let bound = listener.local_addr().map_err(failed)?;
        let inbound = Socks5Inbound::new(self.client.clone(), credentials, self.doorman.clone());
        self.last += 1;
        self.listeners.insert(self.last, tokio::task::spawn_local(inbound.serve(listener)));
        Ok(Value::Listener(self.last, bound))
    }

    fn open(&mut self, ticket: u64, target: Target) {
        self.last += 1;
        let (number, client, inbox) = (self.last, self.client.clone(), self.common.inbox.clone());
        let place = self.doorman.places().try_take().filter(|_| !self.common.shard.is_short_of_memory());
        let Some(place) = place else {
            let why = "as many streams are open as this client may have, or its memory is used up";
            let failure = Failure::new("limit", why);
            self.common.reply(ticket, Err(failure));
            return;
        };
        self.answer(ticket, async move {
            let broken = move || inbox.push_reset(number);
            let opened = hand_over(&client, target.clone(), place, broken).await;
            opened.map(|socket| Value::Socket(socket, number)).map_err(|error| failure(&error, &target))
        });
    }
}

async fn connect(client: &Client, server: String, timeout: Duration) -> Outcome {
    match client.proven_link(timeout).await {
        Some((link, peer, rtt)) => {
            let (session, carrier) = client.shard().with_hub(|hub, _| (hub.session_kind(link), hub.carrier_kind(link)));
            let (session, carrier) = (session.unwrap_or_default(), carrier.unwrap_or_default());
            Ok(Value::Link { peer, session, carrier, rtt })
        }
        None => Err(no_answer(server, timeout)),
    }
}

fn no_answer(server: String, timeout: Duration) -> Failure {
    let message = format!("no answer from {server} in {} s", timeout.as_secs_f64());
    Failure::new("no_answer", message).with("peer", server).with("seconds", timeout)
}

fn failure(error: &HandoverError, target: &Target) -> Failure {
    let kind = match error {
        HandoverError::Socket(_) => "limit",
        HandoverError::Open(OpenFailure::LinkDown) => "link_down",
        HandoverError::Open(OpenFailure::NoReply) => "failed",
        HandoverError::Open(OpenFailure::Refused(reply)) => match reply {
            OpenReply::Refused => "target_refused",
            OpenReply::HostUnreachable => "host_unreachable",
            OpenReply::NameUnknown => "name_unknown",
            OpenReply::TimedOut => "timed_out",
            OpenReply::NetworkUnreachable => "network_unreachable",
            OpenReply::NotAllowed => "not_allowed",
            OpenReply::LimitReached => "limit",
            OpenReply::Connected | OpenReply::Unsupported | OpenReply::Failed => "failed",
        },
    };
    Failure::new(kind, format!("{target}: {error}")).with("target", target.to_string())
}

fn event(report: Report) -> Event {
    match report {
        Report::Up { link, peer, session, carrier, rtt, clock_ahead } => {
            let mut facts = vec![
                ("link", link.to_string().into()),
                ("peer", peer.into()),
                ("rtt", rtt.into()),
                ("session", session.name().into()),
                ("carrier", carrier.name().into()),
            ];
            if clock_ahead.abs() > CLOCK_OFF {
                facts.push(("clock_off", Fact::Seconds(clock_ahead)));
            }
            Event { name: "link_up", facts }
        }
        Report::Down { link, peer, why } => Event {
            name: "link_down",
            facts: vec![
                ("link", link.to_string().into()),
                ("peer", peer.into()),
                ("reason", super::reason::reason(why).into()),
            ],
        },
        Report::Retry { peer, pause } => {
            Event { name: "link_retry", facts: vec![("peer", peer.into()), ("seconds", pause.into())] }
        }
    }
}
