//! The key log of a host: a file for its owner alone, with a line for each set of keys.

mod hosts;

use ginnel_edge::host::{LogLevels, Role};
use ginnel_proto::envelope::key_log::LoggedKeys;
use ginnel_proto::limits::Limits;
use ginnel_proto::link::Side;
use ginnel_proto::ports::Ports;
use hosts::{Directory, End, LOOPBACK, client_role, server_role};
use std::fs::{self, OpenOptions, Permissions};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt, symlink};
use std::path::Path;

/// A role that writes its keys down.
fn logging(role: Role, path: &Path) -> Role {
    match role {
        Role::Server(mut spec) => {
            spec.key_log = Some(path.to_owned());
            Role::Server(spec)
        }
        Role::Client(mut spec) => {
            spec.key_log = Some(path.to_owned());
            Role::Client(spec)
        }
    }
}

fn start(role: Role, limits: Limits) -> std::io::Result<End> {
    End::start(role, limits, LogLevels::default())
}

fn keys(path: &Path) -> Vec<LoggedKeys> {
    let text = fs::read_to_string(path).unwrap();
    text.lines().filter_map(|line| LoggedKeys::parse(line).unwrap()).collect()
}

#[test]
fn both_ends_write_the_same_keys_and_go_on_in_the_same_file() {
    let directory = Directory::new();
    let (of_server, of_client) = (directory.path().join("server.keys"), directory.path().join("client.keys"));
    for round in 1..=2 {
        let server =
            start(logging(server_role(&directory, LOOPBACK.ip(), Ports::one(0)), &of_server), Limits::server())
                .unwrap();
        let address = server.host.local_address();
        let mut client = start(logging(client_role(address), &of_client), Limits::client()).unwrap();
        client.connect();
        let (server_keys, client_keys) = (keys(&of_server), keys(&of_client));
        assert_eq!(client_keys.len(), round);
        assert_eq!(client_keys[round - 1].role, Side::Client);
        assert_eq!(client_keys[round - 1].number, 0);
        // The server has a link only once the client has used it.
        assert!(server_keys.len() <= round);
        for path in [&of_server, &of_client] {
            assert_eq!(fs::metadata(path).unwrap().permissions().mode() & 0o7777, 0o600);
        }
        drop((client, server));
    }
    let text = fs::read_to_string(&of_client).unwrap();
    assert_eq!(text.lines().filter(|line| line.starts_with('#')).count(), 1, "{}", text.lines().count());
}

#[test]
fn what_others_could_read_or_have_put_there_is_refused() {
    let directory = Directory::new();
    let path = directory.path().join("keys");
    let refused = |what: &str| {
        let Err(error) = start(logging(client_role(LOOPBACK), &path), Limits::client()) else { panic!("{what}") };
        assert_eq!(error.raw_os_error(), None, "it is about a file, not about the socket");
        let told = error.to_string();
        assert!(told.contains("the key log") && told.contains(what), "{told}");
        assert!(told.contains(path.to_str().unwrap()), "{told}");
    };
    for mode in [0o644, 0o640, 0o602, 0o601] {
        OpenOptions::new().create(true).truncate(true).write(true).mode(mode).open(&path).unwrap();
        fs::set_permissions(&path, Permissions::from_mode(mode)).unwrap();
        refused(&format!("mode {mode:04o}"));
        assert_eq!(fs::metadata(&path).unwrap().len(), 0, "nothing is written there");
    }
    fs::remove_file(&path).unwrap();
    let other = directory.path().join("other");
    symlink(&other, &path).unwrap();
    refused("symbolic link");
    assert!(!other.exists());
    fs::remove_file(&path).unwrap();
    fs::create_dir(&path).unwrap();
    refused("directory");
    fs::remove_dir(&path).unwrap();
    assert!(start(logging(client_role(LOOPBACK), &directory.path().join("none/keys")), Limits::client()).is_err());
}
