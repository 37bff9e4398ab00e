//! Speaking with a Docker Engine: where it is, how long it may take, and what its errors mean. All requests to an Engine
//! are made in here, each bounded in time. What they are for is not its business.

use std::collections::HashMap;
use std::error::Error;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use bollard::models::{ContainerCreateBody, ContainerSummary, EventMessage};
use bollard::query_parameters::{
    CreateContainerOptionsBuilder, EventsOptionsBuilder, ListContainersOptionsBuilder, RemoveContainerOptionsBuilder,
    StartContainerOptions, StopContainerOptions,
};
use bollard::{API_DEFAULT_VERSION, Docker};
use futures_util::{Stream, TryStreamExt};

use crate::config::DockerEngine;

/// How long the Engine may take for an answer. It takes milliseconds; one that hangs must not pass for one that is idle.
const ANSWER: Duration = Duration::from_secs(10);
/// How long it may take to stop a container: what it gives one by default before it kills it (10 s), and as long again
/// to clear it away, and to answer.
const STOP: Duration = Duration::from_secs(30);

/// What went wrong with the Engine: one line for the operator.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum EngineError {
    /// No answer.
    #[error("{0}")]
    Unreachable(String),
    /// It refused; with the status of its answer.
    #[error("the Engine says: {1}")]
    Refused(u16, String),
    /// What it answered cannot be read.
    #[error("{0}")]
    Unreadable(String),
}

/// Which containers or events are meant: the Engine's own filters.
pub(crate) type Filters = HashMap<&'static str, Vec<String>>;

/// A Docker Engine. Every request has a connection of its own, so that none is held while there is nothing to ask.
pub(crate) struct Engine(Docker);

impl Engine {
    /// Names the Engine; nothing is asked of it yet.
    pub(crate) fn at(engine: &DockerEngine) -> Result<Self, EngineError> {
        let seconds = ANSWER.as_secs();
        let docker = match engine.0.strip_prefix("unix://") {
            Some(path) => Docker::connect_with_unix(path, seconds, API_DEFAULT_VERSION),
            None => Docker::connect_with_http(&engine.0, seconds, API_DEFAULT_VERSION),
        };
        docker.map(Self).map_err(EngineError::from)
    }

    /// Lists containers: those that run, or all.
    pub(crate) async fn containers(&self, filters: &Filters, all: bool) -> Result<Vec<ContainerSummary>, EngineError> {
        let options = ListContainersOptionsBuilder::new().all(all).filters(filters).build();
        within(ANSWER, self.0.list_containers(Some(options))).await
    }

    /// Everything that happens from a moment on, by the clock of this machine; events between that moment and the
    /// subscription are sent later, not lost.
    pub(crate) fn events(
        &self,
        filters: &Filters,
        since: SystemTime,
    ) -> impl Stream<Item = Result<EventMessage, EngineError>> + use<> {
        let since = since.duration_since(UNIX_EPOCH).unwrap_or_default();
        let since = format!("{}.{:09}", since.as_secs(), since.subsec_nanos());
        let options = EventsOptionsBuilder::new().since(&since).filters(filters).build();
        self.0.events(Some(options)).map_err(EngineError::from)
    }

    /// Creates a container and returns its id.
    pub(crate) async fn create(&self, name: &str, body: ContainerCreateBody) -> Result<String, EngineError> {
        let options = CreateContainerOptionsBuilder::new().name(name).build();
        within(ANSWER, self.0.create_container(Some(options), body)).await.map(|created| created.id)
    }

    /// Starts a container.
    pub(crate) async fn start(&self, id: &str) -> Result<(), EngineError> {
        within(ANSWER, self.0.start_container(id, None::<StartContainerOptions>)).await
    }

    /// Has a container end as it is meant to, by force when it takes too long; returns when it has.
    pub(crate) async fn stop(&self, id: &str) -> Result<(), EngineError> {
        let patient = self.0.clone().with_timeout(STOP);
        within(STOP, patient.stop_container(id, None::<StopContainerOptions>)).await
    }

    /// Takes away a container, and the volumes that nobody named.
    pub(crate) async fn remove(&self, id: &str) -> Result<(), EngineError> {
        let options = RemoveContainerOptionsBuilder::new().force(true).v(true).build();
        within(ANSWER, self.0.remove_container(id, Some(options))).await
    }
}

/// The time that the client keeps by itself ends with the head of an answer.
async fn within<T>(
    limit: Duration,
    request: impl Future<Output = Result<T, bollard::errors::Error>>,
) -> Result<T, EngineError> {
    match tokio::time::timeout(limit, request).await {
        Ok(answer) => Ok(answer?),
        Err(_) => Err(EngineError::Unreachable(format!("no answer within {} s", limit.as_secs()))),
    }
}

impl From<bollard::errors::Error> for EngineError {
    fn from(error: bollard::errors::Error) -> Self {
        use bollard::errors::Error as Bollard;
        match error {
            Bollard::DockerResponseServerError { status_code, message } => Self::Refused(status_code, message),
            Bollard::JsonDataError { .. } | Bollard::JsonSerdeError { .. } => Self::Unreadable(whole(&error)),
            Bollard::RequestTimeoutError => Self::Unreachable(format!("no answer within {} s", ANSWER.as_secs())),
            _ => Self::Unreachable(whole(&error)),
        }
    }
}

/// An error with its causes, which alone say what happened.
fn whole(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut next = error.source();
    while let Some(cause) = next {
        let cause_text = cause.to_string();
        if !text.contains(&cause_text) {
            text = format!("{text}: {cause_text}");
        }
        next = cause.source();
    }
    text
}
