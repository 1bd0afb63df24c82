//! Reads settings by name from flags, environment and file, and says what was wrong with them.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::ops::RangeInclusive;

use toml::{Table, Value};

use super::values::{Limited, Setting};

const ENV_PREFIX: &str = "TAPEDECK_";

/// How like a known name (0 to 1) an unknown one must be to be taken for a typing error.
const LIKENESS: f64 = 0.7;

/// How like one of ours a variable outside our sections must be to be taken for a typing error.
const OURS: f64 = 0.92;

/// What the settings are read from.
#[derive(Clone, Debug, Default)]
pub struct Sources {
    /// Setting and value, from the command line.
    pub flags: Vec<(String, String)>,
    /// All variables of the environment that start with `TAPEDECK_`.
    pub env: BTreeMap<String, String>,
    /// Name and text of the file.
    pub file: Option<(String, String)>,
}

/// Everything that was wrong.
#[derive(Debug, PartialEq, Eq)]
pub struct ConfigError(pub Vec<Problem>);

/// One thing that was wrong.
#[derive(Debug, PartialEq, Eq)]
pub struct Problem {
    /// The file, variable or flag.
    pub place: String,
    pub what: String,
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (number, problem) in self.0.iter().enumerate() {
            let line = if number == 0 { "" } else { "\n" };
            write!(f, "{line}{}: {}", problem.place, problem.what)?;
        }
        Ok(())
    }
}

impl std::error::Error for ConfigError {}

/// Answers one setting after the other and remembers which names exist and which of the given ones were used.
pub(super) struct Reader {
    flags: BTreeMap<String, String>,
    env: BTreeMap<String, String>,
    file: Table,
    file_name: String,
    known: BTreeSet<String>,
    problems: Vec<Problem>,
}

impl Reader {
    pub fn new(sources: Sources) -> Result<Self, ConfigError> {
        let (file_name, text) = sources.file.unwrap_or_default();
        let file = text.parse::<Table>().map_err(|error| {
            ConfigError(vec![Problem { place: file_name.clone(), what: error.to_string().trim_end().to_owned() }])
        })?;
        Ok(Self {
            flags: sources.flags.into_iter().collect(),
            env: sources.env,
            file,
            file_name,
            known: BTreeSet::new(),
            problems: Vec::new(),
        })
    }

    /// The value of a setting, of any its kind allows.
    pub fn get<T: Setting>(&mut self, name: &str, default: T) -> T {
        self.get_checked(name, default, T::ALLOWED, |_| true)
    }

    /// The value of a setting within limits.
    pub fn get_in<T: Limited>(&mut self, name: &str, default: T, limits: RangeInclusive<T>) -> T {
        let allowed = format!("{} to {}; {}", limits.start().text(), limits.end().text(), T::ALLOWED);
        self.get_checked(name, default, &allowed, |value| limits.contains(value))
    }

    /// The value of a setting that a function accepts.
    pub fn get_checked<T: Setting>(&mut self, name: &str, default: T, allowed: &str, accept: impl Fn(&T) -> bool) -> T {
        self.known.insert(name.to_owned());
        let variable = variable(name);
        let in_file = take(&mut self.file, name);
        // All three are taken, so that what is hidden by a stronger source is not reported as unknown.
        let in_env = self.env.remove(&variable);
        let (place, shown, read) = if let Some(text) = self.flags.remove(name) {
            ("command line".to_owned(), format!("{text:?}"), T::from_text(&text))
        } else if let Some(text) = in_env {
            (variable, format!("{text:?}"), T::from_text(&text))
        } else if let Some(value) = in_file {
            (self.file_name.clone(), value.to_string(), T::from_value(&value))
        } else {
            return default;
        };
        read.filter(accept).unwrap_or_else(|| {
            self.problem(place, format!("{name} = {shown} is not possible; allowed: {allowed}"));
            default
        })
    }

    /// A table of the file, with its name for messages, to be read entry by entry.
    pub fn take_value(&mut self, name: &str) -> Option<Value> {
        self.known.insert(name.to_owned());
        take(&mut self.file, name)
    }

    /// The names that were asked for.
    #[cfg(test)]
    pub fn known(&self) -> impl Iterator<Item = &str> {
        self.known.iter().map(String::as_str)
    }

    /// Notes a fault in the file.
    pub fn fault(&mut self, what: String) {
        self.problem(self.file_name.clone(), what);
    }

    fn problem(&mut self, place: String, what: String) {
        self.problems.push(Problem { place, what });
    }

    /// Reports what nobody asked for, then gives `config` if nothing was wrong.
    pub fn finish<T>(mut self, config: T) -> Result<T, ConfigError> {
        let known: Vec<&str> = self.known.iter().map(String::as_str).collect();
        let mut left = Vec::new();
        left_over(&self.file, "", &mut left);
        left.retain(|(name, is_section)| !(*is_section && known.iter().any(|known| in_section(known, name))));
        let in_file = left.iter().map(|(name, _)| (self.file_name.clone(), unknown(name, &known)));
        let in_flags = self.flags.keys().map(|name| ("command line".to_owned(), unknown(name, &known)));
        let in_env =
            self.env.keys().filter_map(|name| Some(("environment".to_owned(), unknown_variable(name, &known)?)));
        let unknown = in_flags.chain(in_env).chain(in_file).map(|(place, what)| Problem { place, what });
        self.problems.extend(unknown);
        if self.problems.is_empty() { Ok(config) } else { Err(ConfigError(self.problems)) }
    }
}

/// The variable of a setting.
fn variable(name: &str) -> String {
    format!("{ENV_PREFIX}{}", name.replace('.', "_").to_uppercase())
}

/// Removes a dotted name; a section that becomes empty goes too.
fn take(table: &mut Table, name: &str) -> Option<Value> {
    let Some((section, rest)) = name.split_once('.') else { return table.remove(name) };
    let Value::Table(inner) = table.get_mut(section)? else { return None };
    let value = take(inner, rest);
    if inner.is_empty() {
        table.remove(section);
    }
    value
}

fn in_section(name: &str, section: &str) -> bool {
    name.strip_prefix(section).is_some_and(|rest| rest.starts_with('.'))
}

/// Dotted names of all that is left in a table, and whether it is an empty section.
fn left_over(table: &Table, prefix: &str, names: &mut Vec<(String, bool)>) {
    for (name, value) in table {
        match value {
            Value::Table(inner) if !inner.is_empty() => left_over(inner, &format!("{prefix}{name}."), names),
            _ => names.push((format!("{prefix}{name}"), value.is_table())),
        }
    }
}

/// The message about a name that does not exist, with the nearest that does.
pub(super) fn unknown(name: &str, known: &[&str]) -> String {
    if known.iter().any(|known| in_section(known, name)) {
        return format!("{name} is a section, not a setting");
    }
    match nearest(name, known).filter(|(_, likeness)| *likeness >= LIKENESS) {
        Some((nearest, _)) => format!("unknown setting {name}; did you mean {nearest}?"),
        None => format!("unknown setting {name}"),
    }
}

/// The same for a variable; nothing if it is somebody else's. Container platforms make up variables of a service's
/// name (`TAPEDECK_PORT`), so that only what is in one of our sections, or very like, is taken for a mistake.
fn unknown_variable(name: &str, known: &[&str]) -> Option<String> {
    let dotted = name.strip_prefix(ENV_PREFIX)?.to_lowercase().replacen('_', ".", 1);
    let (section, _) = dotted.split_once('.')?;
    let (nearest, likeness) = nearest(&dotted, known)?;
    if likeness < OURS && !known.iter().any(|known| in_section(known, section)) {
        return None;
    }
    Some(format!("unknown setting {name}; did you mean {}?", variable(nearest)))
}

fn nearest<'a>(name: &str, known: &[&'a str]) -> Option<(&'a str, f64)> {
    let likeness = |other: &str| strsim::jaro_winkler(name, other).max(same_last_part(name, other));
    known.iter().map(|other| (*other, likeness(other))).max_by(|(_, a), (_, b)| a.total_cmp(b))
}

/// A right name in the wrong section is near, too.
fn same_last_part(name: &str, other: &str) -> f64 {
    let last = |name: &str| name.rsplit('.').next().map(str::to_owned);
    if last(name) == last(other) { 0.9 } else { 0.0 }
}
