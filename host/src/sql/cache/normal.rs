//! Owns the normal form of a text: what two texts that differ in white space and comments only have in common. It errs to
//! one side: where it is not plain what is quoted, a text is its own normal form.

use std::borrow::Cow;

use sqlparser::tokenizer::{Token, Tokenizer};

use crate::sql::dialect::Dialect;

/// The normal form of a text.
pub fn normal(dialect: Dialect, sql: &str) -> Cow<'_, str> {
    match collapsed(dialect, sql.as_bytes()) {
        Some(bytes) if bytes != sql.as_bytes() => String::from_utf8(bytes).map_or(Cow::Borrowed(sql), Cow::Owned),
        _ => Cow::Borrowed(sql),
    }
}

/// The bytes of the normal form; none where it is not plain what is quoted.
fn collapsed(dialect: Dialect, sql: &[u8]) -> Option<Vec<u8>> {
    let mut out = Vec::with_capacity(sql.len());
    let (mut at, mut is_apart) = (0, false);
    while let Some(byte) = sql.get(at) {
        let next = sql.get(at + 1).copied();
        let blank = match byte {
            b' ' | b'\t' | b'\n' | b'\r' => Some(at + 1),
            b'-' if next == Some(b'-') => Some(line_end(dialect, sql, at)?),
            b'/' if next == Some(b'*') => Some(comment_end(sql, at)?),
            _ => None,
        };
        if let Some(end) = blank {
            // Where an operator ends that may hold the same characters is the dialect's business.
            let is_comment = matches!(byte, b'-' | b'/');
            if is_comment && !is_apart && out.last().is_some_and(|last| b"+-*/<>=~!@#%^&|?:".contains(last)) {
                return None;
            }
            (at, is_apart) = (end, true);
            continue;
        }
        if std::mem::take(&mut is_apart) && !out.is_empty() {
            out.push(b' ');
        }
        let end = match byte {
            b'`' if dialect == Dialect::Postgres => return None,
            // PostgreSQL makes one text of two only where a line ends between them.
            b'\'' if dialect == Dialect::Postgres && out.ends_with(b"' ") => return None,
            b'\'' | b'"' | b'`' => quote_end(dialect, sql, at, *byte)?,
            b'[' if dialect == Dialect::Sqlite => 1 + at + sql.get(at..)?.iter().position(|byte| *byte == b']')?,
            // Quotes by dollars and backslashes, comments by hashes, other kinds of blanks.
            b'$' if !(dialect == Dialect::Postgres && next.is_some_and(|next| next.is_ascii_digit())) => return None,
            b'\\' | b'#' | 0x0b | 0x0c | 0 => return None,
            _ => at + 1,
        };
        out.extend(sql.get(at..end)?);
        at = end;
    }
    Some(out)
}

/// One past the end of a comment by two dashes. MySQL takes them for one only before a blank.
fn line_end(dialect: Dialect, sql: &[u8], at: usize) -> Option<usize> {
    if dialect == Dialect::MySql && !matches!(sql.get(at + 2), Some(b' ' | b'\t' | b'\n')) {
        return None;
    }
    let rest = sql.get(at..)?;
    // A carriage return alone ends a line for one and not for another.
    let end = rest.iter().position(|byte| *byte == b'\n').unwrap_or(rest.len());
    let line = rest.get(..end)?;
    let line = line.strip_suffix(b"\r").unwrap_or(line);
    (!line.contains(&b'\r')).then_some(at + end)
}

/// One past the end of a comment that says nothing to the server and has no other within.
fn comment_end(sql: &[u8], at: usize) -> Option<usize> {
    let inner = sql.get(at + 2..)?;
    let length = inner.windows(2).position(|pair| pair == b"*/")?;
    let comment = inner.get(..length)?;
    let is_plain = !comment.starts_with(b"!")
        && !comment.starts_with(b"M!")
        && !comment.starts_with(b"+")
        && !comment.windows(2).any(|pair| pair == b"/*");
    (is_plain && !comment.ends_with(b"/")).then_some(at + 2 + length + 2)
}

/// One past the closing quote; a doubled quote is none. A backslash within means different things to each.
fn quote_end(dialect: Dialect, sql: &[u8], at: usize, quote: u8) -> Option<usize> {
    let mut end = at + 1;
    loop {
        match *sql.get(end)? {
            byte if byte == quote && sql.get(end + 1) == Some(&quote) => end += 2,
            byte if byte == quote => return Some(end + 1),
            b'\\' if dialect != Dialect::Sqlite => return None,
            _ => end += 1,
        }
    }
}

/// Whether two texts have the same tokens: what the normal form must have in common with its text.
pub(super) fn is_same(dialect: Dialect, one: &str, other: &str) -> bool {
    let tokens = |text: &str| -> Option<Vec<Token>> {
        let tokens = Tokenizer::new(dialect.grammar(), text).tokenize().ok()?;
        Some(tokens.into_iter().filter(|token| !matches!(token, Token::Whitespace(_))).collect())
    };
    tokens(one).is_some_and(|one| tokens(other) == Some(one))
}
