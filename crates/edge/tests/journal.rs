//! The replay file: what a server writes down, and what it makes of a damaged one.

mod hosts;

use ginnel_proto::limits::Limits;
use hosts::{Directory, End, LOOPBACK};
use std::os::unix::fs::PermissionsExt;

#[test]
fn an_accepted_handshake_is_in_the_file_that_only_its_owner_reads() {
    let directory = Directory::new();
    let server = End::server(&directory, LOOPBACK).unwrap();
    let file = directory.path().join("replay");
    assert_eq!(std::fs::read(&file).unwrap().len(), 0);
    End::client(server.host.local_address(), Limits::default()).connect();
    let length = std::fs::read(&file).unwrap().len();
    assert!(length > 0 && length.is_multiple_of(24), "{length} bytes");
    assert_eq!(std::fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
    drop(server);
    let _again = End::server(&directory, LOOPBACK).unwrap();
    assert_eq!(std::fs::read(&file).unwrap().len(), length, "what has not expired is kept");
}

#[test]
fn what_is_no_file_is_refused_at_once_and_by_name() {
    let directory = Directory::new();
    let file = directory.path().join("replay");
    std::fs::create_dir(&file).unwrap();
    let error = End::server(&directory, LOOPBACK).err().unwrap();
    assert!(error.to_string().contains("replay") && error.raw_os_error().is_none(), "{error}");
    std::fs::remove_dir(&file).unwrap();
    assert!(std::process::Command::new("mkfifo").arg(&file).status().unwrap().success());
    assert!(End::server(&directory, LOOPBACK).err().unwrap().to_string().contains("regular file"));
}

#[test]
fn a_file_that_a_crash_cut_short_or_that_has_expired_is_no_obstacle() {
    let directory = Directory::new();
    let file = directory.path().join("replay");
    std::fs::write(&file, [7; 24 * 3 + 5]).unwrap();
    let server = End::server(&directory, LOOPBACK).unwrap();
    End::client(server.host.local_address(), Limits::default()).connect();
    assert_eq!(std::fs::read(&file).unwrap().len() % 24, 0);
}
