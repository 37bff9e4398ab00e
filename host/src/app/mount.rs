//! The admin API behind a route of a listener: the same router as at its own address. Its requests are carried out on the
//! control runtime, beside the workers; a client that leaves ends its own, and so does the end of the process. Who may not
//! ask, and what is too long, is refused before the body is taken.

use std::fmt;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::ConnectInfo;
use bytes::Bytes;
use futures_util::future::BoxFuture;
use http::{Request, Response};
use http_body::Body as _;
use http_body_util::BodyExt;
use tokio::runtime::Handle;
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio::time::interval;
use tower_service::Service as _;

use crate::admin::{self, Problem};
use crate::model::RequestHead;
use crate::proxy::{Refusal, Service, ServiceBody, ServiceRequest};

/// Pieces of a response that may wait for the client.
const WAITING: usize = 2;

/// How often a response that goes on is asked whether the process ends: a worker would wait for it.
const LOOK: Duration = Duration::from_millis(500);

/// The admin API, as the workers see it.
pub(super) struct Mount {
    shared: admin::Shared,
    router: Router,
    control: Handle,
}

impl fmt::Debug for Mount {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Mount")
    }
}

impl Mount {
    /// The API over what is shared; called on the runtime that is to carry out its requests.
    pub(super) fn of(shared: admin::Shared) -> Arc<Self> {
        // Made up once, and not for each request.
        let router = admin::router(shared.clone()).with_state(());
        Arc::new(Self { shared, router, control: Handle::current() })
    }

    /// Nothing leads here any more: who listens is told nothing more.
    pub(super) fn give_up(&self) {
        self.shared.give_up();
    }
}

impl Service for Mount {
    fn admit(&self, head: &RequestHead) -> Result<u64, Refusal> {
        admin::admit(&self.shared, head).map_err(|problem| Box::new(problem.into_http().map(ServiceBody::Whole)))
    }

    fn call(&self, request: ServiceRequest) -> BoxFuture<'static, Response<ServiceBody>> {
        let (mut router, control) = (self.router.clone(), self.control.clone());
        let draining = Arc::clone(&self.shared.draining);
        Box::pin(async move {
            // Dropped, it aborts what it runs.
            let mut task = JoinSet::new();
            let work = async move {
                let Ok(response) = router.call(asked(request)).await;
                let (head, body) = response.into_parts();
                Response::from_parts(head, given(body, draining).await)
            };
            task.spawn_on(work, &control);
            match task.join_next().await {
                Some(Ok(response)) => response,
                Some(Err(_)) | None => Problem::broken().into_http().map(ServiceBody::Whole),
            }
        })
    }
}

/// The request, as the router takes it.
fn asked(ServiceRequest { head, body, .. }: ServiceRequest) -> Request<Body> {
    let mut request = Request::new(Body::from(body));
    *request.method_mut() = head.method.clone();
    *request.uri_mut() = head.uri.clone();
    *request.headers_mut() = head.headers.clone();
    // Its port is of no interest.
    request.extensions_mut().insert(ConnectInfo(SocketAddr::new(head.client, 0)));
    request
}

/// The body of a response: all of it where it is there, otherwise as it comes.
async fn given(body: Body, draining: Arc<AtomicBool>) -> ServiceBody {
    if body.size_hint().exact().is_some() {
        return match body.collect().await {
            Ok(body) => ServiceBody::Whole(body.to_bytes()),
            // Closed already, and so broken off.
            Err(_) => ServiceBody::Coming(mpsc::channel(1).1),
        };
    }
    let (pieces, coming) = mpsc::channel(WAITING);
    drop(tokio::spawn(send(body, pieces, draining)));
    ServiceBody::Coming(coming)
}

/// Sends a body as it comes, and its end; without an end where it breaks off.
async fn send(mut body: Body, pieces: mpsc::Sender<Option<Bytes>>, draining: Arc<AtomicBool>) {
    let mut look = interval(LOOK);
    loop {
        let frame = tokio::select! {
            frame = body.frame() => frame,
            () = pieces.closed() => return,
            _ = look.tick() => match draining.load(Relaxed) {
                true => None,
                false => continue,
            },
        };
        let piece = match frame {
            None => None,
            Some(Ok(frame)) => match frame.into_data() {
                Ok(data) => Some(data),
                // Trailers are of no use to anybody here.
                Err(_) => continue,
            },
            Some(Err(_)) => return,
        };
        let is_over = piece.is_none();
        // Fails when the client has left.
        if pieces.send(piece).await.is_err() || is_over {
            return;
        }
    }
}
