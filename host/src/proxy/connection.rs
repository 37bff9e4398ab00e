//! One client's connection: finds out which HTTP it speaks, serves it, and sees that it does not stay for ever. A
//! connection is one task; for HTTP/1 its requests run inside that task.

use std::cell::{Cell, RefCell};
use std::future::poll_fn;
use std::net::IpAddr;
use std::pin::{Pin, pin};
use std::rc::Rc;
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant};

use http::{HeaderValue, Request, StatusCode};
use hyper::server::conn::{http1, http2};
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::TcpStream;

use super::client_io::{ClientIo, Wire};
use super::deadline::Deadline;
use super::error::Reason;
use super::exchange;
use super::linger;
use super::listener::ListenerSlot;
use super::record::{self, Record};
use super::sniff;
use super::tunnel::Tunnel;

/// How long a connection that is to close waits for a first request, for the rest of one, or for an HTTP/2 client to hear
/// that it closes.
const LAST_REQUEST: Duration = Duration::from_secs(1);

/// How long it has to be idle to be closed then: a request that follows the one before at once is on its way by now, and
/// is answered; it is told that it was the last.
const IDLE_BEFORE_CLOSE: Duration = Duration::from_millis(200);

/// Streams that one HTTP/2 connection may have open: nginx's default.
const STREAMS: u32 = 128;

/// What a connection is waiting for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    /// The first byte of the next request.
    Idle,
    /// The rest of a request's head.
    Head,
    /// An endpoint; the exchange watches over the time.
    Exchange,
    /// The response to be read by the client.
    Response,
}

/// A client's connection, as its requests know it.
pub(super) struct ClientConnection {
    listener: Rc<ListenerSlot>,
    address: IpAddr,
    address_text: HeaderValue,
    wire: Rc<Wire>,
    deadline: Rc<Deadline>,
    phase: Cell<Phase>,
    /// Requests under way.
    active: Cell<usize>,
    /// Requests so far.
    served: Cell<u64>,
    /// When something was last known to move.
    moved: Cell<Instant>,
    /// The response is coming in pieces.
    streams: Cell<bool>,
    http2: Cell<bool>,
    closing: Cell<bool>,
    waker: RefCell<Option<Waker>>,
    tunnel: RefCell<Option<Tunnel>>,
    /// By when the client must have taken more of the response that the stream polled at this moment just began.
    unread: RefCell<Option<Rc<Deadline>>>,
}

/// A request under way on a connection; over when this is dropped.
pub(super) struct Busy {
    client: Rc<ClientConnection>,
    deadline: Rc<Deadline>,
    record: Option<Box<Record>>,
}

impl Busy {
    pub(super) fn client(&self) -> &Rc<ClientConnection> {
        &self.client
    }

    /// The response is there to be read. A stream of HTTP/2 whose client takes nothing is not asked for more of it, and so
    /// would never look at its deadline: see `Streams`.
    pub(super) fn responds(&self, streams: bool) {
        if self.client.http2.get() {
            if !streams {
                self.deadline.set(self.client.moved.get() + self.client.listener.view().config.keep_alive_timeout);
            }
            self.client.unread.replace(Some(Rc::clone(&self.deadline)));
        }
    }

    /// Records the request, if anybody wants to know of it; before anything is done with it.
    pub(super) fn watch<B>(mut self, request: &mut Request<B>, now: Instant) -> Self {
        let watch = self.client.listener.world().watch();
        self.record = Record::begin(&watch, (&self.client.listener, self.client.address), request, now);
        self
    }

    /// What is recorded of the request, if anything is.
    pub(super) fn record(&self) -> Option<&Record> {
        self.record.as_deref()
    }

    /// The request goes on in a tunnel, with what is recorded of it.
    pub(super) fn goes_on(&mut self) {
        if let Some(tunnel) = &mut *self.client.tunnel.borrow_mut() {
            tunnel.record = self.record.take();
        }
    }

    /// The deadline of this request: on HTTP/1 the connection's.
    pub(super) fn deadline(&self) -> &Rc<Deadline> {
        &self.deadline
    }
}

impl Drop for Busy {
    fn drop(&mut self) {
        self.client.ends();
    }
}

impl ClientConnection {
    pub(super) fn new(listener: Rc<ListenerSlot>, address: IpAddr) -> Self {
        let now = Instant::now();
        let text = HeaderValue::try_from(address.to_canonical().to_string());
        let deadline = Deadline::new(now + listener.view().config.header_timeout);
        Self {
            wire: Rc::new(Wire::new(listener.counters())),
            listener,
            address: address.to_canonical(),
            address_text: text.unwrap_or(HeaderValue::from_static("unknown")),
            deadline: Rc::new(deadline),
            phase: Cell::new(Phase::Head),
            active: Cell::new(0),
            served: Cell::new(0),
            moved: Cell::new(now),
            streams: Cell::new(false),
            http2: Cell::new(false),
            closing: Cell::new(false),
            waker: RefCell::new(None),
            tunnel: RefCell::new(None),
            unread: RefCell::new(None),
        }
    }

    pub(super) fn listener(&self) -> &Rc<ListenerSlot> {
        &self.listener
    }

    pub(super) fn address(&self) -> IpAddr {
        self.address
    }

    pub(super) fn address_text(&self) -> &HeaderValue {
        &self.address_text
    }

    pub(super) fn wire(&self) -> &Rc<Wire> {
        &self.wire
    }

    /// A request begins.
    pub(super) fn begin(self: &Rc<Self>, now: Instant) -> Busy {
        self.active.set(self.active.get() + 1);
        self.served.set(self.served.get() + 1);
        self.moved.set(now);
        let deadline = if self.http2.get() {
            Rc::new(Deadline::new(now + self.listener.view().config.keep_alive_timeout))
        } else {
            self.phase.set(Phase::Exchange);
            Rc::clone(&self.deadline)
        };
        Busy { client: Rc::clone(self), deadline, record: None }
    }

    /// A request has its response, which is still to be read by the client. One that streams sets its own limit, with
    /// every piece.
    pub(super) fn responds(&self, now: Instant, streams: bool) {
        self.moved.set(now);
        self.streams.set(streams);
        if !self.http2.get() {
            self.phase.set(Phase::Response);
        }
    }

    /// The socket goes to a tunnel when the response is written.
    pub(super) fn tunnel(&self, tunnel: Tunnel) {
        self.tunnel.replace(Some(tunnel));
    }

    /// A request ends before it has begun: its head was not sound, or did not come in time.
    fn refuses(&self, status: StatusCode, reason: Reason) {
        self.wire.counters().refuse(reason);
        record::refused(&self.listener.world().watch(), &self.listener, self.address, (status, reason));
    }

    /// Finish what is under way, then close.
    pub(super) fn close(&self) {
        self.closing.set(true);
        match self.phase.get() {
            Phase::Head => self.deadline.set(Instant::now() + LAST_REQUEST),
            Phase::Idle if self.http2.get() => self.deadline.set(Instant::now() + LAST_REQUEST),
            Phase::Idle => self.deadline.set(self.moved.get() + IDLE_BEFORE_CLOSE),
            Phase::Exchange | Phase::Response => {}
        }
        if let Some(waker) = &*self.waker.borrow() {
            waker.wake_by_ref();
        }
    }

    fn ends(&self) {
        self.active.set(self.active.get() - 1);
        if self.active.get() == 0 {
            // A response that did not stream was over at once: the clock need not be read again.
            let now = if self.streams.get() { Instant::now() } else { self.moved.get() };
            self.phase.set(Phase::Idle);
            self.wire.heard.set(false);
            self.moved.set(now);
            let stays = match (self.closing.get(), self.http2.get()) {
                (true, false) => IDLE_BEFORE_CLOSE,
                (true, true) => LAST_REQUEST,
                (false, _) => self.listener.view().config.keep_alive_timeout,
            };
            self.deadline.set(now + stays);
        }
    }

    /// Called when nothing can go on for now: whether the connection waited for too long.
    pub(super) fn poll_overdue(&self, cx: &mut Context<'_>) -> Poll<()> {
        if self.waker.borrow().is_none() {
            self.waker.replace(Some(cx.waker().clone()));
        }
        match self.phase.get() {
            Phase::Exchange => return Poll::Pending,
            Phase::Idle if self.wire.heard.get() && !self.http2.get() => {
                self.phase.set(Phase::Head);
                let stays = match self.closing.get() {
                    true => LAST_REQUEST,
                    false => self.listener.view().config.header_timeout,
                };
                self.deadline.set(Instant::now() + stays);
            }
            Phase::Idle | Phase::Head | Phase::Response => {}
        }
        if self.http2.get() && self.active.get() > 0 {
            // Each stream watches over its endpoint and its client, and pings over the connection.
            return Poll::Pending;
        }
        self.deadline.poll(cx)
    }

    /// Whether to say goodbye now: with the next response, since HTTP/1 says it in no other way.
    fn should_say_goodbye(&self) -> bool {
        let can_be_said = self.http2.get() || matches!(self.phase.get(), Phase::Exchange | Phase::Response);
        self.closing.get() && can_be_said
    }
}

/// Serves a connection to its end.
pub(super) async fn run(client: Rc<ClientConnection>, mut stream: TcpStream) {
    let Some((http2, before)) = sniff::sniff(&client, &mut stream).await else { return };
    let io = TokioIo::new(ClientIo::new(stream, before, Rc::clone(&client.wire)));
    if http2 {
        client.http2.set(true);
        client.phase.set(Phase::Idle);
        serve_http2(client, io).await;
    } else {
        serve_http1(client, io).await;
    }
}

async fn serve_http1(client: Rc<ClientConnection>, io: TokioIo<ClientIo>) {
    let view = client.listener.view();
    let mut builder = http1::Builder::new();
    builder.header_read_timeout(None).max_header_size(view.config.limits.header_bytes);
    if view.config.limits.headers > 100 {
        // Up to 100 hyper keeps on the stack; fewer are counted by `admission`.
        builder.max_headers(view.config.limits.headers);
    }
    drop(view);
    let serving = Rc::clone(&client);
    let service = service_fn(move |request| exchange::serve(Rc::clone(&serving), request));
    let mut connection = builder.serve_connection(io, service);
    let mut told = false;
    let ended = poll_fn(|cx| {
        loop {
            if !told && client.should_say_goodbye() {
                told = true;
                Pin::new(&mut connection).graceful_shutdown();
            }
            if let Poll::Ready(ended) = Pin::new(&mut connection).poll(cx) {
                return Poll::Ready(Some(ended));
            }
            if told || !client.should_say_goodbye() {
                return client.poll_overdue(cx).map(|()| None);
            }
        }
    });
    // A connection that waited for too long is dropped as it is.
    let Some(ended) = ended.await else {
        if client.phase.get() == Phase::Head && !client.closing.get() {
            client.refuses(StatusCode::REQUEST_TIMEOUT, Reason::ClientTimeout);
        }
        return;
    };
    // To a head that it cannot read, hyper has answered itself.
    if let Some(error) = ended.as_ref().err().filter(|error| error.is_parse() && client.active.get() == 0) {
        match error.is_parse_too_large() {
            true => client.refuses(StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE, Reason::HeadersTooLarge),
            false => client.refuses(StatusCode::BAD_REQUEST, Reason::BadRequest),
        }
    }
    let parts = connection.into_parts();
    let stream = parts.io.into_inner().into_stream();
    let tunnel = client.tunnel.take();
    match tunnel {
        Some(tunnel) if ended.is_ok() => tunnel.run(stream, parts.read_buf, client.wire.counters()).await,
        _ if ended.is_err() || client.wire.unread.get() => linger::close(stream).await,
        _ => {}
    }
}

async fn serve_http2(client: Rc<ClientConnection>, io: TokioIo<ClientIo>) {
    let view = client.listener.view();
    let limits = view.config.limits;
    let mut builder = http2::Builder::new(Streams(Rc::clone(&client)));
    builder
        .timer(TokioTimer::new())
        .keep_alive_interval(view.config.keep_alive_timeout)
        .keep_alive_timeout(view.config.header_timeout)
        .max_concurrent_streams(STREAMS)
        .max_header_list_size(u32::try_from(limits.header_bytes).unwrap_or(u32::MAX));
    drop(view);
    let serving = Rc::clone(&client);
    let service = service_fn(move |request| exchange::serve(Rc::clone(&serving), request));
    let mut connection = pin!(builder.serve_connection(io, service));
    let mut told = false;
    poll_fn(|cx| {
        if !told && client.should_say_goodbye() {
            told = true;
            connection.as_mut().graceful_shutdown();
        }
        if connection.as_mut().poll(cx).is_ready() {
            return Poll::Ready(());
        }
        client.poll_overdue(cx)
    })
    .await;
}

/// Runs the streams of an HTTP/2 connection on the worker's own thread. One whose response the client does not read is
/// dropped when its deadline passes, which resets it.
#[derive(Clone)]
struct Streams(Rc<ClientConnection>);

impl<F> hyper::rt::Executor<F> for Streams
where
    F: Future + 'static,
{
    fn execute(&self, task: F) {
        let client = Rc::clone(&self.0);
        // The task reports to its connection by itself.
        drop(tokio::task::spawn_local(async move {
            let mut task = pin!(task);
            let mut unread: Option<Rc<Deadline>> = None;
            poll_fn(|cx| {
                if task.as_mut().poll(cx).is_ready() {
                    return Poll::Ready(());
                }
                unread = client.unread.take().or(unread.take());
                unread.as_ref().map_or(Poll::Pending, |deadline| deadline.poll(cx))
            })
            .await;
        }));
    }
}
