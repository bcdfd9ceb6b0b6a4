//! The limits that can be set.

use ginnel_proto::limits::Limits;
use ginnel_proto::limits::settings::{SETTINGS, SettingError};
use std::time::Duration;

#[test]
fn every_setting_takes_its_ends_and_nothing_beyond_them() {
    for setting in SETTINGS {
        for value in [setting.min, setting.max] {
            let mut limits = Limits::server();
            limits.set(setting.name, value).unwrap();
            let now = limits.settings().find(|(name, _)| *name == setting.name);
            assert_eq!(now, Some((setting.name, value)));
            // Only this one has changed.
            let others =
                |limits: &Limits| limits.settings().filter(|(name, _)| *name != setting.name).collect::<Vec<_>>();
            assert_eq!(others(&limits), others(&Limits::server()));
        }
        for value in [setting.min - 0.5, setting.max + 0.5, f64::NAN, f64::INFINITY, f64::NEG_INFINITY] {
            let mut limits = Limits::client();
            let error = limits.set(setting.name, value).unwrap_err();
            assert!(error.to_string().contains(setting.name), "{error}");
            assert_eq!(limits, Limits::client());
        }
    }
}

#[test]
fn the_defaults_of_both_roles_are_in_range() {
    for limits in [Limits::client(), Limits::server()] {
        for (name, value) in limits.settings() {
            limits.clone().set(name, value).unwrap();
        }
    }
}

#[test]
fn an_unknown_name_is_refused() {
    let mut limits = Limits::server();
    assert_eq!(limits.set("keepalive", 1.0), Err(SettingError::Unknown("keepalive".into())));
    limits.set("keep_alive", 1.5).unwrap();
    assert_eq!(limits.keep_alive, Duration::from_millis(1500));
}
