//! A collector that keeps what it is sent, and an origin that keeps what it is asked.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::any_value::Value;
use opentelemetry_proto::tonic::trace::v1::Span;
use prost::Message;
use tokio::net::TcpListener;

use crate::world::eventually;

/// What a server of the test keeps.
type Kept<T> = Arc<Mutex<Vec<T>>>;

fn keep<T>(kept: &Kept<T>, what: impl IntoIterator<Item = T>) {
    kept.lock().unwrap_or_else(PoisonError::into_inner).extend(what);
}

fn read<T: Clone>(kept: &Kept<T>) -> Vec<T> {
    kept.lock().unwrap_or_else(PoisonError::into_inner).clone()
}

/// Serves until the test ends.
async fn serve(router: Router) -> SocketAddr {
    let listener = TcpListener::bind(("127.0.0.1", 0)).await.expect("a free port");
    let address = listener.local_addr().expect("its address");
    tokio::spawn(async move { axum::serve(listener, router).await });
    address
}

/// A collector.
pub(super) struct Collector {
    address: SocketAddr,
    spans: Kept<Span>,
    services: Kept<String>,
}

impl Collector {
    pub(super) async fn start() -> Self {
        let (spans, services) = (Kept::<Span>::default(), Kept::<String>::default());
        let take = |State((spans, services)): State<(Kept<Span>, Kept<String>)>, body: Bytes| async move {
            let request = ExportTraceServiceRequest::decode(body).expect("a request of OTLP");
            for of_resource in request.resource_spans {
                let resource = of_resource.resource.expect("a resource");
                let name = resource.attributes.iter().find(|attribute| attribute.key == "service.name");
                keep(&services, name.and_then(|name| text(&name.value.as_ref()?.value)));
                keep(&spans, of_resource.scope_spans.into_iter().flat_map(|scope| scope.spans));
            }
            StatusCode::OK
        };
        let router = Router::new().route("/v1/traces", axum::routing::post(take));
        let address = serve(router.with_state((Arc::clone(&spans), Arc::clone(&services)))).await;
        Self { address, spans, services }
    }

    /// The table of a configuration that sends it this share.
    pub(super) fn lines(&self, share: f64) -> String {
        format!("[traces]\nendpoint = \"http://{}\"\nsample = {share:?}\nservice_name = \"edge\"\n", self.address)
    }

    /// What it is told the sender is called.
    pub(super) fn services(&self) -> Vec<String> {
        read(&self.services)
    }

    /// All spans so far.
    pub(super) fn spans(&self) -> Vec<Span> {
        read(&self.spans)
    }

    /// The spans of the one trace whose root is there and has this path.
    pub(super) async fn trace(&self, path: &str) -> Trace {
        let look = || async {
            let spans = self.spans();
            let root = spans.iter().find(|span| is_server(span) && fact(span, "url.path").as_deref() == Some(path))?;
            let of_trace = spans.iter().filter(|span| span.trace_id == root.trace_id).cloned();
            Some(Trace { root: root.clone(), spans: of_trace.collect() })
        };
        eventually(&format!("the trace of {path}"), look).await
    }
}

fn is_server(span: &Span) -> bool {
    span.kind == 2
}

/// The spans of one request.
#[derive(Debug)]
pub(super) struct Trace {
    pub(super) root: Span,
    spans: Vec<Span>,
}

impl Trace {
    /// The spans of a name, in the order of their beginning; all are right below the root.
    pub(super) fn named(&self, name: &str) -> Vec<&Span> {
        let mut named: Vec<&Span> = self.spans.iter().filter(|span| span.name == name).collect();
        assert!(named.iter().all(|span| span.parent_span_id == self.root.span_id), "{named:#?}");
        named.sort_by_key(|span| span.start_time_unix_nano);
        named
    }

    /// How many spans there are.
    pub(super) fn len(&self) -> usize {
        self.spans.len()
    }
}

/// What is told of a span.
pub(super) fn fact(span: &Span, key: &str) -> Option<String> {
    let attribute = span.attributes.iter().find(|attribute| attribute.key == key)?;
    text(&attribute.value.as_ref()?.value)
}

/// Whether a span tells of a failure.
pub(super) fn failed(span: &Span) -> bool {
    span.status.as_ref().is_some_and(|status| status.code == 2)
}

fn text(value: &Option<Value>) -> Option<String> {
    match value.as_ref()? {
        Value::StringValue(text) => Some(text.clone()),
        Value::IntValue(number) => Some(number.to_string()),
        Value::BoolValue(flag) => Some(flag.to_string()),
        other => panic!("a value of another kind: {other:?}"),
    }
}

/// The digits of a name, as headers have them.
pub(super) fn digits(id: &[u8]) -> String {
    id.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// An origin that answers everything with one status.
pub(super) struct Origin {
    pub(super) address: SocketAddr,
    asked: Kept<HeaderMap>,
}

impl Origin {
    pub(super) async fn start(status: StatusCode) -> Self {
        let asked = Kept::<HeaderMap>::default();
        let answer = move |State(asked): State<Kept<HeaderMap>>, headers: HeaderMap| async move {
            keep(&asked, [headers]);
            (status, "five!")
        };
        let address = serve(Router::new().fallback(answer).with_state(Arc::clone(&asked))).await;
        Self { address, asked }
    }

    /// The headers of what it was asked.
    pub(super) fn asked(&self) -> Vec<HeaderMap> {
        read(&self.asked)
    }

    /// The header of the only request that it was asked, if it has it.
    pub(super) fn said(&self, name: &str) -> Option<String> {
        let asked = self.asked();
        assert_eq!(asked.len(), 1, "{asked:#?}");
        asked[0].get(name).map(|value| value.to_str().expect("text").to_owned())
    }
}
