//! Server-sent events out of bytes, as they come: a piece may end anywhere. Pure.

/// One event: its kind and what it says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Said {
    pub(super) kind: String,
    pub(super) data: String,
}

/// The longest event that is kept, over which the sender is no Leverframe.
const MOST_BYTES: usize = 64 << 20;

/// What has come and is not complete yet.
#[derive(Debug, Default)]
pub(super) struct Frames {
    rest: Vec<u8>,
}

impl Frames {
    /// Takes a piece and gives what is complete with it. Nothing when it never will be.
    pub(super) fn take(&mut self, piece: &[u8]) -> Option<Vec<Said>> {
        self.rest.extend_from_slice(piece);
        if self.rest.len() > MOST_BYTES {
            return None;
        }
        let mut events = Vec::new();
        let mut from = 0;
        while let Some(length) = self.rest.get(from..).and_then(|rest| memchr::memmem::find(rest, b"\n\n")) {
            let text = String::from_utf8_lossy(self.rest.get(from..from + length).unwrap_or_default());
            events.extend(read(&text));
            from += length + 2;
        }
        self.rest.drain(..from);
        Some(events)
    }
}

/// An event of its lines; nothing where they only are a comment.
fn read(text: &str) -> Option<Said> {
    let (mut kind, mut data) = ("message", Vec::new());
    for line in text.lines() {
        let (name, value) = line.split_once(':').unwrap_or((line, ""));
        let value = value.strip_prefix(' ').unwrap_or(value);
        match name {
            "event" => kind = value,
            "data" => data.push(value),
            _ => {}
        }
    }
    (!data.is_empty()).then(|| Said { kind: kind.to_owned(), data: data.join("\n") })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events_are_read_wherever_the_pieces_end() {
        let text = ": keep-alive\n\nid: 7\nevent: tick\ndata: {\"a\":\ndata: 1}\n\nevent: event\ndata: ä\n\nevent: ti";
        let wanted = [("tick", "{\"a\":\n1}"), ("event", "ä")]
            .map(|(kind, data)| Said { kind: kind.to_owned(), data: data.to_owned() });
        for size in 1..text.len() {
            let mut frames = Frames::default();
            let read: Vec<_> = text.as_bytes().chunks(size).flat_map(|piece| frames.take(piece).unwrap()).collect();
            assert_eq!(read, wanted, "pieces of {size}");
            assert_eq!(frames.rest, b"event: ti");
        }
    }
}
