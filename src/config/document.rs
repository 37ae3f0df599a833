//! The text of a configuration becomes a value, read key by key: each key that cannot be used becomes a fault.

use super::fault::{Fault, Faults};
use crate::record::printable;
use serde::de::DeserializeOwned;
use std::collections::BTreeMap;
use std::ops::Range;
use toml::Spanned;
use toml::de::{DeString, DeTable, DeValue, Error};

/// Names that are as much alike as this, of 1 for the same, are taken for each other's misspelling.
const ALIKE: f64 = 0.8;
/// Characters of a value that are repeated in a fault.
const LONGEST_SHOWN: usize = 80;
/// In the parser's messages for text without quotes, which depend on its first letter, and for a name that stands twice.
/// Neither mistake leaves a doubt about the rest of the text.
const UNQUOTED: [&str; 5] = ["values must be quoted", "expected `true`", "expected `false`", "expected `inf`", "expected `nan`"];
const DUPLICATE: &str = "duplicate key";

/// A rule for a value: whether it is broken, the key, and what is wrong with what to write instead.
pub(super) type Rule = (bool, &'static str, String);

/// What could be read of a text.
pub(super) struct Document<'t, T> {
    text: &'t str,
    /// The keys that can be used.
    usable: DeTable<'t>,
    /// Those keys as a value; every other key has its default.
    value: T,
    /// The line of each key and of each section.
    lines: BTreeMap<String, usize>,
    /// Whether the parser knew which key stands in which section; nothing is said of keys otherwise.
    has_keys: bool,
    faults: Vec<Fault>,
}

impl<'t, T: DeserializeOwned + Default> Document<'t, T> {
    /// Reads as much as can be read.
    pub(super) fn read(text: &'t str) -> Document<'t, T> {
        let (root, errors) = DeTable::parse_recoverable(text);
        let mut document = Document {
            text,
            usable: DeTable::new(),
            value: T::default(),
            lines: BTreeMap::new(),
            has_keys: errors.iter().all(|error| error.message() == DUPLICATE || is_unquoted(error.message())),
            faults: errors.iter().map(|error| syntax_fault(text, error)).collect(),
        };
        let root = if document.has_keys { root.into_inner() } else { DeTable::new() };
        for (name, value) in root {
            let keys = value.get_ref().as_table().cloned();
            // A section is taken empty, and then filled key by key.
            let empty = Spanned::new(value.span(), DeValue::Table(DeTable::new()));
            let is_known = document.take(None, &name, if keys.is_some() { empty } else { value });
            for (key, value) in keys.into_iter().flatten().filter(|_| is_known) {
                document.take(Some(&name), &key, value);
            }
        }
        document
    }

    /// What was read, so that rules can be checked on it.
    pub(super) fn value(&self) -> &T {
        &self.value
    }

    /// Adds a fault for each rule that is broken.
    pub(super) fn check(&mut self, rules: Vec<Rule>) {
        for (_, key, why) in rules.into_iter().filter(|(broken, ..)| *broken && self.has_keys) {
            let section = key.split('.').next().unwrap_or(key);
            let line = self.lines.get(key).or_else(|| self.lines.get(section)).copied();
            let is_told = |fault: &Fault| fault.key.as_deref() == Some(key) || is_syntax_of(fault, line);
            if !self.faults.iter().any(is_told) {
                self.faults.push(Fault { line, key: Some(key.to_owned()), why });
            }
        }
    }

    /// The value, if nothing is wrong with it.
    ///
    /// # Errors
    /// Everything that is wrong.
    pub(super) fn finish(mut self) -> Result<T, Faults> {
        self.faults.sort_by_key(|fault| fault.line);
        // Several members of one list can have the same fault.
        self.faults.dedup();
        if self.faults.is_empty() { Ok(self.value) } else { Err(Faults(self.faults)) }
    }

    /// Takes a key with its value if they can be used; returns whether they can.
    fn take(&mut self, section: Option<&Spanned<DeString<'t>>>, key: &Spanned<DeString<'t>>, value: Spanned<DeValue<'t>>) -> bool {
        let name = section.map_or_else(|| key.get_ref().to_string(), |section| format!("{}.{}", section.get_ref(), key.get_ref()));
        let line = line_of(self.text, key.span().start);
        self.lines.insert(name.clone(), line);
        let place = value.span();
        let mut tried = self.usable.clone();
        let table = match section {
            None => &mut tried,
            Some(section) => match tried.get_mut(section).map(Spanned::get_mut) {
                Some(DeValue::Table(table)) => table,
                _ => return false,
            },
        };
        table.insert(key.clone(), value);
        match T::deserialize(toml::Deserializer::from(Spanned::new(0..0, tried.clone()))) {
            Ok(value) => (self.value, self.usable) = (value, tried),
            // What was made of a line that is not TOML is not worth a second fault.
            Err(_) if self.faults.iter().any(|fault| is_syntax_of(fault, Some(line))) => return false,
            Err(error) => {
                self.faults.push(self.value_fault(name, place, &error));
                return false;
            }
        }
        true
    }

    /// The fault of a key, whose value stands at `place`.
    fn value_fault(&self, name: String, place: Range<usize>, error: &Error) -> Fault {
        // Inside a list, the error tells the place of the member.
        let inner = error.span().filter(|inner| place.start <= inner.start && inner.end <= place.end).unwrap_or(place.clone());
        let line = Some(line_of(self.text, inner.start));
        let message = error.message();
        let why = if message.starts_with("unknown field") {
            unknown(message)
        } else if let Some((_, expected)) = message.split_once(", expected ").filter(|_| message.starts_with("invalid ")) {
            let found = printable(self.part(inner.clone()), LONGEST_SHOWN);
            let mut why = format!("{found} must be {}", plain(&name, expected));
            if let Some(instead) = self.instead(&name, place, inner) {
                why.push_str(&format!("; write {instead}"));
            }
            why
        } else {
            message.to_owned()
        };
        Fault { line, key: Some(name), why }
    }

    /// What may have been meant: the first of some ways to write what stands at `inner` with which the whole can be read.
    fn instead(&self, name: &str, place: Range<usize>, inner: Range<usize>) -> Option<String> {
        let found = self.part(inner.clone());
        let bare = found.trim_matches('"');
        let ways = [format!("[{found}]"), format!("\"{found}\""), format!("\"{found}s\""), bare.to_owned(), format!("[{bare}]")];
        // What already is a list, a table or a section is not made right by quotes or brackets around it.
        let mut ways = ways.into_iter().filter(|_| !found.starts_with(['[', '{']));
        let (before, after) = (self.part(place.start..inner.start), self.part(inner.end..place.end));
        ways.find(|way| toml::from_str::<T>(&format!("{name} = {before}{way}{after}")).is_ok())
    }

    fn part(&self, range: Range<usize>) -> &'t str {
        self.text.get(range).unwrap_or_default()
    }
}

/// Only the key of the line is repeated: the rest may be a secret in the wrong place.
fn syntax_fault(text: &str, error: &Error) -> Fault {
    let line = line_of(text, error.span().map_or(0, |span| span.start));
    let key = text.lines().nth(line - 1).and_then(|text| text.split_once('=')).map(|(key, _)| format!("{}: ", key.trim()));
    let key = key.unwrap_or_default();
    let why = match error.message() {
        DUPLICATE => format!("{key}this name stands twice; remove one of the two"),
        message if is_unquoted(message) => format!("{key}text must be in quotes, as in \"text\""),
        message => format!("{key}this is not TOML: {message}"),
    };
    Fault { line: Some(line), key: None, why }
}

/// Whether the fault says that this line is not TOML.
fn is_syntax_of(fault: &Fault, line: Option<usize>) -> bool {
    fault.key.is_none() && fault.line == line
}

fn is_unquoted(message: &str) -> bool {
    UNQUOTED.iter().any(|part| message.contains(part))
}

/// serde's message names the key and then those that exist, each between backquotes.
fn unknown(message: &str) -> String {
    let mut names = message.split('`').skip(1).step_by(2);
    let strange = names.next().unwrap_or_default();
    let known: Vec<&str> = names.collect();
    let likeness = |name: &&str| strsim::jaro_winkler(strange, name);
    match known.iter().copied().max_by(|one, other| likeness(one).total_cmp(&likeness(other))) {
        Some(nearest) if likeness(&nearest) >= ALIKE => format!("there is no key {strange}; did you mean {nearest}?"),
        _ => format!("there is no key {strange}; the keys here are {}", known.join(", ")),
    }
}

/// serde's words for what it expected, as a person would say it.
fn plain(name: &str, expected: &str) -> String {
    match expected {
        "a string" => "text in quotes".to_owned(),
        "path string" => "a path in quotes".to_owned(),
        "a sequence" => "a list".to_owned(),
        "f64" => "a number".to_owned(),
        "u8" | "u64" | "usize" => "a whole number, at least 0".to_owned(),
        table if table.starts_with("struct ") && name.contains('.') => "a table in braces, as in config/example.toml".to_owned(),
        table if table.starts_with("struct ") => format!("a section; write [{name}] on a line of its own, and its keys below it"),
        other => other.to_owned(),
    }
}

fn line_of(text: &str, at: usize) -> usize {
    text.bytes().take(at).filter(|byte| *byte == b'\n').count() + 1
}
