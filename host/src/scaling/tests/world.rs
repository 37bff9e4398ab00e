//! A driver and checks that do as a test tells them.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use http::uri::PathAndQuery;
use tokio::sync::Notify;

use super::super::driver::{Driver, DriverError, Driving, Node};
use super::super::scaler::{Probe, Scaler, Setup};
use super::super::status::NodeState;
use crate::cluster::LiveCluster;
use crate::config::{DriverSpec, ProcessTemplate, Scaling};
use crate::model::{Address, ClusterName, EndpointName, Events};

#[derive(Default)]
pub(super) struct State {
    /// What runs, and whether it still does.
    pub(super) nodes: BTreeMap<String, bool>,
    pub(super) sick: BTreeSet<String>,
    /// Starts of these fail.
    pub(super) broken: BTreeSet<String>,
    pub(super) stops: Vec<String>,
    pub(super) is_closed: bool,
    /// The driver does not reach what the nodes run on.
    pub(super) is_away: bool,
    next_port: u16,
    ports: BTreeMap<u16, String>,
}

#[derive(Default)]
pub(super) struct World {
    pub(super) state: Mutex<State>,
    pub(super) changed: Notify,
}

impl State {
    fn reach(&self) -> Result<(), DriverError> {
        if self.is_away { Err(DriverError::Unreachable("it is away".to_owned())) } else { Ok(()) }
    }

    fn node(&mut self, name: &str) -> Node {
        let is_running = self.nodes[name];
        let port = self.ports.iter().find(|(_, owner)| *owner == name).map(|(port, _)| *port);
        let address = port.filter(|_| is_running).map(|port| Address::parse(&format!("127.0.0.1:{port}")).unwrap());
        Node { name: EndpointName::new(name).unwrap(), address, is_running }
    }

    pub(super) fn run(&mut self, name: &str) {
        self.next_port += 1;
        self.ports.retain(|_, owner| owner != name);
        self.ports.insert(self.next_port, name.to_owned());
        self.nodes.insert(name.to_owned(), true);
    }
}

impl Driver for World {
    fn list(&self) -> Driving<'_, Result<Vec<Node>, DriverError>> {
        let mut state = self.state.lock().unwrap();
        let names: Vec<_> = state.nodes.keys().cloned().collect();
        let nodes = names.iter().map(|name| state.node(name)).collect();
        Box::pin(std::future::ready(state.reach().map(|()| nodes)))
    }

    fn start<'a>(&'a self, name: &'a EndpointName) -> Driving<'a, Result<Node, DriverError>> {
        Box::pin(async move {
            tokio::time::sleep(Duration::from_millis(20)).await;
            let mut state = self.state.lock().unwrap();
            state.reach()?;
            if state.broken.contains(name.as_str()) {
                return Err(DriverError::Start("it is broken".to_owned()));
            }
            state.run(name.as_str());
            Ok(state.node(name.as_str()))
        })
    }

    fn stop<'a>(&'a self, name: &'a EndpointName) -> Driving<'a, Result<(), DriverError>> {
        Box::pin(async move {
            tokio::time::sleep(Duration::from_millis(20)).await;
            let mut state = self.state.lock().unwrap();
            state.reach()?;
            state.nodes.remove(name.as_str());
            state.stops.push(name.as_str().to_owned());
            Ok(())
        })
    }

    fn changed(&self) -> &Notify {
        &self.changed
    }

    fn close(&self) -> Driving<'_, ()> {
        self.state.lock().unwrap().is_closed = true;
        Box::pin(std::future::ready(()))
    }
}

impl Probe for World {
    fn probe<'a>(&'a self, at: &'a Address, _: &'a PathAndQuery) -> Driving<'a, Result<(), String>> {
        let state = self.state.lock().unwrap();
        let name = &state.ports[&at.port()];
        let is_sound = state.nodes.get(name) == Some(&true) && !state.sick.contains(name);
        let result = if is_sound { Ok(()) } else { Err("it answered 503".to_owned()) };
        Box::pin(std::future::ready(result))
    }
}

pub(super) fn settings(count: u32) -> Scaling {
    Scaling {
        count,
        least: 1,
        most: std::num::NonZeroU32::new(9).unwrap(),
        cooldown: Duration::from_secs(30),
        check_path: PathAndQuery::from_static("/health"),
        check_interval: Duration::from_secs(10),
        check_timeout: Duration::from_secs(5),
        replace_after: Duration::from_secs(2),
        driver: DriverSpec::Process(ProcessTemplate::default()),
    }
}

/// A scaler in a world of its own.
pub(super) struct Scene {
    pub(super) world: Arc<World>,
    pub(super) live: Arc<LiveCluster>,
    pub(super) scaler: Scaler,
    pub(super) told: Arc<Mutex<Vec<String>>>,
}

pub(super) fn scene(count: u32, world: State, state_file: Option<std::path::PathBuf>) -> Scene {
    let world = Arc::new(World { state: Mutex::new(world), changed: Notify::new() });
    let live = Arc::new(LiveCluster::new(ClusterName::new("web").unwrap(), Events::nowhere()));
    let told = Arc::new(Mutex::new(Vec::new()));
    let listener = Arc::clone(&told);
    let events = Events::to(move |event| {
        let node = event.endpoint.map(|name| name.to_string()).unwrap_or_default();
        listener.lock().unwrap().push(format!("{node}: {:?}", event.change));
    });
    let (driver, probe) = (Arc::clone(&world), Arc::clone(&world));
    let scaler =
        Scaler::start(Setup { settings: settings(count), driver, live: Arc::clone(&live), probe, state_file, events });
    Scene { world, live, scaler, told }
}

impl Scene {
    /// The names that run.
    pub(super) fn running(&self) -> Vec<String> {
        let state = self.world.state.lock().unwrap();
        state.nodes.iter().filter(|(_, runs)| **runs).map(|(name, _)| name.clone()).collect()
    }

    /// The names that get traffic.
    pub(super) fn serving(&self) -> Vec<String> {
        let nodes = self.scaler.nodes();
        let nodes = nodes.borrow();
        nodes.iter().flatten().map(|spec| spec.name.to_string()).collect()
    }

    pub(super) fn states(&self) -> Vec<(String, NodeState)> {
        let status = self.scaler.status();
        status.nodes.iter().map(|node| (node.name.to_string(), node.state)).collect()
    }

    pub(super) fn kill(&self, name: &str) {
        self.world.state.lock().unwrap().nodes.insert(name.to_owned(), false);
        self.world.changed.notify_one();
    }

    /// As the directory does it.
    pub(super) fn catalog(&self) {
        let nodes = self.scaler.nodes().borrow().clone().unwrap_or_default();
        self.live.update(&nodes, std::time::Instant::now());
    }
}

pub(super) async fn after(time: Duration) {
    tokio::time::sleep(time).await;
}
