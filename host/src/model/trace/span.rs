//! One span: what was done, from when to when, on behalf of which request. Plain values.

use std::borrow::Cow;
use std::sync::Arc;
use std::time::SystemTime;

use super::context::{SpanId, TraceId};

/// What is told of a text at the most, in bytes. Clients choose some of them: a head may have 64 KiB of one.
const MOST_TEXT: usize = 1024;

/// Which side of a request a span tells of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SpanKind {
    /// It was answered here.
    Server,
    /// It was sent from here.
    Client,
    /// Neither.
    Internal,
}

/// What is told of a span.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fact {
    /// A text.
    Text(Cow<'static, str>),
    /// A number.
    Number(i64),
    /// Yes or no.
    Flag(bool),
}

impl Fact {
    /// Without what is too long of it.
    pub(super) fn cut(self) -> Self {
        match self {
            Self::Text(text) => Self::Text(cut(text)),
            Self::Number(_) | Self::Flag(_) => self,
        }
    }
}

/// The begin of a text, in memory that is no larger.
pub(super) fn cut(text: Cow<'static, str>) -> Cow<'static, str> {
    match text {
        Cow::Owned(text) if text.len() > MOST_TEXT => {
            Cow::Owned(text.get(..text.floor_char_boundary(MOST_TEXT)).unwrap_or_default().to_owned())
        }
        text => text,
    }
}

impl From<&'static str> for Fact {
    fn from(text: &'static str) -> Self {
        Self::Text(Cow::Borrowed(text))
    }
}

impl From<String> for Fact {
    fn from(text: String) -> Self {
        Self::Text(Cow::Owned(text))
    }
}

impl From<bool> for Fact {
    fn from(flag: bool) -> Self {
        Self::Flag(flag)
    }
}

impl From<u16> for Fact {
    fn from(number: u16) -> Self {
        Self::Number(number.into())
    }
}

impl From<u32> for Fact {
    fn from(number: u32) -> Self {
        Self::Number(number.into())
    }
}

impl From<u64> for Fact {
    fn from(number: u64) -> Self {
        Self::Number(i64::try_from(number).unwrap_or(i64::MAX))
    }
}

impl From<usize> for Fact {
    fn from(number: usize) -> Self {
        Self::from(number as u64)
    }
}

/// A span that is over.
#[derive(Clone, Debug, PartialEq)]
pub struct Span {
    /// Its trace.
    pub trace: TraceId,
    /// Itself.
    pub id: SpanId,
    /// The span that it is part of; none at the root of a trace.
    pub parent: Option<SpanId>,
    /// Whether that one is another process's.
    pub is_parent_remote: bool,
    /// What tracing systems pass on beside the context.
    pub state: Option<Arc<str>>,
    /// One of a few, for all spans that tell of the same thing.
    pub name: Cow<'static, str>,
    /// Which side.
    pub kind: SpanKind,
    /// From when.
    pub began: SystemTime,
    /// To when.
    pub ended: SystemTime,
    /// What is known of it.
    pub facts: Vec<(&'static str, Fact)>,
    /// Why it failed, for people; none where it did not.
    pub failure: Option<Cow<'static, str>>,
}

impl Span {
    /// The memory that it takes, nearly.
    pub fn bytes(&self) -> usize {
        let owned = |text: &Cow<'static, str>| match text {
            Cow::Owned(text) => text.capacity(),
            Cow::Borrowed(_) => 0,
        };
        let of_fact = |(_, fact): &(&'static str, Fact)| match fact {
            Fact::Text(text) => owned(text),
            Fact::Number(_) | Fact::Flag(_) => 0,
        };
        let facts = self.facts.capacity() * size_of::<(&'static str, Fact)>();
        let texts: usize = self.facts.iter().map(of_fact).sum();
        // The state is the trace's; each span is taken to have it alone.
        let state = self.state.as_ref().map_or(0, |state| state.len());
        size_of::<Self>() + facts + texts + state + owned(&self.name) + self.failure.as_ref().map_or(0, owned)
    }
}

/// Where spans go. Never waits: what it has no room for, it drops and counts.
pub trait SpanSink: Send + Sync {
    /// Takes a span.
    fn take(&self, span: Span);
}
