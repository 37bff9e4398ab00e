//! A constant load: so many clients, each with a request every so often, whatever became of the one before. Nothing that
//! goes wrong stops it; everything is written down.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::time::{Duration, Instant};

use bytes::Bytes;
use http::Request;
use http_body_util::{BodyExt, Empty};
use hyper::client::conn::http1::{SendRequest, handshake};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;
use tokio::task::JoinSet;

/// What a client waits for at the most.
const PATIENCE: Duration = Duration::from_secs(10);

/// What a client saw.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Seen {
    /// An answer with a status below 500.
    Answer,
    /// An answer with a status from 500 up.
    Refused(u16),
    /// The beginning of an answer.
    Partial,
    /// No answer: refused, reset, or too late.
    Nothing(String),
}

/// One request.
#[derive(Clone, Debug)]
pub(crate) struct Sample {
    pub(crate) sent: Instant,
    pub(crate) took: Duration,
    pub(crate) seen: Seen,
}

/// What the clients ask for, and how often.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Plan {
    pub(crate) clients: usize,
    /// From one request of a client to its next; none is at once.
    pub(crate) every: Duration,
    pub(crate) path: &'static str,
}

/// Clients at work.
pub(crate) struct Load {
    stop: Arc<AtomicBool>,
    clients: JoinSet<Vec<Sample>>,
}

impl Load {
    pub(crate) fn start(at: SocketAddr, plan: Plan) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let mut clients = JoinSet::new();
        for number in 0..plan.clients {
            let stop = Arc::clone(&stop);
            // Not all at once.
            let first = plan.every.mul_f64(number as f64 / plan.clients as f64);
            clients.spawn(client(at, plan, first, stop));
        }
        Self { stop, clients }
    }

    /// Lets every client finish its request, and returns all of them in the order in which they were sent.
    pub(crate) async fn finish(self) -> Vec<Sample> {
        self.stop.store(true, Relaxed);
        let mut requests: Vec<_> = self.clients.join_all().await.into_iter().flatten().collect();
        requests.sort_by_key(|request| request.sent);
        requests
    }

    /// The same, where not one of them may have failed. Returns how many there were.
    pub(crate) async fn flawless(self) -> usize {
        let samples = self.finish().await;
        let bad: Vec<_> = samples.iter().filter(|sample| sample.seen != Seen::Answer).collect();
        assert!(bad.is_empty(), "{} of {} requests failed: {bad:#?}", bad.len(), samples.len());
        assert!(!samples.is_empty());
        samples.len()
    }
}

async fn client(at: SocketAddr, plan: Plan, first: Duration, stop: Arc<AtomicBool>) -> Vec<Sample> {
    let mut requests = Vec::new();
    let mut connection = None;
    let mut due = Instant::now() + first;
    while !stop.load(Relaxed) {
        tokio::time::sleep_until(due.into()).await;
        let sent = Instant::now();
        let seen = match tokio::time::timeout(PATIENCE, ask(&mut connection, at, plan.path)).await {
            Ok(seen) => seen,
            Err(_) => Seen::Nothing(format!("no answer within {PATIENCE:?}")),
        };
        if matches!(seen, Seen::Nothing(_) | Seen::Partial) {
            connection = None;
        }
        requests.push(Sample { sent, took: sent.elapsed(), seen });
        due = (due + plan.every).max(sent);
    }
    requests
}

async fn ask(connection: &mut Option<SendRequest<Empty<Bytes>>>, at: SocketAddr, path: &str) -> Seen {
    let asked = async {
        let is_open = match connection.as_mut() {
            Some(sender) => sender.ready().await.is_ok(),
            None => false,
        };
        if !is_open {
            *connection = Some(connect(at).await?);
        }
        let sender = connection.as_mut().ok_or("no connection")?;
        let request = Request::get(path).header("host", at.to_string()).body(Empty::new());
        let response = sender.send_request(request.expect("a request")).await;
        response.map_err(|error| format!("{error}: {:?}", std::error::Error::source(&error)))
    };
    let response = match asked.await {
        Ok(response) => response,
        Err(error) => return Seen::Nothing(error),
    };
    let status = response.status().as_u16();
    match response.into_body().collect().await {
        Ok(_) if status < 500 => Seen::Answer,
        Ok(_) => Seen::Refused(status),
        Err(_) => Seen::Partial,
    }
}

async fn connect(at: SocketAddr) -> Result<SendRequest<Empty<Bytes>>, String> {
    let stream = TcpStream::connect(at).await.map_err(|error| error.to_string())?;
    stream.set_nodelay(true).map_err(|error| error.to_string())?;
    let (sender, connection) = handshake(TokioIo::new(stream)).await.map_err(|error| error.to_string())?;
    tokio::spawn(connection);
    Ok(sender)
}

/// The time that this share of the requests, in percent, needed at the most.
pub(crate) fn percentile(requests: &[Sample], percent: f64) -> Duration {
    let mut times: Vec<_> = requests.iter().map(|request| request.took).collect();
    times.sort();
    let rank = (percent / 100.0 * times.len() as f64).ceil() as usize;
    times[rank.clamp(1, times.len()) - 1]
}

#[test]
fn percentiles_are_by_nearest_rank() {
    let requests: Vec<_> = (1..=200)
        .map(|ms| Sample { sent: Instant::now(), took: Duration::from_millis(ms), seen: Seen::Answer })
        .collect();
    let at = |percent| percentile(&requests, percent).as_millis();
    assert_eq!([at(0.0), at(50.0), at(99.0), at(100.0)], [1, 100, 198, 200]);
}
