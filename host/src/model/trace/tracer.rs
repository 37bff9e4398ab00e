//! Who decides whether a request is traced, and the spans of one that is while they are open. A request that is not traced
//! costs a look at its headers and a random number.

use std::borrow::Cow;
use std::fmt;
use std::io::Write;
use std::sync::Arc;
use std::time::{Instant, SystemTime};

use http::{HeaderMap, HeaderValue};

use super::context::{self, SpanId, TRACEPARENT, TRACEPARENT_LENGTH, TRACESTATE, TraceContext, TraceId};
use super::span::{self, Fact, Span, SpanKind, SpanSink};
use crate::model::Sampling;

/// Decides which requests are traced.
#[derive(Clone)]
pub struct Tracer {
    sampling: Sampling,
    sink: Arc<dyn SpanSink>,
}

/// What becomes of a request's context.
#[derive(Debug)]
pub enum Taken {
    /// It is not traced; the trace that it says it belongs to, if any.
    Passed(Option<TraceId>),
    /// It is traced.
    Traced(Arc<Trace>),
}

/// The trace of one request.
pub struct Trace {
    sink: Arc<dyn SpanSink>,
    id: TraceId,
    root: SpanId,
    /// The span of another process that the request was sent in.
    remote: Option<SpanId>,
    state: Option<Arc<str>>,
    /// The same moment on both clocks: spans are timed by the one that never jumps.
    clock: (Instant, SystemTime),
}

/// A span that is not over; when it is dropped, it is.
pub struct OpenSpan {
    sink: Arc<dyn SpanSink>,
    clock: (Instant, SystemTime),
    /// None once it was handed on.
    span: Option<Span>,
    /// What it is to tell where nobody ends it.
    unless_ended: Option<&'static str>,
}

impl Tracer {
    /// Traces this part of the requests that say nothing of it themselves; spans go to `sink`.
    pub fn new(sampling: Sampling, sink: Arc<dyn SpanSink>) -> Self {
        Self { sampling, sink }
    }

    /// Takes a request, whose headers are made to say what whoever gets it next is to read: of one that is traced, that it
    /// comes from here; of another, what they said, if that was sound.
    pub fn take(&self, headers: &mut HeaderMap, now: Instant) -> Taken {
        let context = match headers.contains_key(TRACEPARENT) {
            true => TraceContext::of(headers),
            false => None,
        };
        if context.is_none() {
            // What stands beside a context that is broken, or not there, belongs to none.
            headers.remove(TRACEPARENT);
            headers.remove(TRACESTATE);
        }
        match context {
            Some(context) if !context.is_sampled => {
                pass_on(context, headers);
                Taken::Passed(Some(context.trace))
            }
            None if !self.sampling.draw() => Taken::Passed(None),
            context => {
                let trace = self.begin(context, context::state(headers), now);
                let here = TraceContext { trace: trace.id, span: trace.root, is_sampled: true };
                pass_on(here, headers);
                if trace.state.is_none() {
                    headers.remove(TRACESTATE);
                }
                Taken::Traced(Arc::new(trace))
            }
        }
    }

    fn begin(&self, context: Option<TraceContext>, state: Option<String>, now: Instant) -> Trace {
        Trace {
            sink: Arc::clone(&self.sink),
            id: context.map_or_else(TraceId::random, |context| context.trace),
            root: SpanId::random(),
            remote: context.map(|context| context.span),
            state: state.map(Arc::from),
            clock: (now, SystemTime::now()),
        }
    }
}

/// Says so in the headers, unless they do, which costs no memory.
fn pass_on(context: TraceContext, headers: &mut HeaderMap) {
    let mut text = [0; TRACEPARENT_LENGTH];
    // It is as long as that.
    let _ = write!(&mut text[..], "{context}");
    if headers.get(TRACEPARENT).is_none_or(|said| said.as_bytes() != text)
        && let Ok(value) = HeaderValue::from_bytes(&text)
    {
        headers.insert(TRACEPARENT, value);
    }
}

impl Trace {
    /// Its name.
    pub fn id(&self) -> TraceId {
        self.id
    }

    /// What a span of it passes on.
    pub fn context(&self, span: SpanId) -> TraceContext {
        TraceContext { trace: self.id, span, is_sampled: true }
    }

    /// What tracing systems pass on beside the context.
    pub fn state(&self) -> Option<&str> {
        self.state.as_deref()
    }

    /// The span that all others are part of. Open it once.
    pub fn root(&self, name: impl Into<Cow<'static, str>>, kind: SpanKind) -> OpenSpan {
        let mut open = self.open(name, kind, self.clock.0);
        if let Some(span) = &mut open.span {
            (span.id, span.parent, span.is_parent_remote) = (self.root, self.remote, self.remote.is_some());
        }
        open
    }

    /// Opens a span right below the root.
    pub fn open(&self, name: impl Into<Cow<'static, str>>, kind: SpanKind, now: Instant) -> OpenSpan {
        let began = moment(self.clock, now);
        let span = Span {
            trace: self.id,
            id: SpanId::random(),
            parent: Some(self.root),
            is_parent_remote: false,
            state: self.state.clone(),
            name: name.into(),
            kind,
            began,
            ended: began,
            facts: Vec::new(),
            failure: None,
        };
        OpenSpan { sink: Arc::clone(&self.sink), clock: self.clock, span: Some(span), unless_ended: None }
    }
}

impl OpenSpan {
    /// Its name within the trace.
    pub fn id(&self) -> Option<SpanId> {
        self.span.as_ref().map(|span| span.id)
    }

    /// Tells something of it.
    pub fn tell(&mut self, key: &'static str, fact: impl Into<Fact>) {
        if let Some(span) = &mut self.span {
            span.facts.push((key, fact.into().cut()));
        }
    }

    /// It failed. `kind` is one of a few, `why` is for people.
    pub fn fail(&mut self, kind: impl Into<Fact>, why: impl Into<Cow<'static, str>>) {
        self.tell("error.type", kind);
        if let Some(span) = &mut self.span {
            span.failure = Some(span::cut(why.into()));
        }
    }

    /// Unless somebody ends it, it was given up for this reason.
    #[must_use]
    pub fn unless_ended(self, why: &'static str) -> Self {
        let mut this = self;
        this.unless_ended = Some(why);
        this
    }

    /// It is over, at a moment.
    pub fn end(mut self, now: Instant) {
        self.hand_on(now);
    }

    fn hand_on(&mut self, now: Instant) {
        if let Some(mut span) = self.span.take() {
            span.ended = moment(self.clock, now);
            self.sink.take(span);
        }
    }
}

impl Drop for OpenSpan {
    fn drop(&mut self) {
        if self.span.is_some() {
            if let Some(why) = self.unless_ended {
                self.tell("error.type", why);
            }
            self.hand_on(Instant::now());
        }
    }
}

fn moment((instant, time): (Instant, SystemTime), now: Instant) -> SystemTime {
    match now.checked_duration_since(instant) {
        Some(later) => time + later,
        None => time - instant.saturating_duration_since(now),
    }
}

impl fmt::Debug for Tracer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tracer").field("sampling", &self.sampling).finish_non_exhaustive()
    }
}

impl fmt::Debug for Trace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Trace").field("id", &self.id).field("root", &self.root).finish_non_exhaustive()
    }
}

impl fmt::Debug for OpenSpan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("OpenSpan").field(&self.span).finish()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use super::*;

    #[derive(Default)]
    struct Kept(Mutex<Vec<Span>>);

    impl SpanSink for Kept {
        fn take(&self, span: Span) {
            self.0.lock().unwrap().push(span);
        }
    }

    const SAMPLED: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
    const NOT_SAMPLED: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-00";

    fn headers(lines: &[(http::HeaderName, &'static str)]) -> HeaderMap {
        lines.iter().map(|(name, value)| (name.clone(), HeaderValue::from_static(value))).collect()
    }

    fn tracer(share: f64) -> (Arc<Kept>, Tracer) {
        let kept = Arc::new(Kept::default());
        (Arc::clone(&kept), Tracer::new(Sampling::new(share), kept))
    }

    #[test]
    fn who_sends_a_request_decides() {
        let (_, none) = tracer(0.0);
        let (_, all) = tracer(1.0);
        let mut sampled = headers(&[(TRACEPARENT, SAMPLED), (TRACESTATE, "a=1")]);
        let Taken::Traced(trace) = none.take(&mut sampled, Instant::now()) else { panic!("it says so") };
        assert_eq!(trace.id().to_string(), "4bf92f3577b34da6a3ce929d0e0e4736");
        assert_eq!((trace.remote, trace.state()), (SpanId::new(0x00f0_67aa_0ba9_02b7), Some("a=1")));
        assert_eq!(sampled[TRACEPARENT].to_str().unwrap(), trace.context(trace.root).to_string());
        let mut not = headers(&[(TRACEPARENT, NOT_SAMPLED), (TRACESTATE, "a=1")]);
        let before = not.clone();
        assert!(matches!(all.take(&mut not, Instant::now()), Taken::Passed(Some(id)) if id == trace.id()));
        assert_eq!(not, before);
    }

    #[test]
    fn a_broken_context_goes_and_a_share_of_the_others_is_traced() {
        let (_, none) = tracer(0.0);
        let mut broken = headers(&[(TRACEPARENT, "00-0-0-01"), (TRACESTATE, "a=1")]);
        assert!(matches!(none.take(&mut broken, Instant::now()), Taken::Passed(None)));
        assert!(broken.is_empty());
        let (_, all) = tracer(1.0);
        let mut nothing = headers(&[(TRACESTATE, "a=1")]);
        let Taken::Traced(trace) = all.take(&mut nothing, Instant::now()) else { panic!("all are") };
        assert_eq!((trace.remote, trace.state()), (None, None));
        assert_eq!(nothing.keys().collect::<Vec<_>>(), [&TRACEPARENT]);
        let mut later = headers(&[(TRACEPARENT, "01-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-02-x")]);
        assert!(matches!(all.take(&mut later, Instant::now()), Taken::Passed(Some(_))));
        assert_eq!(later[TRACEPARENT], NOT_SAMPLED);
    }

    #[test]
    fn spans_are_handed_on_when_they_are_over_and_hang_together() {
        let (kept, all) = tracer(1.0);
        let start = Instant::now();
        let Taken::Traced(trace) = all.take(&mut headers(&[(TRACEPARENT, SAMPLED)]), start) else { panic!("sampled") };
        let root = trace.root("GET", SpanKind::Server);
        let mut attempt = trace.open("attempt", SpanKind::Client, start);
        attempt.tell("n", 1_u32);
        attempt.fail("reset", "it broke");
        attempt.end(start + std::time::Duration::from_millis(3));
        drop(root);
        let kept = kept.0.lock().unwrap();
        let [attempt, root] = &kept[..] else { panic!("two spans") };
        assert_eq!((attempt.parent, root.parent), (Some(root.id), SpanId::new(0x00f0_67aa_0ba9_02b7)));
        assert_eq!((attempt.is_parent_remote, root.is_parent_remote), (false, true));
        assert_eq!(attempt.ended.duration_since(attempt.began).unwrap().as_millis(), 3);
        assert_eq!(attempt.facts, [("n", Fact::Number(1)), ("error.type", Fact::from("reset"))]);
        assert_eq!(attempt.failure.as_deref(), Some("it broke"));
    }
}
