//! The vocabulary: the words that all other folders speak. Plain values; no I/O, no async, no serde, and no import from
//! any other folder.

mod backoff;
mod call;
mod catalog;
mod endpoint;
mod event;
mod fault;
mod health;
mod names;
mod outcome;
mod plugin;
mod request;
mod sampling;
mod status;
mod trace;
mod work;

pub use backoff::Backoff;
pub use call::{CALL_TIME_BOUNDS_NS, CallReading, CallTimes};
pub use catalog::Catalog;
pub use endpoint::{Address, AddressError, Endpoint, EndpointId, EndpointSpec, Labels, Reported, Weight};
pub use event::{Change, Event, Events, NodeChange, ReplicaChange};
pub use fault::Fault;
pub use health::{
    AdminState, CircuitState, EndpointState, HealthState, Observations, PanicChoice, PanicRule, Peers, Verdict,
};
pub use names::{ClusterName, EndpointName, ListenerName, NameError, PluginName, SqlName};
pub use outcome::{Failure, Outcome};
pub use plugin::{Carried, ImportError, SeatHolder, one_line};
pub use request::{Attempt, RequestHead, Statement, StatementClass};
pub use sampling::Sampling;
pub use status::{NoStatus, StatusSet};
pub use trace::{
    Fact, OpenSpan, Span, SpanId, SpanKind, SpanSink, TRACEPARENT, TRACESTATE, Taken, Trace, TraceContext, TraceId,
    Tracer,
};
pub use work::{Progress, Work, WorkChange, WorkKind, Works};
