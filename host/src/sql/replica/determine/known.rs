//! Owns which kinds of expressions and which operators are known. What is not listed is refused: a new kind of the grammar's is
//! none that does the same everywhere until it is looked at.

use sqlparser::ast::{BinaryOperator as Binary, Expr, UnaryOperator as Unary};

/// What is not known of an expression, whatever its parts are, and why it is refused.
pub(super) fn unknown(expr: &Expr) -> Option<(String, &'static str)> {
    let is_operator =
        matches!(expr, Expr::BinaryOp { .. } | Expr::AnyOp { .. } | Expr::AllOp { .. } | Expr::UnaryOp { .. });
    let why = match expr {
        Expr::MatchAgainst { .. } => {
            return Some(("MATCH … AGAINST".to_owned(), "how well a row matches differs by node"));
        }
        _ if is_operator => "not an operator that is known",
        _ => "not an expression that is known",
    };
    construct(expr).map(|construct| (construct, why))
}

#[expect(clippy::too_many_lines, reason = "a line for each kind: one that is added has to be looked at")]
fn construct(expr: &Expr) -> Option<String> {
    match expr {
        Expr::BinaryOp { op, .. } | Expr::AnyOp { compare_op: op, .. } | Expr::AllOp { compare_op: op, .. } => {
            unknown_operator(op)
        }
        Expr::UnaryOp { op, .. } => unknown_sign(*op),
        Expr::Identifier(_)
        | Expr::CompoundIdentifier(_)
        | Expr::CompoundFieldAccess { .. }
        | Expr::IsFalse(_)
        | Expr::IsNotFalse(_)
        | Expr::IsTrue(_)
        | Expr::IsNotTrue(_)
        | Expr::IsNull(_)
        | Expr::IsNotNull(_)
        | Expr::IsUnknown(_)
        | Expr::IsNotUnknown(_)
        | Expr::IsDistinctFrom(..)
        | Expr::IsNotDistinctFrom(..)
        | Expr::IsJson { .. }
        | Expr::IsNormalized { .. }
        | Expr::InList { .. }
        | Expr::InSubquery { .. }
        | Expr::Between { .. }
        | Expr::Like { .. }
        | Expr::ILike { .. }
        | Expr::SimilarTo { .. }
        | Expr::RLike { .. }
        | Expr::Convert { .. }
        | Expr::Cast { .. }
        | Expr::AtTimeZone { .. }
        | Expr::Extract { .. }
        | Expr::Ceil { .. }
        | Expr::Floor { .. }
        | Expr::Position { .. }
        | Expr::Substring { .. }
        | Expr::Trim { .. }
        | Expr::Overlay { .. }
        | Expr::Collate { .. }
        | Expr::Nested(_)
        | Expr::Value(_)
        | Expr::Prefixed { .. }
        | Expr::TypedString(_)
        | Expr::Function(_)
        | Expr::Case { .. }
        | Expr::Exists { .. }
        | Expr::Subquery(_)
        | Expr::GroupingSets(_)
        | Expr::Cube(_)
        | Expr::Rollup(_)
        | Expr::Tuple(_)
        | Expr::Array(_)
        | Expr::Interval(_)
        | Expr::Wildcard(_)
        | Expr::QualifiedWildcard(..)
        | Expr::MemberOf(_) => None,
        Expr::MatchAgainst { .. }
        | Expr::JsonAccess { .. }
        | Expr::InUnnest { .. }
        | Expr::Struct { .. }
        | Expr::Named { .. }
        | Expr::Dictionary(_)
        | Expr::Map(_)
        | Expr::OuterJoin(_)
        | Expr::Prior(_)
        | Expr::Lambda(_) => Some(expr.to_string()),
    }
}

#[expect(clippy::too_many_lines, reason = "a line for each operator: one that is added has to be looked at")]
fn unknown_operator(op: &Binary) -> Option<String> {
    match op {
        // Its schema, or the sign itself, may be of the user's own.
        Binary::PGCustomBinaryOperator(_) | Binary::Custom(_) => Some("OPERATOR(…)".to_owned()),
        Binary::Match => Some("MATCH".to_owned()),
        Binary::DuckIntegerDivide | Binary::Assignment => Some(op.to_string()),
        Binary::Plus
        | Binary::Minus
        | Binary::Multiply
        | Binary::Divide
        | Binary::Modulo
        | Binary::StringConcat
        | Binary::Gt
        | Binary::Lt
        | Binary::GtEq
        | Binary::LtEq
        | Binary::Spaceship
        | Binary::Eq
        | Binary::NotEq
        | Binary::And
        | Binary::Or
        | Binary::Xor
        | Binary::BitwiseOr
        | Binary::BitwiseAnd
        | Binary::BitwiseXor
        | Binary::MyIntegerDivide
        | Binary::Regexp
        | Binary::Glob
        | Binary::PGBitwiseXor
        | Binary::PGBitwiseShiftLeft
        | Binary::PGBitwiseShiftRight
        | Binary::PGExp
        | Binary::PGOverlap
        | Binary::PGRegexMatch
        | Binary::PGRegexIMatch
        | Binary::PGRegexNotMatch
        | Binary::PGRegexNotIMatch
        | Binary::PGLikeMatch
        | Binary::PGILikeMatch
        | Binary::PGNotLikeMatch
        | Binary::PGNotILikeMatch
        | Binary::PGStartsWith
        | Binary::Arrow
        | Binary::LongArrow
        | Binary::HashArrow
        | Binary::HashLongArrow
        | Binary::AtAt
        | Binary::AtArrow
        | Binary::ArrowAt
        | Binary::HashMinus
        | Binary::AtQuestion
        | Binary::Question
        | Binary::QuestionAnd
        | Binary::QuestionPipe
        | Binary::Overlaps
        | Binary::DoubleHash
        | Binary::LtDashGt
        | Binary::AndLt
        | Binary::AndGt
        | Binary::LtLtPipe
        | Binary::PipeGtGt
        | Binary::AndLtPipe
        | Binary::PipeAndGt
        | Binary::LtCaret
        | Binary::GtCaret
        | Binary::QuestionHash
        | Binary::QuestionDash
        | Binary::QuestionDashPipe
        | Binary::QuestionDoublePipe
        | Binary::At
        | Binary::TildeEq => None,
    }
}

fn unknown_sign(op: Unary) -> Option<String> {
    match op {
        // Servers have given it up: it would be another operator.
        Unary::PGPostfixFactorial => Some(op.to_string()),
        Unary::Plus
        | Unary::Minus
        | Unary::Not
        | Unary::BitwiseNot
        | Unary::BangNot
        | Unary::PGAbs
        | Unary::PGSquareRoot
        | Unary::PGCubeRoot
        | Unary::PGPrefixFactorial
        | Unary::AtDashAt
        | Unary::DoubleAt
        | Unary::Hash
        | Unary::QuestionDash
        | Unary::QuestionPipe => None,
    }
}
