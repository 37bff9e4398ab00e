//! Owns what comes behind the rows of an INSERT: the rule for conflicts, which must not number rows nor leave it to the node
//! which row is updated, and the answer.

use sqlparser::ast::{AssignmentTarget, Expr, OnConflict, OnConflictAction, OnInsert};

use super::insert::Target;
use super::look::{Look, Times};
use super::tables::Auto;
use crate::sql::plan::Refusal;

/// Refuses a rule that updates whichever row is met first, where a row can meet several: in which order keys are looked at differs
/// by node. A number that the host gives meets none; `gives_numbers` says that the client gives one itself.
pub(super) fn refuse_choice(target: &Target<'_>, gives_numbers: bool) -> Result<(), Refusal> {
    let construct = match &target.insert.on {
        Some(OnInsert::DuplicateKeyUpdate(_)) => "ON DUPLICATE KEY UPDATE",
        Some(OnInsert::OnConflict(OnConflict { conflict_target: None, action: OnConflictAction::DoUpdate(_) })) => {
            "ON CONFLICT DO UPDATE"
        }
        _ => return Ok(()),
    };
    let traits = target.table.traits;
    let met = if gives_numbers { traits.keys } else { traits.keys.saturating_sub(traits.numbered_keys) };
    match met {
        0 | 1 => Ok(()),
        _ => {
            let why =
                format!("{} has several unique keys, and which row it updates differs by node", target.table.name);
            Err(Refusal::new(construct, why))
        }
    }
}

/// Looks at what comes behind the rows: the rule for conflicts and the answer.
pub(super) fn after(look: &mut Look<'_, '_>, target: &Target<'_>, times: Times) -> Result<(), Refusal> {
    let assigned = match &target.insert.on {
        None => &[],
        Some(OnInsert::DuplicateKeyUpdate(assigned)) => assigned.as_slice(),
        Some(OnInsert::OnConflict(conflict)) => match &conflict.action {
            OnConflictAction::DoUpdate(update) => update.assignments.as_slice(),
            OnConflictAction::DoNothing => &[],
        },
        Some(_) => return Err(Refusal::new("ON …", "not a rule for conflicts that is known")),
    };
    for assigned in assigned {
        let names = match &assigned.target {
            AssignmentTarget::ColumnName(name) => std::slice::from_ref(name),
            AssignmentTarget::Tuple(names) => names.as_slice(),
        };
        for name in names {
            let last = name.0.last().and_then(|part| part.as_ident());
            let at = last.and_then(|name| target.table.place(look.dialect(), name));
            let column = at.and_then(|at| target.table.columns.get(at));
            // MySQL's way to have LAST_INSERT_ID() tell the row that was there keeps the number.
            let is_same = matches!(&assigned.value, Expr::Identifier(value) if Some(value) == last);
            if column.is_none_or(|column| column.auto != Auto::No) && !is_same {
                return Err(Refusal::new(
                    format!("{name} in a rule for conflicts"),
                    "it numbers rows, or is not known",
                ));
            }
        }
    }
    look.through(&target.insert.on, times)?;
    look.through(&target.insert.returning, Times::Answer)
}
