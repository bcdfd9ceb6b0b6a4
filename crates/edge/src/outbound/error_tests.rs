use std::error::Error;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

use super::ConnectError;
use crate::resolver::LookupError;

fn of(number: i32, address: &str) -> ConnectError {
    let address: SocketAddr = address.parse().unwrap();
    ConnectError::from_io(io::Error::from_raw_os_error(number), address)
}

/// The variant's name.
fn variant(error: &ConnectError) -> String {
    let debug = format!("{error:?}");
    debug.split('(').next().unwrap_or_default().to_owned()
}

#[test]
fn each_error_of_the_system_has_its_meaning() {
    let table = [
        (libc::ECONNREFUSED, "Refused"),
        (libc::ECONNRESET, "Refused"),
        (libc::ETIMEDOUT, "TimedOut"),
        (libc::EACCES, "NotAllowed"),
        (libc::EPERM, "NotAllowed"),
        (libc::EHOSTUNREACH, "HostUnreachable"),
        (libc::EHOSTDOWN, "HostUnreachable"),
        (libc::ENETUNREACH, "NetworkUnreachable"),
        (libc::ENETDOWN, "NetworkUnreachable"),
        (libc::EAFNOSUPPORT, "NetworkUnreachable"),
        (libc::EMFILE, "LimitReached"),
        (libc::ENFILE, "LimitReached"),
        (libc::ENOBUFS, "LimitReached"),
        (libc::ENOMEM, "LimitReached"),
        (libc::EINVAL, "Failed"),
    ];
    for (number, expected) in table {
        for address in ["192.0.2.1:80", "[2001:db8::1]:80"] {
            assert_eq!(variant(&of(number, address)), expected, "errno {number}");
        }
    }
}

#[test]
fn no_local_address_means_ports_in_ipv4_and_the_network_in_ipv6() {
    assert_eq!(variant(&of(libc::EADDRNOTAVAIL, "192.0.2.1:80")), "LimitReached");
    assert_eq!(variant(&of(libc::EADDRNOTAVAIL, "[2001:db8::1]:80")), "NetworkUnreachable");
}

#[test]
fn the_more_telling_error_is_reported_whichever_came_first() {
    let in_order = || {
        [
            ConnectError::Refused,
            ConnectError::TimedOut,
            ConnectError::NotAllowed,
            ConnectError::LimitReached,
            ConnectError::HostUnreachable,
            ConnectError::Failed(io::Error::other("other")),
            ConnectError::NetworkUnreachable,
            ConnectError::NameUnknown,
        ]
    };
    let names: Vec<String> = in_order().iter().map(variant).collect();
    for (more, telling) in in_order().into_iter().enumerate() {
        for (less, dull) in in_order().into_iter().enumerate().skip(more) {
            let told = dull.or_more_telling(in_order().into_iter().nth(more).unwrap());
            assert_eq!(variant(&told), names[more], "{} over {}", names[more], names[less]);
        }
        for dull in in_order().into_iter().skip(more) {
            let told = in_order().into_iter().nth(more).unwrap().or_more_telling(dull);
            assert_eq!(variant(&told), variant(&telling));
        }
    }
}

#[test]
fn a_failed_look_up_keeps_its_causes() {
    let cause = Arc::from(Box::<dyn Error + Send + Sync>::from("no such file"));
    let error = ConnectError::from(LookupError::NoServer(cause));
    let mut chain = vec![error.to_string()];
    let mut next = error.source();
    while let Some(error) = next {
        chain.push(error.to_string());
        next = error.source();
    }
    let told = chain.join(": ");
    assert!(told.starts_with("connecting failed: "), "{told}");
    assert!(told.contains("no usable name server"), "{told}");
    assert!(told.ends_with("no such file"), "{told}");
}

#[test]
fn each_outcome_of_a_look_up_has_its_meaning() {
    let cause = || Arc::from(Box::<dyn Error + Send + Sync>::from("cause"));
    let table = [
        (LookupError::Unknown, "NameUnknown"),
        (LookupError::BadName, "NameUnknown"),
        (LookupError::TimedOut, "TimedOut"),
        (LookupError::Busy, "LimitReached"),
        (LookupError::NoServer(cause()), "Failed"),
        (LookupError::Failed(cause()), "Failed"),
    ];
    for (error, expected) in table {
        assert_eq!(variant(&ConnectError::from(error)), expected);
    }
}
