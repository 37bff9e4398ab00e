//! Owns the bound on how deep a statement's tree may be. The parser builds chains (`a AND b AND c`, `1 + 2 + 3`) without
//! recursion, but whoever walks, copies or drops the tree recurses once for each link: a chain as long as a statement may be
//! would overflow a thread's stack and take the process with it. So links are counted in the tokens, before there is a tree.

use sqlparser::keywords::Keyword;
use sqlparser::tokenizer::{Location, Token, TokenWithSpan};

/// Links that one expression may have, those of the expressions around it included. A list in `IN (…)` has none, however long
/// it is. Well above what people write, and well within a stack of 2 MiB.
pub(super) const MOST_LINKS: usize = 400;

/// What a join without a condition counts: reading it takes as much of the stack (60 KiB unoptimized) as several links.
const LINKS_PER_JOIN: usize = 16;

/// How often tokens may be read again: `POSITION(a IN b)` is tried in one form and then in another, so what stands within such
/// calls is read twice for each of them. Well above what people write; a tenth of a second.
const MOST_READ_AGAIN: usize = 1 << 16;

/// Where a statement becomes too deep, if it does.
pub(super) fn too_deep(tokens: &[TokenWithSpan]) -> Option<Location> {
    // One level for each open parenthesis: links of the expression so far, and of the set operations and joins.
    let mut levels = vec![Level::default()];
    let (mut below, mut again) = (0, 0);
    let mut before = &Token::EOF;
    let mut follows_operand = false;
    for token in tokens {
        if matches!(token.token, Token::Whitespace(_)) {
            continue;
        }
        match &token.token {
            Token::LParen | Token::LBracket | Token::LBrace => {
                let level = levels.last()?;
                below += level.depth() + 1;
                let tries = level.tries + u32::from(is_tried_twice(before));
                levels.push(Level { tries, ..Level::default() });
            }
            Token::RParen | Token::RBracket | Token::RBrace if levels.len() > 1 => {
                levels.pop();
                let level = levels.last_mut()?;
                below -= level.depth() + 1;
                // What stands before a bracket may be what it is applied to: `a[1][2]`.
                level.links += 1;
            }
            other => levels.last_mut()?.count(other, follows_operand),
        }
        let level = levels.last()?;
        again += 1_usize.checked_shl(level.tries).unwrap_or(usize::MAX).saturating_sub(1).min(MOST_READ_AGAIN + 1);
        if below + level.depth() > MOST_LINKS || again > MOST_READ_AGAIN {
            return Some(token.span.start);
        }
        follows_operand = is_operand(&token.token, before);
        before = &token.token;
    }
    None
}

fn is_tried_twice(before: &Token) -> bool {
    const WORDS: &[Keyword] = &[
        Keyword::CASE,
        Keyword::CAST,
        Keyword::CEIL,
        Keyword::CONVERT,
        Keyword::EXTRACT,
        Keyword::FLOOR,
        Keyword::INTERVAL,
        Keyword::OVERLAY,
        Keyword::POSITION,
        Keyword::STRUCT,
        Keyword::SUBSTR,
        Keyword::SUBSTRING,
        Keyword::TRIM,
    ];
    matches!(before, Token::Word(word) if word.quote_style.is_none() && WORDS.contains(&word.keyword))
}

/// Whether an expression may end with a token. The parser takes any keyword for a name where it expects an operand: only after
/// an operand can one begin another expression. `before` is what stands before the token.
fn is_operand(token: &Token, before: &Token) -> bool {
    match token {
        Token::Word(word) => {
            word.quote_style.is_some()
                || *before == Token::Period
                || matches!(
                    word.keyword,
                    Keyword::NoKeyword | Keyword::NULL | Keyword::TRUE | Keyword::FALSE | Keyword::END
                )
        }
        Token::Number(..)
        | Token::SingleQuotedString(_)
        | Token::DoubleQuotedString(_)
        | Token::EscapedStringLiteral(_)
        | Token::DollarQuotedString(_)
        | Token::NationalStringLiteral(_)
        | Token::HexStringLiteral(_)
        | Token::Placeholder(_)
        | Token::RParen
        | Token::RBracket => true,
        _ => false,
    }
}

#[derive(Default)]
struct Level {
    links: usize,
    sets: usize,
    /// Joins that have no condition yet: those nest, the others stand side by side.
    joins: usize,
    /// How many calls around it are read twice.
    tries: u32,
}

impl Level {
    fn depth(&self) -> usize {
        self.links + self.sets + LINKS_PER_JOIN * self.joins
    }

    fn count(&mut self, token: &Token, follows_operand: bool) {
        match token {
            Token::Comma | Token::SemiColon => self.links = 0,
            Token::Word(word) if word.quote_style.is_none() => match word.keyword {
                Keyword::UNION | Keyword::INTERSECT | Keyword::EXCEPT | Keyword::MINUS => {
                    self.sets += 1;
                    self.links = 0;
                }
                Keyword::JOIN => {
                    self.joins += 1;
                    self.begin(follows_operand);
                }
                Keyword::ON | Keyword::USING if follows_operand => {
                    self.joins = self.joins.saturating_sub(1);
                    self.links = 0;
                }
                // These begin another expression. FROM, GROUP and VALUES may stand within one.
                Keyword::SELECT | Keyword::WHERE | Keyword::HAVING | Keyword::ORDER | Keyword::LIMIT => {
                    self.begin(follows_operand);
                }
                // A name as well as a keyword that joins two operands: AND, OR, NOT, IS, LIKE, COLLATE, CASE and many more.
                Keyword::NoKeyword => {}
                _ => self.links += 1,
            },
            Token::Word(_)
            | Token::Number(..)
            | Token::SingleQuotedString(_)
            | Token::DoubleQuotedString(_)
            | Token::Placeholder(_)
            | Token::Whitespace(_)
            | Token::EOF => {}
            _ => self.links += 1,
        }
    }

    fn begin(&mut self, follows_operand: bool) {
        self.links = if follows_operand { 0 } else { self.links + 1 };
    }
}

#[cfg(test)]
mod tests {
    use sqlparser::tokenizer::Tokenizer;

    use super::*;
    use crate::sql::dialect::Dialect;

    fn is_too_deep(sql: &str) -> bool {
        let tokens = Tokenizer::new(Dialect::Postgres.grammar(), sql).tokenize_with_location().unwrap();
        too_deep(&tokens).is_some()
    }

    #[test]
    fn what_chains_is_bounded_whatever_it_chains_with() {
        for link in [
            " AND a",
            " + 1",
            "::int",
            " || 'x'",
            " IS NULL",
            " UNION SELECT 1",
            "[1]",
            " COLLATE \"C\"",
            " IS DISTINCT FROM 1",
            " BETWEEN 1 AND 2",
            " AT TIME ZONE 'x'",
            " NOT LIKE 'x'",
            "->'x'",
            "+on",
            "+where",
            "+select",
            " OR limit",
            "+having",
            "+order",
            "+t.on",
            "+union",
        ] {
            let chain = |links: usize| format!("SELECT a{}", link.repeat(links));
            assert!(is_too_deep(&chain(1_000)), "{link}");
            assert!(!is_too_deep(&chain(80)), "{link}");
        }
        for prefix in ["NOT ", "- ", "(", "(SELECT ", "1 + (", "CASE WHEN a THEN ", "CASE on WHEN a THEN ", "1 IN (2, "]
        {
            assert!(is_too_deep(&format!("SELECT {}1", prefix.repeat(1_000))), "{prefix}");
        }
        assert!(is_too_deep(&format!("SELECT a{}", " AND join".repeat(1_000))));
        assert!(is_too_deep(&format!("SELECT 1 FROM t{}", " JOIN t".repeat(1_000))));
        assert!(is_too_deep(&format!("SELECT 1 FROM t{}", " JOIN t AS on JOIN on".repeat(1_000))));
        assert!(is_too_deep(&format!("SELECT a::int{}", "[]".repeat(1_000))));
    }

    #[test]
    fn what_the_parser_reads_twice_at_each_level_is_bounded() {
        assert!(is_too_deep(&format!("SELECT {}", "position(".repeat(30))));
        assert!(is_too_deep(&format!("SELECT {}1{}", "cast(f(".repeat(30), "))".repeat(30))));
        let casts = format!("SELECT {}a{}", "substring(cast(".repeat(3), " AS text) FROM 1 FOR 2)".repeat(3));
        assert!(!is_too_deep(&casts), "{casts}");
    }

    #[test]
    fn what_is_not_too_deep_is_read_and_dropped_on_a_small_stack() {
        let repeated = |link: &str| {
            let chain = |links: usize| format!("SELECT a{} FROM t", link.repeat(links));
            let links = (1..2 * MOST_LINKS).take_while(|links| !is_too_deep(&chain(*links))).last().unwrap_or(1);
            chain(links)
        };
        let deep: Vec<String> =
            [" AND a", "+on", "::int", "[1]", " UNION SELECT 1", " COLLATE \"C\"", " BETWEEN 1 AND 2"]
                .map(repeated)
                .into_iter()
                .chain([format!("SELECT 1 FROM t{}", " JOIN t".repeat(MOST_LINKS / LINKS_PER_JOIN - 2))])
                .collect();
        // What comes of them is dropped there, too.
        let reading =
            move || deep.iter().filter(|sql| crate::sql::parse::parse(Dialect::Postgres, sql).is_ok()).count();
        std::thread::Builder::new().stack_size(2 << 20).spawn(reading).unwrap().join().unwrap();
    }

    #[test]
    fn links_of_outer_expressions_count_for_inner_ones() {
        let outer = "a AND ".repeat(200);
        assert!(is_too_deep(&format!("SELECT {outer}({}a)", "a AND ".repeat(250))));
        assert!(!is_too_deep(&format!("SELECT {outer}a, {}a", "a AND ".repeat(250))), "side by side they do not");
    }

    #[test]
    fn lists_may_be_long() {
        assert!(!is_too_deep(&format!("SELECT a FROM t WHERE id IN ({})", vec!["5"; 20_000].join(", "))));
        assert!(!is_too_deep(&format!("INSERT INTO t VALUES {}", vec!["(1, -2, 'x')"; 10_000].join(", "))));
        assert!(!is_too_deep(&format!("SELECT {}", vec!["a + 1 AS b"; 1_000].join(", "))));
        let joins: String = (0..50).map(|at| format!(" JOIN t{at} ON t{at}.a = t.a AND t{at}.b = 1")).collect();
        assert!(!is_too_deep(&format!("SELECT * FROM t{joins}")));
    }
}
