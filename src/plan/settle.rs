//! Settling a write whose answer was lost: what the vendor shows now tells whether it was done. It is never sent again.

use crate::record::Verb;
use serde_json::Value;
use std::collections::BTreeMap;

/// Values by column; `None` is null.
pub(crate) type Columns = BTreeMap<String, Option<String>>;

/// What the vendor shows of the thing that was to be changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Sight {
    /// It does not have it, or has it as deleted.
    Gone,
    /// It has it.
    There {
        /// The values are those that were asked for.
        is_wanted: bool,
        /// The values are those from before.
        is_before: bool,
    },
}

/// What follows from that.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// The change was made, by this program or by somebody else.
    Done,
    /// It was not made. A person may ask for it again.
    NotDone,
    /// The vendor shows a third thing: somebody else changed it, or only a part was taken. A person must look.
    Different,
    /// It looks as before. The vendor's reads may lag behind its writes, so that says nothing yet.
    Early,
}

/// Compares what the vendor shows with what was asked for and with what was there before. A column that it does not show, now or then,
/// says nothing, so that the values are neither.
#[must_use]
pub(crate) fn sight(wanted: &Columns, before: &Columns, found: Option<&Columns>) -> Sight {
    let Some(found) = found else { return Sight::Gone };
    let shows = |columns: &Columns| {
        wanted.keys().all(|column| {
            let both = columns.get(column).zip(found.get(column));
            both.is_some_and(|(value, found)| is_same(value.as_deref(), found.as_deref()))
        })
    };
    let is_told = !wanted.is_empty();
    Sight::There { is_wanted: is_told && shows(wanted), is_before: is_told && shows(before) }
}

/// What a sight means. `is_late`: so much time has passed that the vendor's reads must show the change.
#[must_use]
pub(crate) fn settle(verb: Verb, sight: Sight, is_late: bool) -> Verdict {
    match (verb, sight) {
        (Verb::Delete, Sight::Gone) => Verdict::Done,
        (Verb::Delete, Sight::There { .. }) => before(is_late),
        (_, Sight::Gone) => Verdict::Different,
        (_, Sight::There { is_wanted: true, .. }) => Verdict::Done,
        // Whatever state it is in, it is not cancelled.
        (Verb::Cancel, Sight::There { .. }) | (_, Sight::There { is_before: true, .. }) => before(is_late),
        (Verb::Create | Verb::Update | Verb::Assign | Verb::Unassign, Sight::There { .. }) => Verdict::Different,
    }
}

fn before(is_late: bool) -> Verdict {
    if is_late { Verdict::NotDone } else { Verdict::Early }
}

/// What follows for something that was to be made, from how many things came up since then that have all its values, and how many that
/// are like it. `is_late`: a whole reading that began late enough is over.
#[must_use]
pub(crate) fn settle_made(equal: usize, alike: usize, is_late: bool) -> Verdict {
    match (equal, alike) {
        (0, 0) => before(is_late),
        (1, _) => Verdict::Done,
        (_, _) => Verdict::Different,
    }
}

/// Whether two values say the same. In JSON, a member that is null and one that is not there do.
#[must_use]
pub(crate) fn is_same(one: Option<&str>, other: Option<&str>) -> bool {
    one == other || one.and_then(list).is_some_and(|one| other.and_then(list).is_some_and(|other| one == other))
}

/// A JSON array without members that are null.
fn list(text: &str) -> Option<Vec<Value>> {
    let mut items: Vec<Value> = serde_json::from_str(text).ok()?;
    items.iter_mut().filter_map(Value::as_object_mut).for_each(|members| members.retain(|_, value| !value.is_null()));
    Some(items)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn columns(pairs: &[(&str, Option<&str>)]) -> Columns {
        pairs.iter().map(|(column, value)| ((*column).to_owned(), value.map(str::to_owned))).collect()
    }

    fn check(verb: Verb, found: Option<&str>, expected: [Verdict; 2]) {
        let (wanted, before) = (columns(&[("agent_id", Some("new"))]), columns(&[("agent_id", Some("old"))]));
        let found = found.map(|agent| columns(&[("agent_id", Some(agent)), ("state", Some("x"))]));
        let sight = sight(&wanted, &before, found.as_ref());
        assert_eq!([false, true].map(|is_late| settle(verb, sight, is_late)), expected, "{verb} {found:?}");
    }

    #[test]
    fn what_is_seen_decides_and_what_looks_as_before_only_after_a_while() {
        for verb in [Verb::Update, Verb::Assign, Verb::Unassign] {
            check(verb, Some("new"), [Verdict::Done; 2]);
            check(verb, Some("old"), [Verdict::Early, Verdict::NotDone]);
            check(verb, Some("third"), [Verdict::Different; 2]);
            check(verb, None, [Verdict::Different; 2]);
        }
        check(Verb::Delete, None, [Verdict::Done; 2]);
        check(Verb::Delete, Some("old"), [Verdict::Early, Verdict::NotDone]);
        check(Verb::Cancel, Some("new"), [Verdict::Done; 2]);
        check(Verb::Cancel, Some("third"), [Verdict::Early, Verdict::NotDone]);
        check(Verb::Cancel, None, [Verdict::Different; 2]);
    }

    #[test]
    fn one_new_thing_is_the_one_that_was_made() {
        assert_eq!([0, 1, 2].map(|equal| settle_made(equal, 0, false)), [Verdict::Early, Verdict::Done, Verdict::Different]);
        assert_eq!((settle_made(0, 0, true), settle_made(0, 1, true)), (Verdict::NotDone, Verdict::Different));
    }

    #[test]
    fn null_and_absent_are_the_same() {
        assert!(is_same(None, None) && is_same(Some("a"), Some("a")));
        assert!(!is_same(Some("a"), None) && !is_same(Some("5"), Some("5.0")));
        assert!(is_same(Some(r#"[{"Email":"a","Phone":null}]"#), Some(r#"[{"Email":"a"}]"#)));
        assert!(!is_same(Some(r#"[{"Email":"a"}]"#), Some("[]")));
    }

    #[test]
    fn what_the_vendor_does_not_show_proves_nothing() {
        let (wanted, before) = (columns(&[("email", None)]), columns(&[("email", Some("a"))]));
        let neither = Sight::There { is_wanted: false, is_before: false };
        assert_eq!(sight(&wanted, &before, Some(&columns(&[]))), neither, "it is masked now");
        assert_eq!(sight(&wanted, &columns(&[]), Some(&before)), neither, "it was masked then");
        assert_eq!(sight(&columns(&[]), &columns(&[]), Some(&before)), neither, "nothing that was sent is ever shown");
        assert_eq!(sight(&wanted, &before, Some(&before)), Sight::There { is_wanted: false, is_before: true });
    }
}
