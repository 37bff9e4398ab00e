//! Lines as they are written, where they end up, and what happens when they cannot.

use std::net::IpAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use http::{Method, Uri, Version};
use proptest::prelude::*;

use super::access::{AccessLogs, pour};
use super::counts::RecordingCounts;
use super::line::{Clock, write};
use crate::config::{AccessField, AccessFormat, AccessLog, AccessPiece, AccessTarget};
use crate::model::{Sampling, TraceId};
use crate::proxy::{Access, Wanted};

fn with_access(take: impl FnOnce(Access<'_>)) {
    let uri: Uri = "/a/b?token=secret".parse().unwrap();
    take(Access {
        began: SystemTime::UNIX_EPOCH + Duration::from_millis(1_700_000_000_123),
        took: Duration::from_micros(12_345),
        client: IpAddr::from([192, 0, 2, 1]),
        method: &Method::GET,
        uri: &uri,
        version: Version::HTTP_11,
        host: Some(b"example.com:80"),
        user_agent: Some(b"curl \"8\"\n"),
        referer: Some(b"http://a/from?token=secret#secret"),
        listener: "front",
        cluster: Some("web"),
        sql: None,
        endpoint: Some("a"),
        plugin: Some("round-robin"),
        attempts: 2,
        status: 200,
        error: None,
        bytes_sent: 5,
        trace: TraceId::new(0x4bf9),
    });
}

fn line(format: &AccessFormat) -> String {
    let mut out = Vec::new();
    with_access(|access| write(format, &access, &mut Clock::default(), &mut out));
    String::from_utf8(out).unwrap()
}

fn all_fields() -> AccessFormat {
    let space = AccessPiece::Text(" ".into());
    let pieces = AccessField::ALL.iter().flat_map(|field| [AccessPiece::Field(*field), space.clone()]);
    AccessFormat::Text(pieces.collect())
}

#[test]
fn every_field_is_written() {
    let expected = "2023-11-14T22:13:20.123Z [14/Nov/2023:22:13:20 +0000] 192.0.2.1 GET /a/b token=secret HTTP/1.1 \
                    example.com:80 200 5 12.345 front web - a round-robin 2 - curl \\x228\\x22\\x0A http://a/from \
                    00000000000000000000000000004bf9 \n";
    assert_eq!(line(&all_fields()), expected);
}

#[test]
fn json_has_what_is_known_and_no_query() {
    let text = line(&AccessFormat::Json);
    let value: serde_json::Value = serde_json::from_str(&text).unwrap();
    assert_eq!((&value["status"], &value["duration_ms"]), (&200.into(), &12.345.into()));
    assert_eq!((&value["path"], &value["user_agent"]), (&"/a/b".into(), &"curl \"8\"\n".into()));
    assert_eq!((value.get("query"), value.get("sql")), (None, None));
    assert!(!text.contains("secret") && text.matches('\n').count() == 1);
}

proptest! {
    #[test]
    fn no_value_ends_its_line_or_its_quotes(agent: Vec<u8>, host: Vec<u8>) {
        let (mut json, mut text) = (Vec::new(), Vec::new());
        let quoted = [AccessPiece::Text("\"".into()), AccessPiece::Field(AccessField::UserAgent), AccessPiece::Text("\"".into())];
        with_access(|access| {
            let access = Access { user_agent: Some(&agent), host: Some(&host), ..access };
            write(&AccessFormat::Json, &access, &mut Clock::default(), &mut json);
            write(&AccessFormat::Text(quoted.to_vec()), &access, &mut Clock::default(), &mut text);
        });
        prop_assert_eq!(json.iter().filter(|byte| **byte == b'\n').count(), 1);
        prop_assert!(serde_json::from_slice::<serde_json::Value>(&json).is_ok());
        prop_assert_eq!(text.iter().filter(|byte| **byte == b'"').count(), 2);
        prop_assert!(text.iter().all(|byte| (0x20..0x7f).contains(byte) || *byte == b'\n'));
        prop_assert_eq!(text.iter().filter(|byte| **byte == b'\n').count(), 1);
    }
}

fn open(to: &Path, sample: f64, errors: bool) -> (AccessLogs, Arc<RecordingCounts>) {
    let counts = Arc::default();
    let pieces = vec![AccessPiece::Field(AccessField::Status)];
    let format = AccessFormat::Text(pieces);
    let spec = AccessLog { to: AccessTarget::File(to.to_owned()), format, sample: Sampling::new(sample), errors };
    (AccessLogs::open(&spec, 1, &counts).unwrap(), counts)
}

fn write_one(logs: &AccessLogs) {
    let pen = logs.of_worker(0).unwrap();
    with_access(|access| pen.write(&access));
}

#[tokio::test]
async fn a_file_that_was_moved_is_made_anew_and_the_end_is_written() {
    let folder = tempfile::tempdir().unwrap();
    let (path, moved) = (folder.path().join("access.log"), folder.path().join("access.log.1"));
    let (logs, counts) = open(&path, 1.0, true);
    write_one(&logs);
    while counts.lines_written() < 1 {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    std::fs::rename(&path, &moved).unwrap();
    while !path.exists() {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    write_one(&logs);
    logs.retire().within(Duration::from_secs(5)).await;
    assert_eq!(std::fs::read_to_string(&moved).unwrap(), "200\n");
    assert_eq!((std::fs::read_to_string(&path).unwrap().as_str(), counts.lines_written()), ("200\n", 2));
}

#[tokio::test]
async fn lines_for_a_file_that_nobody_can_read_any_more_are_not_counted_as_written() {
    let folder = tempfile::tempdir().unwrap();
    let within = folder.path().join("logs");
    std::fs::create_dir(&within).unwrap();
    let (logs, counts) = open(&within.join("access.log"), 1.0, true);
    std::fs::remove_dir_all(&within).unwrap();
    write_one(&logs);
    logs.retire().within(Duration::from_secs(5)).await;
    assert_eq!((counts.lines_written(), counts.lines_dropped()), (0, [0, 1]));
}

#[tokio::test]
async fn a_log_that_is_used_no_more_ends_when_nobody_has_a_pen_of_it() {
    let folder = tempfile::tempdir().unwrap();
    let (logs, _) = open(&folder.path().join("access.log"), 1.0, true);
    let pen = logs.of_worker(0).unwrap();
    let mut ending = logs.retire();
    assert!(!ending.is_over());
    with_access(|access| pen.write(&access));
    drop(pen);
    while !ending.is_over() {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    assert_eq!(std::fs::read_to_string(folder.path().join("access.log")).unwrap(), "200\n");
}

#[test]
fn a_torn_line_is_ended_before_the_next_however_often_that_fails() {
    let (mut written, mut torn) = (Vec::new(), false);
    // What is taken each time, before nothing is.
    for (text, taken) in [("one\ntwo\n", 5), ("three\n", 0), ("four\n", 0), ("five\n", 1), ("six\n", 4), ("seven\n", 9)]
    {
        let mut left = taken;
        let (done, error) = pour(text.as_bytes(), &mut torn, |bytes| {
            let n = bytes.len().min(left);
            left -= n;
            written.extend_from_slice(&bytes[..n]);
            if n == 0 { Err(std::io::ErrorKind::StorageFull.into()) } else { Ok(n) }
        });
        assert_eq!((done == text.len(), torn), (error.is_none(), !written.ends_with(b"\n")), "{text}");
    }
    assert_eq!(String::from_utf8(written).unwrap(), "one\nt\nsix\nseven\n");
}

#[tokio::test]
async fn a_full_disk_costs_lines_and_no_time() {
    let (logs, counts) = open(Path::new("/dev/full"), 1.0, true);
    write_one(&logs);
    logs.retire().within(Duration::from_secs(5)).await;
    assert_eq!((counts.lines_written(), counts.lines_dropped()), (0, [0, 1]));
}

#[tokio::test]
async fn a_share_and_the_errors_are_wanted() {
    let folder = tempfile::tempdir().unwrap();
    let wants = |sample, errors| {
        let (logs, _) = open(&folder.path().join("x"), sample, errors);
        logs.of_worker(0).unwrap().wants()
    };
    assert_eq!(
        [wants(1.0, false), wants(0.0, true), wants(0.0, false)],
        [Wanted::Always, Wanted::IfFailed, Wanted::Never]
    );
}

#[tokio::test]
async fn a_file_that_cannot_be_opened_is_told_at_once() {
    let spec = AccessLog {
        to: AccessTarget::File("/nowhere/access.log".into()),
        format: AccessFormat::Json,
        sample: Sampling::ALL,
        errors: true,
    };
    assert!(AccessLogs::open(&spec, 1, &Arc::default()).is_err());
}
