//! How many endpoints there are to be: what the settings mean, and what is said about mistakes in them.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::super::{
    ContainerTemplate, DockerEngine, DriverSpec, Overrides, ProcessTemplate, Scaling, StrategySpec, load, parse,
};
use super::{config, mistakes};
use crate::model::{ClusterName, PluginName};

/// A listener, and a cluster whose nodes are started.
const SCALED: &str = r#"
[[listener]]
address = "127.0.0.1:8080"
[[listener.route]]
cluster = "web"
[cluster.web.scaling]
"#;

/// The scaling of the cluster, with lines of its own.
fn web(lines: &str) -> Scaling {
    let name = ClusterName::new("web").unwrap();
    config(&format!("{SCALED}{lines}\n")).clusters[&name].scaling.clone().unwrap()
}

fn usual() -> Scaling {
    Scaling {
        count: 3,
        least: 1,
        most: 64.try_into().unwrap(),
        cooldown: Duration::from_secs(30),
        check_path: "/health".parse().unwrap(),
        check_interval: Duration::from_secs(10),
        check_timeout: Duration::from_secs(5),
        replace_after: Duration::from_secs(2),
        driver: DriverSpec::Process(ProcessTemplate::default()),
    }
}

#[test]
fn what_the_file_leaves_out_has_a_default() {
    assert_eq!(web("count = 3"), usual());
    let image = "count = 3\ndriver = 'docker'\ndocker = { image = 'node:1', port = 8080 }";
    let template = ContainerTemplate {
        engine: DockerEngine("unix:///var/run/docker.sock".into()),
        image: "node:1".into(),
        command: vec![],
        network: None,
        port: 8080.try_into().unwrap(),
        environment: BTreeMap::new(),
        labels: BTreeMap::new(),
        publish: BTreeMap::new(),
    };
    assert_eq!(web(image), Scaling { driver: DriverSpec::Docker(template), ..usual() });
}

#[test]
fn every_setting_arrives() {
    let lines = r#"
count = 4
least = 2
most = 8
cooldown = "1s"
check = { path = "/ready?deep", interval = "200ms", timeout = "100ms" }
replace_after = "50ms"
driver = "process"
process = { base_port = 65528, average_delay = "50ms", failure_percent = 100, statistics = "s.sqlite" }
"#;
    let template = ProcessTemplate {
        base_port: Some(65528.try_into().unwrap()),
        average_delay: Duration::from_millis(50),
        failure_percent: 100,
        statistics: Some(PathBuf::from("/etc/leverframe/s.sqlite")),
    };
    let scaling = Scaling {
        count: 4,
        least: 2,
        most: 8.try_into().unwrap(),
        cooldown: Duration::from_secs(1),
        check_path: "/ready?deep".parse().unwrap(),
        check_interval: Duration::from_millis(200),
        check_timeout: Duration::from_millis(100),
        replace_after: Duration::from_millis(50),
        driver: DriverSpec::Process(template),
    };
    assert_eq!(web(lines), scaling);
    let lines = r#"
count = 3
driver = "docker"
[cluster.web.scaling.docker]
engine = "tcp://127.0.0.1:2375"
image = "node"
command = ["/leverframe", "node"]
network = "backend"
port = 80
environment = { LOG = "debug=1" }
labels = { "leverframe.zone" = "b" }
publish = { "80" = 18080, 81 = 18200 }
"#;
    let template = ContainerTemplate {
        engine: DockerEngine("tcp://127.0.0.1:2375".into()),
        image: "node".into(),
        command: vec!["/leverframe".into(), "node".into()],
        network: Some("backend".into()),
        port: 80.try_into().unwrap(),
        environment: BTreeMap::from([("LOG".into(), "debug=1".into())]),
        labels: BTreeMap::from([("leverframe.zone".into(), "b".into())]),
        publish: [(80, 18080), (81, 18200)].map(|(a, b)| (a.try_into().unwrap(), b.try_into().unwrap())).into(),
    };
    assert_eq!(web(lines), Scaling { driver: DriverSpec::Docker(template), ..usual() });
}

#[test]
fn what_is_not_said_gives_way_to_what_is() {
    let bounds = |lines: &str| (web(lines).least, web(lines).most.get());
    assert_eq!(bounds("count = 0"), (0, 64));
    assert_eq!(bounds("count = 100"), (1, 100));
    let timing = |check: &str| {
        let web = web(&format!("count = 1\ncheck = {{ {check} }}"));
        (web.check_interval.as_secs(), web.check_timeout.as_secs())
    };
    assert_eq!((timing("interval = '1s'"), timing("timeout = '20s'")), ((1, 1), (20, 20)));
}

#[test]
fn the_engine_of_the_containers_is_that_of_the_environment() {
    let text = format!("{SCALED}count = 1\ndriver = 'docker'\ndocker = {{ image = 'node', port = 80 }}\n");
    let overrides = Overrides { docker_host: Some("tcp://engine:2375".into()), ..Overrides::default() };
    let found = parse(&text, Path::new("x.toml"), &overrides).unwrap();
    match &found.clusters[&ClusterName::new("web").unwrap()].scaling.as_ref().unwrap().driver {
        DriverSpec::Docker(template) => assert_eq!(template.engine.0, "tcp://engine:2375"),
        other => panic!("{other:?}"),
    }
}

#[test]
fn all_mistakes_are_told_at_once() {
    let text = SCALED.to_owned()
        + r#"least = 5
most = 0
check = { path = "health", interval = "1s", timeout = "2s" }
driver = "dockr"
[cluster.b.scaling]
count = 65
most = 64
process = { base_port = 65500, failure_percent = 101 }
docker = { image = "x" }
[cluster.c.scaling]
count = 1
least = 3
most = 2
driver = "docker"
[cluster.d.scaling]
count = 1
most = 4
driver = "docker"
[cluster.d.scaling.docker]
image = ""
port = 80
network = "a b"
environment = { "A=B" = "x" }
publish = { "80" = 18080, 81 = 18083, http = 65533 }
[cluster.e.scaling]
replicas = 3
driver = "docker"
docker = 4
"#;
    let expected = r#"6:1: cluster.web.scaling.count: is missing (say how many there are to be: count = 3)
8:8: cluster.web.scaling.most: invalid value: integer `0`, expected a whole number from 1 to 1000
9:18: cluster.web.scaling.check.path: the path `health` does not begin with `/` (`/health`)
9:55: cluster.web.scaling.check.timeout: 2s is longer than the interval, which is 1s (one check is to be over before the next)
10:10: cluster.web.scaling.driver: `dockr` is none of `process`, `docker` (did you mean `docker`?)
12:9: cluster.b.scaling.count: 65 is not from `least` to `most`, which are 1 and 64
14:50: cluster.b.scaling.process.failure_percent: invalid value: integer `101`, expected a whole number from 0 to 100
15:10: cluster.b.scaling.docker: the nodes are made by `process` (take it out, or say driver = "docker")
16:1: cluster.c.scaling.docker.image: is missing (say what they are made of: image = "NAME:TAG")
16:1: cluster.c.scaling.docker.port: is missing (say where they listen: port = 8080)
18:9: cluster.c.scaling.least: 3 is more than `most`, which is 2
26:9: cluster.d.scaling.docker.image: is missing (say what they are made of: image = "NAME:TAG")
28:11: cluster.d.scaling.docker.network: `a b` is no network (a name as `docker network ls` shows it)
29:25: cluster.d.scaling.docker.environment."A=B": this is no variable of an environment
30:32: cluster.d.scaling.docker.publish.81: `80` takes the ports 18080 to 18083, one for each node that there may be
30:46: cluster.d.scaling.docker.publish.http: `http` is no port (the container's port, and that of the host, as in { "8080" = 18080 })
30:46: cluster.d.scaling.docker.publish.http: 4 ports from 65533 on go past 65535 (a lower port, or fewer nodes at the most: most = 10)
32:1: cluster.e.scaling.replicas: there is no such setting (it is called `count`)
34:10: cluster.e.scaling.docker: invalid type: integer `4`, expected a table
"#;
    assert_eq!(mistakes(&text), expected);
    let said = mistakes(&(SCALED.to_owned() + "count = 1\nprocess.base_port = 65500\n"));
    let expected = "8:21: cluster.web.scaling.process.base_port: 64 ports from 65500 on go past 65535 (a lower port, or fewer \
                    nodes at the most: most = 10)\n";
    assert_eq!(said, expected);
}

#[test]
fn nodes_have_ports_that_nobody_else_has() {
    let text = SCALED.to_owned()
        + "count = 2\nprocess.base_port = 8079\n[cluster.b.scaling]\ncount = 3\nprocess.base_port = 9898\n\
           [cluster.c.scaling]\ncount = 1\nprocess.base_port = 9898\n[cluster.d.scaling]\ncount = 0\n\
           process.base_port = 9898\n[admin]\naddress = '0.0.0.0:9900'\nallow_without_token = true\n";
    let expected = "\
8:21: cluster.web.scaling.process.base_port: the nodes take the ports 8079 to 8080, and so does the listener `127.0.0.1:8080` (give the nodes ports that are free)
11:21: cluster.b.scaling.process.base_port: the nodes take the ports 9898 to 9900, and so does the admin API (give the nodes ports that are free)
14:21: cluster.c.scaling.process.base_port: the nodes take the ports 9898 to 9898, and so does the cluster `b` (give the nodes ports that are free)
";
    assert_eq!(mistakes(&text), expected);
}

#[test]
fn the_example_means_what_its_comments_say() {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("../config/consistent-hash.toml");
    let example = load(&file, &Overrides::default()).unwrap_or_else(|errors| panic!("{errors}"));
    let servers = &example.clusters[&ClusterName::new("servers").unwrap()];
    let template = ProcessTemplate { base_port: Some(9200.try_into().unwrap()), ..ProcessTemplate::default() };
    assert_eq!(servers.scaling, Some(Scaling { driver: DriverSpec::Process(template), ..usual() }));
    let plugin = PluginName::new("consistent-hash").unwrap();
    assert_eq!(servers.strategy, StrategySpec { plugin, config: r#"{"hash":"mixed","key":"path"}"#.into() });
    assert_eq!(example.state, Some(file.parent().unwrap().join("state")));
}
