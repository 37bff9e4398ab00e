//! However the bytes are split, the result is the same; and what could be read in two ways is refused.

use bytes::{Bytes, BytesMut};
use http::HeaderMap;
use proptest::prelude::*;

use super::*;

fn head(text: &str) -> Result<Option<(ResponseHead, usize)>, Malformed> {
    parse(&Bytes::copy_from_slice(text.as_bytes()), false, |_| HeaderMap::new())
}

fn framing(lines: &str) -> Result<(Framing, bool), Malformed> {
    head(&format!("{lines}\r\n\r\n")).map(|head| head.map(|(head, _)| (head.framing, head.keep_alive)).unwrap())
}

/// A body's data, its trailers, and what is left behind it.
type Whole = (Vec<u8>, HeaderMap, Vec<u8>);

/// Feeds a body in pieces: its data, its trailers, and what is left behind it; none when it is incomplete.
fn read(framing: Framing, parts: &[&[u8]]) -> Result<Option<Whole>, Malformed> {
    let mut decoder = BodyDecoder::new(framing);
    let (mut data, mut trailers, mut input, mut over) = (Vec::new(), HeaderMap::new(), Bytes::new(), false);
    for part in parts {
        let mut joined = BytesMut::from(&*input);
        joined.extend_from_slice(part);
        input = joined.freeze();
        while !over {
            match decoder.decode(&mut input)? {
                Piece::Data(piece) => {
                    assert!(!piece.is_empty());
                    data.extend_from_slice(&piece);
                }
                Piece::Trailers(fields) => (trailers, over) = (fields, true),
                Piece::Done => over = true,
                Piece::More => break,
            }
        }
    }
    Ok((over || decoder.may_end_here()).then(|| (data, trailers, input.to_vec())))
}

fn chunked(text: &str) -> Result<Option<Whole>, Malformed> {
    read(Framing::Chunked, &[text.as_bytes()])
}

#[test]
fn the_end_of_a_body_is_found_in_one_way() {
    let ok = "HTTP/1.1 200 OK";
    assert_eq!(framing(&format!("{ok}\r\ncontent-length: 5")), Ok((Framing::Length(5), true)));
    assert_eq!(framing(&format!("{ok}\r\ncontent-length: 5\r\ncontent-length: 5")), Ok((Framing::Length(5), true)));
    assert_eq!(framing(&format!("{ok}\r\nTransfer-Encoding: Chunked")), Ok((Framing::Chunked, true)));
    assert_eq!(framing(&format!("{ok}\r\ncontent-length: 0\r\nconnection: x, Close")), Ok((Framing::Empty, false)));
    assert_eq!(framing(ok), Ok((Framing::UntilClose, false)));
    assert_eq!(framing("HTTP/1.0 200 OK\r\ncontent-length: 1"), Ok((Framing::Length(1), false)));
    let kept = "HTTP/1.0 200 OK\r\ncontent-length: 1\r\nconnection: keep-alive";
    assert_eq!(framing(kept), Ok((Framing::Length(1), true)));
    for status in ["100 Continue", "101 Switching Protocols", "204 No Content", "304 Not Modified"] {
        assert_eq!(framing(&format!("HTTP/1.1 {status}\r\ncontent-length: 5")), Ok((Framing::Empty, true)));
    }
    let answer = Bytes::from_static(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n");
    assert_eq!(parse(&answer, true, |_| HeaderMap::new()).unwrap().unwrap().0.framing, Framing::Empty);
}

#[test]
fn heads_that_are_unsound_are_refused() {
    for lines in [
        "content-length: 5\r\ncontent-length: 6",
        "content-length: 5, 5",
        "content-length: +5",
        "content-length: ",
        "content-length: 18446744073709551616",
        "content-length: 5\r\ntransfer-encoding: chunked",
        "transfer-encoding: chunked\r\ncontent-length: 5",
        "transfer-encoding: gzip, chunked",
        "transfer-encoding: chunked\r\ntransfer-encoding: chunked",
        "transfer-encoding: identity",
        "x: a\r\n folded",
        "x : a",
        "x: a\0b",
        "x: a\rb",
        "x y: a",
        ": a",
    ] {
        assert!(head(&format!("HTTP/1.1 200 OK\r\n{lines}\r\n\r\n")).is_err(), "{lines:?}");
    }
    for line in ["HTTP/1.0 200 OK\r\ntransfer-encoding: chunked", "HTTP/2.0 200 OK", "HTTP/1.1 20 OK", "HTTP/1.1 099 x"]
    {
        assert!(head(&format!("{line}\r\n\r\n")).is_err(), "{line:?}");
    }
}

#[test]
fn heads_are_bounded() {
    let lines = |n: usize| format!("HTTP/1.1 200 OK\r\n{}\r\n", "a: b\r\n".repeat(n));
    assert_eq!(head(&lines(256)).unwrap().unwrap().0.headers.len(), 256);
    assert_eq!(head(&lines(257)).unwrap_err(), Malformed("it has too many headers"));
    let endless = format!("HTTP/1.1 200 OK\r\nx: {}", "y".repeat(64 * 1024));
    assert_eq!(head(&endless).unwrap_err(), Malformed("its head is too large"));
    assert_eq!(head(&format!("{endless}\r\n\r\n")).unwrap_err(), Malformed("its head is too large"));
}

#[test]
fn what_is_meant_for_one_hop_goes() {
    let text = "HTTP/1.1 203 Fine\r\nConnection: x-hop, content-length\r\nkeep-alive: 5\r\nX-Hop: 1\r\nupgrade: x\r\n\
                proxy-connection: a\r\nte: a\r\nset-cookie: a\r\nset-cookie: b\r\nempty:\r\ncontent-length: 2\r\n\r\nok";
    let (head, length) = head(text).unwrap().unwrap();
    assert_eq!(&text[length..], "ok");
    let mut lines: Vec<_> = head.headers.iter().map(|(name, value)| (name.as_str(), value.to_str().unwrap())).collect();
    lines.sort_unstable();
    assert_eq!(lines, [("content-length", "2"), ("empty", ""), ("set-cookie", "a"), ("set-cookie", "b")]);
    assert_eq!((head.reason.as_deref(), head.upgrade.unwrap().to_str().unwrap()), (Some(&b"Fine"[..]), "x"));
}

#[test]
fn chunks_are_read() {
    let (data, trailers, rest) = chunked("3;a=\"b\"\r\nabc\r\nA\r\n0123456789\r\n000\r\n\r\nmore").unwrap().unwrap();
    assert_eq!((data.as_slice(), trailers.len(), rest.as_slice()), (&b"abc0123456789"[..], 0, &b"more"[..]));
    let (_, trailers, rest) = chunked("0\r\nx-sum: 7\r\ncontent-length: 9\r\n\r\n").unwrap().unwrap();
    assert_eq!((trailers.len(), &trailers["x-sum"], rest.len()), (1, &http::HeaderValue::from_static("7"), 0));
    assert_eq!(chunked("3\r\nabc\r\n"), Ok(None));
}

#[test]
fn chunks_that_are_unsound_are_refused() {
    for body in [
        "x\r\n",
        "\r\n",
        "-1\r\n",
        " 1\r\n",
        "0x1\r\n",
        "1\na",
        "1;\n\r\na",
        "1;\0\r\na",
        "2\r\nabc\r\n",
        "2\r\nab\n0\r\n",
        "1 2\r\r\n",
        "10000000000000000\r\n",
        "0\r\nx y: 1\r\n\r\n",
        "0\r\nx: a\r\n b\r\n\r\n",
    ] {
        assert!(chunked(body).is_err(), "{body:?}");
    }
    assert!(chunked(&format!("1;{}\r\n", "e".repeat(17 * 1024))).is_err());
    assert!(chunked(&"1;eeeeeeeeeee\r\na\r\n".repeat(2000)).is_err(), "all extensions together are bounded");
    assert!(chunked(&format!("0\r\nx: {}", "y".repeat(17 * 1024))).is_err());
}

fn split<'a>(bytes: &'a [u8], cuts: &[prop::sample::Index]) -> Vec<&'a [u8]> {
    let mut at: Vec<_> = cuts.iter().map(|cut| cut.index(bytes.len() + 1)).collect();
    at.sort_unstable();
    at.push(bytes.len());
    let mut from = 0;
    at.into_iter().map(|to| &bytes[std::mem::replace(&mut from, to)..to]).collect()
}

proptest! {
    #[test]
    fn what_is_written_in_chunks_is_read_again(
        pieces in prop::collection::vec(prop::collection::vec(any::<u8>(), 1..600), 0..6),
        sum in prop::option::of("[a-z]{1,9}"),
        cuts in prop::collection::vec(any::<prop::sample::Index>(), 0..12),
    ) {
        let (mut wire, mut fields) = (Vec::new(), HeaderMap::new());
        for piece in &pieces {
            encode::chunk_start(&mut wire, piece.len());
            wire.extend_from_slice(piece);
            wire.extend_from_slice(encode::CHUNK_END);
        }
        if let Some(sum) = sum {
            fields.insert("x-sum", sum.parse().unwrap());
        }
        encode::last_chunk(&mut wire, &fields, |_| true);
        wire.extend_from_slice(b"behind");
        let got = read(Framing::Chunked, &split(&wire, &cuts)).unwrap();
        prop_assert_eq!(got, Some((pieces.concat(), fields, b"behind".to_vec())));
    }

    #[test]
    fn any_split_of_any_bytes_is_read_alike(
        wire in "([0-3a]{1,2}(;x)?\r\n[a-c]{0,3}\r?\n?){0,4}0?\r?\n?(x: y\r\n)?\r?\n?",
        cuts in prop::collection::vec(any::<prop::sample::Index>(), 0..12),
    ) {
        for framing in [Framing::Chunked, Framing::Length(7), Framing::UntilClose, Framing::Empty] {
            let whole = read(framing, &[wire.as_bytes()]);
            prop_assert_eq!(&read(framing, &split(wire.as_bytes(), &cuts)), &whole);
        }
    }

    #[test]
    fn a_head_is_read_when_it_is_complete_and_not_before(
        values in prop::collection::vec("[ -~]{0,20}", 0..5),
        cut in any::<prop::sample::Index>(),
    ) {
        let mut text = String::from("HTTP/1.1 200 OK\r\n");
        values.iter().for_each(|value| text += &format!("x: {value}\r\n"));
        text += "\r\n";
        let (whole, length) = head(&text).unwrap().unwrap();
        let read: Vec<_> = whole.headers.get_all("x").iter().map(|value| value.to_str().unwrap()).collect();
        prop_assert_eq!(read, values.iter().map(|value| value.trim()).collect::<Vec<_>>());
        prop_assert_eq!(length, text.len());
        prop_assert!(head(&text[..cut.index(text.len())]).unwrap().is_none());
    }

    #[test]
    fn any_bytes_are_read_or_refused(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        let bytes = Bytes::from(bytes);
        let _ = parse(&bytes, false, |_| HeaderMap::new());
        let _ = read(Framing::Chunked, &[&bytes]);
    }
}
