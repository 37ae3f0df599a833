//! The text of a configuration becomes a value, read key by key: each key that cannot be used becomes a fault.

use super::fault::{self, Fault, line_of};
use crate::record::printable;
use serde::de::DeserializeOwned;
use std::collections::BTreeSet;
use std::ops::Range;
use toml::Spanned;
use toml::de::{DeString, DeTable, DeValue, Error};

/// Characters of a value that are repeated in a fault.
const LONGEST_SHOWN: usize = 80;

/// A rule for a value: whether it is broken, the key, and what is wrong with what to write instead.
pub(super) type Rule = (bool, &'static str, String);

/// Reads as much of a text as can be read, and checks the rules on that. A key that cannot be used has its default. The error
/// is everything that is wrong, in the order of its lines. The rules hear, too, which sections the text has.
pub(super) fn read<T: DeserializeOwned>(
    defaults: &str,
    text: &str,
    rules: impl FnOnce(&mut T, &BTreeSet<&str>) -> Vec<Rule>,
) -> Result<T, String> {
    let (root, errors) = DeTable::parse_recoverable(text);
    // Otherwise the parser may not know which key stands in which section, and nothing is said of keys.
    let has_keys = errors.iter().all(|error| fault::local(error).is_some());
    let root = if has_keys { root.into_inner() } else { DeTable::new() };
    let usable = DeTable::parse(defaults).expect("the defaults are TOML").into_inner();
    let value = value_of(&usable).expect("every key has a default");
    let faults = errors.iter().map(|error| fault::of_syntax(text, error)).collect();
    let mut document = Document { text, usable, value, faults };
    for (name, value) in &root {
        match (document.usable.get(name).map(Spanned::get_ref), value.get_ref()) {
            (Some(DeValue::Table(_)), DeValue::Table(keys)) => {
                for (key, inner) in keys {
                    let alone = DeValue::Table(DeTable::from_iter([(key.clone(), inner.clone())]));
                    document.take(format!("{}.{}", name.get_ref(), key.get_ref()), name, Spanned::new(inner.span(), alone));
                }
            }
            _ => document.take(name.get_ref().to_string(), name, value.clone()),
        }
    }
    let sections = root.keys().map(|name| name.get_ref().as_ref()).collect();
    for (_, key, why) in rules(&mut document.value, &sections).into_iter().filter(|(broken, ..)| *broken && has_keys) {
        let (section, inner) = key.split_once('.').unwrap_or((key, ""));
        let place = root.get(section).map(|section| section.get_ref().get(inner).unwrap_or(section).span());
        document.add(Fault { line: place.map(|place| line_of(text, place.start)), key: Some(key.to_owned()), why });
    }
    document.finish()
}

/// What could be read of a text so far.
struct Document<'t, T> {
    text: &'t str,
    /// The keys that can be used, and the defaults of all others.
    usable: DeTable<'t>,
    /// Those keys as a value.
    value: T,
    faults: Vec<Fault>,
}

impl<'t, T: DeserializeOwned> Document<'t, T> {
    /// Uses a key if it can be used. `value` is that of `top`: of the key itself, or its section with this key alone.
    fn take(&mut self, name: String, top: &Spanned<DeString<'t>>, value: Spanned<DeValue<'t>>) {
        let place = value.span();
        match self.with(top.clone(), value) {
            Ok((value, usable)) => (self.value, self.usable) = (value, usable),
            Err(error) => self.add(self.fault(name, place, &error)),
        }
    }

    /// The usable keys with one more; a section is merged with what it already holds.
    fn with(&self, top: Spanned<DeString<'t>>, value: Spanned<DeValue<'t>>) -> Result<(T, DeTable<'t>), Error> {
        let mut all = self.usable.clone();
        match (all.get_mut(&top).map(Spanned::get_mut), value.get_ref()) {
            (Some(DeValue::Table(section)), DeValue::Table(keys)) => merge(section, keys),
            _ => drop(all.insert(top, value)),
        }
        Ok((value_of(&all)?, all))
    }

    /// One fault of a key is enough, and what was made of a line that is not TOML is not worth a second one.
    fn add(&mut self, fault: Fault) {
        let is_told = |known: &Fault| known.key == fault.key || known.key.is_none() && known.line == fault.line;
        if !self.faults.iter().any(is_told) {
            self.faults.push(fault);
        }
    }

    fn finish(mut self) -> Result<T, String> {
        self.faults.sort_by_key(|fault| fault.line);
        // Several members of one list can have the same fault.
        self.faults.dedup();
        match self.faults.as_slice() {
            [] => Ok(self.value),
            [fault] => Err(fault.to_string()),
            faults => Err(faults.iter().fold(format!("{} faults", faults.len()), |told, fault| format!("{told}\n  {fault}"))),
        }
    }

    /// The fault of a key, whose value stands at `place`.
    fn fault(&self, name: String, place: Range<usize>, error: &Error) -> Fault {
        // Inside a list, the error tells the place of the member.
        let inner = error.span().filter(|inner| place.start <= inner.start && inner.end <= place.end).unwrap_or(place.clone());
        let line = Some(line_of(self.text, inner.start));
        let message = error.message();
        let why = if message.starts_with("unknown field") {
            fault::unknown(message)
        } else if let Some((_, expected)) = message.split_once(", expected ").filter(|_| message.starts_with("invalid ")) {
            let found = printable(self.part(inner.clone()), LONGEST_SHOWN);
            let instead = self.instead(&name, place, inner).map(|instead| format!("; write {instead}"));
            format!("{found} must be {}{}", fault::plain(&name, expected), instead.unwrap_or_default())
        } else {
            message.to_owned()
        };
        Fault { line, key: Some(name), why }
    }

    /// What may have been meant: the first of some ways to write what stands at `inner` with which the key can be used.
    fn instead(&self, name: &str, place: Range<usize>, inner: Range<usize>) -> Option<String> {
        let found = self.part(inner.clone());
        // What already is a list, a table or a section is not made right by quotes or brackets around it.
        if found.starts_with(['[', '{']) {
            return None;
        }
        let bare = found.trim_matches('"');
        let ways = [format!("[{found}]"), format!("\"{found}\""), format!("\"{found}s\""), bare.to_owned(), format!("[{bare}]")];
        let (before, after) = (self.part(place.start..inner.start), self.part(inner.end..place.end));
        ways.into_iter().find(|way| {
            let text = format!("{name} = {before}{way}{after}");
            let key = DeTable::parse(&text).ok().and_then(|keys| keys.into_inner().into_iter().next());
            key.is_some_and(|(top, value)| self.with(top, value).is_ok())
        })
    }

    fn part(&self, range: Range<usize>) -> &'t str {
        self.text.get(range).unwrap_or_default()
    }
}

/// The only section inside a section whose keys are each by themselves. The others are lists of words, which are written whole.
const INNER: &str = "rate";

/// Adds keys to a section.
fn merge<'t>(section: &mut DeTable<'t>, keys: &DeTable<'t>) {
    for (key, value) in keys {
        match (section.get_mut(key).map(Spanned::get_mut), value.get_ref()) {
            (Some(DeValue::Table(inner)), DeValue::Table(keys)) if key.get_ref() == INNER => inner.extend(keys.clone()),
            _ => drop(section.insert(key.clone(), value.clone())),
        }
    }
}

fn value_of<T: DeserializeOwned>(keys: &DeTable<'_>) -> Result<T, Error> {
    T::deserialize(toml::Deserializer::from(Spanned::new(0..0, keys.clone())))
}
