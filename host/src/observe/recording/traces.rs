//! Spans on their way to a collector: kept until there are enough of them or a second has passed, then sent by OTLP over
//! HTTP from the control runtime. A collector that is away costs the spans, a counter, and a line in the log now and then.

use std::fmt;
use std::str::FromStr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use opentelemetry::trace::{SpanContext, Status, TraceFlags, TraceState};
use opentelemetry::{InstrumentationScope, KeyValue, trace};
use opentelemetry_otlp::{Protocol, SpanExporter as Otlp, WithExportConfig};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::trace::{SpanData, SpanEvents, SpanExporter, SpanLinks};
use tokio::sync::Notify;
use tokio::task::JoinHandle;

use super::counts::{RecordingCounts, add};
use crate::config;
use crate::model::{Fact, Span, SpanKind, SpanSink, Tracer};

/// Spans that are kept while the collector takes its time: some megabytes.
const ROOM: usize = 8192;

/// Spans that are sent together: what OpenTelemetry's own batches have.
const BATCH: usize = 512;

/// How long a span waits for others at the most.
const EVERY: Duration = Duration::from_secs(1);

/// What the collector may take for a batch.
const PATIENCE: Duration = Duration::from_secs(5);

/// How often the same trouble is told.
const TELL_EVERY: Duration = Duration::from_secs(60);

/// Makes spans and sends them on.
pub struct Traces {
    tracer: Tracer,
    queue: Arc<Queue>,
    task: JoinHandle<()>,
}

/// Spans that wait to be sent.
#[derive(Debug)]
struct Queue {
    spans: Mutex<Vec<Span>>,
    enough: Notify,
    ends: Notify,
    counts: Arc<RecordingCounts>,
}

impl Traces {
    /// Begins to send; on a runtime of tokio.
    ///
    /// # Errors
    /// When the exporter cannot be made of what the environment says beside the configuration.
    pub fn start(spec: &config::Traces, counts: &Arc<RecordingCounts>) -> Result<Self, String> {
        let exporter = Otlp::builder()
            .with_http()
            .with_endpoint(spec.endpoint.to_string())
            .with_protocol(Protocol::HttpBinary)
            .with_timeout(PATIENCE)
            .build();
        let mut exporter = exporter.map_err(|error| error.to_string())?;
        let version = KeyValue::new("service.version", env!("CARGO_PKG_VERSION"));
        let resource = Resource::builder().with_service_name(spec.service_name.clone()).with_attribute(version).build();
        exporter.set_resource(&resource);
        let (spans, counts) = (Mutex::default(), Arc::clone(counts));
        let queue = Arc::new(Queue { spans, enough: Notify::new(), ends: Notify::new(), counts });
        let sink: Arc<dyn SpanSink> = Arc::clone(&queue) as Arc<dyn SpanSink>;
        let export = Export { queue: Arc::clone(&queue), exporter, scope: scope(), told: None };
        let endpoint = spec.endpoint.to_string();
        let task = tokio::spawn(export.run(endpoint));
        Ok(Self { tracer: Tracer::new(spec.sample, sink), queue, task })
    }

    /// Decides which requests are traced.
    pub fn tracer(&self) -> &Tracer {
        &self.tracer
    }

    /// Sends what there is, unless that takes longer than `limit`.
    pub async fn stop(self, limit: Duration) {
        self.queue.ends.notify_one();
        let abort = self.task.abort_handle();
        if tokio::time::timeout(limit, self.task).await.is_err() {
            abort.abort();
            tracing::warn!("the collector did not take the last spans in time");
        }
    }
}

impl fmt::Debug for Traces {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Traces").field("tracer", &self.tracer).finish_non_exhaustive()
    }
}

impl Queue {
    fn taken(&self) -> Vec<Span> {
        std::mem::take(&mut self.spans.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl SpanSink for Queue {
    fn take(&self, span: Span) {
        let mut spans = self.spans.lock().unwrap_or_else(PoisonError::into_inner);
        if spans.len() >= ROOM {
            drop(spans);
            return add(&self.counts.spans_without_room, 1);
        }
        spans.push(span);
        let waiting = spans.len();
        drop(spans);
        if waiting == BATCH {
            self.enough.notify_one();
        }
    }
}

/// What sends.
struct Export {
    queue: Arc<Queue>,
    exporter: Otlp,
    scope: InstrumentationScope,
    told: Option<Instant>,
}

impl Export {
    /// Sends until it is told to end, or until nobody makes spans any more.
    async fn run(mut self, endpoint: String) {
        loop {
            let ends = tokio::select! {
                biased;
                () = self.queue.ends.notified() => true,
                () = self.queue.enough.notified() => false,
                () = tokio::time::sleep(EVERY) => false,
            };
            let is_last = ends || Arc::strong_count(&self.queue) == 1;
            let mut spans = self.queue.taken().into_iter();
            loop {
                let batch: Vec<SpanData> = spans.by_ref().take(BATCH).map(|span| data(span, &self.scope)).collect();
                if batch.is_empty() {
                    break;
                }
                self.send(batch, &endpoint).await;
            }
            if is_last {
                return;
            }
        }
    }

    async fn send(&mut self, batch: Vec<SpanData>, endpoint: &str) {
        let (size, counts) = (batch.len(), &self.queue.counts);
        match self.exporter.export(batch).await {
            Ok(()) => add(&counts.spans_exported, size),
            Err(error) => {
                add(&counts.spans_not_taken, size);
                let now = Instant::now();
                if self.told.is_none_or(|told| now.saturating_duration_since(told) >= TELL_EVERY) {
                    self.told = Some(now);
                    tracing::warn!(endpoint, %error, "the collector does not take spans; they are dropped meanwhile");
                }
            }
        }
    }
}

fn scope() -> InstrumentationScope {
    InstrumentationScope::builder("leverframe").with_version(env!("CARGO_PKG_VERSION")).build()
}

/// A span as the exporter wants it.
fn data(span: Span, scope: &InstrumentationScope) -> SpanData {
    let state = span.state.as_deref().and_then(|state| TraceState::from_str(state).ok()).unwrap_or_default();
    let trace_id = trace::TraceId::from(span.trace.get());
    let id = |id: crate::model::SpanId| trace::SpanId::from(id.get());
    SpanData {
        span_context: SpanContext::new(trace_id, id(span.id), TraceFlags::SAMPLED, false, state),
        parent_span_id: span.parent.map_or(trace::SpanId::INVALID, id),
        parent_span_is_remote: span.is_parent_remote,
        span_kind: match span.kind {
            SpanKind::Server => trace::SpanKind::Server,
            SpanKind::Client => trace::SpanKind::Client,
            SpanKind::Internal => trace::SpanKind::Internal,
        },
        name: span.name,
        start_time: span.began,
        end_time: span.ended,
        attributes: span.facts.into_iter().map(attribute).collect(),
        dropped_attributes_count: 0,
        events: SpanEvents::default(),
        links: SpanLinks::default(),
        status: span.failure.map_or(Status::Unset, Status::error),
        instrumentation_scope: scope.clone(),
    }
}

fn attribute((key, fact): (&'static str, Fact)) -> KeyValue {
    match fact {
        Fact::Text(text) => KeyValue::new(key, text.into_owned()),
        Fact::Number(number) => KeyValue::new(key, number),
        Fact::Flag(flag) => KeyValue::new(key, flag),
    }
}
