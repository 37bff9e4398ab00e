//! Owns what a text is to the server's own reader: where its quoted parts and comments are, and which tokens mean to it what
//! they mean to our grammar. A text that the two might read differently is refused, never guessed at.
//!
//! The rules hold for the `sql_mode` that the backend sets in each session: backslashes escape, `"…"` is a text, `||` is OR.

use std::ops::Range;

use sqlparser::tokenizer::{Token, Whitespace};

/// What a part of a text is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::sql) enum Region {
    /// A text or a quoted name, with its quotes.
    Quoted,
    /// A comment.
    Comment,
}

/// The quoted parts and comments of a text, as the server's reader finds them; bytes. What is not closed ends with the text.
pub(in crate::sql) fn regions(sql: &str) -> Vec<(Range<usize>, Region)> {
    let bytes = sql.as_bytes();
    let at = |index: usize| bytes.get(index).copied();
    let mut found = Vec::new();
    let mut here = 0;
    while let Some(byte) = at(here) {
        let (end, region) = match (byte, at(here + 1)) {
            (b'\'' | b'"' | b'`', _) => (end_of_quoted(bytes, here), Region::Quoted),
            (b'#', _) => (end_of_line(bytes, here), Region::Comment),
            // Two dashes alone are two signs.
            (b'-', Some(b'-')) if at(here + 2).is_none_or(|next| next == b' ' || next.is_ascii_control()) => {
                (end_of_line(bytes, here), Region::Comment)
            }
            (b'/', Some(b'*')) => (end_of_block(bytes, here), Region::Comment),
            _ => {
                here += 1;
                continue;
            }
        };
        found.push((here..end, region));
        here = end;
    }
    found
}

/// A quote is closed by its like, unless that is doubled or, in a text, follows a backslash.
fn end_of_quoted(bytes: &[u8], start: usize) -> usize {
    let quote = bytes.get(start).copied();
    let mut here = start + 1;
    while let Some(byte) = bytes.get(here).copied() {
        here += match byte {
            b'\\' if quote != Some(b'`') => 2,
            _ if Some(byte) == quote && bytes.get(here + 1).copied() == quote => 2,
            _ if Some(byte) == quote => return here + 1,
            _ => 1,
        };
    }
    bytes.len()
}

fn end_of_line(bytes: &[u8], start: usize) -> usize {
    bytes.iter().skip(start).position(|byte| *byte == b'\n').map_or(bytes.len(), |length| start + length)
}

fn end_of_block(bytes: &[u8], start: usize) -> usize {
    let body = bytes.windows(2).skip(start + 2);
    body.into_iter().position(|pair| pair == b"*/").map_or(bytes.len(), |length| start + 2 + length + 2)
}

/// Why a text is not taken, and the token that it is about; `tokens` are all of the text, each with its place in bytes.
pub(in crate::sql) fn objection(sql: &str, tokens: &[(Token, Range<usize>)]) -> Option<(usize, &'static str)> {
    if sql.contains("/*!") || sql.contains("/*M!") {
        return Some((tokens.len(), "comments that some servers execute, /*! … */, are not taken"));
    }
    let mut text_before = false;
    for (index, (token, place)) in tokens.iter().enumerate() {
        if let Some(why) = unlike(token) {
            return Some((index, why));
        }
        if region(token) == Some(Region::Quoted) && has_other_escape(sql.get(place.clone()).unwrap_or_default()) {
            return Some((
                index,
                "\\a and \\f are letters to the server and control characters to others: write the letters",
            ));
        }
        let is_text = matches!(token, Token::SingleQuotedString(_) | Token::DoubleQuotedString(_));
        if is_text && text_before {
            return Some((index, "two texts in a row, which the server makes one: write them as one, or with CONCAT"));
        }
        text_before = is_text || (text_before && matches!(token, Token::Whitespace(_)));
    }
    // Where both find the same quoted parts and comments, they find the same tokens between them.
    let ours = tokens.iter().filter_map(|(token, place)| region(token).map(|region| (place.end, region)));
    // A comment of one line may have its line's end with it or not.
    let end = |end: usize, region: Region| {
        if region == Region::Comment { sql.get(..end).unwrap_or(sql).trim_end().len() } else { end }
    };
    let ours: Vec<(usize, Region)> = ours.map(|(place, region)| (end(place, region), region)).collect();
    let servers = regions(sql).into_iter().map(|(place, region)| (end(place.end, region), region));
    if ours.into_iter().eq(servers) {
        None
    } else {
        // Which token that is about is just what is not certain.
        Some((tokens.len(), "quotes, backslashes or comments that the server might read otherwise"))
    }
}

/// Why a token is not taken. Only those are that mean the same to the server, and bind as strongly.
fn unlike(token: &Token) -> Option<&'static str> {
    match token {
        Token::Word(word) if word.quote_style.is_none() && word.value.starts_with('@') => {
            Some("variables are not taken: sessions are shared")
        }
        Token::Word(word) if word.quote_style.is_none() && word.value.starts_with(|c: char| c.is_ascii_digit()) => {
            Some("a name that begins with a digit may be a number (0b101): write it in backquotes")
        }
        Token::Word(word) if word.quote_style.is_none() && word.value.eq_ignore_ascii_case("xor") => {
            Some("XOR is not taken: write (a AND NOT b) OR (b AND NOT a)")
        }
        Token::Placeholder(mark) if !mark.starts_with('?') => Some("parameters are written as ?"),
        Token::StringConcat => Some("|| is OR to one server and puts texts together on another: write OR, or CONCAT"),
        Token::Overlap => Some("&& is not taken: write AND"),
        Token::ExclamationMark => Some("! is not taken: write NOT"),
        Token::AtSign | Token::AtAt | Token::Assignment => Some("variables are not taken: sessions are shared"),
        Token::Word(_) | Token::Number(_, false) | Token::Placeholder(_) | Token::EOF | Token::Whitespace(_) => None,
        Token::SingleQuotedString(_) | Token::DoubleQuotedString(_) => None,
        Token::NationalStringLiteral(_) | Token::HexStringLiteral(_) => None,
        Token::Comma | Token::LParen | Token::RParen | Token::Period | Token::SemiColon => None,
        Token::Eq | Token::Neq | Token::Lt | Token::Gt | Token::LtEq | Token::GtEq | Token::Spaceship => None,
        Token::Plus | Token::Minus | Token::Mul | Token::Div | Token::Mod => None,
        Token::Ampersand | Token::Pipe | Token::Caret | Token::Tilde | Token::ShiftLeft | Token::ShiftRight => None,
        _ => Some("a sign that is not taken"),
    }
}

/// Whether a quoted part has an escape that means something else to the grammar: `\a`, `\f`. The others are the same to both
/// ("String Literals" in the manual: `\0 \' \" \b \n \r \t \Z \\`, `\%` and `\_` as they are, any other the character itself).
fn has_other_escape(quoted: &str) -> bool {
    let mut bytes = quoted.bytes();
    while let Some(byte) = bytes.next() {
        if byte == b'\\' && matches!(bytes.next(), Some(b'a' | b'f')) && !quoted.starts_with('`') {
            return true;
        }
    }
    false
}

/// What a token of ours is to the server's reader.
fn region(token: &Token) -> Option<Region> {
    match token {
        Token::SingleQuotedString(_) | Token::DoubleQuotedString(_) | Token::NationalStringLiteral(_) => {
            Some(Region::Quoted)
        }
        // `x'41'`; `0x41` is no quoted part, and then the two differ in number, which refuses it.
        Token::HexStringLiteral(_) => Some(Region::Quoted),
        Token::Word(word) if word.quote_style.is_some() => Some(Region::Quoted),
        Token::Whitespace(Whitespace::SingleLineComment { .. } | Whitespace::MultiLineComment(_)) => {
            Some(Region::Comment)
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use crate::sql::dialect::Dialect;
    use crate::sql::parse::{ParseError, parse};

    fn refused(sql: &str) -> bool {
        parse(Dialect::MySql, sql).is_err()
    }

    #[test]
    fn quotes_and_comments_are_read_as_the_server_reads_them() {
        for taken in [
            r"SELECT 'it\'s', 'a''b', 'c\\', `d``e`, N'f' FROM t",
            "SELECT a -- ' one\n, b # \" two\n, c /* ' */ FROM t",
            "SELECT id--1 FROM t",
            r#"SELECT "it's", 'say "x"', "a\"b" FROM t"#,
            "SELECT '--', '#', '/*' FROM t",
            r"SELECT '\\a \0 \b \n \r \t \Z \% \_ \x', `\a`, `0b1` FROM t",
            "SELECT 1e5, 1.5, .5, 1. FROM t",
            "SELECT x'41', $$a$$, $1 FROM t -- ",
        ] {
            assert!(!refused(taken), "{taken}: {:?}", parse(Dialect::MySql, taken));
        }
    }

    #[test]
    fn what_is_refused_is_named_and_no_error_of_syntax() {
        for (sql, named) in [
            ("SELECT a || b FROM t", "||"),
            ("SELECT a XOR b FROM t", "XOR"),
            ("SELECT @x FROM t", "@x"),
            ("SELECT 1 /*! + 1 */", "the statement"),
            ("SELECT a && b FROM t", "&&"),
            ("SELECT 'a' 'b' FROM t", "'b'"),
        ] {
            match parse(Dialect::MySql, sql) {
                Err(ParseError::Refused(refusal)) => {
                    assert_eq!(refusal.construct, named, "{sql}: {refusal}");
                    assert!(!refusal.why.is_empty());
                }
                other => panic!("{sql}: {other:?}"),
            }
        }
        assert!(matches!(parse(Dialect::MySql, "SELECT FROM WHERE"), Err(ParseError::Syntax(_))));
    }

    #[test]
    fn what_servers_read_in_several_ways_is_refused() {
        for not_taken in [
            "SELECT 1 /*! + 1 */",
            "SELECT 1 /*M!100000 + 1 */",
            "SELECT 'a' 'b' FROM t",
            "SELECT 'a' /* x */ \"b\" FROM t",
            "SELECT a || b FROM t",
            "SELECT a && b FROM t",
            "SELECT !a FROM t",
            "SELECT a XOR b FROM t",
            "SELECT @a FROM t",
            "SELECT @@sql_mode FROM t",
            "SELECT @a := 1 FROM t",
            "SELECT 1 FROM t --",
            "SELECT {d '2020-01-01'} FROM t",
            "SELECT a FROM t WHERE b = :b",
            "SELECT 'a\\",
            r"SELECT '\f' FROM t",
            r"SELECT 'x\\\a' FROM t",
            r#"SELECT "\a" FROM t"#,
            "SELECT 0b101 FROM t",
            "SELECT 0x10 FROM t",
            "SELECT 0X10 FROM t",
            "SELECT 1_000 FROM t",
            "SELECT 1e5x FROM t",
        ] {
            assert!(refused(not_taken), "{not_taken}");
        }
    }
}
