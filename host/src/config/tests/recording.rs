//! `[traces]` and `[access_log]`: what they mean, and what is said about their mistakes.

use std::path::{Path, PathBuf};

use super::super::{
    AccessField, AccessFormat, AccessLog, AccessPiece, AccessTarget, Overrides, Recording, Traces, parse,
};
use super::{SOUND, config, mistakes};
use crate::model::Sampling;

fn recording(text: &str, overrides: &Overrides) -> Recording {
    let file = Path::new("/etc/leverframe/leverframe.toml");
    parse(&format!("{SOUND}{text}"), file, overrides).unwrap_or_else(|errors| panic!("{errors}")).recording
}

fn access(text: &str) -> AccessLog {
    config(&format!("{SOUND}[access_log]\nto = 'access.log'\n{text}")).recording.access_log.unwrap()
}

#[test]
fn nothing_is_recorded_unless_asked_for() {
    assert_eq!(config(SOUND).recording, Recording::default());
    assert_eq!(recording("[traces]\nendpoint = false\n", &Overrides::default()), Recording::default());
}

#[test]
fn traces_go_to_the_path_of_the_protocol() {
    let to = |text: &str| recording(&format!("[traces]\n{text}"), &Overrides::default()).traces.unwrap();
    let usual = Traces {
        endpoint: "http://127.0.0.1:4318/v1/traces".parse().unwrap(),
        sample: Sampling::new(0.01),
        service_name: "leverframe".into(),
    };
    assert_eq!(to(""), usual);
    let endpoint = |text: &str| to(&format!("endpoint = '{text}'")).endpoint.to_string();
    assert_eq!(endpoint("http://collector:4318/"), "http://collector:4318/v1/traces");
    assert_eq!(endpoint("http://collector:4318/otlp"), "http://collector:4318/otlp/v1/traces");
    assert_eq!(endpoint("http://collector/v1/traces"), "http://collector/v1/traces");
    let all = to("sample = 1\nservice_name = 'edge'");
    assert_eq!((all.sample, all.service_name.as_str()), (Sampling::ALL, "edge"));
}

#[test]
fn the_environment_goes_before_the_file_and_turns_traces_on() {
    let some = |text: &str| Some(text.to_owned());
    let general = Overrides { otlp_endpoint: some("http://a:1"), ..Overrides::default() };
    let traces = recording("", &general).traces.unwrap();
    assert_eq!((traces.endpoint.to_string(), traces.sample), ("http://a:1/v1/traces".into(), Sampling::new(0.01)));
    let own = Overrides { otlp_traces_endpoint: some("http://b:2/x"), otel_service_name: some("here"), ..general };
    let traces = recording("[traces]\nendpoint = 'http://c:3'\nservice_name = 'there'\nsample = 0.5\n", &own);
    let traces = traces.traces.unwrap();
    assert_eq!((traces.endpoint.to_string(), traces.service_name.as_str()), ("http://b:2/x".into(), "here"));
    assert_eq!(traces.sample, Sampling::new(0.5));
    let file = Path::new("/etc/leverframe/leverframe.toml");
    let wrong = Overrides { otlp_endpoint: some("collector"), ..Overrides::default() };
    let said = parse(SOUND, file, &wrong).unwrap_err().to_string();
    assert!(said.contains("OTEL_EXPORTER_OTLP_ENDPOINT: `collector` is no collector's address"), "{said}");
}

#[test]
fn a_line_is_a_preset_or_fields_in_braces() {
    let usual = access("");
    assert_eq!(usual.to, AccessTarget::File(PathBuf::from("/etc/leverframe/access.log")));
    assert_eq!((usual.sample, usual.errors), (Sampling::ALL, true));
    assert_eq!(usual.format, access("format = 'combined'").format);
    assert_eq!(access("format = 'json'").format, AccessFormat::Json);
    let AccessFormat::Text(pieces) = access("format = '{{{method}}} {status}'").format else { panic!("pieces") };
    let text = |text: &str| AccessPiece::Text(text.into());
    let expected =
        [text("{"), AccessPiece::Field(AccessField::Method), text("} "), AccessPiece::Field(AccessField::Status)];
    assert_eq!(pieces, expected);
    let all: String = AccessField::ALL.iter().map(|field| format!("{{{}}}", field.as_str())).collect();
    let AccessFormat::Text(pieces) = access(&format!("format = '{all}'")).format else { panic!("pieces") };
    assert_eq!(pieces.len(), AccessField::ALL.len());
    let to = |to: &str| config(&format!("{SOUND}[access_log]\nto = '{to}'")).recording.access_log.unwrap().to;
    assert_eq!((to("stdout"), to("stderr")), (AccessTarget::Stdout, AccessTarget::Stderr));
}

#[test]
fn mistakes_are_told_with_what_to_write_instead() {
    let said = |text: &str| mistakes(&format!("{SOUND}{text}"));
    let access = |text: &str| said(&format!("[access_log]\nto = 'x'\nformat = '{text}'\n"));
    assert_eq!(access("{methd}"), "10:10: access_log.format: `{methd}` is no field (did you mean `{method}`?)\n");
    assert!(access("{zzzzzzzzz}").contains("(one of time, time_common, client, "));
    assert!(access("{method").contains("a brace of `{method` has no other"));
    assert!(access("}").contains("written twice"));
    assert!(access("jsn").contains("there is no field in `jsn`"));
    assert!(said("[access_log]\n").contains("access_log.to"));
    assert!(said("[access_log]\nto = 'x'\nsample = 1.5\n").contains("a share from 0 to 1"));
    assert!(said("[traces]\nsample = 2\n").contains("a share from 0 to 1"));
    assert!(said("[traces]\nendpoint = 'https://x'\n").contains("without TLS"));
    let named = said("[traces]\nendpoint = 'http://user:hush@x'\n");
    assert!(named.contains("`http://(secret)@x` is no collector's address (a host and a port"), "{named}");
    assert!(said("[traces]\nendpoint = 'grpc://x'\n").contains("over HTTP"));
    assert!(said("[traces]\nservice_name = ''\n").contains("there is nothing in it"));
}
