//! Following a Docker Engine: lists once, hears every event, lists again from time to time. Decides nothing itself.

use std::convert::Infallible;
use std::pin::pin;
use std::time::{Duration, Instant, SystemTime};

use bollard::models::{ContainerSummary, EventMessage};
use futures_util::future::{Fuse, FusedFuture};
use futures_util::{FutureExt, Stream, StreamExt};
use tokio::time::{MissedTickBehavior, interval};

use super::super::{Following, Sight, Source, SourceError};
use super::container::Rules;
use super::engine::{Engine, EngineError, Filters};
use super::view::{Next, View};
use crate::config;

/// How long after an event all containers are listed once more: Engines tell of some changes before their lists show
/// them, by some tens of milliseconds.
const SETTLES: Duration = Duration::from_millis(200);
/// What is heard of: containers, and which networks they join and leave.
const EVENTS: [&str; 11] =
    ["start", "kill", "die", "stop", "destroy", "pause", "unpause", "rename", "health_status", "connect", "disconnect"];

/// The containers with a label of a Docker Engine.
pub(crate) struct DockerSource {
    settings: config::DockerSource,
}

impl DockerSource {
    /// Connects to nothing yet.
    pub(crate) fn new(settings: config::DockerSource) -> Self {
        Self { settings }
    }

    async fn watch(&self, sight: &Sight) -> Result<Infallible, EngineError> {
        let config::DockerSource { engine, label, network, port, resync } = &self.settings;
        let engine = Engine::at(engine)?;
        let mut view = View::new(label.clone(), Rules { network: network.clone(), port: *port });
        // Events count from before the first list on, so that nothing falls between the two.
        let mut events = pin!(engine.events(&heard_of(), SystemTime::now()));
        let mut resync = interval(*resync);
        resync.set_missed_tick_behavior(MissedTickBehavior::Delay);
        view.replace(engine.containers(&self.meant(), false).await?);
        sight.sees(view.seen(Instant::now()));
        resync.reset();
        let mut is_soon = false;
        let mut wanted = Wanted::Nothing;
        // One list at a time, beside which events are heard: what they say by themselves waits for no list.
        let mut listing = Fuse::terminated();
        loop {
            if listing.is_terminated() && wanted != Wanted::Nothing {
                listing = self.list(&engine, std::mem::take(&mut wanted)).boxed().fuse();
            }
            tokio::select! {
                event = events.next() => {
                    let heard = hear_all(&mut view, event, &mut events, &mut wanted)?;
                    // Not put off by each further event: they may never end.
                    if heard == Some(Next::LookSoon) && !is_soon {
                        resync.reset_after(SETTLES);
                        is_soon = true;
                    }
                    if heard.is_none() {
                        continue;
                    }
                }
                listed = &mut listing => match listed? {
                    (Wanted::These(ids), listed) => view.put(&ids, listed),
                    (_, listed) => view.replace(listed),
                },
                _ = resync.tick() => {
                    is_soon = false;
                    wanted = Wanted::All;
                    continue;
                }
            }
            sight.sees(view.seen(Instant::now()));
        }
    }

    async fn list(&self, engine: &Engine, wanted: Wanted) -> Result<(Wanted, Vec<ContainerSummary>), EngineError> {
        let mut filters = self.meant();
        if let Wanted::These(ids) = &wanted {
            filters.insert("id", ids.clone());
        }
        let listed = engine.containers(&filters, false).await?;
        Ok((wanted, listed))
    }

    /// All containers with the label.
    fn meant(&self) -> Filters {
        let label = &self.settings.label;
        let text = label.value.as_ref().map_or_else(|| label.key.clone(), |value| format!("{}={value}", label.key));
        Filters::from([("label", vec![text])])
    }
}

/// Which containers are to be listed.
#[derive(Debug, Default, PartialEq, Eq)]
enum Wanted {
    #[default]
    Nothing,
    /// Those with these ids.
    These(Vec<String>),
    All,
}

impl Wanted {
    fn add(&mut self, id: String) {
        match self {
            Self::Nothing => *self = Self::These(vec![id]),
            Self::These(ids) => ids.push(id),
            Self::All => {}
        }
    }
}

/// Has the view hear an event, and all others that are there already: when much happens at once, one list does for all.
/// Returns whether there is something to tell, and whether all are to be listed shortly.
fn hear_all(
    view: &mut View,
    first: Option<Result<EventMessage, EngineError>>,
    events: &mut (impl Stream<Item = Result<EventMessage, EngineError>> + Unpin),
    wanted: &mut Wanted,
) -> Result<Option<Next>, EngineError> {
    let mut heard = None;
    let mut next = Some(first);
    while let Some(event) = next {
        let event = event.ok_or_else(|| EngineError::Unreachable("its event stream ended".to_owned()))??;
        match view.hear(&event, Instant::now()) {
            Next::Nothing => {}
            Next::Tell => heard = heard.or(Some(Next::Tell)),
            Next::LookSoon => heard = Some(Next::LookSoon),
            Next::Look(id) => {
                wanted.add(id);
                heard = Some(Next::LookSoon);
            }
        }
        next = events.next().now_or_never();
    }
    Ok(heard)
}

fn heard_of() -> Filters {
    // Not by label: that would be a label of the network in what is told of networks.
    let types = ["container", "network"];
    Filters::from([("type", types.map(str::to_owned).to_vec()), ("event", EVENTS.map(str::to_owned).to_vec())])
}

impl Source for DockerSource {
    fn follow<'a>(&'a self, sight: &'a Sight) -> Following<'a> {
        Box::pin(async {
            match self.watch(sight).await {
                Err(error) => error.into(),
            }
        })
    }
}

impl From<EngineError> for SourceError {
    fn from(error: EngineError) -> Self {
        match error {
            EngineError::Unreachable(why) => Self::Unreachable(why),
            EngineError::Refused(..) | EngineError::Unreadable(_) => Self::Answer(error.to_string()),
        }
    }
}
