//! The crews: the nodes that this process keeps up, cluster by cluster. Starts who is to keep them up, has them go by each
//! new configuration, and lets go of those that no cluster wants any more.

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use futures_util::future::join_all;
use http::uri::PathAndQuery;
use tokio::sync::watch;

use super::ward::Ward;
use crate::config::{Config, DriverSpec, HttpCheck, Scaling};
use crate::health::http_checker;
use crate::model::{Address, ClusterName, Events};
use crate::scaling::{DockerDriver, Driver, Driving, Probe, ProcessDriver, Scaler, Setup};

/// The scalers of all clusters that have one.
pub(super) type Scalers = BTreeMap<ClusterName, Arc<Scaler>>;

/// All of them, published whole.
pub(super) struct Crews {
    scalers: watch::Sender<Arc<Scalers>>,
    /// This program: nodes that are processes run it, too.
    program: PathBuf,
    events: Events,
    /// Another process looks after the nodes that need none: two would undo what the other does.
    is_relieved: bool,
}

/// Those that no cluster wants any more. Their nodes serve until they are ended.
#[must_use]
pub(super) struct Disbanded {
    /// Of clusters that go on: until others are there, these have the traffic.
    relieved: Vec<Arc<Scaler>>,
    /// Of clusters that are gone.
    left: Vec<Arc<Scaler>>,
}

impl Disbanded {
    /// Ends them, in their own time.
    pub(super) fn end(self) {
        for scaler in self.relieved {
            tokio::spawn(async move { scaler.retire().await });
        }
        for scaler in self.left {
            tokio::spawn(async move { scaler.finish().await });
        }
    }
}

impl Crews {
    /// None so far.
    ///
    /// # Errors
    /// When the system does not say what program this is.
    pub(super) fn new(events: Events) -> io::Result<Self> {
        Ok(Self {
            scalers: watch::Sender::new(Arc::default()),
            program: std::env::current_exe()?,
            events,
            is_relieved: false,
        })
    }

    /// The scalers, as they come and go.
    pub(super) fn scalers(&self) -> watch::Receiver<Arc<Scalers>> {
        self.scalers.subscribe()
    }

    /// Takes in whether another process looks after the nodes that need none; tells whether that is news, which the next
    /// `follow` goes by.
    pub(super) fn relieve(&mut self, is_relieved: bool) -> bool {
        std::mem::replace(&mut self.is_relieved, is_relieved) != is_relieved
    }

    /// Goes by a configuration that follows on another: who kept up nodes of the same kind goes on with them.
    pub(super) async fn follow(
        &self,
        earlier: &Config,
        config: &Config,
        wards: &BTreeMap<ClusterName, Ward>,
    ) -> Disbanded {
        let before = Arc::clone(&self.scalers.borrow());
        let driver_before = |name| Some(&earlier.clusters.get(name)?.scaling.as_ref()?.driver);
        let mut scalers = Scalers::new();
        for (name, cluster) in &config.clusters {
            let (Some(wanted), Some(ward)) = (&cluster.scaling, wards.get(name)) else { continue };
            if self.is_relieved && matches!(wanted.driver, DriverSpec::Docker(_)) {
                continue;
            }
            let scaler = match before.get(name).filter(|_| driver_before(name) == Some(&wanted.driver)) {
                Some(scaler) => {
                    scaler.configure(wanted.clone()).await;
                    Arc::clone(scaler)
                }
                None => Arc::new(self.scaler(wanted, ward, config.state.as_deref())),
            };
            scalers.insert(name.clone(), scaler);
        }
        let is_kept = |(name, scaler): &(&ClusterName, &Arc<Scaler>)| {
            scalers.get(*name).is_some_and(|kept| Arc::ptr_eq(kept, scaler))
        };
        let disbanded = before.iter().filter(|entry| !is_kept(entry)).map(|(_, scaler)| Arc::clone(scaler));
        let (relieved, left) = disbanded.partition(|scaler| config.clusters.contains_key(scaler.cluster()));
        self.scalers.send_replace(Arc::new(scalers));
        Disbanded { relieved, left }
    }

    /// Lets go of all nodes: those that cannot do without this process end.
    pub(super) async fn stop(&self) {
        let scalers = self.scalers.send_replace(Arc::default());
        join_all(scalers.values().map(|scaler| scaler.stop())).await;
    }

    fn scaler(&self, settings: &Scaling, ward: &Ward, state: Option<&Path>) -> Scaler {
        let cluster = ward.live.name();
        let driver: Arc<dyn Driver> = match &settings.driver {
            DriverSpec::Process(template) => Arc::new(ProcessDriver::new(self.program.clone(), template.clone())),
            DriverSpec::Docker(template) => Arc::new(DockerDriver::new(cluster.clone(), template.clone())),
        };
        Scaler::start(Setup {
            settings: settings.clone(),
            driver,
            live: Arc::clone(&ward.live),
            probe: Arc::new(Asking),
            state_file: state.map(|folder| folder.join(format!("{cluster}.json"))),
            events: self.events.clone(),
        })
    }
}

/// Asks a node whether it is sound, as an active check does.
struct Asking;

impl Probe for Asking {
    fn probe<'a>(&'a self, at: &'a Address, path: &'a PathAndQuery) -> Driving<'a, Result<(), String>> {
        let checker = http_checker(HttpCheck::get(path.clone()));
        Box::pin(async move { checker.check(at).await.map_err(|error| error.to_string()) })
    }
}
