//! A statement as it may be shown to whoever watches: without the values in it. What is not known for certain to be a sign, a
//! keyword or a name is taken for a value, so that a new kind of literal is not shown by mistake.

use sqlparser::tokenizer::{Token, Tokenizer};

use super::dialect::Dialect;
use super::parse::Parsed;

/// The characters of a statement that are shown.
const MOST: usize = 500;

/// A statement with `?` in place of each value.
pub(super) fn masked(parsed: &Parsed) -> String {
    let mut mask = Mask::new(parsed.dialect());
    let mut end = 0;
    for (nth, piece) in parsed.pieces.iter().enumerate() {
        let next = parsed.pieces.get(nth + 1).map(|piece| &piece.token);
        if piece.start > end && nth > 0 {
            mask.space();
        }
        end = piece.end;
        if !mask.push(&piece.token, next) {
            break;
        }
    }
    mask.finish()
}

/// The same of a text that is no statement; nothing where not even its words can be told apart.
pub(super) fn masked_text(dialect: Dialect, sql: &str) -> String {
    let tokens = Tokenizer::new(dialect.grammar(), sql).tokenize().unwrap_or_default();
    let mut mask = Mask::new(dialect);
    for (nth, token) in tokens.iter().enumerate() {
        let is_going_on = match token {
            // Comments are white space.
            Token::Whitespace(_) => {
                mask.space();
                true
            }
            token => mask.push(token, tokens.get(nth + 1)),
        };
        if !is_going_on {
            break;
        }
    }
    mask.finish()
}

/// Several as one, cut like one.
pub(super) fn joined<'s>(statements: impl IntoIterator<Item = &'s str>) -> String {
    let mut all = String::new();
    for one in statements {
        if !all.is_empty() {
            all.push_str("; ");
        }
        all.push_str(one);
        if all.len() > 4 * MOST {
            break;
        }
    }
    cut(all)
}

/// A statement that is being masked.
struct Mask {
    dialect: Dialect,
    text: String,
    before: Option<Token>,
    /// What was before that.
    earlier: Option<Token>,
}

impl Mask {
    fn new(dialect: Dialect) -> Self {
        Self { dialect, text: String::with_capacity(128), before: None, earlier: None }
    }

    fn space(&mut self) {
        if !self.text.is_empty() && !self.text.ends_with(' ') {
            self.text.push(' ');
        }
    }

    /// Whether there is room for more.
    fn push(&mut self, token: &Token, next: Option<&Token>) -> bool {
        let text = token.to_string();
        let is_shown = match token {
            Token::Word(word) if word.quote_style == Some('"') => self.is_name(next),
            // `0b1011` and `12ab` are words of some dialects, in others a number and a word that follows at once.
            Token::Word(word) if word.quote_style.is_none() => !starts_with_digit(&text) && !self.goes_on_a_number(),
            Token::Word(_) => true,
            _ => is_sign(&text),
        };
        self.text.push_str(if is_shown { &text } else { "?" });
        self.earlier = self.before.replace(token.clone());
        self.text.len() <= 4 * MOST
    }

    /// Whether a number was before, with nothing in between.
    fn goes_on_a_number(&self) -> bool {
        matches!(self.before, Some(Token::Number(..))) && !self.text.ends_with(' ')
    }

    /// Whether what is in double quotes here must be a name: SQLite takes one that it does not know for a text.
    fn is_name(&self, next: Option<&Token>) -> bool {
        self.dialect != Dialect::Sqlite
            || next == Some(&Token::Period)
            || self.before == Some(Token::Period)
            || ["join", "into", "update", "table"].into_iter().any(|word| is_word(self.before.as_ref(), word))
            // `a IS DISTINCT FROM b` compares.
            || is_word(self.before.as_ref(), "from") && !is_word(self.earlier.as_ref(), "distinct")
    }

    fn finish(self) -> String {
        cut(self.text)
    }
}

/// Whether a token is this word, without quotes.
fn is_word(token: Option<&Token>, wanted: &str) -> bool {
    matches!(token, Some(Token::Word(word)) if word.quote_style.is_none() && word.value.eq_ignore_ascii_case(wanted))
}

fn starts_with_digit(text: &str) -> bool {
    text.starts_with(|first: char| first.is_ascii_digit())
}

/// Whether a token is made of signs alone, none of which opens a text.
fn is_sign(text: &str) -> bool {
    text.bytes().all(|byte| byte.is_ascii_punctuation() && !matches!(byte, b'\'' | b'"' | b'`' | b'$'))
}

fn cut(mut text: String) -> String {
    text.truncate(text.trim_end().len());
    if let Some((end, _)) = text.char_indices().nth(MOST) {
        // One character less makes room for the sign that more was there.
        let end = text.get(..end).and_then(|kept| kept.char_indices().next_back()).map_or(0, |(last, _)| last);
        text.truncate(end);
        text.push('…');
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sql::parse::parse;

    fn of(dialect: Dialect, sql: &str) -> String {
        let masked = masked(&parse(dialect, sql).unwrap());
        assert_eq!(masked_text(dialect, sql.trim_end_matches(';')).replace(' ', ""), masked.replace(' ', ""), "{sql}");
        masked
    }

    #[test]
    fn no_value_is_shown() {
        for (dialect, sql, wanted) in [
            (
                Dialect::Sqlite,
                "SELECT a FROM t WHERE b = 'secret' AND c = -7.5e3;",
                "SELECT a FROM t WHERE b = ? AND c = -?",
            ),
            (Dialect::Sqlite, "SELECT *\n FROM t  WHERE a IN (1,2 , ?)", "SELECT * FROM t WHERE a IN (?,? , ?)"),
            (
                Dialect::Sqlite,
                "SELECT x'c0ffee', \"t\".\"a\" FROM \"t\" WHERE b = \"secret\"",
                "SELECT ?, \"t\".\"a\" FROM \"t\" WHERE b = ?",
            ),
            (
                Dialect::Sqlite,
                "SELECT [a b] FROM t WHERE c = ?2 AND d = ?1",
                "SELECT [a b] FROM t WHERE c = ? AND d = ?",
            ),
            (
                Dialect::Postgres,
                "SELECT \"A\" FROM t WHERE b = E'sec\\'ret' AND c = $1",
                "SELECT \"A\" FROM t WHERE b = ? AND c = ?",
            ),
            (
                Dialect::MySql,
                "SELECT `a` FROM t WHERE b = \"secret\" AND c = N'secret'",
                "SELECT `a` FROM t WHERE b = ? AND c = ?",
            ),
            (
                Dialect::Sqlite,
                "SELECT a FROM \"t\" WHERE b IS NOT DISTINCT FROM \"secret\"",
                "SELECT a FROM \"t\" WHERE b IS NOT DISTINCT FROM ?",
            ),
            (
                Dialect::MySql,
                "INSERT INTO t (a) VALUES ('x'), (TRUE), (NULL)",
                "INSERT INTO t (a) VALUES (?), (TRUE), (NULL)",
            ),
        ] {
            assert_eq!(of(dialect, sql), wanted);
        }
        assert_eq!(masked_text(Dialect::Postgres, "SELEC $$!!$$ 'secret' /* secret */ x"), "SELEC ? ? x");
        assert_eq!(masked_text(Dialect::MySql, "SELECT 12ab34"), "SELECT ?");
        for dialect in [Dialect::Sqlite, Dialect::Postgres, Dialect::MySql] {
            let masked = masked_text(dialect, "SELECT 0b101101, 12ab34");
            assert!(!masked.contains(|letter: char| letter.is_ascii_digit()), "{masked}");
        }
        assert_eq!(masked_text(Dialect::Sqlite, "SELECT 'never closed secret"), "");
    }

    #[test]
    fn what_is_long_is_cut() {
        let values = vec!["('é')"; 400].join(", ");
        let masked = of(Dialect::Sqlite, &format!("INSERT INTO t VALUES {values}"));
        assert_eq!(masked.chars().count(), MOST);
        assert!(masked.ends_with('…'));
        assert_eq!(joined([masked.as_str(), "SELECT ?"]).chars().count(), MOST);
        assert_eq!(joined(["SELECT ?", "SELECT a"]), "SELECT ?; SELECT a");
    }
}
