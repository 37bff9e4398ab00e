//! Owns what must be true when the faults are over: every write that was acknowledged is there, none twice, all in the same order
//! everywhere. Pure: what the nodes have goes in, what is wrong comes out.

use std::collections::BTreeMap;

use super::load::{CHAIN, COUNTERS, FILLED, LINK, PURSES, Told, What, Write};

/// What a node has.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Tables {
    pub(super) counters: Vec<Vec<i64>>,
    pub(super) purse: Vec<Vec<i64>>,
    pub(super) chain: Vec<Vec<i64>>,
    pub(super) history: Vec<Vec<i64>>,
    /// How many tables clients have made.
    pub(super) made: Vec<Vec<i64>>,
}

/// The questions that fill it.
pub(super) const QUESTIONS: [&str; 4] = [
    "SELECT id, n FROM counters ORDER BY id",
    "SELECT id, amount FROM purse ORDER BY id",
    "SELECT id, h FROM chain ORDER BY id",
    "SELECT id, client, nth, source, target, amount, tag FROM history ORDER BY id",
];

/// What of the writes is not as it was told.
pub(super) fn lies(writes: &[Write], tables: &Tables) -> Vec<String> {
    let mut wrong = rows(writes, tables);
    wrong.extend(counters(writes, tables));
    wrong.extend(effects(tables));
    wrong
}

/// Each write that leaves a row has left it as often as was told, and numbers follow the order of the log.
fn rows(writes: &[Write], tables: &Tables) -> Vec<String> {
    let mut wrong = Vec::new();
    let mut found: BTreeMap<(i64, i64), Vec<i64>> = BTreeMap::new();
    for row in &tables.history {
        found.entry((row[1], row[2])).or_default().push(row[0]);
    }
    let mut placed = BTreeMap::new();
    for write in writes {
        let ids = found.remove(&(write.client, write.nth)).unwrap_or_default();
        let (least, most) = match (write.what, write.told) {
            (What::Bump(_) | What::Bad(_) | What::Table, _) | (_, Told::Refused) => (0, 0),
            (_, Told::Done(_) | Told::Promised(_)) => (1, 1),
            (_, Told::Unknown) => (0, 1),
        };
        if !(least..=most).contains(&ids.len()) {
            wrong.push(format!("{write:?} is there {} times", ids.len()));
        }
        if let (Told::Done(position) | Told::Promised(position), Some(id)) = (write.told, ids.first())
            && let Some(other) = placed.insert(position, *id)
        {
            wrong.push(format!("{write:?} and the write of row {other} have one position"));
        }
    }
    wrong.extend(found.keys().map(|(client, nth)| format!("nobody wrote {nth} of client {client}")));
    let ids: Vec<i64> = placed.into_values().collect();
    if !ids.is_sorted() {
        wrong.push(format!("numbers do not follow the positions of the log: {ids:?}"));
    }
    wrong
}

/// What leaves no row was done as often as was told.
fn counters(writes: &[Write], tables: &Tables) -> Vec<String> {
    let bounds = |what: What| {
        let told = |is: fn(&Told) -> bool| {
            let of = writes.iter().filter(|write| write.what == what);
            i64::try_from(of.filter(|write| is(&write.told)).count()).expect("a few")
        };
        let done = told(|told| matches!(told, Told::Done(_) | Told::Promised(_)));
        done..=done + told(|told| *told == Told::Unknown)
    };
    let counted = (1..=COUNTERS).map(|id| {
        let n = tables.counters.iter().find(|row| row[0] == id).map(|row| row[1]);
        (What::Bump(id), n)
    });
    let made = (What::Table, tables.made.first().map(|row| row[0]));
    let wrong = |(what, n): (What, Option<i64>)| {
        let is_right = n.is_some_and(|n| bounds(what).contains(&n));
        (!is_right).then(|| format!("{what:?} was done {n:?} times, and should be {:?}", bounds(what)))
    };
    counted.chain([made]).filter_map(wrong).collect()
}

/// What the rows say was done, in their order, is what the other tables have.
fn effects(tables: &Tables) -> Vec<String> {
    let mut purses: BTreeMap<i64, i64> = (1..=PURSES).map(|id| (id, FILLED)).collect();
    let mut chain = 1;
    for row in &tables.history {
        let (source, target, amount, tag) = (row[3], row[4], row[5], row[6]);
        if let Some(purse) = purses.get_mut(&source) {
            *purse -= amount;
        }
        if let Some(purse) = purses.get_mut(&target) {
            *purse += amount;
        }
        if tag > 0 {
            chain = (chain * LINK + tag) % CHAIN;
        }
    }
    let purses: Vec<Vec<i64>> = purses.into_iter().map(|(id, amount)| vec![id, amount]).collect();
    let mut wrong = Vec::new();
    if purses != tables.purse {
        wrong.push(format!("purses are {:?}, and should be {purses:?}", tables.purse));
    }
    if tables.chain != [[1, chain]] {
        wrong.push(format!("the chain is {:?}, and should be {chain}: another order", tables.chain));
    }
    wrong
}

#[test]
fn what_is_lost_done_twice_or_in_another_order_is_seen() {
    let write = |nth, what, told| Write { client: 1, nth, what, told };
    let writes = [
        write(1, What::Link(5), Told::Done(1)),
        write(2, What::Transfer { source: 1, target: 2, amount: 3, tag: 6 }, Told::Promised(2)),
        write(3, What::Row, Told::Unknown),
        write(4, What::Bump(1), Told::Done(3)),
        write(5, What::Bump(1), Told::Unknown),
        write(6, What::Row, Told::Refused),
        write(7, What::Table, Told::Done(4)),
    ];
    let right = Tables {
        counters: vec![vec![1, 1], vec![2, 0]],
        purse: vec![vec![1, FILLED - 3], vec![2, FILLED + 3], vec![3, FILLED], vec![4, FILLED]],
        chain: vec![vec![1, (36 * 31) + 6]],
        history: vec![vec![1, 1, 1, 0, 0, 0, 5], vec![2, 1, 2, 1, 2, 3, 6]],
        made: vec![vec![1]],
    };
    assert_eq!(lies(&writes, &right), Vec::<String>::new());
    let mut unknown = right.clone();
    unknown.history.push(vec![3, 1, 3, 0, 0, 0, 0]);
    unknown.counters[0][1] = 2;
    assert_eq!(lies(&writes, &unknown), Vec::<String>::new());
    let spoil: [fn(&mut Tables); 9] = [
        |tables| drop(tables.history.remove(0)),
        |tables| tables.history.push(vec![3, 1, 1, 0, 0, 0, 0]),
        |tables| tables.history.push(vec![3, 1, 6, 0, 0, 0, 0]),
        |tables| tables.history.push(vec![3, 2, 1, 0, 0, 0, 0]),
        |tables| tables.counters[0][1] = 0,
        |tables| tables.counters[0][1] = 3,
        |tables| tables.purse[0][1] = FILLED,
        |tables| tables.chain[0][1] += 1,
        |tables| tables.made[0][0] = 0,
    ];
    for (nth, spoil) in spoil.into_iter().enumerate() {
        let mut tables = right.clone();
        spoil(&mut tables);
        assert!(!lies(&writes, &tables).is_empty(), "{nth}");
    }
}
