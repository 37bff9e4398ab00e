//! A page of metrics, read as Prometheus reads it: strictly, so that what it would refuse is a failure here. Both texts are
//! read into the same shape, so that they can be held against each other.

use std::collections::{BTreeMap, BTreeSet};

/// Names and values of labels, by name.
pub(super) type Labels = BTreeMap<String, String>;

/// One line with a value.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Sample {
    /// With its suffix.
    pub(super) name: String,
    pub(super) labels: Labels,
    pub(super) value: f64,
}

/// All lines of one name.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Family {
    /// As `# TYPE` says it.
    pub(super) name: String,
    pub(super) help: Option<String>,
    pub(super) kind: String,
    pub(super) unit: Option<String>,
    pub(super) samples: Vec<Sample>,
}

impl Family {
    /// The name without the suffix that only one of the texts has.
    pub(super) fn base(&self) -> &str {
        match self.kind.as_str() {
            "counter" => self.name.strip_suffix("_total").unwrap_or(&self.name),
            _ => &self.name,
        }
    }

    /// The names that its lines may have.
    pub(super) fn sample_names(&self) -> Vec<String> {
        let suffixes: &[&str] = match self.kind.as_str() {
            "counter" => &["_total"],
            "histogram" => &["_bucket", "_sum", "_count"],
            "summary" => &["_sum", "_count"],
            _ => &[""],
        };
        suffixes.iter().map(|suffix| format!("{}{suffix}", self.base())).collect()
    }

    /// The names of all labels of its lines.
    pub(super) fn label_names(&self) -> BTreeSet<&str> {
        self.samples.iter().flat_map(|sample| sample.labels.keys().map(String::as_str)).collect()
    }
}

/// A whole page.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Page {
    pub(super) families: Vec<Family>,
    /// It says that it is complete.
    pub(super) ended: bool,
}

impl Page {
    /// Reads a page; what is no line of one is a failure.
    pub(super) fn read(text: &str) -> Self {
        let mut page = Self::default();
        assert!(text.ends_with('\n'), "the last line does not end");
        for line in text.lines() {
            assert!(!page.ended, "after the end: {line}");
            if let Some(comment) = line.strip_prefix("# ") {
                page.comment(comment);
            } else {
                let sample = sample(line);
                let family = page.families.last_mut().unwrap_or_else(|| panic!("a value without a family: {line}"));
                assert!(family.sample_names().contains(&sample.name), "within {}: {line}", family.name);
                family.samples.push(sample);
            }
        }
        page
    }

    fn comment(&mut self, comment: &str) {
        let mut words = comment.splitn(3, ' ');
        let (what, name, rest) = (words.next().unwrap(), words.next(), words.next().unwrap_or_default());
        let Some(name) = name else {
            assert_eq!(what, "EOF", "# {comment}");
            self.ended = true;
            return;
        };
        // HELP comes first of each family.
        if what == "HELP" {
            assert!(self.families.iter().all(|family| family.name != name), "{name} comes twice");
            self.families.push(Family { name: name.to_owned(), help: Some(rest.to_owned()), ..Family::default() });
            return;
        }
        let family = self.families.last_mut().filter(|family| family.name == name);
        let family = family.unwrap_or_else(|| panic!("not below its own HELP: # {comment}"));
        assert!(family.samples.is_empty(), "after values: # {comment}");
        match what {
            "TYPE" => family.kind = rest.to_owned(),
            "UNIT" => family.unit = Some(rest.to_owned()),
            other => panic!("{other}: # {comment}"),
        }
    }

    /// The family of a name, whichever text says it.
    pub(super) fn family(&self, base: &str) -> &Family {
        let found = self.families.iter().find(|family| family.base() == base);
        found.unwrap_or_else(|| panic!("no metric {base}"))
    }

    /// The sum of the lines of a name that have these labels.
    pub(super) fn sum(&self, name: &str, labels: &[(&str, &str)]) -> f64 {
        let fits = |sample: &&Sample| {
            sample.name == name
                && labels.iter().all(|(label, value)| sample.labels.get(*label).is_some_and(|it| it == value))
        };
        self.families.iter().flat_map(|family| &family.samples).filter(fits).map(|sample| sample.value).sum()
    }
}

fn sample(line: &str) -> Sample {
    let bad = |what: &str| -> ! { panic!("{what}: {line}") };
    let end = line.find(['{', ' ']).unwrap_or_else(|| bad("no value"));
    let (name, mut rest) = line.split_at(end);
    let mut labels = Labels::new();
    if let Some(inside) = rest.strip_prefix('{') {
        rest = inside;
        loop {
            let (label, after) = rest.split_once("=\"").unwrap_or_else(|| bad("no label"));
            let (value, after) = quoted(after).unwrap_or_else(|| bad("a value without an end"));
            if labels.insert(label.to_owned(), value).is_some() {
                bad("a label twice");
            }
            match after.strip_prefix(',') {
                Some(after) => rest = after,
                None => {
                    rest = after.strip_prefix('}').unwrap_or_else(|| bad("labels without an end"));
                    break;
                }
            }
        }
    }
    let value = rest.strip_prefix(' ').unwrap_or_else(|| bad("no value"));
    let value = value.parse().unwrap_or_else(|_| bad("no number"));
    Sample { name: name.to_owned(), labels, value }
}

/// A value up to its closing quote, and what comes after that.
fn quoted(text: &str) -> Option<(String, &str)> {
    let mut value = String::new();
    let mut chars = text.char_indices();
    while let Some((at, c)) = chars.next() {
        match c {
            '"' => return Some((value, &text[at + 1..])),
            '\\' => value.push(match chars.next()?.1 {
                'n' => '\n',
                other => other,
            }),
            c => value.push(c),
        }
    }
    None
}
