//! `[traces]` and `[access_log]`: where they go, and what is in a line.

use http::Uri;
use http::uri::PathAndQuery;

use super::super::document::At;
use super::super::file;
use super::super::overrides::{OTLP_ENDPOINT_VARIABLE, OTLP_TRACES_ENDPOINT_VARIABLE};
use super::super::problems::{Origin, Problems, Reported};
use super::super::read::closest;
use super::super::recording::{AccessField, AccessFormat, AccessLog, AccessPiece, AccessTarget, Recording, Traces};
use super::super::units::{Share, Switch};
use super::super::{defaults, overrides::Overrides};
use super::Surroundings;
use super::url::without_secrets;
use crate::model::Sampling;

/// What OTLP over HTTP puts behind the address of a collector.
const TRACES_PATH: &str = "/v1/traces";

/// The formats that have a name. None has the query of a request, which may hold secrets, nor that of a referer.
const PRESETS: [(&str, &str); 2] = [
    ("common", "{client} - - [{time_common}] \"{method} {path} {protocol}\" {status} {bytes_sent}"),
    (
        "combined",
        "{client} - - [{time_common}] \"{method} {path} {protocol}\" {status} {bytes_sent} \"{referer}\" \"{user_agent}\"",
    ),
];

/// The format that is one JSON object a line.
const JSON: &str = "json";

/// Compiles both.
pub(super) fn compile(
    (traces, access_log): (Option<file::Traces>, Option<file::AccessLog>),
    around: Surroundings<'_>,
    problems: &mut Problems<'_>,
) -> Result<Recording, Reported> {
    let traces = self::traces(traces, around.overrides, problems);
    let access_log = self::access_log(access_log, around, problems);
    Ok(Recording { traces: traces?, access_log: access_log? })
}

/// Compiles `[traces]`, which the environment can turn on as well.
fn traces(
    file: Option<file::Traces>,
    overrides: &Overrides,
    problems: &mut Problems<'_>,
) -> Result<Option<Traces>, Reported> {
    let from_environment = overrides.otlp_traces_endpoint.as_deref().or(overrides.otlp_endpoint.as_deref());
    let file = match (file, from_environment) {
        (None, None) => return Ok(None),
        (None, Some(_)) => file::Traces::default(),
        (Some(file), _) => file,
    };
    let at = At::root().key("traces");
    let endpoint = match (&overrides.otlp_traces_endpoint, &overrides.otlp_endpoint, &file.endpoint) {
        (Some(text), ..) => endpoint(text, "", &Origin::Variable(OTLP_TRACES_ENDPOINT_VARIABLE), problems),
        (None, Some(text), _) => endpoint(text, TRACES_PATH, &Origin::Variable(OTLP_ENDPOINT_VARIABLE), problems),
        (None, None, Switch::Off) => return Ok(None),
        (None, None, Switch::Default) => Ok(Uri::from_static(defaults::TRACES_ENDPOINT)),
        (None, None, Switch::To(text)) => endpoint(text, TRACES_PATH, &Origin::File(at.key("endpoint")), problems),
    };
    let name = overrides.otel_service_name.clone().or(file.service_name);
    let service_name = match name {
        Some(name) if name.trim().is_empty() => {
            return Err(problems.report(&at.key("service_name"), "there is nothing in it"));
        }
        name => name.unwrap_or_else(|| defaults::SERVICE_NAME.to_owned()),
    };
    let sample = Sampling::new(file.sample.map_or(defaults::TRACES_SAMPLE, Share::get));
    Ok(Some(Traces { endpoint: endpoint?, sample, service_name }))
}

/// Reads where a collector is; `path` is put behind it, unless it ends so.
fn endpoint(text: &str, path: &str, origin: &Origin, problems: &mut Problems<'_>) -> Result<Uri, Reported> {
    let mut refuse = |advice: &str| {
        Err(problems.refuse(origin, format!("`{}` is no collector's address", without_secrets(text)), advice))
    };
    let usual = "over HTTP, as in `http://127.0.0.1:4318`";
    let Ok(uri) = text.trim().parse::<Uri>() else { return refuse(usual) };
    match uri.scheme_str() {
        Some("http") => {}
        Some("https") => return refuse("spans are sent without TLS: name a collector near by, which sends them on"),
        _ => return refuse(usual),
    }
    if uri.host().is_none_or(str::is_empty) || uri.authority().is_some_and(|authority| authority.as_str().contains('@'))
    {
        return refuse(
            "a host and a port; spans are sent without a name or a password: name a collector near by, which adds them",
        );
    }
    let given = uri.path().trim_end_matches('/');
    let whole = match given.ends_with(path) {
        true if given.is_empty() => "/".to_owned(),
        true => given.to_owned(),
        false => format!("{given}{path}"),
    };
    let mut parts = uri.into_parts();
    parts.path_and_query = PathAndQuery::try_from(whole).ok();
    Uri::from_parts(parts).or_else(|_| refuse(usual))
}

/// Compiles `[access_log]`.
fn access_log(
    file: Option<file::AccessLog>,
    around: Surroundings<'_>,
    problems: &mut Problems<'_>,
) -> Result<Option<AccessLog>, Reported> {
    let Some(file) = file else { return Ok(None) };
    let at = At::root().key("access_log");
    let to = problems.required(file.to, &at.key("to"), "a file, or \"stdout\" or \"stderr\"");
    let to = to.and_then(|to| match to.as_str() {
        "" => Err(problems.report(&at.key("to"), "there is nothing in it")),
        "stdout" => Ok(AccessTarget::Stdout),
        "stderr" => Ok(AccessTarget::Stderr),
        path => Ok(AccessTarget::File(around.folder.join(path))),
    });
    let text = file.format.as_deref().unwrap_or(defaults::ACCESS_FORMAT);
    let format = format(text, &at.key("format"), problems);
    let sample = file.sample.map_or(Sampling::ALL, |share| Sampling::new(share.get()));
    Ok(Some(AccessLog { to: to?, format: format?, sample, errors: file.errors.unwrap_or(true) }))
}

/// Reads a format: its name, or the line itself with its fields in braces.
fn format(text: &str, at: &At, problems: &mut Problems<'_>) -> Result<AccessFormat, Reported> {
    if text == JSON {
        return Ok(AccessFormat::Json);
    }
    let preset = PRESETS.into_iter().find(|(name, _)| *name == text).map(|(_, line)| line);
    match pieces(preset.unwrap_or(text)) {
        Ok(pieces) if pieces.iter().any(|piece| matches!(piece, AccessPiece::Field(_))) => {
            Ok(AccessFormat::Text(pieces))
        }
        Ok(_) => {
            let advice =
                "a name, \"json\", \"common\" or \"combined\", or fields in braces: \"{method} {path} {status}\"";
            Err(problems.advise(at, format!("there is no field in `{text}`"), advice))
        }
        Err((message, advice)) => Err(problems.advise(at, message, advice)),
    }
}

/// The pieces of a line; a brace that is meant is written twice.
fn pieces(text: &str) -> Result<Vec<AccessPiece>, (String, String)> {
    let (mut pieces, mut literal, mut rest) = (Vec::new(), String::new(), text);
    while let Some(at) = rest.find(['{', '}']) {
        let (before, from) = rest.split_at(at);
        literal.push_str(before);
        if let Some(after) = from.strip_prefix("{{").or_else(|| from.strip_prefix("}}")) {
            literal.extend(from.chars().next());
            rest = after;
            continue;
        }
        let field = from.strip_prefix('{').and_then(|from| from.split_once('}'));
        let Some((name, after)) = field else {
            return Err((
                format!("a brace of `{text}` has no other"),
                "one that is meant is written twice: `{{`".into(),
            ));
        };
        if !literal.is_empty() {
            pieces.push(AccessPiece::Text(std::mem::take(&mut literal)));
        }
        pieces.push(AccessPiece::Field(self::field(name)?));
        rest = after;
    }
    literal.push_str(rest);
    match literal.contains(|c: char| c.is_control() && c != '\t') {
        true => return Err(("a line has no control characters".into(), "a tab may stand between fields".into())),
        false if literal.is_empty() => {}
        false => pieces.push(AccessPiece::Text(literal)),
    }
    Ok(pieces)
}

fn field(name: &str) -> Result<AccessField, (String, String)> {
    let found = AccessField::ALL.iter().find(|field| field.as_str() == name);
    found.copied().ok_or_else(|| {
        let known = || AccessField::ALL.iter().map(|field| field.as_str());
        let advice = match closest(name, known()) {
            Some(near) => format!("did you mean `{{{near}}}`?"),
            None => format!("one of {}", known().collect::<Vec<_>>().join(", ")),
        };
        (format!("`{{{name}}}` is no field"), advice)
    })
}
