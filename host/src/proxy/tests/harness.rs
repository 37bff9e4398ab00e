//! A client, an origin and a proxy, to be driven by hand.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;
use tokio::time::timeout;

use crate::circuit::Circuits;
use crate::cluster::{CapacityLimits, LiveCluster, Member};
use crate::config;
use crate::model::{Address, ClusterName, EndpointName, EndpointSpec, Events, ListenerName, PluginName, SqlName};
use crate::proxy::{
    ClusterShared, ClusterUpdate, FileBudget, ListenerUpdate, OpenConnections, Service, Snapshot, Worker, WorkerHandle,
    WorldUpdate, bind,
};
use crate::routing::{RouteTable, SeatLost};

/// How long a step may take before the test fails; never waited for when all is well.
const STEP: Duration = Duration::from_secs(20);

pub(super) async fn step<T>(what: &str, future: impl Future<Output = T>) -> T {
    timeout(STEP, future).await.unwrap_or_else(|_| panic!("{what} does not come"))
}

/// One end of a connection.
pub(super) struct Peer {
    pub(super) stream: TcpStream,
    read: Vec<u8>,
}

impl Peer {
    fn new(stream: TcpStream) -> Self {
        Self { stream, read: Vec::new() }
    }

    pub(super) async fn connect(address: SocketAddr) -> Self {
        Self::new(step("a connection", TcpStream::connect(address)).await.unwrap())
    }

    pub(super) async fn send(&mut self, text: &str) {
        step("room to send", self.stream.write_all(text.as_bytes())).await.unwrap();
    }

    /// Everything up to and with an end.
    pub(super) async fn until(&mut self, end: &str) -> String {
        loop {
            if let Some(at) = self.read.windows(end.len()).position(|part| part == end.as_bytes()) {
                let rest = self.read.split_off(at + end.len());
                return String::from_utf8(std::mem::replace(&mut self.read, rest)).unwrap();
            }
            let n = step(end, self.stream.read_buf(&mut self.read)).await.unwrap();
            assert!(n > 0, "closed before {end:?}; so far {:?}", String::from_utf8_lossy(&self.read));
        }
    }

    pub(super) async fn head(&mut self) -> String {
        self.until("\r\n\r\n").await
    }

    pub(super) async fn exactly(&mut self, n: usize) -> String {
        while self.read.len() < n {
            let more = step("more bytes", self.stream.read_buf(&mut self.read)).await.unwrap();
            assert!(more > 0, "closed; so far {:?}", String::from_utf8_lossy(&self.read));
        }
        let rest = self.read.split_off(n);
        String::from_utf8(std::mem::replace(&mut self.read, rest)).unwrap()
    }

    /// A response: its head and, by its length, its body.
    pub(super) async fn response(&mut self) -> (String, String) {
        let head = self.head().await;
        let length = header(&head, "content-length").map_or(0, |length| length.parse().unwrap());
        (head, self.exactly(length).await)
    }

    /// Whatever comes until the other side closes; a reset counts as closed.
    pub(super) async fn rest(&mut self) -> String {
        loop {
            match step("the end", self.stream.read_buf(&mut self.read)).await {
                Ok(0) | Err(_) => return String::from_utf8(std::mem::take(&mut self.read)).unwrap(),
                Ok(_) => {}
            }
        }
    }

    pub(super) async fn ask(&mut self, request: &str) -> (String, String) {
        self.send(request).await;
        self.response().await
    }
}

/// The value of a header in the text of a head.
pub(super) fn header<'a>(head: &'a str, name: &str) -> Option<&'a str> {
    let mut lines = head.lines().filter_map(|line| line.split_once(": "));
    lines.find(|(held, _)| held.eq_ignore_ascii_case(name)).map(|(_, value)| value)
}

pub(super) const GET: &str = "GET /a?b=c HTTP/1.1\r\nhost: example.com\r\n\r\n";
pub(super) const OK: &str = "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok";

/// A server whose every connection is a `Peer`.
pub(super) struct Origin {
    listener: TcpListener,
    pub(super) address: SocketAddr,
}

impl Origin {
    pub(super) async fn new() -> Self {
        Self::listening(TcpListener::bind("127.0.0.1:0").await.unwrap())
    }

    pub(super) fn listening(listener: TcpListener) -> Self {
        let address = listener.local_addr().unwrap();
        Self { listener, address }
    }

    pub(super) async fn accept(&self) -> Peer {
        Peer::new(step("a connection", self.listener.accept()).await.unwrap().0)
    }

    /// The connection over which a client's request comes, whose head was read.
    pub(super) async fn asked(&self, client: &mut Peer) -> Peer {
        client.send(GET).await;
        let mut served = self.accept().await;
        served.head().await;
        served
    }

    /// Answers every request on every connection with `OK`.
    pub(super) fn answer_all(self) -> SocketAddr {
        tokio::spawn(async move {
            while let Ok((stream, _)) = self.listener.accept().await {
                tokio::spawn(async move {
                    let mut peer = Peer::new(stream);
                    loop {
                        let mut read = [0; 1024];
                        match peer.stream.read(&mut read).await {
                            Ok(n) if n > 0 => peer.read.extend_from_slice(&read[..n]),
                            _ => return,
                        }
                        while let Some(at) = peer.read.windows(4).position(|part| part == b"\r\n\r\n") {
                            peer.read.drain(..at + 4);
                            peer.send(OK).await;
                        }
                    }
                });
            }
        });
        self.address
    }

    /// An address where nobody listens.
    pub(super) async fn nobody() -> SocketAddr {
        Self::new().await.address
    }
}

/// What a test may want otherwise.
pub(super) struct Settings {
    pub(super) listener: config::Listener,
    pub(super) cluster: config::Cluster,
    pub(super) workers: usize,
    pub(super) files: FileBudget,
    pub(super) services: HashMap<SqlName, Arc<dyn Service>>,
}

pub(super) fn cluster_name(name: &str) -> ClusterName {
    ClusterName::new(name).unwrap()
}

fn route(cluster: &str, path: &str) -> config::Route {
    let path = config::PathMatch::Prefix(path.to_owned());
    let matches = config::RouteMatch { host: config::HostMatch::Any, path, headers: Vec::new() };
    config::Route { matches, target: config::RouteTarget::Cluster(cluster_name(cluster)) }
}

impl Settings {
    fn new(origins: &[SocketAddr]) -> Self {
        let long = Duration::from_secs(60);
        let endpoint = |(at, address): (usize, &SocketAddr)| {
            EndpointSpec::new(
                EndpointName::new(&format!("e{at}")).unwrap(),
                Address::parse(&address.to_string()).unwrap(),
            )
        };
        Self {
            listener: config::Listener {
                name: ListenerName::new("main").unwrap(),
                address: ([127, 0, 0, 1], 0).into(),
                routes: vec![route("web", "/")],
                limits: config::Limits {
                    headers: 20,
                    header_bytes: 8192,
                    body_bytes: Some(1000),
                    connections: 100,
                    connections_per_client: None,
                    requests_per_client: None,
                    body_rate: None,
                },
                header_timeout: long,
                keep_alive_timeout: long,
            },
            cluster: config::Cluster {
                name: cluster_name("web"),
                strategy: config::StrategySpec { plugin: PluginName::new("round-robin").unwrap(), config: "{}".into() },
                sources: Vec::new(),
                scaling: None,
                endpoints: origins.iter().enumerate().map(endpoint).collect(),
                pool: config::Pool { max_idle: 8, idle_timeout: long, max_connections: None },
                timeouts: config::Timeouts { connect: long, response_header: long, idle_stream: long },
                health: config::Health::default(),
                failures: config::Failures::default(),
                circuit: None,
                retry: config::Retry { attempts: 2, ..config::Retry::default() },
                capacity: config::Capacity::default(),
            },
            workers: 1,
            files: FileBudget::default(),
            services: HashMap::new(),
        }
    }
}

/// A proxy under test.
pub(super) struct Proxy {
    pub(super) address: SocketAddr,
    pub(super) workers: Vec<WorkerHandle>,
    pub(super) listener: config::Listener,
    pub(super) cluster: Arc<config::Cluster>,
    pub(super) live: Arc<LiveCluster>,
    pub(super) circuits: Arc<Circuits>,
    pub(super) shared: Arc<ClusterShared>,
    pub(super) open: OpenConnections,
    pub(super) services: HashMap<SqlName, Arc<dyn Service>>,
    _lost: mpsc::UnboundedReceiver<SeatLost>,
}

impl Proxy {
    pub(super) async fn new(origins: &[SocketAddr]) -> Self {
        Self::with(origins, |_| {}).await
    }

    pub(super) async fn with(origins: &[SocketAddr], change: impl FnOnce(&mut Settings)) -> Self {
        let mut settings = Settings::new(origins);
        change(&mut settings);
        let Settings { listener, cluster, workers, files, services } = settings;
        let live = Arc::new(LiveCluster::new(cluster.name.clone(), Events::nowhere()));
        live.update(&cluster.endpoints, Instant::now());
        let config::Capacity { in_flight, queue, queue_timeout, .. } = cluster.capacity;
        live.capacity().configure(CapacityLimits { in_flight, queue, queue_timeout });
        let circuits = Circuits::new(cluster.name.clone(), cluster.circuit.clone(), Events::nowhere());
        let named = |member: &Arc<Member>| (member.id(), member.endpoint().spec.name.clone());
        circuits.follow(&live.roster().members().iter().map(named).collect::<Vec<_>>());
        let (lost, lost_seats) = mpsc::unbounded_channel();
        let sockets = bind(listener.address, workers).unwrap();
        let address = sockets[0].local_addr().unwrap();
        let workers = (0..workers).map(|number| Worker::spawn(number, lost.clone()).unwrap()).collect();
        let cluster = Arc::new(cluster);
        let open = OpenConnections::default();
        let (circuits, shared, _lost) = (Arc::new(circuits), Arc::new(ClusterShared::within(&files)), lost_seats);
        let proxy = Self { address, workers, listener, cluster, live, circuits, shared, open, services, _lost };
        proxy.apply(true, sockets.into_iter().map(Some).collect()).await;
        proxy
    }

    /// Tells every worker what to serve: the listener, or none.
    pub(super) async fn apply(&self, listens: bool, mut sockets: Vec<Option<std::net::TcpListener>>) {
        sockets.resize_with(self.workers.len(), || None);
        for (worker, socket) in self.workers.iter().zip(sockets) {
            let listener = ListenerUpdate {
                config: Arc::new(self.listener.clone()),
                routes: Arc::new(RouteTable::new(&self.listener.routes)),
                open: self.open.clone(),
                sockets: socket.into_iter().collect(),
            };
            let cluster = ClusterUpdate {
                config: Arc::clone(&self.cluster),
                live: Arc::clone(&self.live),
                circuits: Arc::clone(&self.circuits),
                shared: Arc::clone(&self.shared),
                seat: None,
            };
            let listeners = if listens { vec![listener] } else { Vec::new() };
            let (clusters, services) = (vec![cluster], self.services.clone());
            let applied =
                worker.apply(WorldUpdate { listeners, clusters, services, ..WorldUpdate::default() }).await.unwrap();
            assert!(applied.failed.is_empty(), "{applied:?}");
        }
    }

    pub(super) async fn client(&self) -> Peer {
        Peer::connect(self.address).await
    }

    pub(super) fn snapshot(&self) -> Snapshot {
        let mut all = Snapshot::default();
        self.workers.iter().for_each(|worker| all += worker.snapshot());
        all
    }

    /// Waits until a count is what it should be.
    pub(super) async fn until(&self, what: &str, reached: impl Fn(&Snapshot) -> bool) {
        step(what, async {
            while !reached(&self.snapshot()) {
                tokio::task::yield_now().await;
            }
        })
        .await;
    }
}

/// A problem document: status line, cause's source and reason.
pub(super) fn problem((head, body): &(String, String)) -> (u16, String, String) {
    assert_eq!(header(head, "content-type"), Some("application/problem+json"), "{head}{body}");
    let document: serde_json::Value = serde_json::from_str(body).unwrap();
    let status: u16 = head.split(' ').nth(1).unwrap().parse().unwrap();
    assert_eq!(document["status"], status);
    let word = |name: &str| document["cause"][name].as_str().unwrap_or_default().to_owned();
    (status, word("source"), word("reason"))
}
