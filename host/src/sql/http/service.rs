//! One request to an entry, from its head and body to the response.

use std::fmt;
use std::sync::Arc;
use std::time::Instant;

use bytes::Bytes;
use http::{HeaderValue, Response, header};
use tokio::sync::mpsc;

use super::problem::Problem;
use super::request::{self, Format, POSITION};
use super::{document, lines};
use crate::config::SqlEntry;
use crate::model::RequestHead;
use crate::sql::error::Error;
use crate::sql::figures::{Figures, Outcome};
use crate::sql::layout::dialect;
use crate::sql::replica::log::Position;
use crate::sql::run::{Answer, Entry};

/// The type of an answer that is one document.
const JSON: HeaderValue = HeaderValue::from_static("application/json");

/// The type of an answer that comes line by line.
const NDJSON: HeaderValue = HeaderValue::from_static("application/x-ndjson");

/// The body of a response.
#[derive(Debug)]
pub enum Body {
    /// All of it.
    Whole(Bytes),
    /// Pieces, then `None`, which is its end. Where the pieces stop without it, the answer is broken off, and the client
    /// must not take it for complete. Dropped when the client leaves, which cancels the statement.
    Coming(mpsc::Receiver<Option<Bytes>>),
}

/// An entry, as HTTP clients ask it.
pub struct Service {
    entry: Arc<Entry>,
    spec: Arc<SqlEntry>,
    figures: Arc<Figures>,
}

impl fmt::Debug for Service {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Service").field("entry", &self.spec.name).finish_non_exhaustive()
    }
}

impl Service {
    /// In front of an entry, whose answers are counted in `figures`.
    pub fn new(entry: Arc<Entry>, spec: Arc<SqlEntry>, figures: Arc<Figures>) -> Self {
        Self { entry, spec, figures }
    }

    /// The largest body of a request.
    pub fn body_bytes(&self) -> usize {
        self.spec.limits.body_bytes
    }

    /// Answers a request; on a runtime of tokio. Dropped before it has, or with the body that it gave, it cancels what is
    /// under way at the nodes.
    pub async fn call(&self, head: Arc<RequestHead>, body: &[u8]) -> Response<Body> {
        let outcome = Outcome::begin(Arc::clone(&self.figures), Instant::now());
        let mut asked = match request::read(dialect(&self.spec.backend), &head, body) {
            Ok(asked) => asked,
            Err(problem) => return self.refuse(problem, outcome),
        };
        asked.query.head = Some(head);
        asked.query.subject = Some(Arc::clone(outcome.subject()));
        match self.entry.answer(asked.query).await {
            Ok(answer) => self.respond(answer, asked.format, outcome).await,
            Err(error) => self.fail(&error, outcome),
        }
    }

    /// The response where answering itself broke down.
    pub fn broke_down(&self) -> Response<Body> {
        let error = Error::Internal("answering the statement broke down".to_owned());
        Problem::of(&error).response(&self.spec.name).map(Body::Whole)
    }

    /// The response that holds an answer.
    async fn respond(&self, answer: Answer, format: Format, mut outcome: Outcome) -> Response<Body> {
        let (most, dialect) = (self.spec.limits.answer_bytes, dialect(&self.spec.backend));
        match (answer, format) {
            (Answer::Rows(rows), Format::Lines) => {
                let position = rows.report.position();
                let pieces = lines::start(rows, dialect, self.spec.name.clone(), outcome);
                at(response(NDJSON, Body::Coming(pieces)), position)
            }
            (Answer::Rows(rows), Format::Document) => {
                let report = Arc::clone(&rows.report);
                match document::rows(rows, dialect, most, outcome.began()).await {
                    Ok((text, count)) => {
                        let summary = report.read();
                        let position = summary.position;
                        outcome.done(summary, count);
                        at(response(JSON, Body::Whole(text)), position)
                    }
                    Err(error) => {
                        outcome.saw(report.read());
                        self.fail(&error, outcome)
                    }
                }
            }
            (Answer::Written(written), _) => {
                let text = document::written(&written, dialect, outcome.began());
                outcome.wrote(written.nodes, written.affected);
                response(JSON, Body::Whole(text))
            }
            (Answer::Logged(logged), _) => {
                let text = document::logged(&logged, dialect, outcome.began());
                let affected = logged.effects.iter().filter_map(|effect| effect.affected).sum();
                outcome.wrote(logged.nodes, affected);
                at(response(JSON, Body::Whole(text)), Some(logged.position))
            }
            (Answer::Explained(explanation), _) => {
                outcome.explained();
                response(JSON, Body::Whole(document::explanation(&explanation)))
            }
        }
    }

    fn fail(&self, error: &Error, outcome: Outcome) -> Response<Body> {
        self.refuse(Problem::of(error), outcome)
    }

    fn refuse(&self, problem: Problem, outcome: Outcome) -> Response<Body> {
        outcome.failed(problem.reason(), problem.status());
        problem.response(&self.spec.name).map(Body::Whole)
    }
}

/// A response that tells its place in the log, if it has one.
fn at(mut response: Response<Body>, position: Option<Position>) -> Response<Body> {
    if let Some(position) = position {
        response.headers_mut().insert(POSITION, HeaderValue::from(position.0));
    }
    response
}

fn response(kind: HeaderValue, body: Body) -> Response<Body> {
    let mut response = Response::new(body);
    response.headers_mut().insert(header::CONTENT_TYPE, kind);
    response
}
