//! Where endpoints come from besides the file: what the settings and the environment mean, and what is said about
//! mistakes in them.

use std::path::{Path, PathBuf};
use std::time::Duration;

use super::super::{
    Config, ContainerLabel, DnsQuery, DnsSource, DockerEngine, DockerSource, Overrides, RedisSource, SourceSpec, load,
    parse,
};
use super::{SOUND, config, mistakes};
use crate::model::ClusterName;

/// A listener, and a cluster that names no endpoints.
const BARE: &str = r#"
[[listener]]
address = "127.0.0.1:8080"
[[listener.route]]
cluster = "web"
[cluster.web]
"#;

fn sources(config: &Config, cluster: &str) -> Vec<SourceSpec> {
    config.clusters[&ClusterName::new(cluster).unwrap()].sources.clone()
}

/// The sources of the cluster of a text, with lines of its own.
fn web(lines: &str) -> Vec<SourceSpec> {
    sources(&config(&format!("{BARE}{lines}\n")), "web")
}

fn under(text: &str, overrides: &Overrides) -> Result<Config, String> {
    parse(text, Path::new("x.toml"), overrides).map_err(|errors| errors.to_string())
}

fn docker() -> DockerSource {
    DockerSource {
        engine: DockerEngine("unix:///var/run/docker.sock".into()),
        label: ContainerLabel { key: "app".into(), value: Some("db-backend".into()) },
        network: None,
        port: None,
        resync: Duration::from_secs(10),
    }
}

fn redis() -> RedisSource {
    RedisSource { url: "redis://127.0.0.1:6379".into(), prefix: String::new(), resync: Duration::from_secs(10) }
}

fn some(text: &str) -> Option<String> {
    Some(text.to_owned())
}

#[test]
fn what_the_file_leaves_out_has_a_default() {
    assert_eq!(web("discovery.docker = {}"), [SourceSpec::Docker(docker())]);
    assert_eq!(web("discovery.redis = {}"), [SourceSpec::Redis(redis())]);
    let dns = DnsSource {
        query: DnsQuery::Addresses { name: "db-backend".into(), port: 8080.try_into().unwrap() },
        server: None,
        least_interval: Duration::from_secs(1),
        most_interval: Duration::from_secs(30),
    };
    assert_eq!(web("discovery.dns = { name = 'db-backend', port = 8080 }"), [SourceSpec::Dns(dns)]);
    assert_eq!(config(SOUND).state, Some(PathBuf::from("/etc/leverframe/state")));
}

#[test]
fn every_setting_arrives() {
    let lines = r#"
[cluster.web.discovery.docker]
engine = "tcp://127.0.0.1:2375"
label = "team"
network = "backend"
port = 80
resync = "1s"
[cluster.web.discovery.redis]
url = "redis://user:p@ss@[::1]:7000/3"
prefix = "blue:"
resync = "2s"
[cluster.web.discovery.dns]
service = "_http._tcp.example.com."
server = "[::1]:5353"
least_interval = "100ms"
most_interval = "1m"
"#;
    let docker = DockerSource {
        engine: DockerEngine("tcp://127.0.0.1:2375".into()),
        label: ContainerLabel { key: "team".into(), value: None },
        network: some("backend"),
        port: Some(80.try_into().unwrap()),
        resync: Duration::from_secs(1),
    };
    let redis = RedisSource {
        url: "redis://user:p@ss@[::1]:7000/3".into(),
        prefix: "blue:".into(),
        resync: Duration::from_secs(2),
    };
    let dns = DnsSource {
        query: DnsQuery::Services { name: "_http._tcp.example.com.".into() },
        server: Some("[::1]:5353".parse().unwrap()),
        least_interval: Duration::from_millis(100),
        most_interval: Duration::from_secs(60),
    };
    assert_eq!(web(lines), [SourceSpec::Docker(docker), SourceSpec::Redis(redis), SourceSpec::Dns(dns)]);
    let state = |lines: &str| config(&format!("{lines}\n{SOUND}")).state;
    assert_eq!(state("state = '/var/lib/leverframe'"), Some(PathBuf::from("/var/lib/leverframe")));
    assert_eq!(state("state = false"), None);
}

#[test]
fn an_interval_that_is_not_said_gives_way() {
    let intervals = |lines: &str| match &web(&format!("discovery.dns = {{ service = 'x', {lines} }}"))[..] {
        [SourceSpec::Dns(dns)] => (dns.least_interval.as_millis(), dns.most_interval.as_millis()),
        other => panic!("{other:?}"),
    };
    assert_eq!(intervals("least_interval = '1m'"), (60_000, 60_000));
    assert_eq!(intervals("most_interval = '50ms'"), (50, 50));
}

#[test]
fn the_environment_says_where_the_file_does_not() {
    let overrides = Overrides {
        docker_host: some("tcp://engine:2375/"),
        redis_url: some("redis://registry"),
        backend_label: some("role=db=1"),
        backend_network: some("blue"),
        state: Some("kept".into()),
        ..Overrides::default()
    };
    let written = "discovery = { docker = { label = ' ', network = 'green' }, redis = {} }";
    let found = under(&format!("{BARE}{written}"), &overrides).unwrap();
    let followed = DockerSource {
        engine: DockerEngine("tcp://engine:2375".into()),
        label: ContainerLabel { key: "role".into(), value: some("db=1") },
        network: some("blue"),
        ..docker()
    };
    let registry = RedisSource { url: "redis://registry".into(), ..redis() };
    assert_eq!(sources(&found, "web"), [SourceSpec::Docker(followed), SourceSpec::Redis(registry)]);
    assert_eq!(found.state, Some(PathBuf::from("kept")));
    // An engine and a Redis that the file names are meant.
    let written = "discovery = { docker = { engine = 'unix:///mine' }, redis = { url = 'redis://mine' } }";
    match &sources(&under(&format!("{BARE}{written}"), &overrides).unwrap(), "web")[..] {
        [SourceSpec::Docker(docker), SourceSpec::Redis(redis)] => {
            assert_eq!((docker.engine.0.as_str(), redis.url.as_str()), ("unix:///mine", "redis://mine"));
        }
        other => panic!("{other:?}"),
    }
    // What nobody follows is not looked at.
    let odd = Overrides { docker_host: some("ssh://me@engine"), backend_label: some("="), ..Overrides::default() };
    assert!(under(SOUND, &odd).is_ok());
}

#[test]
fn docker_is_turned_on_and_off_for_all() {
    let text = format!(
        "{BARE}[cluster.named]\nendpoints = ['a:1']\n[cluster.found]\ndiscovery.redis = {{}}\n[cluster.made]\n\
         scaling.count = 1\n"
    );
    for on in ["true", "1", "yes", "TRUE "] {
        let overrides = Overrides { docker_discovery: some(on), ..Overrides::default() };
        let found = under(&text, &overrides).unwrap();
        assert_eq!(sources(&found, "web"), [SourceSpec::Docker(docker())]);
        assert_eq!(sources(&found, "found"), [SourceSpec::Redis(redis())]);
        assert_eq!((sources(&found, "named"), sources(&found, "made")), (vec![], vec![]));
    }
    for off in ["false", "0", "no"] {
        let overrides = Overrides { docker_discovery: some(off), ..Overrides::default() };
        let both = format!("{BARE}discovery = {{ docker = {{ label = '' }}, redis = {{}} }}");
        assert_eq!(sources(&under(&both, &overrides).unwrap(), "web"), [SourceSpec::Redis(redis())]);
        let said = under(&format!("{BARE}discovery.docker = {{}}"), &overrides).unwrap_err();
        let expected = "x.toml: DOCKER_DISCOVERY: without Docker the cluster `web` has no endpoints: every request \
                        would be refused (name some in the file, or leave the variable out)";
        assert_eq!(said, expected);
        // One that had nothing anyway is the file's own mistake.
        assert!(under(BARE, &overrides).unwrap_err().starts_with("x.toml:6:1: cluster.web.endpoints: there is none"));
    }
}

#[test]
fn the_port_of_the_first_listener_comes_from_the_environment() {
    let text = format!("{SOUND}\n[[listener]]\naddress = '127.0.0.1:8081'\nroute = [{{ cluster = 'web' }}]\n");
    let addresses = |overrides: Overrides| -> Vec<String> {
        let found = under(&text, &overrides).unwrap();
        found.listeners.iter().map(|listener| format!("{} {}", listener.name, listener.address)).collect()
    };
    let port = Overrides { port: some("80"), ..Overrides::default() };
    assert_eq!(addresses(port.clone()), ["127.0.0.1:8080 127.0.0.1:80", "127.0.0.1:8081 127.0.0.1:8081"]);
    let both = Overrides { address: some("[::]:1"), ..port };
    assert_eq!(addresses(both)[0], "127.0.0.1:8080 [::]:1");
}

#[test]
fn mistakes_in_the_environment_name_the_variable_once() {
    let overrides = Overrides {
        port: some("http"),
        docker_discovery: some("maybe"),
        docker_host: some("ssh://me@engine"),
        backend_label: some("=x"),
        backend_network: some("a b"),
        redis_url: some("rediss://:secret@registry"),
        ..Overrides::default()
    };
    let text = format!(
        "{BARE}[cluster.a]\ndiscovery = {{ docker = {{}}, redis = {{}} }}\n[cluster.b]\n\
         discovery = {{ docker = {{}}, redis = {{}} }}\n"
    );
    let said = under(&text, &overrides).unwrap_err();
    let expected = "\
x.toml: PORT: `http` is no port (a whole number up to 65535; 0 takes any)
x.toml: DOCKER_DISCOVERY: `maybe` is neither true nor false (`true` or `false`, `1` or `0`, `yes` or `no`)
x.toml: DOCKER_HOST: `ssh://(secret)@engine` is no address of a Docker Engine (neither SSH nor TLS is spoken: forward the engine's socket, and name that: `unix:///PATH`)
x.toml: BACKEND_LABEL: `=x` is no label of a container (a key and a value, as in `app=db-backend`, or a key for every value, as in `app`)
x.toml: BACKEND_NETWORK: `a b` is no network (a name as `docker network ls` shows it)
x.toml: REDIS_URL: Redis over TLS is not spoken (`redis://HOST:PORT`: through a network of its own, or through a tunnel that does TLS)";
    assert_eq!(said, expected);
}

#[test]
fn all_mistakes_are_told_at_once() {
    let text = BARE.replace("[cluster.web]\n", "[cluster.web.discovery.docker]\n")
        + r#"engine = "/var/run/docker.sock"
label = "app = x"
network = ""
port = 0
resync = "1ms"
[cluster.b.discovery.redis]
url = "127.0.0.1:6379"
keys = "x"
[cluster.c.discovery.redis]
url = "redis://me:secret@:1"
[cluster.d.discovery.redis]
url = "redis://host/first"
[cluster.e.discovery.dns]
name = "http://db"
server = "127.0.0.1"
least_interval = "2s"
most_interval = "1s"
[cluster.f.discovery.dns]
name = "db"
service = "_db"
[cluster.g.discovery.dns]
service = "a..b"
port = 1
[cluster.h.discovery]
dns = {}
docker = 7
"#;
    let expected = r#"7:10: cluster.web.discovery.docker.engine: `/var/run/docker.sock` is no address of a Docker Engine (`unix:///var/run/docker.sock`)
8:9: cluster.web.discovery.docker.label: `app = x` is no label of a container (a key and a value, as in `app=db-backend`, or a key for every value, as in `app`)
9:11: cluster.web.discovery.docker.network: `` is no network (a name as `docker network ls` shows it)
10:8: cluster.web.discovery.docker.port: invalid value: integer `0`, expected a whole number from 1 to 65535
11:10: cluster.web.discovery.docker.resync: 1ms is less than 10ms
13:7: cluster.b.discovery.redis.url: this is no URL that begins with `redis://` (as in `redis://127.0.0.1:6379` or `redis://USER:PASSWORD@HOST:6379/0`)
14:1: cluster.b.discovery.redis.keys: there is no such setting (known here: url, prefix, resync)
16:7: cluster.c.discovery.redis.url: what stands for the host is no host with a port (as in `redis://127.0.0.1:6379` or `redis://USER:PASSWORD@HOST:6379/0`)
18:7: cluster.d.discovery.redis.url: the database is no number (as in `redis://127.0.0.1:6379` or `redis://USER:PASSWORD@HOST:6379/0`)
19:1: cluster.e.discovery.dns.port: is missing (say where they listen: port = 8080)
20:8: cluster.e.discovery.dns.name: `http://db` is no name in the DNS (a name only, without scheme, port and path)
21:10: cluster.e.discovery.dns.server: `127.0.0.1` is no address of a DNS server (with its port: `127.0.0.1:53`)
22:18: cluster.e.discovery.dns.least_interval: 2s is longer than `most_interval`, which is 1s (between the two, the answer's time to live decides)
26:11: cluster.f.discovery.dns.service: the DNS is asked for either a `name` or a `service` (`name` with `port` asks for addresses, `service` for hosts and their ports (SRV))
28:11: cluster.g.discovery.dns.service: `a..b` is no name in the DNS (labels of letters, digits, `-` and `_`, with dots between them)
29:8: cluster.g.discovery.dns.port: a service says itself which ports it has (take it out; or ask for addresses, with `name` in place of `service`)
31:7: cluster.h.discovery.dns.name: is missing (say what is asked for: name = "db-backend" and port = 8080, or service = "_http._tcp.example.com")
32:10: cluster.h.discovery.docker: invalid type: integer `7`, expected a table
"#;
    assert_eq!(mistakes(&text), expected);
}

#[test]
fn a_source_that_could_not_be_read_is_not_said_to_be_missing() {
    for lines in [
        "discovery = 1",
        "discovery.docker = 1",
        "discovery.dns = { name = 1, port = 1 }",
        "scaling = 1",
        "endpoints = 1",
    ] {
        let said = mistakes(&format!("{BARE}{lines}\n"));
        assert_eq!(said.lines().count(), 1, "{said}");
        assert!(said.contains("invalid type: integer `1`"), "{said}");
    }
}

#[test]
fn no_password_is_repeated() {
    for url in [
        "me:secret@host",
        "rediss://me:secret@host",
        "http://me:secret@host",
        "redis://me:secret@",
        "redis://me:secret@h/x",
    ] {
        let said = mistakes(&format!("{BARE}discovery.redis.url = '{url}'\n"));
        assert!(!said.contains("secret"), "{said}");
    }
}

#[test]
fn the_examples_mean_what_their_comments_say() {
    let example = |name: &str| {
        let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("../config").join(name);
        load(&file, &Overrides::default()).unwrap_or_else(|errors| panic!("{errors}"))
    };
    assert_eq!(sources(&example("redis-registry.toml"), "web"), [SourceSpec::Redis(redis())]);
    let found = example("docker.toml");
    let followed = DockerSource { port: Some(8080.try_into().unwrap()), ..docker() };
    assert_eq!(sources(&found, "db-backend"), [SourceSpec::Docker(followed)]);
    let registry = RedisSource { url: "redis://redis:6379".into(), ..redis() };
    assert_eq!(sources(&found, "registered"), [SourceSpec::Redis(registry)]);
}
