//! One request: checked, routed, sent to an endpoint that was picked, and answered. The way of a request that nothing
//! happens to is here; what is done when something fails is in files of its own.

use std::convert::Infallible;
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant};

use http::{HeaderValue, Request, Response, StatusCode, Version};
use hyper::body::Incoming as IncomingBody;
use hyper::ext::ReasonPhrase;

use super::admission;
use super::body::{Origin, ResponseBody};
use super::connection::{Busy, ClientConnection};
use super::course::{Course, Picked, Unpicked};
use super::deadline::Deadline;
use super::error::{ClientFault, EndpointFault, Error, HostFault};
use super::forward::{self, Incoming, Length};
use super::head::Parsed;
use super::headers;
use super::http1::ResponseHead;
use super::link::Link;
use super::outbox::Outbox;
use super::problem;
use super::record::{Record, Target};
use super::retry::Failed;
use super::seat::ClusterSeat;
use super::sending::Sending;
use super::service::{self, Refusal, Service, Visit};
use super::spans;
use super::trial::Trial;
use super::tunnel::Tunnel;
use super::upload::Upload;
use crate::cluster::Place;
use crate::config::RouteTarget;
use crate::model::RequestHead;

/// Answers a request; what goes wrong becomes the answer.
pub(super) async fn serve(
    client: Rc<ClientConnection>,
    mut request: Request<IncomingBody>,
) -> Result<Response<ResponseBody>, Infallible> {
    let started = Instant::now();
    let busy = client.begin(started).watch(&mut request, started);
    let (mut busy, seat, answered) = match Exchange::admit(busy, request, started) {
        Ok(Way::Cluster(exchange, mut course)) => {
            let answered = exchange.answer(&mut course).await;
            (exchange.busy, Some(exchange.seat), answered)
        }
        Ok(Way::Service(visit)) => {
            let (busy, answered) = Box::pin(visit.answer()).await;
            (busy, None, answered)
        }
        Err((busy, error)) => (busy, None, Err(error)),
    };
    let (response, now) = answered.unwrap_or_else(|error| {
        client.wire().counters().refuse(error.reason());
        if error.closes_connection() {
            client.wire().unread.set(true);
        }
        if let Some(record) = busy.record() {
            record.fails(&error);
        }
        (problem::response(&error), Instant::now())
    });
    if let Some(seat) = seat {
        seat.counters.response(response.status(), now.saturating_duration_since(started));
    }
    if let Some(record) = busy.record() {
        record.responds(response.status());
    }
    if response.status() == StatusCode::SWITCHING_PROTOCOLS {
        busy.goes_on();
    }
    client.responds(now, response.body().streams());
    Ok(response.map(|body| body.holding(busy)))
}

/// A request that was admitted and goes to a cluster.
pub(super) struct Exchange {
    busy: Busy,
    seat: Rc<ClusterSeat>,
    started: Instant,
    version: Version,
    upgrade: Option<HeaderValue>,
}

/// Where a request goes that was admitted.
#[expect(
    clippy::large_enum_variant,
    reason = "the large one is the way of nearly every request, and in a box it would cost each of them an allocation"
)]
enum Way {
    Cluster(Exchange, Course),
    Service(Box<Visit>),
}

/// A request that may be sent on.
#[expect(
    clippy::large_enum_variant,
    reason = "the large one is the way of nearly every request, and in a box it would cost each of them an allocation"
)]
enum Checked {
    Cluster {
        seat: Rc<ClusterSeat>,
        version: Version,
        upgrade: Option<HeaderValue>,
        course: Course,
    },
    Service {
        service: Arc<dyn Service>,
        version: Version,
        head: Arc<RequestHead>,
        upload: Option<Box<Upload>>,
        refusal: Option<Refusal>,
    },
}

/// A response whose head came.
pub(super) struct Answer {
    pub(super) link: Box<Link>,
    pub(super) head: ResponseHead,
}

/// What came of sending a request once.
pub(super) type Attempted = Result<Answer, Failed>;

impl Exchange {
    /// Checks a request and finds where it goes.
    fn admit(busy: Busy, request: Request<IncomingBody>, started: Instant) -> Result<Way, (Busy, Error)> {
        let (parts, body) = request.into_parts();
        match Self::check(&busy, parts, body, started) {
            Ok(Checked::Cluster { seat, version, upgrade, course }) => {
                Ok(Way::Cluster(Self { busy, seat, started, version, upgrade }, course))
            }
            Ok(Checked::Service { service, version, head, upload, refusal }) => {
                Ok(Way::Service(Box::new(Visit { busy, service, version, head, upload, refusal })))
            }
            Err(error) => Err((busy, error)),
        }
    }

    fn check(busy: &Busy, parts: http::request::Parts, body: IncomingBody, started: Instant) -> Result<Checked, Error> {
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
        client.listener().admit(client.address(), started).map_err(Error::Client)?;
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
        let (world, version) = (client.listener().world(), parts.version);
        let wire = (version < Version::HTTP_2).then(|| Rc::clone(client.wire()));
        let seat = match view.routes.find(&head) {
            Some(RouteTarget::Cluster(name)) => world.cluster(name),
            Some(target @ (RouteTarget::Sql(_) | RouteTarget::Admin)) => {
                let service = match target {
                    RouteTarget::Sql(name) => {
                        if let Some(record) = busy.record() {
                            record.leads_to(Target::Sql(name.clone()));
                        }
                        world.service(name)
                    }
                    _ => view.admin.clone(),
                };
                let service = service.ok_or(Error::Host(HostFault::NoRoute))?;
                let (limits, refusal) = service::admit(&*service, limits, &head).map_err(Error::Client)?;
                let upload = Upload::new(body, &head.headers, &limits, wire);
                return Ok(Checked::Service { service, version, head, upload, refusal });
            }
            None => None,
        };
        let seat = seat.ok_or(Error::Host(HostFault::NoRoute))?;
        if let Some(record) = busy.record() {
            record.leads_to(Target::Cluster(seat.name().clone()));
        }
        let upload = Upload::new(body, &head.headers, &limits, wire);
        let course = Course::new(head, upload, upgrade.is_some());
        Ok(Checked::Cluster { seat, version, upgrade, course })
    }

    /// The response, and when its head came. What is seldom done is boxed, and what is large stays where it is, so that
    /// what is often done stays small.
    async fn answer(&self, course: &mut Course) -> Result<(Response<ResponseBody>, Instant), Error> {
        let (mut place, mut now) = (None, self.started);
        let capacity = self.seat.capacity();
        if capacity.in_flight.is_some() {
            (place, now) = Box::pin(self.enter()).await?;
        }
        let picked = if self.seat.is_queued_for() { Err(Unpicked::Full) } else { self.pick(course, now) };
        let mut picked = match picked {
            Ok(picked) => picked,
            Err(Unpicked::Full) => Box::pin(self.wait_for_room(course)).await?,
            Err(Unpicked::Error(error)) => return Err(error),
        };
        let mut attempted = match self.hedges_after(course, now) {
            None => self.attempt(course, &mut picked).await,
            Some(delay) => Box::pin(self.hedged(course, &mut picked, delay)).await,
        };
        if self.reason(course, &attempted).is_some() {
            attempted = Box::pin(self.again(course, &mut picked, attempted)).await;
        }
        match attempted {
            Ok(answer) => self.pass_back(answer, picked, course.upload.take(), place),
            Err(failed) => Err(failed.error),
        }
    }

    /// A place in the cluster, as soon as there is one.
    async fn enter(&self) -> Result<(Option<Place>, Instant), Error> {
        let place = self.seat.live().capacity().enter().await.map_err(|why| self.overloaded(why))?;
        let now = Instant::now();
        self.seat.counters.queued(now.saturating_duration_since(self.started));
        Ok((Some(place), now))
    }

    /// Sends the request to an endpoint and waits for the head of its response.
    pub(super) async fn attempt(&self, course: &mut Course, picked: &mut Picked) -> Attempted {
        let mut span = self.attempt_span(course, &picked.trial);
        let Picked { trial, due, .. } = picked;
        // What may be sent twice survives a connection that was closed meanwhile; else it must be sure first.
        let sure = !course.is_simple();
        let mut link = match trial.pool().take_idle(trial.began(), sure) {
            Some(link) => {
                self.seat.counters.reused.add(1);
                link
            }
            None => match Box::pin(self.connect(trial, sure, *due)).await {
                Ok(link) => {
                    trial.sends(Instant::now());
                    link
                }
                Err(fault) => {
                    let unreached = Err(Failed::unreached(trial, fault));
                    spans::attempted(span, &unreached);
                    return unreached;
                }
            },
        };
        match course.outbox.take() {
            Some(outbox) => link.go_on(outbox),
            None => self.begin(link.begin(), course),
        }
        if let Some(span) = &mut span {
            self.goes_out(span, &mut link);
        }
        let attempted = Sending { exchange: self, course, trial, due: *due }.send(link).await;
        spans::attempted(span, &attempted);
        attempted
    }

    async fn connect(&self, trial: &Trial, sure: bool, due: Option<Instant>) -> Result<Box<Link>, EndpointFault> {
        let connected = trial.pool().acquire(sure, self.connect_limit(due)).await;
        self.count(&connected);
        connected
    }

    /// How long making a connection may take.
    pub(super) fn connect_limit(&self, due: Option<Instant>) -> Duration {
        let limit = self.seat.timeouts().connect;
        due.map_or(limit, |due| limit.min(due.saturating_duration_since(Instant::now())))
    }

    /// The cluster that serves the request.
    pub(super) fn seat(&self) -> &Rc<ClusterSeat> {
        &self.seat
    }

    /// What is recorded of the request, if anything is.
    pub(super) fn record(&self) -> Option<&Record> {
        self.busy.record()
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

    /// Writes down what is sent first, and has the body kept if the request may have to be sent again.
    fn begin(&self, outbox: &mut Outbox, course: &mut Course) {
        let Some(head) = &course.head else { return };
        self.write_head(outbox, head, course.upload.as_deref());
        if let Some(upload) = course.upload.as_mut().filter(|_| course.idempotent) {
            let most = self.seat.keeps();
            let length = admission::content_length(&head.headers);
            if most > 0 && length.is_none_or(|length| length <= most as u64) {
                upload.keep(most, outbox);
            }
        }
    }

    /// Writes the head of the request.
    pub(super) fn write_head(&self, outbox: &mut Outbox, head: &RequestHead, upload: Option<&Upload>) {
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
        forward::write(&incoming, outbox.gather());
    }

    /// The response that goes to the client.
    fn pass_back(
        &self,
        Answer { link, head }: Answer,
        Picked { mut trial, added, .. }: Picked,
        upload: Option<Box<Upload>>,
        place: Option<Place>,
    ) -> Result<(Response<ResponseBody>, Instant), Error> {
        let now = Instant::now();
        if let Some(record) = self.record() {
            record.answered_by(trial.name());
        }
        trial.answers(head.status, now);
        trial.hold(place);
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
        let mut upload = upload.filter(|upload| !upload.is_sent());
        if let Some(upload) = &mut upload {
            upload.forget();
        }
        let origin = Origin { link, trial, upload };
        *response.body_mut() = ResponseBody::coming(head.framing, origin, (self.busy.deadline(), idle, now));
        Ok((response, now))
    }

    /// Leaves both sockets to a tunnel, which begins when the client has its response.
    fn change_protocol(&self, link: Link, mut trial: Trial) {
        trial.tell_now();
        let (stream, read, slot) = link.into_parts();
        let idle = self.seat.timeouts().idle_stream;
        self.busy.client().tunnel(Tunnel { stream, read, idle, record: None, _trial: trial, _slot: slot });
    }
}
