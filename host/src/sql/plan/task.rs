//! Owns what planning looks at: a statement, what is known of it and of its tables, and what follows from that.

use std::cell::OnceCell;
use std::collections::{BTreeSet, hash_map::DefaultHasher};
use std::hash::{Hash, Hasher};

use sqlparser::ast::Query;

use super::{
    Blocked, Class, FinalStage, NodeStatement, NodeText, Options, Plan, Refusal, Tier, repeats_parameter,
    skips_parameter,
};
use crate::sql::catalog::{Catalog, Role};
use crate::sql::dialect::{Nature, Rules};
use crate::sql::parse::Parsed;
use crate::sql::rewrite;
use crate::sql::route::{Reads, Routing};
use crate::sql::survey::Survey;
use crate::sql::topology::Shard;
use crate::sql::value::Value;

/// Everything that planning looks at.
pub(in crate::sql) struct Task<'a> {
    pub(in crate::sql) parsed: &'a Parsed,
    pub(in crate::sql) query: &'a Query,
    pub(in crate::sql) survey: &'a Survey,
    pub(in crate::sql) params: &'a [Value],
    pub(in crate::sql) catalog: &'a Catalog<'a>,
    pub(in crate::sql) reads: &'a Reads,
    pub(in crate::sql) rules: &'static dyn Rules,
    pub(super) prefix: OnceCell<String>,
}

impl Task<'_> {
    /// A prefix for names of our own that occurs neither in the statement nor in a name of its tables.
    pub(in crate::sql) fn prefix(&self) -> &str {
        self.prefix.get_or_init(|| {
            let text = self.parsed.text.to_ascii_lowercase();
            let columns: Vec<_> =
                self.survey.named.iter().filter_map(|table| self.catalog.columns(table)).flatten().collect();
            let is_begun = |prefix: &str, name: &str| {
                name.get(..prefix.len()).is_some_and(|head| head.eq_ignore_ascii_case(prefix))
            };
            let mut prefix = "lf_".to_owned();
            while text.contains(&prefix) || columns.iter().any(|column| is_begun(&prefix, &column.name)) {
                prefix.insert(2, 'x');
            }
            prefix
        })
    }

    /// How many mentions of partitioned tables there are. A table that is not known is refused.
    pub(super) fn spread_tables(&self) -> Result<usize, Refusal> {
        if let Some(odd) = &self.survey.odd_table {
            return Err(Refusal::new(odd, "not a table of the topology"));
        }
        let mut spread = 0;
        for table in &self.survey.tables {
            match self.catalog.role(table) {
                Some(Role::Partitioned { .. }) => spread += 1,
                Some(Role::Reference) => {}
                None => return Err(Refusal::new(format!("table {table}"), "not a table of the topology")),
            }
        }
        if self.catalog.topology.is_split() {
            return Ok(spread);
        }
        let hides = |name: &String| Refusal::new(format!("WITH {name}"), "hides a table of the topology");
        match self.survey.ctes.iter().find(|cte| self.catalog.role(cte).is_some()) {
            Some(cte) => Err(hides(cte)),
            // The router tells names apart that are one name here: which of them the server means is its own affair.
            None if spread != self.reads.tables.len() => Err(hides(self.survey.ctes.first().unwrap_or(&String::new()))),
            None => Ok(spread),
        }
    }

    /// Whether a shard has all tables of the statement, with rows or without.
    pub(super) fn has_all(&self, shard: Shard) -> bool {
        let mut partitions = self.reads.tables.iter().map(|read| self.catalog.topology.partition(&read.table));
        partitions.all(|partition| partition.is_none_or(|held| held.placement.shards().contains(&shard)))
    }

    pub(super) fn pass_through(&self, shard: Option<Shard>) -> Plan {
        let shard = shard.unwrap_or(Shard(0));
        let node = NodeStatement { shard, load: 0, sql: self.parsed.text.clone() };
        let (class, tier) = (Class::Single, Tier::PassThrough);
        Plan { class, tier, why: String::new(), nodes: vec![node], last: FinalStage::PassThrough }
    }

    /// The merge of a divided scan, where there is one: otherwise any node has the whole answer.
    pub(super) fn divide(&self, spread: usize, options: Options) -> Option<Plan> {
        // Each node numbers its rows by itself, so numbers of several nodes do not go together.
        let is_hindered = self.refuse_hindrances().is_err() || self.refuse_hidden_columns().is_err();
        if options.no_merge || spread != 1 || is_hindered {
            return None;
        }
        let plan = self.merge(spread).ok()?;
        (!self.rules.infers_parameters() || !plan.texts().any(skips_parameter)).then_some(plan)
    }

    /// The same shard for the same statement, different ones for different statements.
    pub(super) fn some_shard(&self) -> Shard {
        let mut hasher = DefaultHasher::new();
        self.parsed.text.hash(&mut hasher);
        let shards = u64::from(self.catalog.topology.shards().get());
        Shard(u16::try_from(hasher.finish() % shards).unwrap_or(0))
    }

    /// Row numbers and the like, also where one shard answers: they are not those that one database would have.
    pub(super) fn refuse_hidden_columns(&self) -> Result<(), Refusal> {
        match self.survey.hidden_columns.iter().find(|name| !self.declares(name)) {
            Some(name) => Err(Refusal::new(name, "each shard has its own")),
            None => Ok(()),
        }
    }

    /// What no tier over several shards can answer rightly.
    pub(super) fn refuse_hindrances(&self) -> Result<(), Refusal> {
        if let Some((name, nature)) = &self.survey.call {
            let why = match nature {
                Nature::Ordered => "its answer depends on the order of rows, which several shards do not have",
                Nature::Volatile => "it would differ by shard or by moment",
                _ => "not a function that is known to answer the same on every shard",
            };
            return Err(Refusal::new(format!("{}()", name.to_ascii_lowercase()), why));
        }
        if let Some((construct, why)) = &self.survey.hindrance {
            return Err(Refusal::new(construct, *why));
        }
        let is_moment = |value: &&Value| matches!(value, Value::Text(text) if self.rules.is_moment(text));
        if let Some(at) = self.params.iter().position(|value| is_moment(&value)) {
            return Err(Refusal::new(
                format!("parameter {}", at + 1),
                "it may be read as a moment, which differs by shard",
            ));
        }
        if self.rules.names().rows_and_calls
            && let Some((_, name)) =
                self.survey.columns.iter().find(|(table, name)| self.is_row_or_call(table.as_deref(), name))
        {
            return Err(Refusal::new(name, "a whole row, or a call of a function, where a column is expected"));
        }
        rewrite::bare::refuse_bare_columns(self.query, self.rules, &|name| self.declares(name))
    }

    /// Whether a name is that of a table, or one of a table that has no such column.
    pub(super) fn is_row_or_call(&self, table: Option<&str>, name: &str) -> bool {
        let mut aliases = self.survey.aliases.iter();
        match table {
            None => aliases.any(|(alias, _)| self.rules.same_name(alias, name)) && !self.declares(name),
            Some(table) => aliases.any(|(alias, base)| {
                let base = base.as_ref().filter(|_| self.rules.same_name(alias, table));
                base.and_then(|base| self.catalog.columns(base))
                    .is_some_and(|columns| !columns.iter().any(|column| self.rules.same_name(&column.name, name)))
            }),
        }
    }

    /// Whether a table of the statement has a column of this name.
    pub(super) fn declares(&self, name: &str) -> bool {
        let mut tables = self.survey.tables.iter().filter_map(|table| self.catalog.columns(table));
        tables.any(|columns| columns.iter().any(|column| column.name.eq_ignore_ascii_case(name)))
    }

    pub(super) fn merge(&self, spread: usize) -> Result<Plan, Blocked> {
        if self.query.with.is_some() {
            return Err(Blocked::gather("WITH"));
        }
        if self.survey.has_window {
            return Err(Blocked::gather("window functions"));
        }
        if self.rules.infers_parameters() && repeats_parameter(self.parsed) {
            return Err(Blocked::gather("a parameter that stands in two places"));
        }
        if rewrite::union::is_union(self.query) {
            return rewrite::union::union(self, spread);
        }
        if self.survey.queries > 1 {
            return Err(Blocked::gather("subqueries"));
        }
        let sources = rewrite::from::sources(self)?;
        rewrite::select(self, &sources)
    }

    /// The shards to ask: a shard that matters to one table only answers nothing for the others, so asking it is right.
    pub(in crate::sql) fn shards(&self) -> BTreeSet<Shard> {
        match &self.reads.routing {
            Routing::Shards(shards) => shards.clone(),
            Routing::All | Routing::Nowhere => self.catalog.shards(),
        }
    }

    /// A statement for each shard that matters, and the last stage.
    pub(in crate::sql) fn merged(&self, node: &NodeText, last: FinalStage) -> Result<Plan, Blocked> {
        let shards = self.shards();
        if !shards.iter().all(|shard| self.has_all(*shard)) {
            return Err(Blocked::gather("tables that are not on the same shards"));
        }
        let mut nodes = Vec::with_capacity(shards.len());
        for shard in &shards {
            let sql = match (self.catalog.topology.slices(), &node.key) {
                (None, _) => node.whole(),
                (Some(slices), Some(key)) => {
                    let slice =
                        slices.get(usize::from(shard.0)).ok_or_else(|| Blocked::gather("a shard without a range"))?;
                    node.part(key, slice)
                }
                (Some(_), None) => return Err(Blocked::gather("a scan that cannot be divided")),
            };
            nodes.push(NodeStatement { shard: *shard, load: 0, sql });
        }
        Ok(Plan { class: self.class(shards.len()), tier: Tier::Merge, why: String::new(), nodes, last })
    }

    pub(in crate::sql) fn class(&self, shards: usize) -> Class {
        match shards {
            0 | 1 => Class::Single,
            some if some < self.catalog.shards().len() => Class::Partial,
            _ => Class::Full,
        }
    }

    /// A quoted name.
    pub(in crate::sql) fn quote(&self, name: &str) -> String {
        self.parsed.dialect().quote(name)
    }
}
