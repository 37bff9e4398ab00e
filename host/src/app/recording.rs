//! The recorders: what is traced and logged of requests, kept while the configuration says the same of it.

use std::sync::Arc;
use std::time::Duration;

use futures_util::future::join_all;

use crate::config::{AccessTarget, Recording};
use crate::observe::{AccessLogs, Ending, RecordingCounts, Traces};
use crate::proxy::Watch;

/// What is left may take so long to be written down when the program ends.
const LAST_WORDS: Duration = Duration::from_secs(2);

/// What records.
pub(super) struct Recorders {
    workers: usize,
    counts: Arc<RecordingCounts>,
    spec: Recording,
    traces: Option<Traces>,
    access: Option<AccessLogs>,
    /// What recorded before. It ends by itself; one that has not is waited for at the end.
    before: Vec<Ending>,
}

/// What is to record from now on; outside none where nothing of it changes.
pub(super) struct Prepared {
    spec: Recording,
    traces: Option<Option<Traces>>,
    access: Option<Option<AccessLogs>>,
}

impl Recorders {
    /// None so far, for so many workers.
    pub(super) fn new(workers: usize) -> Self {
        Self {
            workers,
            counts: Arc::default(),
            spec: Recording::default(),
            traces: None,
            access: None,
            before: Vec::new(),
        }
    }

    /// What became of what was recorded.
    pub(super) fn counts(&self) -> &Arc<RecordingCounts> {
        &self.counts
    }

    /// Opens what is new, beside what there is.
    pub(super) fn prepare(&self, spec: &Recording) -> Result<Prepared, String> {
        let traces = match (&spec.traces, spec.traces == self.spec.traces) {
            (_, true) => None,
            (None, false) => Some(None),
            (Some(spec), false) => {
                Some(Some(Traces::start(spec, &self.counts).map_err(|error| format!("traces: {error}"))?))
            }
        };
        let access = match (&spec.access_log, spec.access_log == self.spec.access_log) {
            (_, true) => None,
            (None, false) => Some(None),
            (Some(spec), false) => {
                let opened = AccessLogs::open(spec, self.workers, &self.counts);
                let failed = |error| match &spec.to {
                    AccessTarget::File(path) => format!("access_log.to: {}: {error}", path.display()),
                    AccessTarget::Stdout | AccessTarget::Stderr => format!("access_log: {error}"),
                };
                Some(Some(opened.map_err(failed)?))
            }
        };
        Ok(Prepared { spec: spec.clone(), traces, access })
    }

    /// From now on these. What was before ends by itself, when the last request that it records is done.
    pub(super) fn commit(&mut self, prepared: Prepared) {
        self.spec = prepared.spec;
        self.before.retain_mut(|ending| !ending.is_over());
        if let Some(new) = prepared.traces {
            self.before.extend(std::mem::replace(&mut self.traces, new).map(Traces::retire));
        }
        if let Some(new) = prepared.access {
            self.before.extend(std::mem::replace(&mut self.access, new).map(AccessLogs::retire));
        }
    }

    /// What a worker is to record.
    pub(super) fn watch(&self, worker: usize) -> Watch {
        Watch {
            tracer: self.traces.as_ref().map(|traces| traces.tracer().clone()),
            access: self.access.as_ref().and_then(|access| access.of_worker(worker)),
        }
    }

    /// Writes down what is left.
    pub(super) async fn stop(&mut self) {
        let mut endings = std::mem::take(&mut self.before);
        endings.extend(self.traces.take().map(Traces::retire));
        endings.extend(self.access.take().map(AccessLogs::retire));
        join_all(endings.into_iter().map(|ending| ending.within(LAST_WORDS))).await;
    }
}
