//! The system's resolver against a DNS server of a few lines on loopback, and without any server.

use std::cell::RefCell;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::rc::Rc;
use std::time::Duration;

use ginnel_edge::resolver::{Answer, DnsSource, Family, LookupError, Resolver, ResolverLimits, SystemDns};
use hickory_resolver::Hosts;
use hickory_resolver::config::{NameServerConfig, ResolverConfig, ResolverOpts};
use hickory_resolver::proto::rr::Name;
use hickory_resolver::system_conf::parse_resolv_conf;
use tokio::net::UdpSocket;

/// A DNS server (RFC 1035 §4): answers by the first label of the name, notes what it is asked.
struct Server {
    address: SocketAddr,
    asked: Rc<RefCell<Vec<String>>>,
}

const A: u16 = 1;
const CNAME: u16 = 5;
const SOA: u16 = 6;
const AAAA: u16 = 28;

impl Server {
    async fn start() -> Self {
        let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let address = socket.local_addr().unwrap();
        let asked: Rc<RefCell<Vec<String>>> = Rc::default();
        let log = Rc::clone(&asked);
        tokio::task::spawn_local(async move {
            let mut packet = [0; 512];
            loop {
                let (length, peer) = socket.recv_from(&mut packet).await.unwrap();
                if let Some(answer) = respond(&packet[..length], &mut log.borrow_mut()) {
                    socket.try_send_to(&answer, peer).unwrap();
                }
            }
        });
        Self { address, asked }
    }

    fn dns(&self, hosts: &str, search: Vec<Name>) -> SystemDns {
        let mut server = NameServerConfig::udp(self.address.ip());
        server.connections[0].port = self.address.port();
        let conf = ResolverConfig::from_parts(None, search, vec![server]);
        SystemDns::from_parts(Ok((conf, ResolverOpts::default())), read_hosts(hosts))
    }

    fn resolver(&self) -> Resolver {
        Resolver::new(self.dns("", vec![]), ResolverLimits::default())
    }
}

fn read_hosts(text: &str) -> Hosts {
    let mut hosts = Hosts::default();
    hosts.read_hosts_conf(text.as_bytes()).unwrap();
    hosts
}

/// The answer to one question, or silence.
fn respond(packet: &[u8], asked: &mut Vec<String>) -> Option<Vec<u8>> {
    let (name, after_name) = read_name(packet, 12);
    let kind = u16::from_be_bytes([packet[after_name], packet[after_name + 1]]);
    let question = &packet[12..after_name + 4];
    asked.push(format!("{name} {kind}"));
    let times_asked = asked.iter().filter(|known| **known == asked[asked.len() - 1]).count();
    let label = name.split('.').next().unwrap_or_default();
    let mut records = Vec::new();
    let mut soa = Vec::new();
    let mut code = 0;
    match (label, kind) {
        ("both" | "lossy", A) => records.push(record(0xc00c, A, 60, &[192, 0, 2, 1])),
        ("both", AAAA) => {
            records.push(record(0xc00c, AAAA, 60, &"2001:db8::1".parse::<std::net::Ipv6Addr>().unwrap().octets()))
        }
        ("alias", A) => {
            records.push(record(0xc00c, CNAME, 5, b"\x04both\x04test\0"));
            let mut target = b"\x04both\x04test\0".to_vec();
            target.extend(&record(0, A, 600, &[192, 0, 2, 7])[2..]);
            records.push(target);
        }
        ("broken", _) => code = 2,
        ("silent", _) => return None,
        (label, _) => {
            code = if label == "v4only" { 0 } else { 3 };
            // mname, rname; serial, refresh, retry, expire; minimum: the negative time to live.
            let data = [&[0, 0], &[0; 16][..], &9_u32.to_be_bytes()].concat();
            soa = record(0xc00c, SOA, 600, &data);
        }
    }
    if label == "lossy" && times_asked == 1 {
        return None;
    }
    let mut answer = packet[..2].to_vec();
    answer.extend([0x81, 0x80 | code, 0, 1, 0, records.len() as u8, 0, u8::from(!soa.is_empty()), 0, 0]);
    answer.extend(question);
    answer.extend(records.concat());
    answer.extend(soa);
    Some(answer)
}

fn read_name(packet: &[u8], mut at: usize) -> (String, usize) {
    let mut labels = Vec::new();
    while packet[at] != 0 {
        let end = at + 1 + usize::from(packet[at]);
        labels.push(String::from_utf8_lossy(&packet[at + 1..end]).into_owned());
        at = end;
    }
    (labels.join("."), at + 1)
}

/// A resource record whose owner is the compressed name `owner`.
fn record(owner: u16, kind: u16, ttl: u32, data: &[u8]) -> Vec<u8> {
    let mut record = owner.to_be_bytes().to_vec();
    record.extend(kind.to_be_bytes());
    record.extend(1_u16.to_be_bytes());
    record.extend(ttl.to_be_bytes());
    record.extend((data.len() as u16).to_be_bytes());
    record.extend(data);
    record
}

fn texts(answer: Answer) -> Vec<String> {
    answer.unwrap().iter().map(IpAddr::to_string).collect()
}

#[tokio::test(flavor = "local")]
async fn both_families_come_from_the_server_with_their_time_to_live() {
    let server = Server::start().await;
    let resolver = server.resolver();
    assert_eq!(texts(resolver.look_up("both.test", Family::V4).await), ["192.0.2.1"]);
    assert_eq!(texts(resolver.look_up("both.test", Family::V6).await), ["2001:db8::1"]);
    let reply = server.dns("", vec![]).look_up("both.test", Family::V4).await;
    assert_eq!(reply.ttl, Some(Duration::from_secs(60)));
}

#[tokio::test(flavor = "local")]
async fn an_alias_is_followed_and_kept_no_longer_than_its_shortest_link() {
    let server = Server::start().await;
    let reply = server.dns("", vec![]).look_up("alias.test", Family::V4).await;
    assert_eq!(reply.result.unwrap(), [IpAddr::from([192, 0, 2, 7])]);
    assert_eq!(reply.ttl, Some(Duration::from_secs(5)));
}

#[tokio::test(flavor = "local")]
async fn an_unknown_name_comes_with_the_zones_negative_time_to_live() {
    let server = Server::start().await;
    for name in ["nobody.test", "v4only.test"] {
        let reply = server.dns("", vec![]).look_up(name, Family::V6).await;
        assert!(matches!(reply.result, Err(LookupError::Unknown)), "{name}: {reply:?}");
        assert_eq!(reply.ttl, Some(Duration::from_secs(9)), "{name}");
    }
}

#[tokio::test(flavor = "local")]
async fn no_search_list_is_tried() {
    let server = Server::start().await;
    let search = vec![Name::from_ascii("test.").unwrap()];
    let reply = server.dns("", search).look_up("both", Family::V4).await;
    assert_eq!(reply.result.unwrap(), [IpAddr::from([192, 0, 2, 1])]);
    let search = vec![Name::from_ascii("test.").unwrap()];
    let reply = server.dns("", search).look_up("nobody.example", Family::V4).await;
    assert!(matches!(reply.result, Err(LookupError::Unknown)), "{reply:?}");
    assert_eq!(*server.asked.borrow(), ["both 1", "nobody.example 1"]);
}

#[tokio::test(flavor = "local")]
async fn a_lost_packet_is_sent_again_within_the_limit() {
    let server = Server::start().await;
    let answer = server.resolver().look_up("lossy.test", Family::V4).await;
    assert_eq!(texts(answer), ["192.0.2.1"]);
    assert!(server.asked.borrow().len() >= 2);
}

#[tokio::test(flavor = "local")]
async fn a_server_that_answers_with_an_error_is_a_failure_and_not_an_unknown_name() {
    let server = Server::start().await;
    let error = server.resolver().look_up("broken.test", Family::V4).await.unwrap_err();
    assert!(matches!(error, LookupError::Failed(_)), "{error:?}");
}

#[tokio::test(flavor = "local")]
async fn a_silent_server_times_out() {
    let server = Server::start().await;
    let limits = ResolverLimits { lookup_time: Duration::from_millis(100), ..ResolverLimits::default() };
    let resolver = Resolver::new(server.dns("", vec![]), limits);
    let error = resolver.look_up("silent.test", Family::V4).await.unwrap_err();
    assert!(matches!(error, LookupError::TimedOut), "{error:?}");
}

#[tokio::test(flavor = "local")]
async fn the_hosts_file_goes_first_and_means_all_of_a_name() {
    let server = Server::start().await;
    let dns = server.dns("192.0.2.99 BOTH.test pinned\n", vec![]);
    let v4 = dns.look_up("both.test", Family::V4).await;
    assert_eq!(v4.result.unwrap(), [IpAddr::from([192, 0, 2, 99])]);
    let v6 = dns.look_up("both.test", Family::V6).await;
    assert!(matches!(v6.result, Err(LookupError::Unknown)), "{v6:?}");
    assert!(server.asked.borrow().is_empty());
}

#[tokio::test(flavor = "local")]
async fn without_a_server_the_hosts_file_still_works_and_other_names_say_what_is_missing() {
    for text in ["", "nameserver\n", "options ndots:2\n"] {
        let hosts = read_hosts("192.0.2.99 pinned.test\n");
        let dns = SystemDns::from_parts(parse_resolv_conf(text), hosts);
        let resolver = Resolver::new(dns, ResolverLimits::default());
        let pinned = resolver.look_up("pinned.test", Family::V4).await;
        assert_eq!(texts(pinned), ["192.0.2.99"]);
        let error = resolver.look_up("other.test", Family::V4).await.unwrap_err();
        assert!(matches!(error, LookupError::NoServer(_)), "{error:?}");
        assert!(error.to_string().contains("resolv.conf"), "{error}");
    }
}
