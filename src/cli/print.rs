//! Numbers and JSON as people and programs read them.

use crate::record::steers;
use serde::Serialize;
use std::process::ExitCode;

/// A number as people read it: `12,345`.
pub(super) fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut grouped = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            grouped.push(',');
        }
        grouped.push(digit);
    }
    grouped
}

/// Prints JSON for programs. JSON lets some characters pass that a terminal obeys; people look at it there, so they are escaped.
pub(super) fn print_json(value: &impl Serialize) -> anyhow::Result<ExitCode> {
    println!("{}", plain(&serde_json::to_string_pretty(value)?));
    Ok(ExitCode::SUCCESS)
}

/// JSON without what a terminal obeys.
pub(super) fn plain(json: &str) -> String {
    let mut plain = String::with_capacity(json.len());
    for c in json.chars() {
        if steers(c) && c != '\n' {
            plain.push_str(&format!("\\u{:04x}", u32::from(c)));
        } else {
            plain.push(c);
        }
    }
    plain
}
