//! Traces as plain values: the context that travels with a request, the spans that tell what was done for it, and the way
//! to whoever keeps them. Knows no exporter.

mod context;
mod span;
mod tracer;

pub use context::{SpanId, TRACEPARENT, TRACESTATE, TraceContext, TraceId};
pub use span::{Fact, Span, SpanKind, SpanSink};
pub use tracer::{OpenSpan, Taken, Trace, Tracer};
