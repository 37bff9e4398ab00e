//! What a guest can reach: the request being routed and the candidates' figures, or the peers of the endpoint being
//! judged; the shared state, the clock and the log. Everything is read lazily, and only while a call is under way.

use std::sync::Arc;
use std::time::{Duration, Instant};

use wasmtime::{StoreLimits, StoreLimitsBuilder};

use super::bindings::policy::leverframe::plugin::{health_types, peers};
use super::bindings::strategy::leverframe::plugin::{cluster, request, runtime, state, types};
use super::figures::CustomMetrics;
use super::lines::LogLines;
use super::shared_state::{SharedState, StateError};
use crate::config::PluginLimits;
use crate::model::{ClusterName, EndpointId, Peers, PluginName, RequestHead, StatementClass, one_line};
use crate::routing::Candidates;

/// Bytes of standard output kept from one call, so that a panic's message can be shown.
const MAX_PRINTED: usize = 2048;
/// How Rust ends the message of a panic: advice that cannot be followed here.
const RUST_HINT: &str = "note: run with `RUST_BACKTRACE=";
/// The longest log line taken from a guest.
const MAX_LINE: usize = 1024;
/// Log lines taken from one instance in a second.
const LINES_PER_SECOND: u32 = 20;

/// What all instances of a plugin share.
#[derive(Debug)]
pub struct Shared {
    /// Its name.
    pub plugin: PluginName,
    /// Its store.
    pub state: SharedState,
    /// Its own metrics.
    pub metrics: CustomMetrics,
    /// What it logged last.
    pub lines: LogLines,
}

/// The host's side of one instance.
pub(super) struct Context {
    pub(super) limits: StoreLimits,
    pub(super) request: Option<Arc<RequestHead>>,
    pub(super) attempt: u32,
    pub(super) candidates: Arc<Candidates>,
    pub(super) peers: Arc<Peers>,
    shared: Arc<Shared>,
    /// The cluster that it decides for.
    cluster: Option<ClusterName>,
    started: Instant,
    /// What the guest wrote to a standard stream in this call.
    printed: String,
    /// The line that it has not ended yet.
    line: String,
    deadline: Duration,
    overtime_since: Option<Duration>,
    log_second: u64,
    log_lines: u32,
}

impl Context {
    pub(super) fn new(
        (shared, cluster): (Arc<Shared>, Option<&ClusterName>),
        limits: &PluginLimits,
        started: Instant,
    ) -> Self {
        let store_limits = StoreLimitsBuilder::new()
            .memory_size(limits.memory_bytes)
            .table_elements(limits.table_elements)
            .trap_on_grow_failure(false)
            .build();
        Self {
            limits: store_limits,
            request: None,
            attempt: 0,
            candidates: Arc::default(),
            peers: Arc::default(),
            shared,
            cluster: cluster.cloned(),
            started,
            printed: String::new(),
            line: String::new(),
            deadline: limits.call_deadline,
            overtime_since: None,
            log_second: 0,
            log_lines: 0,
        }
    }

    pub(super) fn elapsed(&self, now: Instant) -> Duration {
        now.saturating_duration_since(self.started)
    }

    /// Gets ready for a call.
    pub(super) fn begin(&mut self, deadline: Duration) {
        self.printed.clear();
        self.deadline = deadline;
        self.overtime_since = None;
    }

    /// Whether a call that outlasted the first half of its deadline also ran for the second, given the processor time of
    /// this thread. The first time it is asked, the second half begins.
    pub(super) fn overtime(&mut self, ran: Duration) -> bool {
        let since = *self.overtime_since.get_or_insert(ran);
        ran.saturating_sub(since) >= self.deadline / 2
    }

    /// Takes what the guest wrote to a standard stream: line by line into the log, and kept in case the call fails.
    pub(super) fn printed(&mut self, bytes: &[u8]) {
        let text = String::from_utf8_lossy(bytes);
        push_some(&mut self.printed, &text, MAX_PRINTED);
        for piece in text.split_inclusive('\n') {
            push_some(&mut self.line, piece, MAX_LINE);
            if piece.ends_with('\n') || self.line.len() >= MAX_LINE {
                self.end_line();
            }
        }
    }

    fn end_line(&mut self) {
        if !self.line.trim().is_empty() && self.may_log() {
            let line = self.line.trim_end();
            tracing::info!(plugin = self.shared.plugin.as_str(), "{line}");
            self.shared.lines.keep("info", line, self.cluster.as_ref());
        }
        self.line.clear();
    }

    /// What the guest wrote in this call, on one line.
    pub(super) fn take_printed(&mut self) -> Option<String> {
        let text = std::mem::take(&mut self.printed);
        let lines = text.lines().filter(|line| !line.starts_with(RUST_HINT));
        let line = lines.flat_map(str::split_whitespace).collect::<Vec<_>>().join(" ");
        (!line.is_empty()).then_some(line)
    }

    /// Whether one more line may be logged in this second.
    fn may_log(&mut self) -> bool {
        let second = self.elapsed(Instant::now()).as_secs();
        if second != self.log_second {
            (self.log_second, self.log_lines) = (second, 0);
        }
        self.log_lines += 1;
        self.log_lines <= LINES_PER_SECOND
    }

    fn read<T>(&self, read: impl FnOnce(&RequestHead) -> Option<T>) -> Option<T> {
        self.request.as_deref().and_then(read)
    }
}

/// Appends as much as there is room for.
fn push_some(text: &mut String, more: &str, most: usize) {
    let room = most.saturating_sub(text.len());
    let end = more.char_indices().map(|(start, c)| start + c.len_utf8()).take_while(|end| *end <= room).last();
    text.push_str(more.get(..end.unwrap_or(0)).unwrap_or_default());
}

impl types::Host for Context {}

impl health_types::Host for Context {}

impl peers::Host for Context {
    fn all(&mut self) -> Vec<(u32, health_types::Observations)> {
        self.peers.iter().map(|(id, window)| (id.0, (*window).into())).collect()
    }
}

impl request::Host for Context {
    fn method(&mut self) -> String {
        self.read(|head| Some(head.method.as_str().to_owned())).unwrap_or_default()
    }

    fn path(&mut self) -> String {
        self.read(|head| Some(head.uri.path().to_owned())).unwrap_or_default()
    }

    fn query(&mut self) -> Option<String> {
        self.read(|head| head.uri.query().map(str::to_owned))
    }

    fn header(&mut self, name: String) -> Option<String> {
        self.read(|head| head.header(&name).map(str::to_owned))
    }

    fn cookie(&mut self, name: String) -> Option<String> {
        self.read(|head| head.cookie(&name).map(str::to_owned))
    }

    fn client_ip(&mut self) -> String {
        self.read(|head| Some(head.client.to_string())).unwrap_or_default()
    }

    fn host(&mut self) -> Option<String> {
        self.read(|head| head.host.clone())
    }

    fn attempt(&mut self) -> u32 {
        self.attempt
    }

    fn statement(&mut self) -> Option<request::SqlStatement> {
        self.read(|head| {
            let statement = head.statement.as_ref()?;
            Some(request::SqlStatement {
                class: match statement.class {
                    StatementClass::Read => request::StatementClass::Read,
                    StatementClass::Write => request::StatementClass::Write,
                },
                tables: statement.tables.clone(),
                shard: statement.shard.clone(),
                fingerprint: statement.fingerprint,
            })
        })
    }
}

impl From<crate::cluster::Load> for types::Load {
    fn from(load: crate::cluster::Load) -> Self {
        Self {
            in_flight: load.in_flight,
            latency_ewma_us: load.latency_ewma_us,
            error_ratio: load.error_ratio,
            health_score: load.health_score,
            requests: load.requests,
        }
    }
}

impl cluster::Host for Context {
    fn load_of(&mut self, id: u32) -> Option<types::Load> {
        let member = self.candidates.get(EndpointId(id))?;
        Some(member.load(Instant::now()).into())
    }

    fn loads(&mut self) -> Vec<types::Load> {
        let now = Instant::now();
        self.candidates.members().iter().map(|member| member.load(now).into()).collect()
    }
}

impl From<StateError> for state::StateError {
    fn from(error: StateError) -> Self {
        match error {
            StateError::TooLarge => Self::TooLarge,
            StateError::Full => Self::Full,
            StateError::NotANumber => Self::NotANumber,
        }
    }
}

impl state::Host for Context {
    fn get(&mut self, key: String) -> Option<Vec<u8>> {
        self.shared.state.get(&key, Instant::now())
    }

    fn set(&mut self, key: String, value: Vec<u8>, ttl_ms: Option<u64>) -> Result<(), state::StateError> {
        Ok(self.shared.state.set(&key, value, ttl_ms.map(Duration::from_millis), Instant::now())?)
    }

    fn add(&mut self, key: String, delta: i64, ttl_ms: Option<u64>) -> Result<i64, state::StateError> {
        Ok(self.shared.state.add(&key, delta, ttl_ms.map(Duration::from_millis), Instant::now())?)
    }
}

impl runtime::Host for Context {
    fn log(&mut self, level: runtime::Level, message: String) {
        if !self.may_log() {
            return;
        }
        let plugin = self.shared.plugin.as_str();
        let message = one_line(&message, MAX_LINE);
        let level = match level {
            runtime::Level::Debug => {
                tracing::debug!(plugin, "{message}");
                "debug"
            }
            runtime::Level::Info => {
                tracing::info!(plugin, "{message}");
                "info"
            }
            runtime::Level::Warn => {
                tracing::warn!(plugin, "{message}");
                "warn"
            }
            runtime::Level::Error => {
                tracing::error!(plugin, "{message}");
                "error"
            }
        };
        self.shared.lines.keep(level, &message, self.cluster.as_ref());
    }

    fn now_us(&mut self) -> u64 {
        self.elapsed(Instant::now()).as_micros() as u64
    }

    fn random_u64(&mut self) -> u64 {
        fastrand::u64(..)
    }

    fn counter(&mut self, name: String, delta: u64) {
        self.shared.metrics.counter(&name, delta);
    }

    fn gauge(&mut self, name: String, value: f64) {
        self.shared.metrics.gauge(&name, value);
    }

    fn histogram(&mut self, name: String, value: f64) {
        self.shared.metrics.histogram(&name, value);
    }
}
