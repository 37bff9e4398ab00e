//! Nodes that are containers of a Docker Engine, made from a template. They carry labels that say whose they are, so that
//! they are found again whoever made them; nothing without these labels is ever touched. They outlive this process.

use std::collections::HashMap;
use std::pin::pin;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use bollard::models::{
    ContainerCreateBody, ContainerSummary, ContainerSummaryStateEnum, HostConfig, PortBinding, PortMap,
};
use futures_util::StreamExt;
use tokio::sync::{Mutex, Notify};
use tokio::task::JoinHandle;

use super::driver::{Driver, DriverError, Driving, Node};
use crate::config::{ContainerTemplate, DockerEngine};
use crate::discovery::docker::container::{self, PORT, PREFIX};
use crate::discovery::docker::engine::{Engine, EngineError, Filters};
use crate::model::{ClusterName, EndpointName};

/// Whose a node is.
const CLUSTER: &str = "leverframe.cluster";
/// Which node it is.
const NODE: &str = "leverframe.node";
/// Which of the published ports it has: the first, the one after it, and so on.
const SLOT: &str = "leverframe.slot";
/// Between two tries to hear of ended containers. Nodes are listed from time to time anyway.
const PAUSE: Duration = Duration::from_secs(1);
/// Status of an answer: there is no such thing.
const NOT_FOUND: u16 = 404;
/// Status of an answer: the name is taken, or what was asked for is under way.
const CONFLICT: u16 = 409;

/// Makes and ends the containers of one cluster.
pub struct DockerDriver {
    cluster: ClusterName,
    template: ContainerTemplate,
    ended: Arc<Notify>,
    watching: JoinHandle<()>,
    /// Held while a slot is chosen and its container created.
    choosing: Mutex<()>,
}

impl DockerDriver {
    /// Begins to hear of ended containers; must be called on a runtime. That the Engine is there is not asked for yet.
    pub fn new(cluster: ClusterName, template: ContainerTemplate) -> Self {
        let ended = Arc::new(Notify::new());
        let watching = tokio::spawn(watch(template.engine.clone(), of_cluster(&cluster), Arc::clone(&ended)));
        Self { cluster, template, ended, watching, choosing: Mutex::new(()) }
    }

    async fn nodes(&self) -> Result<Vec<Node>, DriverError> {
        let found = self.engine()?.containers(&of_cluster(&self.cluster), true).await?;
        Ok(found.iter().filter_map(|container| self.node(container)).collect())
    }

    async fn run(&self, name: &EndpointName) -> Result<Node, DriverError> {
        let engine = self.engine()?;
        if let Some(left) = self.find(&engine, name).await? {
            match self.node(&left).filter(|node| node.is_running) {
                Some(running) => return Ok(running),
                None => remove(&engine, id(&left)).await?,
            }
        }
        let id = self.create(&engine, name).await?;
        if let Err(error) = engine.start(&id).await {
            // What is left of it would only be in the way. If it cannot be removed, it is still listed as ours.
            let _ = engine.remove(&id).await;
            return Err(start_error(error));
        }
        let started = self.find(&engine, name).await?;
        let ended = || DriverError::Start(format!("`{name}` ended at once"));
        started.and_then(|container| self.node(&container)).filter(|node| node.is_running).ok_or_else(ended)
    }

    async fn end(&self, name: &EndpointName) -> Result<(), DriverError> {
        let engine = self.engine()?;
        let Some(container) = self.find(&engine, name).await? else { return Ok(()) };
        match engine.stop(id(&container)).await {
            Err(EngineError::Unreachable(why)) => Err(DriverError::Unreachable(why)),
            // One that cannot be stopped is removed by force, which fails if need be.
            Ok(()) | Err(_) => remove(&engine, id(&container)).await,
        }
    }

    async fn create(&self, engine: &Engine, name: &EndpointName) -> Result<String, DriverError> {
        let _choosing = self.choosing.lock().await;
        let ours = engine.containers(&of_cluster(&self.cluster), true).await?;
        let taken: Vec<u16> = ours.iter().filter_map(|other| label(other, SLOT)?.parse().ok()).collect();
        let slot = (0..u16::MAX).find(|slot| !taken.contains(slot)).unwrap_or_default();
        let body = body(&self.template, self.labels(name, slot), publishing(&self.template, slot)?);
        engine.create(name.as_str(), body).await.map_err(|error| match error {
            EngineError::Refused(CONFLICT, _) => {
                DriverError::Start(format!("there is a container `{name}` that is none of the cluster's"))
            }
            error => start_error(error),
        })
    }

    /// The one container of the cluster that is this node.
    async fn find(&self, engine: &Engine, name: &EndpointName) -> Result<Option<ContainerSummary>, DriverError> {
        let mut filters = of_cluster(&self.cluster);
        filters.entry("label").or_default().push(format!("{NODE}={name}"));
        Ok(engine.containers(&filters, true).await?.into_iter().next())
    }

    fn node(&self, container: &ContainerSummary) -> Option<Node> {
        let name = EndpointName::new(label(container, NODE)?).ok()?;
        // One that is paused has not ended; that it does not answer is for others to see.
        let running = [ContainerSummaryStateEnum::RUNNING, ContainerSummaryStateEnum::PAUSED];
        let is_running = container.state.is_some_and(|state| running.contains(&state));
        let host = container::host(container, self.template.network.as_deref()).ok().filter(|_| is_running);
        let address = host.and_then(|host| container::address(host, self.template.port.get()).ok());
        Some(Node { name, address, is_running })
    }

    fn labels(&self, name: &EndpointName, slot: u16) -> HashMap<String, String> {
        let mut labels: HashMap<String, String> = self.template.labels.clone().into_iter().collect();
        // For a source that finds the node too.
        labels.entry(format!("{PREFIX}{PORT}")).or_insert_with(|| self.template.port.to_string());
        labels.insert(CLUSTER.to_owned(), self.cluster.to_string());
        labels.insert(NODE.to_owned(), name.to_string());
        labels.insert(SLOT.to_owned(), slot.to_string());
        labels
    }

    fn engine(&self) -> Result<Engine, DriverError> {
        Ok(Engine::at(&self.template.engine)?)
    }
}

impl Driver for DockerDriver {
    fn list(&self) -> Driving<'_, Result<Vec<Node>, DriverError>> {
        Box::pin(self.nodes())
    }

    fn start<'a>(&'a self, name: &'a EndpointName) -> Driving<'a, Result<Node, DriverError>> {
        Box::pin(self.run(name))
    }

    fn stop<'a>(&'a self, name: &'a EndpointName) -> Driving<'a, Result<(), DriverError>> {
        Box::pin(self.end(name))
    }

    fn changed(&self) -> &Notify {
        &self.ended
    }
}

impl Drop for DockerDriver {
    fn drop(&mut self) {
        self.watching.abort();
    }
}

/// Hints at every container that ends, for as long as it is let.
async fn watch(at: DockerEngine, mut filters: Filters, ended: Arc<Notify>) {
    filters.insert("type", vec!["container".to_owned()]);
    filters.insert("event", vec!["die".to_owned()]);
    loop {
        if let Ok(engine) = Engine::at(&at) {
            let mut events = pin!(engine.events(&filters, SystemTime::now()));
            while let Some(Ok(_)) = events.next().await {
                ended.notify_one();
            }
            // What ended while nobody heard of it.
            ended.notify_one();
        }
        tokio::time::sleep(PAUSE).await;
    }
}

fn of_cluster(cluster: &ClusterName) -> Filters {
    Filters::from([("label", vec![format!("{CLUSTER}={cluster}")])])
}

fn label<'a>(container: &'a ContainerSummary, key: &str) -> Option<&'a str> {
    container.labels.as_ref()?.get(key).map(String::as_str)
}

fn id(container: &ContainerSummary) -> &str {
    container.id.as_deref().unwrap_or_default()
}

async fn remove(engine: &Engine, id: &str) -> Result<(), DriverError> {
    match engine.remove(id).await {
        Ok(()) | Err(EngineError::Refused(NOT_FOUND, _)) => Ok(()),
        Err(EngineError::Unreachable(why)) => Err(DriverError::Unreachable(why)),
        Err(error) => Err(DriverError::Stop(error.to_string())),
    }
}

fn body(template: &ContainerTemplate, labels: HashMap<String, String>, ports: PortMap) -> ContainerCreateBody {
    let exposed = ports.keys().cloned().chain([format!("{}/tcp", template.port)]);
    ContainerCreateBody {
        image: Some(template.image.clone()),
        cmd: Some(template.command.clone()).filter(|command| !command.is_empty()),
        env: Some(template.environment.iter().map(|(name, value)| format!("{name}={value}")).collect()),
        labels: Some(labels),
        exposed_ports: Some(exposed.collect()),
        host_config: Some(HostConfig {
            network_mode: template.network.clone(),
            port_bindings: Some(ports),
            ..HostConfig::default()
        }),
        ..ContainerCreateBody::default()
    }
}

/// The ports of one node on the host.
fn publishing(template: &ContainerTemplate, slot: u16) -> Result<PortMap, DriverError> {
    let too_high = || DriverError::Start("no host port is left above the first one to publish".to_owned());
    let bound = |(inside, first): (&std::num::NonZeroU16, &std::num::NonZeroU16)| {
        let host_port = first.checked_add(slot).ok_or_else(too_high)?.to_string();
        Ok((format!("{inside}/tcp"), Some(vec![PortBinding { host_ip: None, host_port: Some(host_port) }])))
    };
    template.publish.iter().map(bound).collect()
}

fn start_error(error: EngineError) -> DriverError {
    match error {
        EngineError::Unreachable(why) => DriverError::Unreachable(why),
        EngineError::Refused(..) => DriverError::Start(error.to_string()),
        EngineError::Unreadable(why) => DriverError::Answer(why),
    }
}

impl From<EngineError> for DriverError {
    fn from(error: EngineError) -> Self {
        match error {
            EngineError::Unreachable(why) => Self::Unreachable(why),
            EngineError::Refused(..) | EngineError::Unreadable(_) => Self::Answer(error.to_string()),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::num::NonZeroU16;

    use super::*;

    fn template(publish: BTreeMap<NonZeroU16, NonZeroU16>) -> ContainerTemplate {
        ContainerTemplate {
            engine: DockerEngine("unix:///nowhere/docker.sock".into()),
            image: "node".into(),
            command: Vec::new(),
            network: Some("back".into()),
            port: port(8080),
            environment: BTreeMap::from([("MODE".into(), "fast".into())]),
            labels: BTreeMap::from([("app".into(), "db".into()), (CLUSTER.into(), "another".into())]),
            publish,
        }
    }

    fn port(number: u16) -> NonZeroU16 {
        NonZeroU16::new(number).expect("a port")
    }

    #[tokio::test]
    async fn labels_of_the_template_cannot_say_whose_a_node_is() {
        let cluster = ClusterName::new("db").expect("a name");
        let driver = DockerDriver::new(cluster, template(BTreeMap::new()));
        let labels = driver.labels(&EndpointName::new("db-1").expect("a name"), 2);
        let expected = [("app", "db"), (CLUSTER, "db"), (NODE, "db-1"), (SLOT, "2"), ("leverframe.port", "8080")];
        assert_eq!(labels, expected.map(|(key, value)| (key.to_owned(), value.to_owned())).into());
    }

    #[test]
    fn each_node_publishes_the_port_that_follows() {
        let template = template(BTreeMap::from([(port(8080), port(65534))]));
        let host_port = |slot: u16| {
            let ports = publishing(&template, slot).ok()?;
            ports["8080/tcp"].as_ref().expect("a binding")[0].host_port.clone()
        };
        assert_eq!([0, 1, 2].map(host_port), [Some("65534".into()), Some("65535".into()), None]);
    }

    #[test]
    fn an_empty_command_leaves_that_of_the_image() {
        let body = body(&template(BTreeMap::new()), HashMap::new(), PortMap::new());
        assert_eq!(body.cmd, None);
        assert_eq!(body.env, Some(vec!["MODE=fast".to_owned()]));
        assert_eq!(body.exposed_ports, Some(vec!["8080/tcp".to_owned()]));
    }

    #[tokio::test]
    async fn an_engine_that_is_not_there_is_unreachable() {
        let driver = DockerDriver::new(ClusterName::new("db").expect("a name"), template(BTreeMap::new()));
        let error = driver.list().await.expect_err("no engine");
        assert!(matches!(&error, DriverError::Unreachable(why) if why.contains("/nowhere/docker.sock")), "{error}");
    }
}
