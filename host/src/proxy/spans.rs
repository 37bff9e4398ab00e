//! The spans of one request: the one that its client waits for, and below it each pick and each attempt. The names of what
//! they tell are OpenTelemetry's where it has one, and begin with `leverframe.` where it has none.

use std::time::Instant;

use http::{Method, Version};

use super::course::{Course, Picked, Unpicked};
use super::exchange::{Attempted, Exchange};
use super::link::Link;
use super::record::{Access, Record};
use super::retry::RetryReason;
use super::trial::Trial;
use crate::model::{Address, OpenSpan, SpanKind, Trace};
use crate::routing::{How, Told};

/// The methods that have a name in traces; any other could be anything.
const METHODS: [Method; 9] = [
    Method::GET,
    Method::HEAD,
    Method::POST,
    Method::PUT,
    Method::DELETE,
    Method::CONNECT,
    Method::OPTIONS,
    Method::TRACE,
    Method::PATCH,
];

/// The span that a client waits for; to be ended.
pub(super) fn server(trace: &Trace, access: &Access<'_>) -> OpenSpan {
    let known = METHODS.iter().find(|known| *known == access.method);
    let name = known.map_or_else(|| "HTTP".to_owned(), Method::to_string);
    let mut span = trace.root(name, SpanKind::Server);
    tell_method(&mut span, access.method);
    span.tell("url.path", access.uri.path().to_owned());
    span.tell("url.scheme", "http");
    if let Some(host) = access.host {
        tell_host(&mut span, &String::from_utf8_lossy(host));
    }
    span.tell("client.address", access.client.to_string());
    span.tell("network.protocol.version", protocol(access.version));
    if let Some(agent) = access.user_agent {
        span.tell("user_agent.original", String::from_utf8_lossy(agent).into_owned());
    }
    span.tell("http.response.status_code", access.status);
    span.tell("http.response.body.size", access.bytes_sent);
    span.tell("leverframe.listener", access.listener.to_owned());
    let named = [
        ("leverframe.cluster", access.cluster),
        ("leverframe.sql.entry", access.sql),
        ("leverframe.endpoint", access.endpoint),
    ];
    for (key, name) in named {
        if let Some(name) = name {
            span.tell(key, name.to_owned());
        }
    }
    match access.error {
        // That a client sent what it should not is not this server's failure.
        Some(why) if !(400..499).contains(&access.status) => span.fail(why, why),
        Some(why) => span.tell("error.type", why),
        None if access.status >= 500 => span.fail(access.status.to_string(), ""),
        None => {}
    }
    span
}

fn tell_method(span: &mut OpenSpan, method: &Method) {
    if METHODS.contains(method) {
        span.tell("http.request.method", method.to_string());
    } else {
        span.tell("http.request.method", "_OTHER");
        span.tell("http.request.method_original", method.to_string());
    }
}

/// A host, with or without its port.
fn tell_host(span: &mut OpenSpan, host: &str) {
    let (name, port) = match host.rsplit_once(':') {
        Some((name, port)) if !name.contains(':') || name.ends_with(']') => (name, port.parse::<u16>().ok()),
        _ => (host, None),
    };
    span.tell("server.address", name.to_owned());
    if let Some(port) = port {
        span.tell("server.port", port);
    }
}

fn tell_address(span: &mut OpenSpan, address: &Address) {
    span.tell("server.address", address.host().to_owned());
    span.tell("server.port", address.port());
}

fn protocol(version: Version) -> &'static str {
    match version {
        Version::HTTP_09 => "0.9",
        Version::HTTP_10 => "1.0",
        Version::HTTP_2 => "2",
        Version::HTTP_3 => "3",
        _ => "1.1",
    }
}

impl Exchange {
    /// The span of a pick, of a request that is traced.
    pub(super) fn pick_span(&self, now: Instant) -> Option<OpenSpan> {
        let trace = self.record().and_then(Record::trace)?;
        Some(trace.open("pick", SpanKind::Internal, now))
    }

    /// Tells how a pick came out, `passed_over` endpoints later.
    pub(super) fn tell_pick(&self, mut span: OpenSpan, picked: &Result<Picked, Unpicked>, passed_over: usize) {
        let seat = self.seat();
        span.tell("leverframe.cluster", seat.name().as_str().to_owned());
        let selector = seat.selector.borrow();
        tell_how(&mut span, &selector.told());
        drop(selector);
        if passed_over > 0 {
            span.tell("leverframe.passed_over", passed_over);
        }
        match picked {
            Ok(picked) => span.tell("leverframe.endpoint", picked.trial.name().as_str().to_owned()),
            Err(Unpicked::Full) => span.fail("full", "each endpoint has as many requests as it may"),
            Err(Unpicked::Error(error)) => span.fail(error.reason().as_str(), error.to_string()),
        }
    }

    /// The span of an attempt, of a request that is traced.
    pub(super) fn attempt_span(&self, course: &Course, trial: &Trial) -> Option<Box<OpenSpan>> {
        let record = self.record()?;
        let span = record.trace()?.open("attempt", SpanKind::Client, Instant::now());
        let mut span = span.unless_ended("cancelled");
        tell_method(&mut span, record.method());
        tell_address(&mut span, trial.address());
        span.tell("leverframe.cluster", self.seat().name().as_str().to_owned());
        span.tell("leverframe.endpoint", trial.name().as_str().to_owned());
        span.tell("leverframe.attempt", course.attempts);
        if course.attempts > 1 {
            span.tell("http.request.resend_count", course.attempts - 1);
        }
        if let Some(cause) = course.cause {
            span.tell("leverframe.retry.reason", cause.as_str());
            span.tell("leverframe.hedged", cause == RetryReason::Hedge);
        }
        Some(Box::new(span))
    }

    /// The request goes out on a connection: it says that it comes from this span.
    pub(super) fn goes_out(&self, span: &mut OpenSpan, link: &mut Link) {
        span.tell("leverframe.connection.reused", link.parked.is_some());
        let trace = self.record().and_then(Record::trace);
        if let (Some(trace), Some(id)) = (trace, span.id()) {
            link.outbox().come_from(trace.context(id));
        }
    }
}

fn tell_how(span: &mut OpenSpan, told: &Told<'_>) {
    if let Some(holder) = told.holder {
        span.tell("leverframe.plugin", holder.plugin.as_str().to_owned());
        span.tell("leverframe.plugin.version", holder.version.clone());
        span.tell("leverframe.plugin.revision", holder.revision);
    }
    let why = match (told.how, told.fault) {
        (How::Chosen, _) => return span.tell("leverframe.reason", "chosen"),
        (How::Routed, _) => return span.tell("leverframe.reason", "routed"),
        (How::Rejected, _) => return span.tell("leverframe.reason", "rejected"),
        (How::Nobody, _) => return span.tell("leverframe.reason", "no candidate"),
        (How::Declined, _) => "the plugin left it to the host".to_owned(),
        (How::Failed, Some(fault)) => format!("the plugin failed: {fault}"),
        (How::Vacant, Some(fault)) => format!("the plugin failed before, and is not back yet: {fault}"),
        (How::Failed | How::Vacant, None) => "no plugin is seated".to_owned(),
    };
    span.tell("leverframe.reason", "fallback");
    span.tell("leverframe.fallback.why", why);
}

/// Tells how an attempt ended, with the head of a response or without.
pub(super) fn attempted(span: Option<Box<OpenSpan>>, attempted: &Attempted) {
    let Some(mut span) = span else { return };
    match attempted {
        Ok(answer) => {
            let status = answer.head.status;
            span.tell("http.response.status_code", status.as_u16());
            if status.is_client_error() || status.is_server_error() {
                span.fail(status.as_u16().to_string(), "");
            }
        }
        Err(failed) => span.fail(failed.error.reason().as_str(), failed.error.to_string()),
    }
    span.end(Instant::now());
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use http::HeaderMap;

    use super::*;
    use crate::model::{Fact, Sampling, Span, SpanSink, Taken, Tracer};

    #[derive(Default)]
    struct Kept(Mutex<Vec<Span>>);

    impl SpanSink for Kept {
        fn take(&self, span: Span) {
            self.0.lock().unwrap().push(span);
        }
    }

    fn told(method: &str, host: &str, status: u16, error: Option<&'static str>) -> Span {
        let kept = Arc::new(Kept::default());
        let tracer = Tracer::new(Sampling::ALL, Arc::clone(&kept) as Arc<dyn SpanSink>);
        let Taken::Traced(trace) = tracer.take(&mut HeaderMap::new(), Instant::now()) else { panic!("all are") };
        let access = Access {
            began: std::time::SystemTime::now(),
            took: std::time::Duration::ZERO,
            client: [127, 0, 0, 1].into(),
            method: &Method::from_bytes(method.as_bytes()).unwrap(),
            uri: &"/a/b?token=secret".parse().unwrap(),
            version: Version::HTTP_11,
            host: Some(host.as_bytes()),
            user_agent: None,
            referer: None,
            listener: "here",
            cluster: None,
            sql: None,
            endpoint: None,
            plugin: None,
            attempts: 0,
            status,
            error,
            bytes_sent: 0,
            trace: None,
        };
        server(&trace, &access).end(Instant::now());
        kept.0.lock().unwrap().pop().unwrap()
    }

    fn fact(span: &Span, key: &str) -> Option<String> {
        span.facts.iter().find(|(known, _)| *known == key).map(|(_, fact)| match fact {
            Fact::Text(text) => text.to_string(),
            Fact::Number(number) => number.to_string(),
            Fact::Flag(flag) => flag.to_string(),
        })
    }

    #[test]
    fn the_query_is_never_told_and_a_method_is_one_of_a_few() {
        let get = told("GET", "[::1]:80", 200, None);
        assert!(!format!("{get:?}").contains("secret"));
        assert_eq!((get.name.as_ref(), fact(&get, "url.path").as_deref()), ("GET", Some("/a/b")));
        assert_eq!(
            (fact(&get, "server.address"), fact(&get, "server.port")),
            (Some("[::1]".into()), Some("80".into()))
        );
        let odd = told("BREW", "pot", 200, None);
        assert_eq!((odd.name.as_ref(), fact(&odd, "http.request.method").as_deref()), ("HTTP", Some("_OTHER")));
        assert_eq!(fact(&odd, "http.request.method_original").as_deref(), Some("BREW"));
        assert_eq!((fact(&odd, "server.address"), fact(&odd, "server.port")), (Some("pot".into()), None));
    }

    #[test]
    fn only_what_this_side_did_is_a_failure() {
        assert!(told("GET", "a", 200, None).failure.is_none());
        assert!(told("GET", "a", 404, Some("no-route")).failure.is_none());
        assert!(told("GET", "a", 404, None).failure.is_none());
        for (status, error) in [(500, None), (503, Some("no-endpoint")), (499, Some("client-left"))] {
            let span = told("GET", "a", status, error);
            assert!(span.failure.is_some() && fact(&span, "error.type").is_some(), "{status}");
        }
    }
}
