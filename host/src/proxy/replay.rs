//! A request's body as it comes from the client, kept while it is passed on, so that it can be sent again. One that turns
//! out to be larger than may be kept is let go, and from there on can be sent only once.

use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http::HeaderMap;
use http_body::{Body, Frame};
use hyper::body::Incoming;

use super::outbox::Outbox;

/// A smaller frame is copied: to keep it as it is would cost about as much again.
const SMALL: usize = 1024;

/// Where the frames of a body come from.
pub(super) struct Source {
    incoming: Incoming,
    /// How long the body is, where that was said, and how much of that is still to pass.
    length: Option<u64>,
    left: Option<u64>,
    kept: Option<Kept>,
}

/// The body cannot be read to its end.
#[derive(Debug)]
pub(super) struct Broken;

/// What came so far.
struct Kept {
    /// The head of the request, as it goes over the wire.
    head: Vec<u8>,
    data: Vec<Bytes>,
    /// Comes behind `data`: small frames, all of which have passed.
    small: Vec<u8>,
    bytes: usize,
    most: usize,
    /// The body is over, with these trailers.
    end: Option<Option<HeaderMap>>,
    /// What passes next of `data`.
    next: usize,
    /// Nothing is kept any more but what has not passed yet.
    forgotten: bool,
}

impl Source {
    pub(super) fn new(incoming: Incoming) -> Self {
        let length = incoming.size_hint().exact();
        Self { incoming, length, left: length, kept: None }
    }

    /// Keeps what passes from here on, up to so many bytes, behind a head.
    pub(super) fn keep(&mut self, most: usize, head: &[u8]) {
        self.kept = Some(Kept::new(head.to_vec(), most));
    }

    /// It will not be sent again. What is sent for the second time goes on from what was kept.
    pub(super) fn forget(&mut self) {
        if let Some(kept) = &mut self.kept {
            kept.forget();
        }
    }

    /// Whether all that was sent is still there.
    pub(super) fn is_kept(&self) -> bool {
        self.kept.as_ref().is_some_and(|kept| !kept.forgotten)
    }

    /// Begins anew: what goes out first; the body comes behind it.
    pub(super) fn rewind(&mut self) -> Outbox {
        let mut outbox = Outbox::default();
        self.left = self.length;
        if let Some(kept) = &mut self.kept {
            kept.rewind();
            outbox.gather().extend_from_slice(&kept.head);
        }
        outbox
    }

    /// Whether nothing more comes. A body that is shorter than was said has no end.
    pub(super) fn is_end_stream(&self) -> bool {
        self.left.is_none_or(|left| left == 0)
            && self.kept.as_ref().is_none_or(|kept| kept.next >= kept.data.len())
            && self.incoming.is_end_stream()
    }

    pub(super) fn poll_frame(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Broken>>> {
        let frame = match self.kept.as_mut().and_then(Kept::pass) {
            Some(again) => again,
            None => {
                let frame = ready!(Pin::new(&mut self.incoming).poll_frame(cx)).transpose().map_err(|_| Broken)?;
                if !self.kept.as_mut().is_some_and(|kept| kept.take(frame.as_ref())) {
                    self.kept = None;
                }
                frame
            }
        };
        let data = frame.as_ref().and_then(Frame::data_ref);
        match (&mut self.left, data) {
            (Some(left), Some(data)) => *left = left.saturating_sub(data.len() as u64),
            // Whoever waits for the rest would take what comes behind for it.
            (Some(1..), None) => return Poll::Ready(Some(Err(Broken))),
            (Some(0) | None, _) => {}
        }
        Poll::Ready(frame.map(Ok))
    }
}

impl Kept {
    fn new(head: Vec<u8>, most: usize) -> Self {
        let (data, small) = (Vec::new(), Vec::new());
        Self { head, data, small, bytes: 0, most, end: None, next: 0, forgotten: false }
    }

    /// What passes once more; none when what is next is still to come.
    fn pass(&mut self) -> Option<Option<Frame<Bytes>>> {
        match self.data.get(self.next) {
            Some(data) => {
                self.next += 1;
                Some(Some(Frame::data(data.clone())))
            }
            None => self.end.as_ref().map(|trailers| trailers.clone().map(Frame::trailers)),
        }
    }

    /// Takes in what came and passes; false when that cannot be kept, or need not.
    fn take(&mut self, frame: Option<&Frame<Bytes>>) -> bool {
        let Some(data) = frame.and_then(Frame::data_ref) else {
            self.end = Some(frame.and_then(Frame::trailers_ref).cloned());
            return !self.forgotten;
        };
        self.bytes += data.len();
        if self.forgotten || self.bytes > self.most {
            return false;
        }
        if data.len() < SMALL {
            self.small.extend_from_slice(data);
        } else {
            self.close_small();
            self.data.push(data.clone());
        }
        self.next = self.data.len();
        true
    }

    fn close_small(&mut self) {
        if !self.small.is_empty() {
            self.data.push(Bytes::from(std::mem::take(&mut self.small)));
        }
    }

    fn rewind(&mut self) {
        self.close_small();
        self.next = 0;
    }

    fn forget(&mut self) {
        self.forgotten = true;
        self.head = Vec::new();
        self.small = Vec::new();
        self.data.drain(..self.next.min(self.data.len()));
        self.next = 0;
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn data(frame: Option<Option<Frame<Bytes>>>) -> Option<Bytes> {
        frame.flatten().map(|frame| frame.into_data().unwrap())
    }

    fn rest(kept: &mut Kept) -> Vec<u8> {
        std::iter::from_fn(|| data(kept.pass())).flatten().collect()
    }

    #[test]
    fn small_frames_are_kept_together() {
        let mut kept = Kept::new(Vec::new(), 64 << 10);
        for at in 0..64 << 10 {
            assert!(kept.take(Some(&Frame::data(Bytes::from(vec![at as u8])))));
        }
        assert!(!kept.take(Some(&Frame::data(Bytes::from_static(b"x")))), "more than may be kept");
        kept.rewind();
        assert_eq!(kept.data.len(), 1);
        assert!(rest(&mut kept).into_iter().enumerate().all(|(at, byte)| byte == at as u8));
    }

    proptest! {
        #[test]
        fn what_passes_again_is_what_passed(
            sizes in prop::collection::vec(prop_oneof![0_usize..20, 1000_usize..1100], 0..20),
            (first, passed) in (0_usize..20, 0_usize..20),
            ends in any::<bool>(),
        ) {
            let frames: Vec<_> = (0..).zip(&sizes).map(|(at, size)| Bytes::from(vec![at; *size])).collect();
            let all: Vec<u8> = frames.iter().flatten().copied().collect();
            let (early, late) = frames.split_at(first.min(frames.len()));
            let mut kept = Kept::new(Vec::new(), usize::MAX);
            for frame in early {
                assert!(kept.take(Some(&Frame::data(frame.clone()))));
            }
            kept.rewind();
            let mut again = rest(&mut kept);
            for frame in late {
                assert!(kept.take(Some(&Frame::data(frame.clone()))));
                again.extend_from_slice(frame);
            }
            prop_assert_eq!(&again, &all);
            if ends {
                kept.take(None);
            }
            kept.rewind();
            // Only what has passed is forgotten.
            let mut third: Vec<u8> = (0..passed).filter_map(|_| data(kept.pass())).flatten().collect();
            kept.forget();
            third.extend(rest(&mut kept));
            prop_assert_eq!(third, all);
            prop_assert_eq!(kept.pass().is_some(), ends);
        }
    }
}
