//! Spans on their way to a collector: kept until there are enough of them or a second has passed, then sent by OTLP over
//! HTTP from the control runtime. A collector that is away costs the spans, a counter, and a line in the log now and then.

use std::collections::VecDeque;
use std::fmt;
use std::str::FromStr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use opentelemetry::trace::{SpanContext, Status, TraceFlags, TraceState};
use opentelemetry::{InstrumentationScope, KeyValue, trace};
use opentelemetry_otlp::{Protocol, SpanExporter as Otlp, WithExportConfig};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::trace::{SpanData, SpanEvents, SpanExporter, SpanLinks};
use tokio::sync::{Notify, oneshot};

use super::counts::{RecordingCounts, add};
use super::ending::Ending;
use crate::config;
use crate::model::{Fact, Span, SpanKind, SpanSink, Tracer};

/// Spans that are kept while the collector takes its time.
const ROOM: usize = 8192;

/// What they may take: twice what so many of usual requests do.
const ROOM_BYTES: usize = 16 << 20;

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
    ending: Ending,
}

/// Spans that wait to be sent.
#[derive(Debug)]
struct Queue {
    waiting: Mutex<Waiting>,
    enough: Notify,
    ends: Notify,
    counts: Arc<RecordingCounts>,
}

#[derive(Debug, Default)]
struct Waiting {
    spans: VecDeque<Span>,
    bytes: usize,
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
        let queue = Arc::new(Queue::new(counts));
        let sink: Arc<dyn SpanSink> = Arc::clone(&queue) as Arc<dyn SpanSink>;
        let export = Export { queue: Arc::clone(&queue), exporter, scope: scope(), told: None };
        let endpoint = spec.endpoint.to_string();
        let (over, ended) = oneshot::channel();
        tokio::spawn(async move {
            export.run(endpoint).await;
            let _ = over.send(());
        });
        // Whoever waits for the end must not keep it from coming by itself.
        let queue = Arc::downgrade(&queue);
        let ask = move || queue.upgrade().into_iter().for_each(|queue| queue.ends.notify_one());
        let ending = Ending::new(ask, ended, "the collector did not take the last spans in time");
        Ok(Self { tracer: Tracer::new(spec.sample, sink), ending })
    }

    /// Decides which requests are traced.
    pub fn tracer(&self) -> &Tracer {
        &self.tracer
    }

    /// It is used no more: once no request is traced by it, and all is sent, it ends.
    pub fn retire(self) -> Ending {
        self.ending
    }
}

impl fmt::Debug for Traces {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Traces").field("tracer", &self.tracer).finish_non_exhaustive()
    }
}

impl Queue {
    fn new(counts: &Arc<RecordingCounts>) -> Self {
        let (waiting, counts) = (Mutex::default(), Arc::clone(counts));
        Self { waiting, enough: Notify::new(), ends: Notify::new(), counts }
    }

    /// The oldest, as many as are sent together. The others stay, so that all that wait are bounded together.
    fn batch(&self) -> Vec<Span> {
        let mut waiting = self.waiting();
        let count = waiting.spans.len().min(BATCH);
        let batch: Vec<Span> = waiting.spans.drain(..count).collect();
        waiting.bytes -= batch.iter().map(Span::bytes).sum::<usize>();
        batch
    }

    /// A poisoned lock is taken all the same: every operation leaves what it guards whole.
    fn waiting(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl SpanSink for Queue {
    fn take(&self, span: Span) {
        let bytes = span.bytes();
        let mut waiting = self.waiting();
        if waiting.spans.len() >= ROOM || waiting.bytes + bytes > ROOM_BYTES {
            drop(waiting);
            return add(&self.counts.spans_without_room, 1);
        }
        waiting.spans.push_back(span);
        waiting.bytes += bytes;
        let is_enough = waiting.spans.len() == BATCH;
        drop(waiting);
        if is_enough {
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
            loop {
                let batch: Vec<SpanData> = self.queue.batch().into_iter().map(|span| data(span, &self.scope)).collect();
                let size = batch.len();
                if size > 0 {
                    self.send(batch, &endpoint).await;
                }
                if size < BATCH {
                    break;
                }
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

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use http::HeaderMap;

    use super::*;
    use crate::model::{Sampling, Taken};

    /// What a client may send costs so much and no more, however long nobody takes it.
    #[test]
    fn spans_that_wait_are_bounded_in_bytes() {
        let counts = Arc::<RecordingCounts>::default();
        let queue = Arc::new(Queue::new(&counts));
        let tracer = Tracer::new(Sampling::ALL, Arc::clone(&queue) as Arc<dyn SpanSink>);
        for _ in 0..ROOM {
            let Taken::Traced(trace) = tracer.take(&mut HeaderMap::new(), Instant::now()) else { panic!("all are") };
            let mut span = trace.root("GET", SpanKind::Server);
            for key in ["url.path", "server.address", "user_agent.original"] {
                span.tell(key, format!("x{}", "\u{e9}".repeat(32 << 10)));
            }
        }
        let waiting = queue.waiting();
        let Fact::Text(text) = &waiting.spans[0].facts[0].1 else { panic!("a text") };
        assert_eq!((text.len(), text.chars().last()), (1023, Some('\u{e9}')), "cut between characters");
        let sum: usize = waiting.spans.iter().map(Span::bytes).sum();
        assert!(waiting.bytes == sum && sum <= ROOM_BYTES, "{sum} of {}", waiting.bytes);
        assert_eq!(waiting.spans.len() as u64 + counts.spans_dropped()[0], ROOM as u64);
        drop(waiting);
        while !queue.batch().is_empty() {}
        assert_eq!(queue.waiting().bytes, 0);
    }
}
