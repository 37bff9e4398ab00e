//! The people of the demo: a table that anybody can ask something of, made from numbers, so that a person is the same on every
//! node and in every run.

use std::str::FromStr;

use rusqlite::{Connection, params};

const FIRST_NAMES: &[&str] = &[
    "Ada",
    "Alan",
    "Amara",
    "Anders",
    "Barbara",
    "Björn",
    "Chen",
    "Chiara",
    "Dennis",
    "Donald",
    "Edsger",
    "Elif",
    "Emil",
    "Farid",
    "Fatima",
    "Frances",
    "Grace",
    "Haruki",
    "Ingrid",
    "Ivan",
    "Jean",
    "José",
    "Katherine",
    "Ken",
    "Leila",
    "Linus",
    "Margaret",
    "Mei",
    "Niklaus",
    "Noor",
    "Olga",
    "Priya",
    "Radia",
    "Rosa",
    "Sofia",
    "Tariq",
    "Tim",
    "Yuki",
    "Zoë",
    "Øyvind",
];
const LAST_NAMES: &[&str] = &[
    "Andersen", "Bauer", "Castillo", "Dijkstra", "Eriksson", "Fischer", "García", "Hamilton", "Hopper", "Ibrahim",
    "Ivanova", "Johnson", "Kapoor", "Kim", "Knuth", "Kowalski", "Lamarr", "Lovelace", "Martin", "Müller", "Nakamura",
    "Nguyen", "O'Brien", "Okafor", "Perlman", "Quist", "Rossi", "Sato", "Silva", "Tanaka", "Turing", "Ulrich", "Vega",
    "Wagner", "Wang", "Yilmaz", "Zhang",
];
const DEPARTMENTS: &[&str] = &["Engineering", "Finance", "Marketing", "Operations", "Sales", "Support"];

/// One of several parts of equal size, the last of which has the rest, too.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Part {
    number: u64,
    of: u64,
}

/// Why a text names no part.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a part is given as NUMBER/COUNT, such as 1/3: the first of three")]
pub struct PartError;

impl Part {
    /// All there is.
    pub const WHOLE: Self = Self { number: 1, of: 1 };

    /// Part `number`, counted from 1, of `of`; none where there is no such part.
    pub fn new(number: u64, of: u64) -> Option<Self> {
        (1..=of).contains(&number).then_some(Self { number, of })
    }

    /// The numbers from 1 to `total` that belong to it: the first, and the last.
    pub fn range(self, total: u64) -> (u64, u64) {
        let size = total / self.of;
        let last = if self.number == self.of { total } else { size * self.number };
        (size * (self.number - 1) + 1, last)
    }
}

impl FromStr for Part {
    type Err = PartError;

    fn from_str(text: &str) -> Result<Self, PartError> {
        let (number, of) = text.split_once('/').ok_or(PartError)?;
        let read = |text: &str| text.parse().map_err(|_| PartError);
        Self::new(read(number)?, read(of)?).ok_or(PartError)
    }
}

/// Who is in the table of a node.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Users {
    /// How many there are on all nodes.
    pub total: u64,
    /// Which of them.
    pub part: Part,
}

impl Users {
    /// How many there are where nothing is said.
    pub const USUAL_TOTAL: u64 = 10_000;

    /// Makes the table where there is none, and fills it where it is empty.
    pub(super) fn fill(self, connection: &mut Connection) -> rusqlite::Result<()> {
        let transaction = connection.transaction()?;
        transaction.execute_batch(
            "CREATE TABLE IF NOT EXISTS users (id INTEGER PRIMARY KEY, name TEXT NOT NULL, age INTEGER NOT NULL, \
             department TEXT NOT NULL, salary INTEGER NOT NULL, hired TEXT NOT NULL)",
        )?;
        let is_filled: bool = transaction.query_row("SELECT EXISTS (SELECT 1 FROM users)", [], |row| row.get(0))?;
        if !is_filled {
            let mut insert = transaction.prepare("INSERT INTO users VALUES (?1, ?2, ?3, ?4, ?5, ?6)")?;
            let (first, last) = self.part.range(self.total);
            for id in first..=last {
                let person = Person::of(id);
                let Person { name, age, department, salary, hired } = &person;
                insert.execute(params![i64::try_from(id).unwrap_or(i64::MAX), name, age, department, salary, hired])?;
            }
        }
        transaction.commit()
    }
}

/// A person without a number.
#[derive(Debug, PartialEq, Eq)]
struct Person {
    name: String,
    age: i64,
    department: &'static str,
    salary: i64,
    hired: String,
}

impl Person {
    /// The person of a number, the same always.
    fn of(id: u64) -> Self {
        let mut random = Random(id);
        let first = random.one_of(FIRST_NAMES);
        let last = random.one_of(LAST_NAMES);
        let (age, department) = (18 + random.below(63), random.one_of(DEPARTMENTS));
        let salary = 30_000 + 500 * random.below(181);
        let (year, month, day) = (2005 + random.below(20), 1 + random.below(12), 1 + random.below(28));
        let (name, hired) = (format!("{first} {last}"), format!("{year:04}-{month:02}-{day:02}"));
        Self { name, age, department, salary, hired }
    }
}

/// SplitMix64 (Steele, Lea, Flood 2014): the numbers that follow a seed look like chance, and follow it always.
struct Random(u64);

impl Random {
    fn below(&mut self, limit: u32) -> i64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        i64::from((mixed >> 33) as u32 % limit)
    }

    fn one_of(&mut self, texts: &[&'static str]) -> &'static str {
        let count = u32::try_from(texts.len()).unwrap_or(u32::MAX);
        usize::try_from(self.below(count)).ok().and_then(|index| texts.get(index)).copied().unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_are_of_equal_size_and_the_last_has_the_rest() {
        let ranges: Vec<_> = (1..=6).map(|number| Part::new(number, 6).unwrap().range(10_000)).collect();
        assert_eq!(ranges, [(1, 1666), (1667, 3332), (3333, 4998), (4999, 6664), (6665, 8330), (8331, 10_000)]);
        assert_eq!(Part::WHOLE.range(5), (1, 5));
        assert_eq!("2/3".parse(), Part::new(2, 3).ok_or(PartError));
        for wrong in ["", "1", "0/3", "4/3", "a/b", "1/0"] {
            assert_eq!(wrong.parse::<Part>(), Err(PartError), "{wrong}");
        }
    }

    #[test]
    fn people_are_the_same_always_and_differ_from_each_other() {
        assert_eq!(Person::of(7), Person::of(7));
        let people: Vec<_> = (1..=10_000).map(Person::of).collect();
        assert!(people.iter().all(|person| (18..=80).contains(&person.age)));
        assert!(people.iter().any(|person| person.age == 18) && people.iter().any(|person| person.age == 80));
        for department in DEPARTMENTS {
            let there = people.iter().filter(|person| person.department == *department).count();
            assert!((1_400..2_000).contains(&there), "{there} in {department}");
        }
        let mut names: Vec<_> = people.iter().map(|person| &person.name).collect();
        names.sort();
        names.dedup();
        assert!(names.len() > 1_000, "{}", names.len());
    }

    #[test]
    fn a_table_is_filled_once() {
        let mut connection = Connection::open_in_memory().unwrap();
        let users = Users { total: 30, part: Part::new(2, 3).unwrap() };
        for _ in 0..2 {
            users.fill(&mut connection).unwrap();
            let all = "SELECT count(*), min(id), max(id) FROM users";
            let row = connection.query_row(all, [], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)));
            assert_eq!(row, Ok((10, 11, 20)));
        }
    }
}
