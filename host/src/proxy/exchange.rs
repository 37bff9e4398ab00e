//! One request: checked, routed, sent to an endpoint that the selector picked, and answered. A connection comes before
//! the head is given away, so that another endpoint can be tried as long as nothing was sent.

use std::convert::Infallible;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Instant;

use http::{HeaderName, HeaderValue, Method, Request, Response, StatusCode, Version};
use hyper::body::Incoming as IncomingBody;
use hyper::ext::ReasonPhrase;

use super::admission;
use super::body::{Origin, ResponseBody};
use super::connection::{Busy, ClientConnection};
use super::deadline::Deadline;
use super::error::{ClientFault, EndpointFault, Error, HostFault};
use super::forward::{self, Incoming, Length};
use super::head::Parsed;
use super::headers;
use super::http1::ResponseHead;
use super::link::Link;
use super::problem;
use super::seat::ClusterSeat;
use super::sending::Sending;
use super::trial::Trial;
use super::tunnel::Tunnel;
use super::upload::Upload;
use crate::model::{Attempt, RequestHead};
use crate::routing::Decision;

/// Answers a request; what goes wrong becomes the answer.
pub(super) async fn serve(
    client: Rc<ClientConnection>,
    request: Request<IncomingBody>,
) -> Result<Response<ResponseBody>, Infallible> {
    let started = Instant::now();
    let busy = client.begin(started);
    let (exchange, answered) = match Exchange::admit(busy, request, started) {
        Ok((exchange, request)) => {
            let seat = Rc::clone(&exchange.seat);
            let answered = exchange.run(request).await;
            (Some(seat), answered)
        }
        Err((busy, error)) => (None, Err((busy, error))),
    };
    let (busy, response, now) = match answered {
        Ok(answered) => answered,
        Err((busy, error)) => {
            client.wire().counters().refuse(error.reason());
            if error.closes_connection() {
                client.wire().unread.set(true);
            }
            (busy, problem::response(&error), Instant::now())
        }
    };
    if let Some(seat) = exchange {
        seat.counters.response(response.status(), now.saturating_duration_since(started));
    }
    client.responds(now, response.body().streams());
    Ok(response.map(|body| body.holding(busy)))
}

/// A request that was admitted and has a cluster.
pub(super) struct Exchange {
    busy: Busy,
    seat: Rc<ClusterSeat>,
    started: Instant,
    version: Version,
    upgrade: Option<HeaderValue>,
}

/// What is passed on of a request.
struct Outgoing {
    head: Arc<RequestHead>,
    upload: Option<Box<Upload>>,
}

/// An endpoint that takes a request.
struct Taken {
    link: Box<Link>,
    trial: Trial,
    added: Vec<(HeaderName, HeaderValue)>,
}

type Answered = Result<(Busy, Response<ResponseBody>, Instant), (Busy, Error)>;

impl Exchange {
    /// Checks a request and finds its cluster.
    fn admit(busy: Busy, request: Request<IncomingBody>, started: Instant) -> Result<(Self, Outgoing), (Busy, Error)> {
        let (parts, body) = request.into_parts();
        match Self::check(&busy, parts, body) {
            Ok((seat, version, upgrade, outgoing)) => Ok((Self { busy, seat, started, version, upgrade }, outgoing)),
            Err(error) => Err((busy, error)),
        }
    }

    #[allow(clippy::type_complexity)]
    fn check(
        busy: &Busy,
        parts: http::request::Parts,
        body: IncomingBody,
    ) -> Result<(Rc<ClusterSeat>, Version, Option<HeaderValue>, Outgoing), Error> {
        let client = busy.client();
        let view = client.listener().view();
        let limits = view.config.limits;
        if parts.version < Version::HTTP_2 {
            let parsed = Parsed {
                has_body: !hyper::body::Body::is_end_stream(&body),
                transfer_encoding: parts.headers.contains_key(http::header::TRANSFER_ENCODING),
            };
            let sound = client.wire().head.borrow_mut().check(parsed);
            sound.map_err(|why| Error::Client(ClientFault::BadRequest(why)))?;
        }
        let admitted = admission::admit(&parts, limits.headers).map_err(Error::Client)?;
        if let Some(limit) = limits.body_bytes
            && admission::content_length(&parts.headers).is_some_and(|length| length > limit)
        {
            return Err(Error::Client(ClientFault::BodyTooLarge(limit)));
        }
        let upgrade = headers::wanted_upgrade(parts.version, &parts.headers);
        let head = Arc::new(RequestHead {
            method: parts.method,
            uri: parts.uri,
            headers: parts.headers,
            host: admitted.host,
            client: client.address(),
            statement: None,
        });
        let seat = view.routes.find(&head).and_then(|cluster| client.listener().world().cluster(cluster));
        let seat = seat.ok_or(Error::Host(HostFault::NoRoute))?;
        let wire = (parts.version < Version::HTTP_2).then(|| Rc::clone(client.wire()));
        let upload = Upload::new(body, &head.headers, limits.body_bytes, wire);
        Ok((seat, parts.version, upgrade, Outgoing { head, upload }))
    }

    async fn run(self, request: Outgoing) -> Answered {
        match self.answer(request).await {
            Ok((response, now)) => Ok((self.busy, response, now)),
            Err(error) => Err((self.busy, error)),
        }
    }

    /// The response, and when its head came.
    async fn answer(&self, request: Outgoing) -> Result<(Response<ResponseBody>, Instant), Error> {
        let Outgoing { head, upload } = request;
        // A request that may be sent twice survives a connection that was closed meanwhile; another must be sure first.
        let repeatable = upload.is_none() && head.method.is_idempotent() && self.upgrade.is_none();
        let Taken { mut link, trial, added } = self.take(&head, !repeatable).await?;
        self.write_head(&mut link, &head, upload.as_deref());
        let answers_head = head.method == Method::HEAD;
        // All of the request is written down: the room of its headers serves the response's.
        let mut space = Arc::try_unwrap(head).map(|head| head.headers).unwrap_or_default();
        space.clear();
        let sending = Sending { exchange: self, trial, upload, repeatable, answers_head, space };
        let (origin, head) = sending.send(link).await?;
        self.pass_back(origin, head, added)
    }

    /// A connection to an endpoint: the first that the selector picks and that can be connected to.
    async fn take(&self, head: &Arc<RequestHead>, sure: bool) -> Result<Taken, Error> {
        let mut tried = Vec::new();
        let mut now = self.started;
        loop {
            let attempt = Attempt { number: u32::try_from(tried.len()).unwrap_or(u32::MAX), excluded: &tried };
            let (member, added) = match self.seat.pick(head, attempt) {
                Decision::Endpoint(member, added) => (member, added),
                Decision::Reject(status, reason) => {
                    return Err(Error::Rejected { cluster: self.seat.name().clone(), status, reason });
                }
                Decision::NoEndpoint => return Err(Error::Host(HostFault::NoEndpoint(self.seat.name().clone()))),
            };
            let mut trial = Trial::begin(&self.seat, member, now);
            if let Some(link) = trial.pool().take_idle(now, sure) {
                self.seat.counters.reused.add(1);
                return Ok(Taken { link, trial, added });
            }
            // The way that is seldom taken is boxed, so that the one that is often taken stays small.
            match Box::pin(self.connect(&trial, sure)).await {
                Ok(link) => {
                    trial.sends(Instant::now());
                    return Ok(Taken { link, trial, added });
                }
                Err(fault) => {
                    now = Instant::now();
                    tried.push(trial.id());
                    let error = trial.fault(fault, now);
                    if !error.is_retryable() || tried.len() >= self.seat.attempts() as usize {
                        return Err(error);
                    }
                    self.seat.counters.retried.add(1);
                }
            }
        }
    }

    async fn connect(&self, trial: &Trial, sure: bool) -> Result<Box<Link>, EndpointFault> {
        let connected = trial.pool().acquire(sure, self.seat.timeouts().connect).await;
        self.count(&connected);
        connected
    }

    /// The cluster that serves the request.
    pub(super) fn seat(&self) -> &ClusterSeat {
        &self.seat
    }

    /// The deadline of the request.
    pub(super) fn deadline(&self) -> &Deadline {
        self.busy.deadline()
    }

    /// Counts what came of asking for a connection.
    pub(super) fn count(&self, connected: &Result<Box<Link>, EndpointFault>) {
        let counters = &self.seat.counters;
        match connected {
            Ok(link) if link.parked.is_some() => counters.reused.add(1),
            Ok(_) => counters.opened.add(1),
            Err(EndpointFault::PoolExhausted) => {}
            Err(_) => counters.failed.add(1),
        }
    }

    /// Writes the head of the request to where the connection takes it from.
    fn write_head(&self, link: &mut Link, head: &RequestHead, upload: Option<&Upload>) {
        let body = match upload {
            None => Length::None,
            Some(upload) if upload.is_chunked() => Length::Unknown,
            Some(_) => Length::Given,
        };
        let incoming = Incoming {
            method: &head.method,
            uri: &head.uri,
            headers: &head.headers,
            version: self.version,
            client: self.busy.client().address_text(),
            body,
            upgrade: self.upgrade.as_ref(),
        };
        forward::write(&incoming, link.begin().gather());
    }

    /// The response that goes to the client.
    fn pass_back(
        &self,
        origin: Origin,
        head: ResponseHead,
        added: Vec<(HeaderName, HeaderValue)>,
    ) -> Result<(Response<ResponseBody>, Instant), Error> {
        let now = Instant::now();
        let Origin { link, mut trial, upload } = origin;
        trial.answers(head.status, now);
        let mut response = Response::new(ResponseBody::empty());
        *response.status_mut() = head.status;
        *response.headers_mut() = head.headers;
        if let Some(reason) = head.reason.and_then(|reason| ReasonPhrase::try_from(reason).ok()) {
            response.extensions_mut().insert(reason);
        }
        if head.status == StatusCode::SWITCHING_PROTOCOLS {
            if self.upgrade.is_none() {
                let fault = EndpointFault::Protocol("it changed the protocol without being asked to".to_owned());
                return Err(trial.fault(fault, now));
            }
            headers::to_upgraded_client(response.headers_mut(), head.version, head.upgrade);
            self.change_protocol(*link, trial);
            return Ok((response, now));
        }
        headers::to_client(response.headers_mut(), head.version, added);
        let idle = self.seat.timeouts().idle_stream;
        let origin = Origin { link, trial, upload };
        *response.body_mut() = ResponseBody::coming(head.framing, origin, (self.busy.deadline(), idle, now));
        Ok((response, now))
    }

    /// Leaves both sockets to a tunnel, which begins when the client has its response.
    fn change_protocol(&self, link: Link, trial: Trial) {
        let (stream, read) = link.into_parts();
        let idle = self.seat.timeouts().idle_stream;
        self.busy.client().tunnel(Tunnel { stream, read, idle, _trial: trial });
    }
}
