//! Containers as nodes, made and ended by the driver on a Docker Engine of the test's own.

use std::collections::BTreeMap;
use std::num::NonZeroU16;
use std::time::Duration;

use http::Method;
use leverframe::config::{ContainerTemplate, DockerEngine};
use leverframe::model::{ClusterName, EndpointName};
use leverframe::scaling::{DockerDriver, Driver, DriverError, Node};

use super::crew::Crew;
use super::driver::{Subject, conforms};
use crate::world::{BUSYBOX, Engine, NETWORK, Setup, eventually, holds, send};

/// Answers `/` with what its environment says, and ends at once when it is told to.
const SERVES: &str = "mkdir -p /www; echo $GREETING > /www/index.html; trap 'exit 0' TERM; httpd -p 8080 -h /www; \
                      while :; do sleep 0.1; done";

struct Containers {
    engine: Engine,
}

impl Subject for Containers {
    type Driver = DockerDriver;

    fn driver(&self) -> DockerDriver {
        driver(template(&self.engine))
    }

    fn adopts(&self) -> bool {
        true
    }

    async fn crash(&self, _: &DockerDriver, node: &Node) {
        self.engine.docker(&["kill", node.name.as_str()]).await;
    }
}

#[tokio::test]
async fn containers_conform() {
    conforms(&Containers { engine: Engine::with_busybox().await }).await;
}

#[tokio::test]
async fn nodes_are_made_found_again_and_ended() {
    let mut engine = Engine::with_busybox().await;
    let driver = driver(template(&engine));
    assert_eq!(driver.list().await, Ok(vec![]));
    let (first, second) = (name("web-1"), name("web-2"));
    let (one, two) = tokio::join!(driver.start(&first), driver.start(&second));
    let (one, two) = (one.expect("web-1 starts"), two.expect("web-2 starts"));
    assert_eq!(greeting(&engine, &one).await, "hello");

    // As after a restart of the proxy, and of the Engine.
    engine.restart().await;
    let later = self::driver(template(&engine));
    let mut found = later.list().await.expect("the list");
    found.sort_by(|a, b| a.name.cmp(&b.name));
    assert_eq!(found, [one, two.clone()]);
    assert_eq!(later.stop(&first).await, Ok(()));
    assert_eq!(later.list().await, Ok(vec![two]));
    assert_eq!(later.stop(&first).await, Ok(()), "what is not there is gone already");
    assert_eq!(engine.docker(&["ps", "--all", "--format", "{{.Names}}"]).await, "web-2");
}

#[tokio::test]
async fn what_is_not_its_own_is_not_touched() {
    let engine = Engine::with_busybox().await;
    engine.docker(&["run", "--detach", "--name", "web-1", BUSYBOX, "sh", "-c", SERVES]).await;
    let driver = driver(template(&engine));
    let error = driver.start(&name("web-1")).await.expect_err("the name is taken");
    assert_eq!(error, DriverError::Start("there is a container `web-1` that is none of the cluster's".into()));
    assert_eq!(driver.stop(&name("web-1")).await, Ok(()));
    assert_eq!(engine.docker(&["ps", "--format", "{{.Names}}"]).await, "web-1");
}

#[tokio::test]
async fn what_cannot_start_says_why_and_leaves_nothing() {
    let engine = Engine::with_busybox().await;
    let why = async |template: ContainerTemplate| {
        let error = driver(template).start(&name("web-1")).await.expect_err("it cannot start");
        assert!(matches!(error, DriverError::Start(_)), "{error:?}");
        assert_eq!(engine.docker(&["ps", "--all", "--quiet"]).await, "");
        error.to_string()
    };
    let missing = ContainerTemplate { image: "nowhere".into(), ..template(&engine) };
    assert!(why(missing).await.contains("No such image: nowhere"));
    let network = ContainerTemplate { network: Some("nowhere".into()), ..template(&engine) };
    assert!(why(network).await.contains("network nowhere not found"));
    let command = ContainerTemplate { command: vec!["nothing".into()], ..template(&engine) };
    assert!(why(command).await.contains("executable file not found"));
}

#[tokio::test]
async fn each_node_publishes_the_port_that_follows_and_the_lowest_free_one_is_used_again() {
    let engine = Engine::with_busybox().await;
    let base = two_free_ports();
    let port = NonZeroU16::new(8080).expect("a port");
    let driver = driver(ContainerTemplate { publish: BTreeMap::from([(port, base)]), ..template(&engine) });
    let (first, second) = (name("web-1"), name("web-2"));
    let started = tokio::join!(driver.start(&first), driver.start(&second));
    assert!(started.0.is_ok() && started.1.is_ok(), "{started:?}");
    let published = async |name: &EndpointName| {
        let ports = engine.docker(&["port", name.as_str(), "8080/tcp"]).await;
        ports.lines().next().and_then(|line| line.rsplit(':').next()?.parse::<u16>().ok()).expect("a port")
    };
    let mut both = [published(&first).await, published(&second).await];
    let of_first = both[0];
    both.sort_unstable();
    assert_eq!(both, [base.get(), base.get() + 1]);
    driver.stop(&first).await.expect("it stops");
    let third = name("web-3");
    driver.start(&third).await.expect("it starts");
    assert_eq!(published(&third).await, of_first);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_two_processes_only_the_next_one_looks_after_the_containers() {
    let engine = Engine::with_busybox().await;
    let folder = tempfile::tempdir().expect("a temporary folder");
    let environment = [("LEVERFRAME_STATE", folder.path().to_str().expect("UTF-8"))];
    let old = Crew(scaled(&engine).spawn(&environment).await);
    old.settles(1).await;
    let next = scaled(&engine).at(old.0.address(), old.0.admin()).arguments(&["--take-over"]);
    let mut next = Crew(next.spawn(&environment).await);
    let added = send(next.0.admin(), Method::POST, "/add", r#"{"n": 1, "hostnames": ["S2"]}"#).await;
    assert_eq!(added.status, 200, "{}", added.text());
    next.settles(2).await;
    let running = async || engine.docker(&["ps", "--no-trunc", "--format", "{{.ID}} {{.Names}}"]).await;
    let both = running().await;
    // To the old one, the second is one that nobody asked for; it looks every half second.
    holds("both stay", Duration::from_secs(3), || async { running().await == both }).await;

    // Without the next one, the old one goes on from what was asked of that.
    next.0.signal("KILL");
    next.0.ended().await;
    old.settles(2).await;
    assert_eq!(running().await, both);
    engine.docker(&["kill", "S2"]).await;
    eventually("another S2", || async { (running().await.contains("S2")).then_some(()) }).await;
}

/// One container, and what keeps it up looks often.
fn scaled(engine: &Engine) -> Setup {
    let lines = format!(
        r#"
[cluster.web.scaling]
count = 1
driver = "docker"
check = {{ path = "/", interval = "500ms" }}

[cluster.web.scaling.docker]
engine = "{}"
image = "{BUSYBOX}"
command = ["sh", "-c", "{SERVES}"]
network = "{NETWORK}"
port = 8080
"#,
        engine.host()
    );
    Setup::new().workers(2).endpoints(Vec::new()).cluster_lines(&lines)
}

fn template(engine: &Engine) -> ContainerTemplate {
    ContainerTemplate {
        engine: DockerEngine(engine.host()),
        image: BUSYBOX.into(),
        command: ["sh", "-c", SERVES].map(str::to_owned).to_vec(),
        network: Some(NETWORK.into()),
        port: NonZeroU16::new(8080).expect("a port"),
        environment: BTreeMap::from([("GREETING".into(), "hello".into())]),
        labels: BTreeMap::new(),
        publish: BTreeMap::new(),
    }
}

fn driver(template: ContainerTemplate) -> DockerDriver {
    DockerDriver::new(ClusterName::new("web").expect("a name"), template)
}

fn name(text: &str) -> EndpointName {
    EndpointName::new(text).expect("a name")
}

/// What a node answers, asked from inside another container of its network.
async fn greeting(engine: &Engine, node: &Node) -> String {
    let url = format!("http://{}/", node.address.as_ref().expect("an address"));
    let ask = format!("for try in 1 2 3 4 5 6 7 8 9; do wget -q -O - {url} && break; sleep 0.2; done");
    engine.docker(&["run", "--rm", "--network", NETWORK, BUSYBOX, "sh", "-c", &ask]).await
}

/// The first of two ports of this machine that follow one another and are free.
fn two_free_ports() -> NonZeroU16 {
    let free = |port: u16| std::net::TcpListener::bind(("0.0.0.0", port)).is_ok();
    let found = (20_000..30_000).step_by(2).find(|port| free(*port) && free(*port + 1));
    found.and_then(NonZeroU16::new).expect("two free ports")
}
