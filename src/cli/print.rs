//! Numbers and JSON as people and programs read them.

use crate::record::steers;
use serde::Serialize;

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

/// JSON for programs. JSON lets some characters pass that a terminal obeys; people look at it there, so they are escaped.
pub(super) fn pretty_json(value: &impl Serialize) -> serde_json::Result<String> {
    let text = serde_json::to_string_pretty(value)?;
    let mut plain = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '\n' => plain.push(c),
            _ if steers(c) => plain.push_str(&format!("\\u{:04x}", u32::from(c))),
            _ => plain.push(c),
        }
    }
    Ok(plain)
}
