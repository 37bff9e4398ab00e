//! The scaler of one cluster: the task that has the driver and the checks do what the reconciler says, on time, on a hint
//! and on an operator's word. It decides nothing itself; a driver that fails or stalls holds up one node, never the task.

use std::path::PathBuf;
use std::sync::Arc;

use http::uri::PathAndQuery;
use tokio::sync::{mpsc, oneshot, watch};
use tokio::time::Instant;

use super::cooldown::Cooldown;
use super::desired::{Bounds, Desired};
use super::driver::{Driver, Driving};
use super::error::ScaleError;
use super::growth::Growth;
use super::round::Round;
use super::status::Status;
use super::store::{Kept, Store};
use crate::cluster::LiveCluster;
use crate::config::Scaling;
use crate::model::{Address, ClusterName, EndpointSpec, Events};

/// More commands than an operator gives at once; who gives more waits.
const COMMANDS: usize = 16;

/// Checks nodes.
pub trait Probe: Send + Sync + 'static {
    /// Asks a node for a path; an answer with a status of 200 to 299 is a good one, and every other is a line for the
    /// operator. How long that may take is up to the caller.
    fn probe<'a>(&'a self, at: &'a Address, path: &'a PathAndQuery) -> Driving<'a, Result<(), String>>;
}

/// What a scaler is made of.
pub struct Setup {
    /// The settings. A change of who makes the nodes needs another scaler.
    pub settings: Scaling,
    /// Makes the nodes.
    pub driver: Arc<dyn Driver>,
    /// The cluster that the nodes belong to.
    pub live: Arc<LiveCluster>,
    /// Checks them.
    pub probe: Arc<dyn Probe>,
    /// Where the desired names are kept; none keeps nothing.
    pub state_file: Option<PathBuf>,
    /// Hears what happens to the nodes.
    pub events: Events,
}

/// What `scale` may be asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ask {
    /// So many.
    Count(u32),
    /// One more.
    Add,
    /// One fewer.
    Remove,
}

/// A change of the desired names.
enum Change {
    Scale(Ask),
    Add(usize, Vec<String>),
    Remove(usize, Vec<String>),
}

/// How to end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum End {
    AtOnce,
    /// Once others have the traffic.
    Relieved,
    /// Once what is under way is over.
    Idle,
}

enum Command {
    Change(Change, oneshot::Sender<Result<Status, ScaleError>>),
    Configure(Box<Scaling>),
    Stop(End, oneshot::Sender<()>),
}

/// What the task shows.
#[derive(Clone)]
struct Shown {
    status: Status,
    /// When the cooldown is over.
    cooldown_until: Option<Instant>,
}

impl Shown {
    fn now(&self) -> Status {
        let left = self.cooldown_until.map(|until| until.saturating_duration_since(Instant::now()));
        Status { cooldown_left: left.filter(|left| !left.is_zero()), ..self.status.clone() }
    }
}

/// Keeps up the number of one cluster's nodes. Dropping it stops it without waiting.
pub struct Scaler {
    cluster: ClusterName,
    commands: mpsc::Sender<Command>,
    shown: watch::Receiver<Shown>,
    nodes: watch::Receiver<Option<Vec<EndpointSpec>>>,
}

impl Scaler {
    /// Begins. Reads the state file first; one that is broken is shown as trouble, and the configured count is used.
    pub fn start(setup: Setup) -> Self {
        let cluster = setup.live.name().clone();
        let (settings, store) = (setup.settings.clone(), Store::new(setup.state_file.clone()));
        let (desired, trouble) = begin(&cluster, &settings, &store);
        let growth = Growth::new(setup.events.clone());
        let round = Round::new(setup);
        let (commands, asked) = mpsc::channel(COMMANDS);
        let (publish, nodes) = watch::channel(None);
        let task = Task { settings, desired, trouble, store, cooldown: Cooldown::default(), round, growth };
        let (show, shown) = watch::channel(task.shown(Instant::now()));
        tokio::spawn(task.run(asked, show, publish));
        Self { cluster, commands, shown, nodes }
    }

    /// Whose nodes it keeps up.
    pub fn cluster(&self) -> &ClusterName {
        &self.cluster
    }

    /// Who is to have traffic. None until that is known: a scaler that finds nodes of an earlier one checks them first.
    pub fn nodes(&self) -> watch::Receiver<Option<Vec<EndpointSpec>>> {
        self.nodes.clone()
    }

    /// How it stands.
    pub fn status(&self) -> Status {
        self.shown.borrow().now()
    }

    /// Changes the count, unless the last change by this is too fresh. What changes nothing is never refused for that,
    /// and begins no cooldown.
    ///
    /// # Errors
    /// When there cannot be so many, in the cooldown, and when it cannot be kept.
    pub async fn scale(&self, ask: Ask) -> Result<Status, ScaleError> {
        self.change(Change::Scale(ask)).await
    }

    /// Adds nodes: those of the names, and generated ones up to `n`.
    ///
    /// # Errors
    /// When a name cannot be, when there cannot be so many, and when it cannot be kept.
    pub async fn add(&self, n: usize, names: Vec<String>) -> Result<Status, ScaleError> {
        self.change(Change::Add(n, names)).await
    }

    /// Removes nodes: those of the names, and the last of the others up to `n`.
    ///
    /// # Errors
    /// When there is none of a name, when there cannot be so few, and when it cannot be kept.
    pub async fn remove(&self, n: usize, names: Vec<String>) -> Result<Status, ScaleError> {
        self.change(Change::Remove(n, names)).await
    }

    /// Takes over settings, except who makes the nodes. A count that is not the one before is the desired one from now on.
    pub async fn configure(&self, settings: Scaling) {
        // A scaler that has ended needs no settings.
        let _ = self.commands.send(Command::Configure(Box::new(settings))).await;
    }

    /// Ends, with the nodes that cannot do without this process; the others stay.
    pub async fn stop(&self) {
        self.end(End::AtOnce).await;
    }

    /// Ends as [`Self::stop`] does, but makes way for whoever comes next: nodes that the cluster still sends requests to
    /// stay until that is over, or until there was time enough for it. From now on none is started.
    pub async fn retire(&self) {
        self.end(End::Relieved).await;
    }

    /// Ends as [`Self::stop`] does, for a cluster that is gone: nodes stay until they have answered what they have, or
    /// until there was time enough for it. From now on none is started.
    pub async fn finish(&self) {
        self.end(End::Idle).await;
    }

    async fn end(&self, end: End) {
        let (reply, stopped) = oneshot::channel();
        if self.commands.send(Command::Stop(end, reply)).await.is_ok() {
            // It has ended either way.
            let _ = stopped.await;
        }
    }

    async fn change(&self, change: Change) -> Result<Status, ScaleError> {
        let (reply, changed) = oneshot::channel();
        self.commands.send(Command::Change(change, reply)).await.map_err(|_| ScaleError::Gone)?;
        changed.await.map_err(|_| ScaleError::Gone)?
    }
}

/// What is desired at first: what was kept, unless the configured count has been edited since.
fn begin(cluster: &ClusterName, settings: &Scaling, store: &Store) -> (Desired, Option<String>) {
    let configured = || Desired::count(cluster, count(settings.count));
    let kept = match store.load() {
        Ok(Some(kept)) => kept,
        Ok(None) => return (configured(), None),
        Err(error) => {
            tracing::warn!(%cluster, %error, "the desired nodes of before are not known: the configured count is used");
            return (configured(), Some(error.to_string()));
        }
    };
    let before = Desired::kept(cluster, kept.names.clone(), Bounds::from(settings));
    let desired = match kept.count == settings.count {
        true => before,
        false => before.resized(count(settings.count), Bounds::from(settings)).unwrap_or_else(|_| configured()),
    };
    let now = Kept { count: settings.count, names: desired.names().to_vec() };
    let saved = if now == kept { Ok(()) } else { store.save(&now) };
    (desired, saved.err().map(|error| error.to_string()))
}

fn count(count: u32) -> usize {
    usize::try_from(count).unwrap_or(usize::MAX)
}

/// The task's state; nobody else changes it.
struct Task {
    settings: Scaling,
    desired: Desired,
    trouble: Option<String>,
    store: Store,
    cooldown: Cooldown,
    round: Round,
    growth: Growth,
}

impl Task {
    async fn run(
        mut self,
        mut asked: mpsc::Receiver<Command>,
        show: watch::Sender<Shown>,
        publish: watch::Sender<Option<Vec<EndpointSpec>>>,
    ) {
        let mut reply: Option<(oneshot::Sender<_>, Result<(), ScaleError>)> = None;
        let stopped = loop {
            let again = self.round.turn(&self.settings, self.desired.names());
            self.publish(&publish);
            let shown = self.shown(Instant::now());
            self.growth.look(&shown.status);
            // Answered only now, so that the status has what came of it. Who asked need not have waited.
            if let Some((reply, result)) = reply.take() {
                let _ = reply.send(result.map(|()| shown.now()));
            }
            show.send_replace(shown);
            tokio::select! {
                command = asked.recv() => match command {
                    Some(Command::Change(change, to)) => reply = Some((to, self.change(change).await)),
                    Some(Command::Configure(settings)) => self.configure(*settings).await,
                    Some(Command::Stop(end, stopped)) => break Some((end, stopped)),
                    None => break None,
                },
                () = self.round.happens(&self.settings) => {}
                () = tokio::time::sleep_until(again) => {}
            }
        };
        match stopped {
            Some((End::Relieved, _)) => self.round.make_way(false).await,
            Some((End::Idle, _)) => self.round.make_way(true).await,
            Some((End::AtOnce, _)) | None => {}
        }
        self.round.close().await;
        if let Some((_, stopped)) = stopped {
            // Who asked need not have waited.
            let _ = stopped.send(());
        }
    }

    async fn change(&mut self, change: Change) -> Result<(), ScaleError> {
        let (bounds, there) = (Bounds::from(&self.settings), &self.desired);
        let wanted = match &change {
            Change::Scale(Ask::Count(n)) => there.resized(count(*n), bounds),
            Change::Scale(Ask::Add) => there.with(1, &[], bounds),
            Change::Scale(Ask::Remove) => there.without(1, &[], bounds),
            Change::Add(n, names) => there.with(*n, names, bounds),
            Change::Remove(n, names) => there.without(*n, names, bounds),
        }?;
        if wanted == self.desired {
            return Ok(());
        }
        let now = Instant::now().into_std();
        let is_scale = matches!(change, Change::Scale(_));
        if let Some(left) = self.cooldown.left(self.settings.cooldown, now).filter(|_| is_scale) {
            return Err(ScaleError::Cooldown { left });
        }
        self.keep(&wanted, self.settings.count).await?;
        self.desired = wanted;
        if is_scale {
            self.cooldown.begin(now);
        }
        Ok(())
    }

    async fn configure(&mut self, settings: Scaling) {
        let bounds = Bounds::from(&settings);
        let wanted = match settings.count == self.settings.count {
            true => self.desired.fitted(bounds),
            false => {
                self.desired.resized(count(settings.count), bounds).unwrap_or_else(|_| self.desired.fitted(bounds))
            }
        };
        if (settings.count != self.settings.count || wanted != self.desired)
            && let Err(error) = self.keep(&wanted, settings.count).await
        {
            tracing::warn!(%error, "the desired nodes are not kept");
        }
        (self.settings, self.desired) = (settings, wanted);
    }

    async fn keep(&mut self, wanted: &Desired, count: u32) -> Result<(), ScaleError> {
        let (store, kept) = (self.store.clone(), Kept { count, names: wanted.names().to_vec() });
        let saved = tokio::task::spawn_blocking(move || store.save(&kept)).await;
        saved.map_err(|_| ScaleError::Gone)??;
        self.trouble = None;
        Ok(())
    }

    fn publish(&self, publish: &watch::Sender<Option<Vec<EndpointSpec>>>) {
        let is_first = publish.borrow().is_none();
        let Some(serving) = self.round.serving(self.desired.names(), is_first) else { return };
        publish.send_if_modified(|published| {
            let is_new = published.as_ref() != Some(&serving);
            *published = Some(serving);
            is_new
        });
    }

    fn shown(&self, now: Instant) -> Shown {
        let left = self.cooldown.left(self.settings.cooldown, now.into_std());
        let status = Status {
            cluster: self.round.cluster().clone(),
            desired: self.desired.names().to_vec(),
            least: self.settings.least,
            most: self.settings.most.get(),
            nodes: self.round.statuses(self.desired.names()),
            cooldown_left: None,
            trouble: self.round.trouble().cloned().or_else(|| self.trouble.clone()),
        };
        Shown { status, cooldown_until: left.and_then(|left| now.checked_add(left)) }
    }
}
