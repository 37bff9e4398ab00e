//! What of a Markdown text a reader would type: the lines of fences marked `sh`, the files in fences marked `toml`, and
//! the code spans that begin with a program's name. Knows nothing of what the commands mean.

/// Something to type or to save, and the line that it stands on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Found<'a> {
    pub(super) line: usize,
    pub(super) what: What<'a>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum What<'a> {
    /// One line of a shell fence.
    Command(&'a str),
    /// A command within a sentence.
    Span(&'a str),
    /// The text of a TOML fence.
    Toml(String),
}

/// Everything in the order that it stands there.
pub(super) fn read<'a>(text: &'a str, programs: &[&str]) -> Vec<Found<'a>> {
    let mut found = Vec::new();
    let mut fence: Option<&str> = None;
    for (index, line) in text.lines().enumerate() {
        let number = index + 1;
        match (fence, line.strip_prefix("```")) {
            (None, Some(language)) => {
                fence = Some(language);
                if language == "toml" {
                    found.push(Found { line: number + 1, what: What::Toml(String::new()) });
                }
            }
            (Some(_), Some(_)) => fence = None,
            (Some("sh"), None) if !line.trim().is_empty() => {
                found.push(Found { line: number, what: What::Command(line) });
            }
            (Some("toml"), None) => {
                if let Some(Found { what: What::Toml(toml), .. }) = found.last_mut() {
                    *toml += line;
                    *toml += "\n";
                }
            }
            (Some(_), None) => {}
            (None, None) => found.extend(spans(line, programs).map(|what| Found { line: number, what })),
        }
    }
    found
}

/// The calls in a line of prose; a span does not go over the end of a line.
fn spans<'a>(line: &'a str, programs: &[&str]) -> impl Iterator<Item = What<'a>> {
    let spans = line.split('`').skip(1).step_by(2);
    spans.filter(|span| programs.iter().any(|program| is_call(span, program))).map(What::Span)
}

/// Whether a code span calls a program, and does not only name it.
fn is_call(span: &str, program: &str) -> bool {
    span.strip_prefix(program).is_some_and(|rest| rest.starts_with(' '))
}

#[test]
fn fences_and_spans_are_found_with_their_lines() {
    let text =
        "Say `prog run` or `other`, `prog`.\n\n```sh\none\n\n  two\n```\n```toml\na = 1\nb = 2\n```\n```\nno\n```\n";
    let found: Vec<_> = read(text, &["prog"]).into_iter().map(|found| (found.line, found.what)).collect();
    let expected = [
        (1, What::Span("prog run")),
        (4, What::Command("one")),
        (6, What::Command("  two")),
        (9, What::Toml("a = 1\nb = 2\n".into())),
    ];
    assert_eq!(found, expected);
}
