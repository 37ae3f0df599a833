//! One thing that is wrong with a configuration, in plain words.

use std::fmt;
use toml::de::Error;

/// Names that are as much alike as this, of 1 for the same, are taken for each other's misspelling.
const ALIKE: f64 = 0.8;
/// In the parser's messages for text without quotes, which depend on its first letter.
const UNQUOTED: [&str; 5] = ["values must be quoted", "expected `true`", "expected `false`", "expected `inf`", "expected `nan`"];

#[derive(Debug, PartialEq)]
pub(super) struct Fault {
    /// `None` for what is missing from the whole text.
    pub(super) line: Option<usize>,
    /// As in `poll.interval`; `None` where the text is not TOML.
    pub(super) key: Option<String>,
    /// What is wrong, and what to write instead. The value of an unknown key is not repeated, because it may be a secret.
    pub(super) why: String,
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let line = self.line.map(|line| format!("line {line}: "));
        let key = self.key.as_ref().map(|key| format!("{key}: "));
        write!(f, "{}{}{}", line.unwrap_or_default(), key.unwrap_or_default(), self.why)
    }
}

/// The fault of a line that is not TOML. Only its key is repeated: the rest may be a secret in the wrong place.
pub(super) fn of_syntax(text: &str, error: &Error) -> Fault {
    let line = line_of(text, error.span().map_or(0, |span| span.start));
    let key = text.lines().nth(line - 1).and_then(|text| text.split_once('=')).map(|(key, _)| format!("{}: ", key.trim()));
    let why = local(error).map_or_else(|| format!("this is not TOML: {}", error.message()), str::to_owned);
    Fault { line: Some(line), key: None, why: key.unwrap_or_default() + &why }
}

/// The words for a mistake that leaves no doubt about the rest of the text.
pub(super) fn local(error: &Error) -> Option<&'static str> {
    match error.message() {
        "duplicate key" => Some("this name stands twice; remove one of the two"),
        message if UNQUOTED.iter().any(|part| message.contains(part)) => Some("text must be in quotes, as in \"text\""),
        _ => None,
    }
}

/// serde's message names the unknown key and then those that exist, each between backquotes.
pub(super) fn unknown(message: &str) -> String {
    let mut names = message.split('`').skip(1).step_by(2);
    let strange = names.next().unwrap_or_default();
    let known: Vec<&str> = names.collect();
    let likeness = |name: &&str| strsim::jaro_winkler(strange, name);
    match known.iter().copied().max_by(|one, other| likeness(one).total_cmp(&likeness(other))) {
        Some(nearest) if likeness(&nearest) >= ALIKE => format!("there is no key {strange}; did you mean {nearest}?"),
        _ => format!("there is no key {strange}; the keys here are {}", known.join(", ")),
    }
}

/// serde's words for what it expected of a key, as a person would say it.
pub(super) fn plain(name: &str, expected: &str) -> String {
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

pub(super) fn line_of(text: &str, at: usize) -> usize {
    text.bytes().take(at).filter(|byte| *byte == b'\n').count() + 1
}
