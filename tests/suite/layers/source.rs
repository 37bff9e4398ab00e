//! A Rust file as the layers test reads it: words and signs with their lines, without comments and literals. Knows where
//! modules begin and end, and nothing else of the language.

/// A word, or a single sign.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Token {
    line: usize,
    text: String,
}

/// The tokens of a file.
#[derive(Debug)]
pub(super) struct Source {
    tokens: Vec<Token>,
    lines: usize,
}

impl Source {
    pub(super) fn new(text: &str) -> Self {
        Self { tokens: Lexer::new(text).tokens(), lines: text.lines().count() }
    }

    /// The first name of every path from the crate's root, with its line: `crate::x`, each element of `crate::{..}`, and
    /// as many `super` as lead up there. `modules` is the file's own module path.
    pub(super) fn crate_paths(&self, modules: &[String]) -> Vec<(usize, String)> {
        let mut found = Vec::new();
        let mut depth = Depth::default();
        let mut at = 0;
        while let Some(token) = self.tokens.get(at) {
            depth.step(&self.tokens, at);
            let inner = at > 1 && self.word(at - 1) == ":" && self.word(at - 2) == ":";
            match token.text.as_str() {
                "crate" if !inner => self.names_after(at + 1, &mut found),
                "super" if !inner => {
                    let supers = self.supers(at);
                    // One `super` in a file's own scope leads to its parent, and each module around adds one.
                    if supers == modules.len() + depth.modules() {
                        self.names_after(at + supers * 3 - 2, &mut found);
                    }
                }
                _ => {}
            }
            at += 1;
        }
        found
    }

    /// The lines with a word of this kind.
    pub(super) fn lines_naming(&self, kind: impl Fn(&str) -> bool) -> impl Iterator<Item = usize> {
        self.tokens.iter().filter(move |token| kind(&token.text)).map(|token| token.line)
    }

    /// How many lines there are besides the blocks `#[cfg(test)] mod name { .. }`.
    pub(super) fn lines_without_tests(&self) -> usize {
        const HEAD: [&str; 7] = ["#", "[", "cfg", "(", "test", ")", "]"];
        let mut lines = self.lines;
        let mut at = 0;
        while let Some(first) = self.tokens.get(at) {
            let mut after = at + HEAD.len();
            let is_head = HEAD.iter().enumerate().all(|(nth, text)| self.word(at + nth) == *text);
            if is_head && self.word(after) == "mod" && self.word(after + 2) == "{" {
                after = self.closing(after + 2);
                lines -= self.tokens.get(after).map_or(self.lines, |last| last.line) - first.line + 1;
                at = after;
            }
            at += 1;
        }
        lines
    }

    fn word(&self, at: usize) -> &str {
        self.tokens.get(at).map_or("", |token| token.text.as_str())
    }

    /// How many `super` follow each other from here.
    fn supers(&self, at: usize) -> usize {
        let next = at + 3;
        let more = self.word(at + 1) == ":" && self.word(at + 2) == ":" && self.word(next) == "super";
        1 + if more { self.supers(next) } else { 0 }
    }

    /// The name after `::`, or the first name of each element after `::{`.
    fn names_after(&self, at: usize, found: &mut Vec<(usize, String)>) {
        if self.word(at) != ":" || self.word(at + 1) != ":" {
            return;
        }
        if self.word(at + 2) != "{" {
            self.name_at(at + 2, found);
            return;
        }
        let end = self.closing(at + 2);
        let mut nesting = 0;
        for inside in at + 2..end {
            match self.word(inside) {
                "{" => nesting += 1,
                "}" => nesting -= 1,
                _ => {}
            }
            if nesting == 1 && matches!(self.word(inside), "{" | ",") && inside + 1 < end {
                self.name_at(inside + 1, found);
            }
        }
    }

    fn name_at(&self, at: usize, found: &mut Vec<(usize, String)>) {
        found.extend(self.tokens.get(at).map(|token| (token.line, token.text.clone())));
    }

    /// Where the brace that opens here closes; the end of the file if it does not.
    fn closing(&self, open: usize) -> usize {
        let mut nesting = 0_usize;
        for (at, token) in self.tokens.iter().enumerate().skip(open) {
            match token.text.as_str() {
                "{" => nesting += 1,
                "}" if nesting == 1 => return at,
                "}" => nesting -= 1,
                _ => {}
            }
        }
        self.tokens.len()
    }
}

/// The braces that are open, and which of them are modules.
#[derive(Default)]
struct Depth(Vec<bool>);

impl Depth {
    fn step(&mut self, tokens: &[Token], at: usize) {
        let word = |at: Option<usize>| at.and_then(|at| tokens.get(at)).map_or("", |token| token.text.as_str());
        match word(Some(at)) {
            "{" => self.0.push(word(at.checked_sub(2)) == "mod"),
            "}" => {
                self.0.pop();
            }
            _ => {}
        }
    }

    fn modules(&self) -> usize {
        self.0.iter().filter(|is_module| **is_module).count()
    }
}

/// Cuts a text into tokens.
struct Lexer<'t> {
    rest: &'t str,
    line: usize,
}

impl<'t> Lexer<'t> {
    fn new(text: &'t str) -> Self {
        Self { rest: text, line: 1 }
    }

    fn tokens(mut self) -> Vec<Token> {
        let mut tokens = Vec::new();
        while let Some(first) = self.rest.chars().next() {
            let literal = self.literal();
            if literal > 0 {
                self.take(literal);
            } else if is_word(first) {
                let line = self.line;
                let end = self.rest.find(|c| !is_word(c)).unwrap_or(self.rest.len());
                tokens.push(Token { line, text: self.take(end).to_owned() });
            } else {
                let line = self.line;
                let text = self.take(first.len_utf8());
                if !first.is_whitespace() {
                    tokens.push(Token { line, text: text.to_owned() });
                }
            }
        }
        tokens
    }

    /// How long the comment or literal that begins here is; 0 if none does.
    fn literal(&self) -> usize {
        let rest = self.rest;
        let prefix = ["br", "cr", "r", "b", "c"].into_iter().find(|prefix| {
            let after = rest.strip_prefix(prefix).unwrap_or_default();
            after.starts_with('"') || (prefix.ends_with('r') && raw_hashes(after).is_some())
        });
        if let Some(prefix) = prefix {
            let after = &rest[prefix.len()..];
            let length = if prefix.ends_with('r') { raw_string(after) } else { quoted(after, '"') };
            return prefix.len() + length;
        }
        match rest.as_bytes() {
            [b'/', b'/', ..] => rest.find('\n').unwrap_or(rest.len()),
            [b'/', b'*', ..] => block_comment(rest),
            [b'"', ..] => quoted(rest, '"'),
            [b'\'', ..] => character(rest),
            _ => 0,
        }
    }

    fn take(&mut self, length: usize) -> &'t str {
        let (taken, rest) = self.rest.split_at(length);
        self.line += taken.matches('\n').count();
        self.rest = rest;
        taken
    }
}

fn is_word(c: char) -> bool {
    c.is_alphanumeric() || c == '_'
}

/// From an opening quote to behind the closing one.
fn quoted(text: &str, quote: char) -> usize {
    let mut escaped = false;
    for (at, c) in text.char_indices().skip(1) {
        if c == quote && !escaped {
            return at + 1;
        }
        escaped = c == '\\' && !escaped;
    }
    text.len()
}

/// The number of `#` before a raw string's quote.
fn raw_hashes(text: &str) -> Option<usize> {
    let hashes = text.len() - text.trim_start_matches('#').len();
    text[hashes..].starts_with('"').then_some(hashes)
}

fn raw_string(text: &str) -> usize {
    let hashes = raw_hashes(text).unwrap_or_default();
    let close = format!("\"{}", "#".repeat(hashes));
    let body = hashes + 1;
    text[body..].find(&close).map_or(text.len(), |at| body + at + close.len())
}

/// Comments nest.
fn block_comment(text: &str) -> usize {
    let mut nesting = 0_usize;
    let mut at = 0;
    while at < text.len() {
        match text.as_bytes()[at..] {
            [b'/', b'*', ..] => (nesting, at) = (nesting + 1, at + 2),
            [b'*', b'/', ..] if nesting == 1 => return at + 2,
            [b'*', b'/', ..] => (nesting, at) = (nesting - 1, at + 2),
            _ => at += 1,
        }
    }
    text.len()
}

/// A character in quotes; 0 for a lifetime.
fn character(text: &str) -> usize {
    let mut inside = text.chars().skip(1);
    match (inside.next(), inside.next()) {
        (Some('\\'), _) => quoted(text, '\''),
        (Some(c), Some('\'')) => c.len_utf8() + 2,
        _ => 0,
    }
}
