//! The composition root: the one place that knows everyone. It starts the workers, the plugins, the watchers and the
//! admin API, and ends them in the reverse order so that nothing is lost.

pub(crate) mod checking;
mod crews;
mod desk;
mod entries;
mod fleet;
mod lease;
mod mount;
mod ports;
mod recording;
mod seats;
mod sources;
mod takeover;
mod ward;
mod worlds;

use std::path::PathBuf;
use std::sync::Arc;

use tokio::sync::{Mutex, Notify, mpsc, watch};
use tokio::task::JoinSet;

use crate::admin;
use crate::config::{Config, Overrides, Reloader};
use crate::discovery::Directory;
use crate::observe::{EventLog, Served, WorkLog};
use crate::plugin::{Folder, PluginEngine, Supervisor};
use crate::proxy::Worker;
use crate::routing::Seats;
use crews::Crews;
use desk::Desk;
use fleet::Fleet;
use ports::Ports;
use ward::Tell;

/// A running Leverframe.
pub struct App {
    fleet: Arc<Mutex<Fleet>>,
    served: watch::Receiver<Arc<Served>>,
    background: JoinSet<()>,
}

impl App {
    /// Starts everything that a configuration file says. When this returns, requests are answered.
    ///
    /// # Errors
    ///
    /// What an operator must put right first: a mistake in the file, a port in use, a plugin that is not there.
    pub async fn start(path: PathBuf, overrides: Overrides) -> anyhow::Result<Self> {
        Self::begin(path, overrides, Ports::new(false)).await
    }

    /// The same, but where another process of the same user listens, its ports are taken over: both serve until that one
    /// ends, and no client is refused meanwhile.
    ///
    /// # Errors
    ///
    /// As `start`.
    pub async fn take_over(path: PathBuf, overrides: Overrides) -> anyhow::Result<Self> {
        Self::begin(path, overrides, Ports::new(true)).await
    }

    async fn begin(path: PathBuf, overrides: Overrides, ports: Ports) -> anyhow::Result<Self> {
        let reloader = Reloader::load(&path, &overrides)?;
        let config = reloader.config();
        let engine = Arc::new(PluginEngine::new(config.plugins.cache.as_deref())?);

        let (log, works) = (Arc::new(EventLog::default()), Arc::new(WorkLog::default()));
        let events = log.events().with_works(works.works());
        let (tell_lost, lost) = mpsc::unbounded_channel();
        let (tell_lost_policy, lost_policies) = mpsc::unbounded_channel();
        let spawn = |number| Worker::spawn(number, tell_lost.clone());
        let workers = (0..config.workers.get()).map(spawn).collect::<Result<Vec<_>, _>>()?;
        let (to_desk, for_desk) = mpsc::unbounded_channel();
        let mailboxes = workers.iter().map(crate::proxy::WorkerHandle::seats).chain([to_desk]);
        let seats = Seats::new(mailboxes.collect());
        let supervisor = Arc::new(Supervisor::new(engine, seats, config.plugins.clone()).telling(works.works()));

        let mut background = JoinSet::new();
        let desk = Desk::new(workers.len(), tell_lost);
        background.spawn(desk.clone().serve(for_desk));
        background.spawn(Arc::clone(&supervisor).run(lost));
        background.spawn(Arc::clone(&supervisor).run(lost_policies));
        if let Some(folder) = &config.plugins.folder {
            let mut folder = Folder::new(folder.clone(), Arc::clone(&supervisor));
            folder.load().await;
            background.spawn(folder.watch());
        }

        let metrics = workers.iter().map(|worker| Arc::clone(worker.metrics())).collect();
        let nothing = Served::nothing(Arc::clone(&config));
        let (publish, served) = watch::channel(Arc::new(nothing));
        let crews = Crews::new(events.clone())?;
        let shared = admin::Shared {
            supervisor,
            directory: Arc::new(Directory::new()),
            scalers: crews.scalers(),
            metrics,
            served: served.clone(),
            events: Arc::clone(&log),
            draining: Arc::default(),
            recent: Arc::default(),
            works,
            live: Arc::default(),
            reload: reloader.status(),
            overrides: Arc::new(overrides),
            file: path.into(),
            tokens: Arc::default(),
            given_up: Arc::default(),
        };
        background.spawn(admin::watch(shared.clone()));
        let tell = Tell { events, lost: tell_lost_policy };
        let mut fleet = Fleet::new(workers, (ports, crews, desk), tell, publish, shared);
        if let Err(reason) = fleet.apply(config).await {
            fleet.stop().await;
            anyhow::bail!(reason);
        }
        let taken = fleet.taken();
        let fleet = Arc::new(Mutex::new(fleet));
        background.spawn(attend(Arc::clone(&fleet), taken));
        let follower = Arc::clone(&fleet);
        background.spawn(reloader.run(move |config| apply(Arc::clone(&follower), config)));
        Ok(Self { fleet, served, background })
    }

    /// What is being served at this moment.
    pub fn served(&self) -> Arc<Served> {
        Arc::clone(&self.served.borrow())
    }

    /// Takes no more connections, finishes what is under way within the configured time, and ends everything.
    pub async fn stop(mut self) {
        self.background.shutdown().await;
        self.fleet.lock().await.stop().await;
    }
}

async fn attend(fleet: Arc<Mutex<Fleet>>, taken: Arc<Notify>) {
    loop {
        taken.notified().await;
        fleet.lock().await.attend().await;
    }
}

async fn apply(fleet: Arc<Mutex<Fleet>>, config: Arc<Config>) -> Result<(), String> {
    fleet.lock().await.apply(config).await
}
