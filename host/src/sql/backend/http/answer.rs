//! Owns reading a node's answer: lines as they come, the failure in the middle, and whether it was whole. An answer that stops
//! short is never taken for one that is complete.

use std::time::Instant;

use bytes::{Buf as _, Bytes, BytesMut};
use http::Response;
use http::header::CONTENT_TYPE;
use http_body_util::BodyExt as _;
use hyper::body::Incoming;

use super::link::{GRACE, Underway};
use super::wire::{self, Done, LINES, Line, LineError};
use crate::model::Address;
use crate::sql::backend::{Fault, FaultKind};
use crate::sql::value::{Column, Row};

/// The longest line that is read: more than any row that SQLite makes by default can be asked for in earnest.
const MAX_LINE: usize = 64 * 1024 * 1024;
/// The longest error, shape and the like.
const MAX_DOCUMENT: usize = 1024 * 1024;
/// So many rows are handed on at once.
const BATCH_ROWS: usize = 512;

/// An answer that is being read.
pub(super) struct Answer<'a> {
    node: &'a Address,
    due: Instant,
    body: Incoming,
    buffer: BytesMut,
    /// How much of the buffer has no end of a line in it.
    searched: usize,
    underway: Option<Underway<'a>>,
}

/// What the lines of an answer say.
pub(super) enum Said {
    Rows(Vec<Row>),
    Done(Done),
}

impl<'a> Answer<'a> {
    /// The answer to a question that went well so far.
    pub(super) async fn of(
        response: Response<Incoming>,
        underway: Underway<'a>,
        (node, due): (&'a Address, Instant),
    ) -> Result<Self, Fault> {
        let (head, body) = response.into_parts();
        let mut answer = Self { node, due, body, buffer: BytesMut::new(), searched: 0, underway: Some(underway) };
        if head.status.is_success() {
            return Ok(answer);
        }
        let status = head.status;
        let text = answer.document().await?;
        match serde_json::from_slice::<LineError>(&text) {
            Ok(error) => Err(Fault::from(error)),
            Err(_) => Err(answer.lost(format_args!("it answered {status}"))),
        }
    }

    /// Refuses an answer that is not in lines.
    pub(super) fn in_lines(response: &Response<Incoming>, node: &Address) -> Result<(), Fault> {
        let kind = response.headers().get(CONTENT_TYPE).and_then(|kind| kind.to_str().ok()).unwrap_or_default();
        match !response.status().is_success() || kind.starts_with(LINES) {
            true => Ok(()),
            false => Err(Fault::new(FaultKind::Lost, format!("{node}: its answer is no {LINES}"))),
        }
    }

    /// All of a short answer.
    pub(super) async fn document(&mut self) -> Result<Bytes, Fault> {
        while let Some(data) = self.data().await? {
            self.buffer.extend_from_slice(&data);
            if self.buffer.len() > MAX_DOCUMENT {
                return Err(self.lost(format_args!("its answer is too long")));
            }
        }
        self.ended();
        Ok(self.buffer.split().freeze())
    }

    /// The first line.
    pub(super) async fn columns(&mut self) -> Result<Vec<Column>, Fault> {
        let Some(line) = self.line().await? else {
            return Err(self.lost(format_args!("its answer is empty")));
        };
        match self.read::<Line>(&line)? {
            Line::Columns(columns) => Ok(columns.into_iter().map(Column::from).collect()),
            Line::Error(error) => Err(error.into()),
            Line::Done(_) => Err(self.lost(format_args!("its answer has no columns"))),
        }
    }

    /// What comes next: as many rows as are there, or the end.
    pub(super) async fn next(&mut self, width: usize) -> Result<Said, Fault> {
        let mut rows = Vec::new();
        loop {
            let Some(line) = self.line().await? else {
                return Err(self.lost(format_args!("its answer stops short")));
            };
            if !line.starts_with(b"[") {
                // What came before a failure does not count; what came before the end does.
                return match self.read::<Line>(&line)? {
                    Line::Done(done) if rows.is_empty() => self.finish(done).await,
                    Line::Done(_) => {
                        self.unread(&line);
                        Ok(Said::Rows(rows))
                    }
                    Line::Error(error) => Err(error.into()),
                    Line::Columns(_) => Err(self.lost(format_args!("columns twice"))),
                };
            }
            let row =
                wire::row(&line).map_err(|error| self.lost(format_args!("its answer cannot be read: {error}")))?;
            if row.len() != width {
                return Err(self.lost(format_args!("a row of {} values, not {width}", row.len())));
            }
            rows.push(row);
            if rows.len() >= BATCH_ROWS || !self.has_line() {
                return Ok(Said::Rows(rows));
            }
        }
    }

    async fn finish(&mut self, done: Done) -> Result<Said, Fault> {
        match self.line().await? {
            Some(_) => Err(self.lost(format_args!("its answer goes on after its end"))),
            None => {
                self.ended();
                Ok(Said::Done(done))
            }
        }
    }

    fn ended(&mut self) {
        if let Some(underway) = self.underway.take() {
            underway.ended();
        }
    }

    /// The next line, without its end; none at the end of the answer.
    async fn line(&mut self) -> Result<Option<Bytes>, Fault> {
        loop {
            let rest = self.buffer.get(self.searched..).unwrap_or_default();
            if let Some(at) = rest.iter().position(|byte| *byte == b'\n') {
                let line = self.buffer.split_to(self.searched + at).freeze();
                self.buffer.advance(1);
                self.searched = 0;
                return Ok(Some(line));
            }
            self.searched = self.buffer.len();
            if self.buffer.len() > MAX_LINE {
                return Err(self.lost(format_args!("a line is too long")));
            }
            match self.data().await? {
                Some(data) => self.buffer.extend_from_slice(&data),
                None if self.buffer.is_empty() => return Ok(None),
                None => return Err(self.lost(format_args!("its answer stops in the middle of a line"))),
            }
        }
    }

    fn has_line(&self) -> bool {
        self.buffer.contains(&b'\n')
    }

    /// Puts a line back, to be read next.
    fn unread(&mut self, line: &[u8]) {
        let rest = self.buffer.split();
        self.buffer.extend_from_slice(line);
        self.buffer.extend_from_slice(b"\n");
        self.buffer.unsplit(rest);
        self.searched = 0;
    }

    async fn data(&mut self) -> Result<Option<Bytes>, Fault> {
        loop {
            match tokio::time::timeout_at((self.due + GRACE).into(), self.body.frame()).await {
                Err(_) => {
                    let message = format!("{}: its rows did not come in time", self.node);
                    return Err(Fault::new(FaultKind::TimedOut, message));
                }
                Ok(None) => return Ok(None),
                Ok(Some(Err(error))) => return Err(self.lost(format_args!("{error}"))),
                Ok(Some(Ok(frame))) => {
                    if let Ok(data) = frame.into_data() {
                        return Ok(Some(data));
                    }
                }
            }
        }
    }

    /// Reads JSON.
    pub(super) fn read<'t, T: serde::Deserialize<'t>>(&self, text: &'t [u8]) -> Result<T, Fault> {
        serde_json::from_slice(text).map_err(|error| self.lost(format_args!("its answer cannot be read: {error}")))
    }

    fn lost(&self, why: std::fmt::Arguments<'_>) -> Fault {
        Fault::new(FaultKind::Lost, format!("{}: {why}", self.node))
    }
}
