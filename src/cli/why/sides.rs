//! What a vendor answers about a record, beside its row.

use crate::daemon::question::{Asked, Side};
use crate::record::printable;

/// Characters of a value that fit a line.
pub(super) const VALUE: usize = 60;

/// Prints both sides.
pub(super) fn print_asked(asked: &Asked) {
    match (asked.found, asked.looks_deleted) {
        (false, _) => println!("  the vendor does not have it"),
        (true, true) => println!("  the vendor has it, and its record looks deleted"),
        (true, false) => println!("  the vendor has it, live"),
    }
    let side = |side: &Side| {
        println!("    {:<28}  file {:<40}  vendor {}", side.column, shown(side.file.as_deref()), shown(side.vendor.as_deref()));
    };
    asked.main.iter().for_each(side);
    if !asked.differing.is_empty() {
        println!("  differing columns:");
    }
    asked.differing.iter().for_each(side);
}

/// A value, or a dash for none.
pub(super) fn shown(value: Option<&str>) -> String {
    value.map_or("-".to_owned(), |value| printable(value, VALUE))
}
