//! What is written down is what is read.

use proptest::prelude::*;

use super::super::encode::{self, Head};
use super::*;

fn value() -> impl Strategy<Value = Value> {
    prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::Bool),
        any::<i64>().prop_map(Value::Integer),
        any::<f64>().prop_map(Value::Real),
        Just(Value::Real(f64::NAN)),
        Just(Value::Real(f64::NEG_INFINITY)),
        "-?[0-9]{1,30}(\\.[0-9]{1,30})?".prop_map(Value::Decimal),
        any::<String>().prop_map(Value::Text),
        any::<Vec<u8>>().prop_map(Value::Blob),
    ]
}

fn statement() -> impl Strategy<Value = Statement> {
    let params = prop::collection::vec(value(), 0..5);
    (any::<String>(), params, any::<bool>(), any::<Option<u64>>()).prop_map(|(sql, params, returns, named)| Statement {
        sql,
        params,
        returns,
        named,
    })
}

fn outcome() -> impl Strategy<Value = Outcome> {
    prop_oneof![
        any::<Vec<u64>>().prop_map(|affected| Outcome::Applied { affected }),
        any::<(String, String)>().prop_map(|(class, message)| Outcome::Refused { class, message }),
    ]
}

proptest! {
    #[test]
    fn statements_are_read_as_they_were_written(statements in prop::collection::vec(statement(), 1..4)) {
        let text = encode::statements(&statements).unwrap();
        let read = encode::read_statements(text.as_bytes()).unwrap();
        // By their form, since NaN does not equal itself and 0 equals -0.
        prop_assert_eq!(format!("{read:?}"), format!("{statements:?}"));
    }

    #[test]
    fn outcomes_are_read_as_they_were_written(outcome in outcome()) {
        let text = encode::outcome(&outcome).unwrap();
        prop_assert_eq!(encode::read_outcome(text.as_bytes()).unwrap(), outcome);
    }

    #[test]
    fn a_checksum_is_of_all_that_a_record_says(
        (position, epoch, moment, text) in any::<(u64, u64, i64, Vec<u8>)>(),
        (at, by, previous) in any::<(prop::sample::Index, u8, [u8; 32])>(),
    ) {
        let head = Head { position: Position(position), epoch, kind: Kind::Change, moment };
        let sum = encode::sum(&previous, head, &text);
        let others = [
            Head { position: Position(position ^ 1), ..head },
            Head { epoch: epoch ^ 1, ..head },
            Head { moment: moment ^ 1, ..head },
            Head { kind: Kind::Schema, ..head },
        ];
        for other in others {
            prop_assert_ne!(encode::sum(&previous, other, &text), sum);
        }
        let mut record = [previous.as_slice(), &text].concat();
        let at = at.index(record.len());
        record[at] ^= by.max(1);
        let (previous, text) = record.split_first_chunk().unwrap();
        prop_assert_ne!(encode::sum(previous, head, text), sum);
    }
}
