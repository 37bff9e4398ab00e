//! What a sound text means.

use std::ffi::OsString;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::super::{Limits, Overrides, PluginLimits, Pool, Timeouts, load, parse};
use super::{SOUND, config};
use crate::model::{ClusterName, EndpointName, PluginName};

fn cluster(text: &str) -> super::super::Cluster {
    config(text).clusters[&ClusterName::new("web").unwrap()].clone()
}

#[test]
fn what_the_file_leaves_out_has_a_default() {
    let config = config(SOUND);
    assert_eq!(config.workers, std::thread::available_parallelism().unwrap());
    assert_eq!(config.shutdown_timeout, Duration::from_secs(30));
    assert_eq!(config.admin.address, Some("127.0.0.1:9900".parse().unwrap()));
    assert_eq!(config.listeners[0].name.as_str(), "127.0.0.1:8080");
    assert_eq!(config.listeners[0].limits, Limits::default());
    assert_eq!(config.plugins.folder, Some(PathBuf::from("/etc/leverframe/plugins")));
    assert_eq!((config.plugins.cache, config.plugins.limits), (None, PluginLimits::default()));
    let web = cluster(SOUND);
    assert_eq!((web.pool, web.timeouts), (Pool::default(), Timeouts::default()));
    assert_eq!((web.strategy.plugin.as_str(), web.strategy.config.as_str()), ("round-robin", "{}"));
    assert_eq!(web.endpoints[0].name.as_str(), "127.0.0.1:9001");
}

#[test]
fn durations_and_sizes_have_their_units() {
    let text = SOUND.replace(
        "[[listener.route]]",
        "header_timeout = '1500ms'\nkeep_alive_timeout = '2m'\nlimits = { header_bytes = '8KiB', body_bytes = 0 }\n\
         [[listener.route]]",
    ) + "[plugins.limits]\npick_deadline = '500us'\nmemory_bytes = '1GiB'\nfile_bytes = 1000\n";
    let config = config(&text);
    let listener = &config.listeners[0];
    assert_eq!(listener.header_timeout, Duration::from_millis(1500));
    assert_eq!(listener.keep_alive_timeout, Duration::from_secs(120));
    assert_eq!((listener.limits.header_bytes, listener.limits.body_bytes), (8192, Some(0)));
    assert_eq!(config.plugins.limits.pick_deadline, Duration::from_micros(500));
    assert_eq!((config.plugins.limits.memory_bytes, config.plugins.limits.file_bytes), (1 << 30, 1000));
}

#[test]
fn endpoints_have_a_short_and_a_long_form() {
    let web = cluster(&SOUND.replace(
        r#"["127.0.0.1:9001"]"#,
        r#"["[::1]:9001", { address = "db.internal:5432", name = "db", weight = 65535, labels = { zone = "b" } }]"#,
    ));
    let [short, long] = &web.endpoints[..] else { panic!("two endpoints") };
    assert_eq!((short.name.as_str(), short.address.to_string().as_str()), ("::1:9001", "[::1]:9001"));
    assert_eq!((short.weight.get(), short.labels.len()), (1, 0));
    assert_eq!((&long.name, long.weight.get()), (&EndpointName::new("db").unwrap(), 65535));
    assert_eq!(long.labels["zone"], "b");
}

#[test]
fn a_plugin_gets_its_table_as_json_with_sorted_keys() {
    let web = cluster(
        &(SOUND.to_owned()
            + "strategy = { plugin = 'my_ring', config = { slots = 512, key = { header = 'x' }, \
         at = 1979-05-27, loads = [0.5, true] } }"),
    );
    assert_eq!(web.strategy.plugin, PluginName::new("my-ring").unwrap());
    assert_eq!(web.strategy.config, r#"{"at":"1979-05-27","key":{"header":"x"},"loads":[0.5,true],"slots":512}"#);
}

#[test]
fn a_plugin_inherits_the_limits_that_it_has_not_its_own() {
    let text = SOUND.to_owned() + "[plugins.limits]\nstate_bytes = 1\n[plugins.override.my_ring]\ntable_elements = 7\n";
    let plugins = config(&text).plugins;
    let own = plugins.limits_of(&PluginName::new("my-ring").unwrap());
    assert_eq!((own.state_bytes, own.table_elements), (1, 7));
    assert_eq!(plugins.limits_of(&PluginName::new("other").unwrap()), plugins.limits);
}

#[test]
fn what_can_be_turned_off_is() {
    let config = config(&(SOUND.to_owned() + "[plugins]\nfolder = false\ncache = false\n[admin]\naddress = false"));
    assert_eq!((config.plugins.folder, config.plugins.cache, config.admin.address), (None, None, None));
}

#[test]
fn paths_start_in_the_folder_of_the_file() {
    let plugins = config(&(SOUND.to_owned() + "[plugins]\nfolder = '../drop'\ncache = '/var/cache'")).plugins;
    assert_eq!(plugins.folder, Some(PathBuf::from("/etc/leverframe/../drop")));
    assert_eq!(plugins.cache, Some(PathBuf::from("/var/cache")));
}

#[test]
fn the_environment_goes_before_the_file() {
    let environment = |name: &str| {
        let value = match name {
            "LEVERFRAME_ADDRESS" => "0.0.0.0:80",
            "LEVERFRAME_ADMIN_ADDRESS" => "127.0.0.1:1",
            "LEVERFRAME_PLUGINS" => "here",
            "LEVERFRAME_WORKERS" => "3",
            "XDG_CACHE_HOME" => "not/absolute",
            "HOME" => "/home/me",
            _ => return None,
        };
        Some(OsString::from(value))
    };
    // The file needs no address of its own then, and a wrong one does no harm.
    for file_address in ["address = '127.0.0.1:8080'", "address = 'nonsense'", ""] {
        let text = SOUND.replace("address = \"127.0.0.1:8080\"", file_address) + "[admin]\naddress = false";
        let config = parse(&text, Path::new("x.toml"), &Overrides::from_environment(environment)).unwrap();
        assert_eq!(config.listeners[0].address, "0.0.0.0:80".parse::<SocketAddr>().unwrap());
        assert_eq!(config.admin.address, Some("127.0.0.1:1".parse().unwrap()));
        assert_eq!(config.workers.get(), 3);
        assert_eq!(config.plugins.folder, Some(PathBuf::from("here")));
        assert_eq!(config.plugins.cache, Some(PathBuf::from("/home/me/.cache/leverframe")));
    }
}

#[test]
fn an_empty_variable_is_not_set() {
    let overrides = Overrides::from_environment(|name| (name != "XDG_CACHE_HOME").then(OsString::new));
    assert_eq!(overrides, Overrides::default());
}

#[test]
fn every_example_is_sound() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../config");
    let files: Vec<_> = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    let files: Vec<_> = files.into_iter().filter(|path| path.extension().is_some_and(|end| end == "toml")).collect();
    assert!(files.len() >= 2, "{files:?}");
    for file in files {
        load(&file, &Overrides::default()).unwrap_or_else(|errors| panic!("{errors}"));
    }
}

#[test]
fn the_example_of_the_plugins_tells_the_defaults_as_they_are() {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("../config/plugins.toml");
    let config = load(&file, &Overrides::default()).unwrap();
    let web = &config.clusters[&ClusterName::new("web").unwrap()];
    assert_eq!(web.pool, Pool { max_connections: Some(256), ..Pool::default() });
    assert_eq!(web.timeouts, Timeouts::default());
    assert_eq!(config.listeners[0].limits, Limits { body_bytes: Some(64 << 20), ..Limits::default() });
    assert_eq!(config.plugins.limits, PluginLimits::default());
    assert_eq!(config.listeners[0].header_timeout, super::config(SOUND).listeners[0].header_timeout);
    assert_eq!(config.listeners[0].keep_alive_timeout, super::config(SOUND).listeners[0].keep_alive_timeout);
    assert_eq!((config.shutdown_timeout, config.admin), (Duration::from_secs(30), super::config(SOUND).admin));
}
