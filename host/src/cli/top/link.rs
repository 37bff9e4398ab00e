//! The connection to the Leverframe that is watched: it is followed, looked for again when it is lost, and told what to do
//! with an endpoint.

use std::time::Duration;

use anyhow::{Context as _, bail};
use http::Method;
use http_body_util::{BodyExt as _, Limited};
use serde_json::Value;
use tokio::sync::mpsc;
use tokio::time::{sleep, timeout};

use super::frames::{Frames, Said};
use super::said::{Happened, Overview, Progress, Tick, Work};
use crate::cli::ask::Ask;

/// How long the stream may be silent: figures come each second, and a line that says nothing after ten.
const PATIENCE: Duration = Duration::from_secs(15);

/// How long to wait before a connection that was lost is tried again.
const PAUSE: Duration = Duration::from_secs(1);

/// What a problem that is the answer to a command may have.
const MOST_BYTES: usize = 64 << 10;

/// What is told to the screen.
#[derive(Debug)]
pub(super) enum News {
    /// It answers.
    Found,
    /// It does not, and why.
    Lost(String),
    /// How everything stands.
    Overview(Box<Overview>),
    /// What a second brought.
    Tick(Box<Tick>),
    /// What happened before, oldest first; some of it may be known.
    Past(Vec<Happened>),
    /// Something that happened.
    Happened(Happened),
    /// All that is under way and takes longer.
    Works(Vec<Work>),
    /// What became of a command.
    Done(String),
}

/// What an operator asks of an endpoint.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Command {
    pub(super) cluster: String,
    pub(super) endpoint: String,
    /// `drain` or `undrain`.
    pub(super) what: &'static str,
}

/// The connection.
#[derive(Clone, Debug)]
pub(super) struct Link {
    ask: Ask,
    tell: mpsc::Sender<News>,
}

impl Link {
    pub(super) fn new(ask: Ask, tell: mpsc::Sender<News>) -> Self {
        Self { ask, tell }
    }

    /// Follows it for ever.
    pub(super) async fn follow(self) {
        loop {
            let Err(why) = self.read().await;
            if self.tell.send(News::Lost(format!("{why:#}"))).await.is_err() {
                return;
            }
            sleep(PAUSE).await;
        }
    }

    /// Reads until the connection is lost.
    async fn read(&self) -> anyhow::Result<std::convert::Infallible> {
        let sent = timeout(PATIENCE, self.ask.send(Method::GET, "/api/stream", "text/event-stream")).await;
        let (head, mut body) = sent.context("no answer")??.into_parts();
        if !head.status.is_success() {
            bail!("{}: {}", self.ask.address(), reason(head.status, body).await);
        }
        self.say(News::Found).await?;
        let mut has_begun = false;
        let mut frames = Frames::default();
        loop {
            let piece = timeout(PATIENCE, body.frame()).await.context("it says nothing any more")?;
            let Some(piece) = piece else { bail!("it has closed the connection") };
            let Ok(piece) = piece.context("the connection broke")?.into_data() else { continue };
            for said in frames.take(&piece).context("what it says has no end")? {
                let Some(news) = news(&said).with_context(|| format!("event `{}`", said.kind))? else { continue };
                let is_overview = matches!(news, News::Overview(_));
                self.say(news).await?;
                // By then it is known whether it is the process that was watched before.
                if is_overview
                    && !std::mem::replace(&mut has_begun, true)
                    && let Some(past) = self.past().await?
                {
                    self.say(News::Past(past)).await?;
                }
            }
        }
    }

    /// What happened before there was anyone to tell it to, if that can be had.
    async fn past(&self) -> anyhow::Result<Option<Vec<Happened>>> {
        match self.ask.get("/api/events?limit=200").await {
            Ok(Value::Object(mut past)) => Ok(Some(serde_json::from_value(past.remove("events").unwrap_or_default())?)),
            Ok(_) | Err(_) => Ok(None),
        }
    }

    /// Has it do something, and tells what became of that.
    pub(super) async fn command(&self, command: Command) {
        let Command { cluster, endpoint, what } = &command;
        let path = format!("/api/endpoints/{}/{what}?cluster={}", escaped(endpoint), escaped(cluster));
        let done = match timeout(PATIENCE, self.ask.send(Method::POST, &path, "application/json")).await {
            Ok(Ok(answer)) if answer.status().is_success() => format!("{what} {endpoint} of {cluster}: done"),
            Ok(Ok(answer)) => {
                let (head, body) = answer.into_parts();
                format!("{what} {endpoint} of {cluster}: {}", reason(head.status, body).await)
            }
            Ok(Err(error)) => format!("{what} {endpoint} of {cluster}: {error:#}"),
            Err(_) => format!("{what} {endpoint} of {cluster}: no answer"),
        };
        // Whoever watches may have gone.
        let _ = self.tell.send(News::Done(done)).await;
    }

    async fn say(&self, news: News) -> anyhow::Result<()> {
        self.tell.send(news).await.context("nobody watches any more")
    }
}

/// Why something was refused, as the answer has it.
async fn reason(status: http::StatusCode, body: hyper::body::Incoming) -> String {
    let body = Limited::new(body, MOST_BYTES).collect().await.map(|body| body.to_bytes()).unwrap_or_default();
    let problem: Value = serde_json::from_slice(&body).unwrap_or_default();
    match problem.get("detail").and_then(Value::as_str) {
        Some(detail) => format!("{status}: {detail}"),
        None => status.to_string(),
    }
}

/// What an event of the stream says; nothing for one that is not shown.
fn news(said: &Said) -> anyhow::Result<Option<News>> {
    Ok(Some(match said.kind.as_str() {
        "overview" => News::Overview(Box::new(serde_json::from_str(&said.data)?)),
        "tick" => News::Tick(Box::new(serde_json::from_str(&said.data)?)),
        "event" => News::Happened(serde_json::from_str(&said.data)?),
        "progress" => News::Works(serde_json::from_str::<Progress>(&said.data)?.work),
        _ => return Ok(None),
    }))
}

/// A part of a path, or of a query: names are of letters, digits and a few signs, but not all of those.
fn escaped(text: &str) -> String {
    let mut escaped = String::new();
    for byte in text.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => escaped.push(char::from(byte)),
            byte => escaped.push_str(&format!("%{byte:02X}")),
        }
    }
    escaped
}
