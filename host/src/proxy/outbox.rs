//! What is still to be written to an endpoint. Small pieces are copied together, so that a head and a small body leave in
//! one write; a large one is kept as it is. Pure.

use std::io::IoSlice;

use bytes::{Buf, Bytes};

use crate::model::TraceContext;

/// Up to this many bytes are gathered before they are written.
const GATHERED: usize = 16 * 1024;

/// Room that is kept for the next request.
const KEPT: usize = 16 * 1024;

/// Bytes that wait to be written.
#[derive(Clone, Debug, Default)]
pub(super) struct Outbox {
    gathered: Vec<u8>,
    /// How much of `gathered` is written.
    done: usize,
    /// Comes behind `gathered`.
    large: Bytes,
    /// Comes behind `large`.
    tail: &'static [u8],
    /// Something was written since it was last cleared.
    touched: bool,
}

impl Outbox {
    /// Forgets everything: a new request begins.
    pub(super) fn clear(&mut self) {
        self.gathered.clear();
        self.gathered.shrink_to(KEPT);
        self.done = 0;
        self.large = Bytes::new();
        self.tail = &[];
        self.touched = false;
    }

    /// Begins once more with what was gathered since it was cleared. Only of use while nothing was dropped since: for a
    /// request without a body, or as long as nothing was written.
    pub(super) fn rewind(&mut self) {
        self.done = 0;
    }

    /// Whether anything was written since it was cleared.
    pub(super) fn is_touched(&self) -> bool {
        self.touched
    }

    pub(super) fn is_empty(&self) -> bool {
        self.done >= self.gathered.len() && self.large.is_empty() && self.tail.is_empty()
    }

    /// Whether more may be put in before something is written.
    pub(super) fn has_room(&self) -> bool {
        self.large.is_empty() && self.tail.is_empty() && self.gathered.len() < GATHERED
    }

    /// Has the head that was written say which span it comes from, where it says that it comes from that trace.
    pub(super) fn come_from(&mut self, context: TraceContext) {
        let head = memchr::memmem::find(&self.gathered, b"\r\n\r\n").unwrap_or(self.gathered.len());
        let Some(head) = self.gathered.get_mut(..head) else { return };
        let said = format!("\r\ntraceparent: 00-{}-", context.trace);
        let Some(at) = memchr::memmem::find(head, said.as_bytes()) else { return };
        let id = context.span.to_string();
        if let Some(place) = head.get_mut(at + said.len()..at + said.len() + id.len()) {
            place.copy_from_slice(id.as_bytes());
        }
    }

    /// Where small pieces go. Only while there is room.
    pub(super) fn gather(&mut self) -> &mut Vec<u8> {
        &mut self.gathered
    }

    /// Puts in data and what comes behind it. Only while there is room.
    pub(super) fn put(&mut self, data: Bytes, tail: &'static [u8]) {
        if self.gathered.len() + data.len() <= GATHERED {
            self.gathered.extend_from_slice(&data);
            self.gathered.extend_from_slice(tail);
        } else {
            self.large = data;
            self.tail = tail;
        }
    }

    /// The pieces in their order; some may be empty.
    pub(super) fn pieces(&self) -> [IoSlice<'_>; 3] {
        [IoSlice::new(self.rest()), IoSlice::new(&self.large), IoSlice::new(self.tail)]
    }

    /// All there is, when it is in one piece.
    pub(super) fn single(&self) -> Option<&[u8]> {
        (self.large.is_empty() && self.tail.is_empty()).then(|| self.rest())
    }

    /// So many bytes were written. What was gathered is kept until more is put in or the next request begins.
    pub(super) fn advance(&mut self, n: usize) {
        self.touched |= n > 0;
        let gathered = n.min(self.gathered.len() - self.done);
        self.done += gathered;
        let large = (n - gathered).min(self.large.len());
        self.large.advance(large);
        let tail = n - gathered - large;
        self.tail = self.tail.get(tail..).unwrap_or_default();
    }

    /// Makes room when everything is written and more is to come.
    pub(super) fn reuse(&mut self) {
        if self.is_empty() {
            self.gathered.clear();
            self.done = 0;
        }
    }

    fn rest(&self) -> &[u8] {
        self.gathered.get(self.done..).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn only_the_span_of_its_own_trace_is_replaced_and_only_in_the_head() {
        const LINE: &str = "\r\ntraceparent: 00-4bf92f3577b34da6a3ce929d0e0e4736-";
        let context = |text: &str| TraceContext::parse(text.as_bytes()).unwrap();
        let mut outbox = Outbox::default();
        let text = |span: &str| format!("GET / HTTP/1.1{LINE}{span}-01\r\nx: y\r\n\r\n{LINE}00f067aa0ba902b7-01");
        outbox.gather().extend_from_slice(text("00f067aa0ba902b7").as_bytes());
        outbox.come_from(context("00-11111111111111111111111111111111-1111111111111111-01"));
        assert_eq!(outbox.gather(), text("00f067aa0ba902b7").as_bytes());
        outbox.come_from(context("00-4bf92f3577b34da6a3ce929d0e0e4736-1111111111111111-01"));
        assert_eq!(outbox.gather(), text("1111111111111111").as_bytes());
    }

    proptest! {
        #[test]
        fn everything_is_written_once_and_in_order(sizes in prop::collection::vec(0_usize..40_000, 1..6), step in 700_usize..9_000) {
            let (mut outbox, mut expected, mut written) = (Outbox::default(), Vec::new(), Vec::new());
            for (at, size) in sizes.into_iter().enumerate() {
                let data = vec![u8::try_from(at).unwrap(); size];
                expected.extend_from_slice(&data);
                expected.extend_from_slice(b"\r\n");
                outbox.put(Bytes::from(data), b"\r\n");
                while !outbox.is_empty() {
                    let all: Vec<u8> = outbox.pieces().iter().flat_map(|piece| piece.iter().copied()).collect();
                    prop_assert!(outbox.single().is_none_or(|single| single == all));
                    let n = step.min(all.len());
                    written.extend_from_slice(&all[..n]);
                    outbox.advance(n);
                }
                outbox.reuse();
            }
            prop_assert_eq!(written, expected);
        }
    }
}
