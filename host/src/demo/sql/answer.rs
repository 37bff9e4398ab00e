//! What a node's SQL answers, as bytes: lines for programs, one JSON object for people, problems. Knows no database.

use std::borrow::Cow;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use http::header::{CONTENT_TYPE, HeaderValue};
use http::{Response, StatusCode};
use http_body::Frame;
use serde::Serialize;
use serde_json::json;
use tokio::sync::mpsc;

use crate::sql::backend::http::wire::{Done, LINES, Line, LineColumn, LineError, PROBLEM, Tagged};
use crate::sql::backend::{Fault, FaultKind};
use crate::sql::value::{Column, Row};

/// The body of an answer. One that comes in pieces ends in an error where it cannot be completed, so that it is not taken for
/// whole.
#[derive(Debug)]
pub(in crate::demo) enum SqlBody {
    Whole(Option<Bytes>),
    Pieces(mpsc::Receiver<io::Result<Bytes>>),
}

impl http_body::Body for SqlBody {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<io::Result<Frame<Bytes>>>> {
        match &mut *self {
            Self::Whole(whole) => Poll::Ready(whole.take().map(|whole| Ok(Frame::data(whole)))),
            Self::Pieces(pieces) => pieces.poll_recv(cx).map(|piece| piece.map(|piece| piece.map(Frame::data))),
        }
    }
}

/// A JSON answer.
pub(super) fn json(status: StatusCode, body: &impl Serialize) -> Response<SqlBody> {
    whole(status, "application/json", body)
}

/// Why there is no other answer.
pub(super) fn problem(status: StatusCode, fault: &Fault) -> Response<SqlBody> {
    let LineError { kind, message } = LineError::from(fault);
    let title = status.canonical_reason().unwrap_or_default();
    let body =
        json!({ "type": "about:blank", "title": title, "status": status.as_u16(), "detail": message, "kind": kind });
    whole(status, PROBLEM, &body)
}

/// As [`problem`], with the status that goes with the failure.
pub(super) fn failed(fault: &Fault) -> Response<SqlBody> {
    let status = match fault.kind {
        FaultKind::Statement => StatusCode::BAD_REQUEST,
        FaultKind::Conflict => StatusCode::CONFLICT,
        FaultKind::Overflow | FaultKind::Unsupported => StatusCode::UNPROCESSABLE_ENTITY,
        FaultKind::TimedOut => StatusCode::GATEWAY_TIMEOUT,
        FaultKind::Busy => StatusCode::SERVICE_UNAVAILABLE,
        FaultKind::TooLarge => StatusCode::PAYLOAD_TOO_LARGE,
        FaultKind::Connect | FaultKind::Lost | FaultKind::Failed => StatusCode::INTERNAL_SERVER_ERROR,
    };
    problem(status, fault)
}

fn whole(status: StatusCode, kind: &'static str, body: &impl Serialize) -> Response<SqlBody> {
    // What is answered here has no keys that JSON cannot have.
    let mut text = serde_json::to_vec(body).unwrap_or_default();
    text.push(b'\n');
    let mut response = Response::new(SqlBody::Whole(Some(Bytes::from(text))));
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(kind));
    response
}

/// In which form rows are sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Form {
    /// A line for each row.
    Lines,
    /// One object.
    Object,
}

impl Form {
    /// What a client accepts.
    pub(super) fn accepted(accept: Option<&HeaderValue>) -> Self {
        match accept.and_then(|accept| accept.to_str().ok()).is_some_and(|accept| accept.contains(LINES)) {
            true => Self::Lines,
            false => Self::Object,
        }
    }

    /// An answer whose rows are still to come.
    pub(super) fn answer(self, pieces: mpsc::Receiver<io::Result<Bytes>>) -> Response<SqlBody> {
        let kind = if self == Self::Lines { LINES } else { "application/json" };
        let mut response = Response::new(SqlBody::Pieces(pieces));
        response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(kind));
        response
    }
}

/// Writes an answer, piece by piece.
#[derive(Debug)]
pub(super) struct Writer {
    form: Form,
    rows: u64,
}

impl Writer {
    pub(super) fn new(form: Form) -> Self {
        Self { form, rows: 0 }
    }

    /// What comes first.
    pub(super) fn columns(&self, columns: Vec<Column>) -> io::Result<Bytes> {
        let columns: Vec<LineColumn> = columns.into_iter().map(LineColumn::from).collect();
        let mut text = Vec::new();
        match self.form {
            Form::Lines => line(&mut text, &Line::Columns(columns))?,
            Form::Object => {
                text.extend_from_slice(b"{\"columns\":");
                serde_json::to_writer(&mut text, &columns)?;
                text.extend_from_slice(b",\"rows\":[");
            }
        }
        Ok(Bytes::from(text))
    }

    /// Some rows.
    pub(super) fn rows(&mut self, rows: &[Row]) -> io::Result<Bytes> {
        let mut text = Vec::new();
        for row in rows {
            if self.form == Form::Object && self.rows > 0 {
                text.push(b',');
            }
            self.rows += 1;
            serde_json::to_writer(&mut text, &Tagged(Cow::Borrowed(row)))?;
            if self.form == Form::Lines {
                text.push(b'\n');
            }
        }
        Ok(Bytes::from(text))
    }

    /// What comes last when all went well.
    pub(super) fn done(&self, affected: u64) -> io::Result<Bytes> {
        let rows = self.rows;
        let mut text = Vec::new();
        match self.form {
            Form::Lines => line(&mut text, &Line::Done(Done { rows, affected }))?,
            Form::Object => {
                text.extend_from_slice(format!("],\"row_count\":{rows},\"affected\":{affected}}}\n").as_bytes())
            }
        }
        Ok(Bytes::from(text))
    }

    /// What comes last otherwise. An object that cannot be completed is cut off.
    pub(super) fn failed(&self, fault: &Fault) -> io::Result<Bytes> {
        let mut text = Vec::new();
        match self.form {
            Form::Lines => line(&mut text, &Line::Error(LineError::from(fault)))?,
            Form::Object => return Err(io::Error::other(fault.message.clone())),
        }
        Ok(Bytes::from(text))
    }
}

fn line(text: &mut Vec<u8>, line: &Line) -> io::Result<()> {
    serde_json::to_writer(&mut *text, line)?;
    text.push(b'\n');
    Ok(())
}
