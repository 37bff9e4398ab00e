//! One request: checked, routed, sent to an endpoint that the selector picked, and answered. A connection comes before
//! the head is given away, so that another endpoint can be tried as long as nothing was sent.

use std::convert::Infallible;
use std::future::poll_fn;
use std::pin::{Pin, pin};
use std::rc::Rc;
use std::sync::Arc;
use std::task::Poll;
use std::time::Instant;

use http::{HeaderName, HeaderValue, Request, Response, StatusCode, Uri, Version};
use hyper::body::Incoming;

use super::admission;
use super::body::{Progress, RequestBody, ResponseBody, Turn};
use super::connection::{Busy, ClientConnection};
use super::error::{ClientFault, EndpointFault, Error, HostFault};
use super::head::Parsed;
use super::headers;
use super::link::{Link, Sent};
use super::problem;
use super::seat::ClusterSeat;
use super::trial::Trial;
use super::tunnel::Tunnel;
use crate::model::{Attempt, RequestHead};
use crate::routing::Decision;

/// Answers a request; what goes wrong becomes the answer.
pub(super) async fn serve(
    client: Rc<ClientConnection>,
    request: Request<Incoming>,
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
struct Exchange {
    busy: Busy,
    seat: Rc<ClusterSeat>,
    started: Instant,
    version: Version,
    upgrade: Option<HeaderValue>,
}

/// What is passed on of a request.
struct Outgoing {
    head: Arc<RequestHead>,
    body: RequestBody,
    progress: Option<Rc<Progress>>,
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
    fn admit(busy: Busy, request: Request<Incoming>, started: Instant) -> Result<(Self, Outgoing), (Busy, Error)> {
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
        body: Incoming,
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
        let (body, progress) = RequestBody::new(body, limits.body_bytes, wire);
        Ok((seat, parts.version, upgrade, Outgoing { head, body, progress }))
    }

    async fn run(self, request: Outgoing) -> Answered {
        match self.answer(request).await {
            Ok((response, now)) => Ok((self.busy, response, now)),
            Err(error) => Err((self.busy, error)),
        }
    }

    /// The response, and when its head came.
    async fn answer(&self, request: Outgoing) -> Result<(Response<ResponseBody>, Instant), Error> {
        let Outgoing { head, body, progress } = request;
        // A request that may be sent twice survives a connection that was closed meanwhile; another must be sure first.
        let repeatable = progress.is_none() && head.method.is_idempotent() && self.upgrade.is_none();
        let Taken { link, trial, added } = self.take(&head, !repeatable).await?;
        let sent = Self::outgoing(self, head, body);
        let sending = Sending { exchange: self, trial, progress, repeatable };
        let (link, trial, response) = sending.send(link, sent).await?;
        self.pass_back(link, trial, response, added).await
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

    fn count(&self, connected: &Result<Box<Link>, EndpointFault>) {
        let counters = &self.seat.counters;
        match connected {
            Ok(link) if link.parked.is_some() => counters.reused.add(1),
            Ok(_) => counters.opened.add(1),
            Err(EndpointFault::PoolExhausted) => {}
            Err(_) => counters.failed.add(1),
        }
    }

    /// The request that goes to the endpoint. The head is taken apart, not copied, unless the strategy still holds it.
    fn outgoing(&self, head: Arc<RequestHead>, body: RequestBody) -> Request<RequestBody> {
        let head = Arc::try_unwrap(head).unwrap_or_else(|held| (*held).clone());
        let chunked =
            matches!(body, RequestBody::Streaming(_)) && !head.headers.contains_key(http::header::CONTENT_LENGTH);
        let mut request = Request::new(body);
        *request.headers_mut() = head.headers;
        headers::to_endpoint(
            request.headers_mut(),
            headers::Incoming {
                client: self.busy.client().address_text(),
                version: self.version,
                authority: head.uri.authority().map(http::uri::Authority::as_str),
                chunked,
                upgrade: self.upgrade.clone(),
            },
        );
        *request.method_mut() = head.method;
        *request.uri_mut() = origin_form(head.uri);
        request
    }

    /// The response that goes to the client.
    async fn pass_back(
        &self,
        link: Box<Link>,
        mut trial: Trial,
        response: Response<Incoming>,
        added: Vec<(HeaderName, HeaderValue)>,
    ) -> Result<(Response<ResponseBody>, Instant), Error> {
        let now = Instant::now();
        let (mut parts, incoming) = response.into_parts();
        let version = std::mem::replace(&mut parts.version, Version::HTTP_11);
        trial.answers(parts.status, now);
        if parts.status == StatusCode::SWITCHING_PROTOCOLS {
            if self.upgrade.is_none() {
                let fault = EndpointFault::Protocol("it changed the protocol without being asked to".to_owned());
                return Err(trial.fault(fault, now));
            }
            headers::to_upgraded_client(&mut parts.headers, version);
            Box::pin(self.change_protocol(link, trial)).await?;
            return Ok((Response::from_parts(parts, ResponseBody::empty()), now));
        }
        headers::to_client(&mut parts.headers, version, added);
        let idle = self.seat.timeouts().idle_stream;
        let body = ResponseBody::coming(incoming, link, trial, (self.busy.deadline(), idle, now));
        Ok((Response::from_parts(parts, body), now))
    }

    /// Leaves both sockets to a tunnel, which begins when the client has its response.
    async fn change_protocol(&self, mut link: Box<Link>, trial: Trial) -> Result<(), Error> {
        poll_fn(|cx| link.poll_over(cx)).await;
        match link.into_parts() {
            Some((stream, read)) => {
                let idle = self.seat.timeouts().idle_stream;
                self.busy.client().tunnel(Tunnel { stream, read, idle, _trial: trial });
                Ok(())
            }
            None => Err(trial.fault(EndpointFault::Reset("it closed".to_owned()), Instant::now())),
        }
    }
}

/// A request that is being sent.
struct Sending<'a> {
    exchange: &'a Exchange,
    trial: Trial,
    progress: Option<Rc<Progress>>,
    repeatable: bool,
}

impl Sending<'_> {
    /// Sends the request and waits for the head of the response. A request on a connection that was idle is sent once
    /// more, on a new one, when the endpoint closed the old one before it arrived.
    async fn send(
        mut self,
        mut link: Box<Link>,
        mut request: Request<RequestBody>,
    ) -> Result<(Box<Link>, Trial, Response<Incoming>), Error> {
        let mut reused = link.parked.is_some();
        loop {
            request.body_mut().goes_to(link.trace());
            let keep = reused && self.repeatable;
            let sent = link.send(request, keep);
            let lost = match self.head(&mut link, pin!(sent)).await {
                Ok(Ok(response)) => return Ok((link, self.trial, response)),
                Ok(Err(lost)) => lost,
                Err(fault) => return Err(self.failed(fault)),
            };
            let mut lost = lost;
            let again = lost.take_message().or_else(|| {
                let unheard = keep && !link.trace().has_heard();
                unheard.then(|| link.trace().request())?.map(|request| request.map(|()| RequestBody::Empty))
            });
            request = match again {
                Some(request) if reused => request,
                _ => return Err(self.lost(lost.into_error())),
            };
            drop(link);
            reused = false;
            let limit = self.exchange.seat.timeouts().connect;
            let renewed = Box::pin(self.trial.pool().renew(limit)).await;
            self.exchange.count(&renewed);
            link = match renewed {
                Ok(link) => link,
                Err(fault) => return Err(self.trial.fault(fault, Instant::now())),
            };
            self.trial.sends(Instant::now());
        }
    }

    /// Waits for the head of the response, for as long as something moves.
    async fn head(&self, link: &mut Link, mut sent: Pin<&mut impl Future<Output = Sent>>) -> Result<Sent, Turn> {
        let timeouts = self.exchange.seat.timeouts();
        let deadline = self.exchange.busy.deadline();
        let first = if self.progress.is_some() { timeouts.idle_stream } else { timeouts.response_header };
        deadline.set(self.trial.began() + first);
        poll_fn(|cx| {
            if let Poll::Ready(sent) = link.poll_with(cx, |inner| sent.as_mut().poll(inner)) {
                return Poll::Ready(Ok(sent));
            }
            let turn = self.progress.as_ref().map_or(Turn::Nobody, |progress| {
                if progress.moved.replace(false) {
                    let over = progress.turn.get() == Turn::Nobody;
                    let limit = if over { timeouts.response_header } else { timeouts.idle_stream };
                    deadline.set(Instant::now() + limit);
                }
                progress.turn.get()
            });
            deadline.poll(cx).map(|()| Err(turn))
        })
        .await
    }

    /// Nothing moved for too long.
    fn failed(self, turn: Turn) -> Error {
        match turn {
            Turn::Client => Error::Client(ClientFault::Timeout),
            Turn::Endpoint => self.trial.fault(EndpointFault::IdleTimeout, Instant::now()),
            Turn::Nobody => self.trial.fault(EndpointFault::ResponseTimeout, Instant::now()),
        }
    }

    /// The connection failed: through the client's body, or by itself.
    fn lost(self, error: hyper::Error) -> Error {
        if let Some(fault) = self.progress.as_ref().and_then(|progress| progress.fault.take()) {
            return Error::Client(fault);
        }
        let why = error.to_string();
        let fault = if error.is_parse() { EndpointFault::Protocol(why) } else { EndpointFault::Reset(why) };
        self.trial.fault(fault, Instant::now())
    }
}

/// The target as an endpoint expects it: path and query.
fn origin_form(uri: Uri) -> Uri {
    if uri.authority().is_none() {
        return uri;
    }
    uri.into_parts().path_and_query.map_or_else(Uri::default, Uri::from)
}
