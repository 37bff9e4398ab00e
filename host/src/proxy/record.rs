//! What is recorded of one request: a line of the access log, its trace, or nothing, which is a null pointer and costs as
//! much. It lives as long as the client's connection is busy with the request, so that whatever becomes of that, also when
//! the client leaves, it is written down once, in the end.

use std::cell::{Cell, RefCell};
use std::fmt;
use std::net::IpAddr;
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use http::{HeaderValue, Method, Request, StatusCode, Uri, Version, header};

use super::error::{Error, Reason};
use super::listener::{ListenerSlot, ListenerView};
use crate::model::{ClusterName, EndpointName, PluginName, SqlName, Taken, Trace, TraceId, Tracer};

/// A client that left before its request was answered: what nginx calls this.
const CLIENT_LEFT: u16 = 499;

/// The word for a client that left.
const LEFT: &str = "client-left";

/// What stands for a method that could not be read.
const NOT_KNOWN: &[u8] = b"-";

/// Which requests a log wants a line for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wanted {
    /// Not for this one.
    Never,
    /// If it fails: its status is 500 or above, its answer breaks off, or its client leaves.
    IfFailed,
    /// For this one.
    Always,
}

/// Takes a line for each request. Called on the worker: it must not wait.
pub trait AccessLog: Send + Sync {
    /// Whether the next request is to have a line.
    fn wants(&self) -> Wanted;

    /// Takes what is known of a request that is over.
    fn write(&self, access: &Access<'_>);
}

/// What is known of a request that is over.
#[derive(Clone, Debug)]
pub struct Access<'a> {
    /// When it began.
    pub began: SystemTime,
    /// From its head to the end of the answer's body.
    pub took: Duration,
    /// The client.
    pub client: IpAddr,
    /// The method.
    pub method: &'a Method,
    /// The target.
    pub uri: &'a Uri,
    /// The version of HTTP that the client spoke.
    pub version: Version,
    /// The host that the client asked for, as it wrote it.
    pub host: Option<&'a [u8]>,
    /// `User-Agent`.
    pub user_agent: Option<&'a [u8]>,
    /// `Referer`.
    pub referer: Option<&'a [u8]>,
    /// The listener.
    pub listener: &'a str,
    /// The cluster.
    pub cluster: Option<&'a str>,
    /// The SQL entry.
    pub sql: Option<&'a str>,
    /// The endpoint that answered, or failed last.
    pub endpoint: Option<&'a str>,
    /// The plugin that chose it.
    pub plugin: Option<&'a str>,
    /// How often the request was sent.
    pub attempts: u32,
    /// The status; 499 where the client left before there was one.
    pub status: u16,
    /// Why there is no answer of an endpoint, or not all of one.
    pub error: Option<&'static str>,
    /// Bytes of the body that were handed to the client's connection.
    pub bytes_sent: u64,
    /// The trace that it belongs to.
    pub trace: Option<TraceId>,
}

/// Who wants to know of requests.
#[derive(Clone, Default)]
pub struct Watch {
    /// Decides which are traced; none where none is.
    pub tracer: Option<Tracer>,
    /// Takes a line for each.
    pub access: Option<Arc<dyn AccessLog>>,
}

impl fmt::Debug for Watch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let access = self.access.is_some();
        f.debug_struct("Watch").field("tracer", &self.tracer).field("access", &access).finish()
    }
}

/// What is recorded of one request.
pub(super) struct Record {
    watch: Rc<Watch>,
    wanted: Wanted,
    trace: Option<Arc<Trace>>,
    trace_id: Option<TraceId>,
    began: SystemTime,
    started: Instant,
    view: Rc<ListenerView>,
    client: IpAddr,
    method: Method,
    uri: Uri,
    version: Version,
    host: Option<HeaderValue>,
    user_agent: Option<HeaderValue>,
    referer: Option<HeaderValue>,
    progress: RefCell<Progress>,
    bytes_sent: Cell<u64>,
}

/// How far it has come.
#[derive(Default)]
struct Progress {
    target: Option<Target>,
    endpoint: Option<EndpointName>,
    plugin: Option<PluginName>,
    attempts: u32,
    status: Option<StatusCode>,
    error: Option<&'static str>,
    /// The answer did not come to its end.
    is_broken: bool,
}

/// Where it went.
pub(super) enum Target {
    Cluster(ClusterName),
    Sql(SqlName),
}

impl Record {
    /// What is to be recorded of a request, if anything is. Its headers are made to tell the next what trace it belongs to.
    pub(super) fn begin<B>(
        watch: &Rc<Watch>,
        (listener, client): (&ListenerSlot, IpAddr),
        request: &mut Request<B>,
        now: Instant,
    ) -> Option<Box<Self>> {
        let taken = watch.tracer.as_ref().map(|tracer| tracer.take(request.headers_mut(), now));
        let wanted = watch.access.as_ref().map_or(Wanted::Never, |log| log.wants());
        let (trace, trace_id) = match taken {
            Some(Taken::Traced(trace)) => (Some(Arc::clone(&trace)), Some(trace.id())),
            Some(Taken::Passed(id)) => (None, id),
            None => (None, None),
        };
        if trace.is_none() && wanted == Wanted::Never {
            return None;
        }
        let headers = request.headers();
        Some(Box::new(Self {
            watch: Rc::clone(watch),
            wanted,
            trace,
            trace_id,
            began: SystemTime::now(),
            started: now,
            view: listener.view(),
            client,
            method: request.method().clone(),
            uri: request.uri().clone(),
            version: request.version(),
            host: headers.get(header::HOST).cloned(),
            user_agent: headers.get(header::USER_AGENT).cloned(),
            referer: headers.get(header::REFERER).cloned(),
            progress: RefCell::default(),
            bytes_sent: Cell::new(0),
        }))
    }

    /// The request's trace, if it has one.
    pub(super) fn trace(&self) -> Option<&Arc<Trace>> {
        self.trace.as_ref()
    }

    pub(super) fn method(&self) -> &Method {
        &self.method
    }

    /// Where it goes is known.
    pub(super) fn leads_to(&self, target: Target) {
        self.progress.borrow_mut().target = Some(target);
    }

    /// An endpoint was picked, by a plugin or not.
    pub(super) fn picked(&self, endpoint: EndpointName, plugin: Option<PluginName>) {
        let mut progress = self.progress.borrow_mut();
        progress.attempts += 1;
        progress.endpoint = Some(endpoint);
        progress.plugin = plugin;
    }

    /// An endpoint's response is passed on: of several that were asked, this one's.
    pub(super) fn answered_by(&self, endpoint: &EndpointName) {
        let mut progress = self.progress.borrow_mut();
        if progress.endpoint.as_ref() != Some(endpoint) {
            progress.endpoint = Some(endpoint.clone());
        }
    }

    /// It is not answered by an endpoint.
    pub(super) fn fails(&self, error: &Error) {
        self.progress.borrow_mut().error = Some(error.reason().as_str());
    }

    /// The client is answered.
    pub(super) fn responds(&self, status: StatusCode) {
        self.progress.borrow_mut().status = Some(status);
    }

    /// So many bytes of the body are handed on.
    pub(super) fn sends(&self, bytes: usize) {
        self.bytes_sent.set(self.bytes_sent.get() + bytes as u64);
    }

    /// The body ends before its time. Only the first reason is kept.
    pub(super) fn breaks_off(&self, why: &'static str) {
        let mut progress = self.progress.borrow_mut();
        progress.error.get_or_insert(why);
        progress.is_broken = true;
    }

    /// The body is not asked for to its end, although it was to be.
    pub(super) fn is_left(&self) {
        if self.method != Method::HEAD {
            self.breaks_off(LEFT);
        }
    }

    fn finish(&self) {
        let now = Instant::now();
        let progress = self.progress.borrow();
        let (cluster, sql) = match &progress.target {
            Some(Target::Cluster(name)) => (Some(name.as_str()), None),
            Some(Target::Sql(name)) => (None, Some(name.as_str())),
            None => (None, None),
        };
        let authority = self.uri.authority().map(|authority| authority.as_str().as_bytes());
        let access = Access {
            began: self.began,
            took: now.saturating_duration_since(self.started),
            client: self.client,
            method: &self.method,
            uri: &self.uri,
            version: self.version,
            host: self.host.as_ref().map(HeaderValue::as_bytes).or(authority),
            user_agent: self.user_agent.as_ref().map(HeaderValue::as_bytes),
            referer: self.referer.as_ref().map(HeaderValue::as_bytes),
            listener: self.view.config.name.as_str(),
            cluster,
            sql,
            endpoint: progress.endpoint.as_ref().map(EndpointName::as_str),
            plugin: progress.plugin.as_ref().map(PluginName::as_str),
            attempts: progress.attempts,
            status: progress.status.map_or(CLIENT_LEFT, |status| status.as_u16()),
            error: progress.error.or(progress.status.is_none().then_some(LEFT)),
            bytes_sent: self.bytes_sent.get(),
            trace: self.trace_id,
        };
        if let Some(trace) = &self.trace {
            super::spans::server(trace, &access).end(now);
        }
        let is_wanted = match self.wanted {
            Wanted::Never => false,
            Wanted::IfFailed => access.status >= 500 || progress.is_broken || progress.status.is_none(),
            Wanted::Always => true,
        };
        if let Some(log) = self.watch.access.as_ref().filter(|_| is_wanted) {
            log.write(&access);
        }
    }
}

/// Logs a request of which not even the head was sound, or came in time: nothing is known of it but whose it was.
pub(super) fn refused(watch: &Watch, listener: &ListenerSlot, client: IpAddr, (status, reason): (StatusCode, Reason)) {
    let Some(log) = &watch.access else { return };
    if log.wants() != Wanted::Always {
        return;
    }
    log.write(&Access {
        began: SystemTime::now(),
        took: Duration::ZERO,
        client,
        method: &Method::from_bytes(NOT_KNOWN).unwrap_or_default(),
        // It has no path.
        uri: &Uri::from_static("-"),
        version: Version::HTTP_11,
        host: None,
        user_agent: None,
        referer: None,
        listener: listener.view().config.name.as_str(),
        cluster: None,
        sql: None,
        endpoint: None,
        plugin: None,
        attempts: 0,
        status: status.as_u16(),
        error: Some(reason.as_str()),
        bytes_sent: 0,
        trace: None,
    });
}

impl Drop for Record {
    fn drop(&mut self) {
        self.finish();
    }
}
