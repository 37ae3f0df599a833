//! The lines of `mls-sync status` about what is read whole of other vendors.

use crate::cli::print::grouped;
use crate::record::printable;
use crate::store::ScannedReport;
use crate::vendor::LISTINGS;

/// Characters of a problem that fit a line.
const PROBLEM: usize = 200;

/// The vendor whose accounts have this kind of thing, as the configuration names it.
pub(in crate::cli) fn vendor(entity: &str) -> &'static str {
    if entity == "identity" { "spark" } else { "spotahome" }
}

/// What an account holds, and what is wrong with it. `when` tells a time.
pub(in crate::cli) fn lines(report: &ScannedReport, when: impl Fn(&str) -> String) -> Vec<String> {
    let ScannedReport {
        entity,
        account,
        live,
        deleted,
        states,
        unassigned,
        active,
        proven_at,
        absent,
        due_at,
        open_intents,
        problem,
        vendor_totals,
        ..
    } = report;
    let plural = LISTINGS.all().find(|known| known.name == *entity).map_or_else(|| entity.clone(), |known| known.plural());
    let mut parts = vec![format!("{}  {} {plural} live", printable(account, 40), grouped(*live)), format!("{} deleted", grouped(*deleted))];
    parts.extend(active.map(|active| format!("{} active in 30 days", grouped(active))));
    parts.extend(states.iter().map(|(state, count)| format!("{} {}", grouped(*count), printable(state, 40))));
    parts.extend(unassigned.map(|count| format!("{} unassigned", grouped(count))));
    let proven = proven_at.as_deref().map_or("no whole reading yet".to_owned(), |at| format!("last whole reading {}", when(at)));
    let off = if due_at.is_none() { "; no longer read" } else { "" };
    let absent = if *absent > 0 { format!("; {} absent, not deleted yet", grouped(*absent)) } else { String::new() };
    let mut lines = vec![format!("{}, {proven}{off}{absent}", parts.join(", "))];
    if *open_intents > 0 {
        lines.push(format!(
            "! {plural}: of {} changes that were sent, the outcome is not known: `mls-sync intents`",
            grouped(*open_intents)
        ));
    }
    lines.extend(problem.iter().map(|problem| format!("! {plural}: {}", printable(problem, PROBLEM))));
    let notices = vendor_totals.iter().flat_map(|totals| &totals.notices);
    lines.extend(notices.map(|notice| format!("! states of {plural}: {}", printable(notice, PROBLEM))));
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_account_tells_its_counts_its_proof_and_its_problem() {
        let report = ScannedReport {
            entity: "process".to_owned(),
            account: "spotahome".to_owned(),
            live: 1500,
            deleted: 2,
            states: [("cancelled".to_owned(), 500), ("waitingContent".to_owned(), 1000)].into(),
            unassigned: Some(7),
            active: None,
            proven_at: Some("2026-05-01T11:58:00.000Z".to_owned()),
            proven_rows: Some(1500),
            absent: 0,
            due_at: Some("2026-05-01T12:03:00.000Z".to_owned()),
            open_intents: 0,
            problem: None,
            vendor_totals: None,
        };
        let when = |_: &str| "2m ago".to_owned();
        let told = "spotahome  1,500 listing processes live, 2 deleted, 500 cancelled, 1,000 waitingContent, 7 unassigned, last whole reading 2m ago";
        assert_eq!(lines(&report, when), [told]);
        let ill = ScannedReport {
            entity: "identity".to_owned(),
            active: Some(3),
            unassigned: None,
            states: Default::default(),
            proven_at: None,
            absent: 4,
            open_intents: 2,
            problem: Some("no answer".to_owned()),
            ..report
        };
        let told = "spotahome  1,500 identities live, 2 deleted, 3 active in 30 days, no whole reading yet; 4 absent, not deleted yet";
        let open = "! identities: of 2 changes that were sent, the outcome is not known: `mls-sync intents`";
        assert_eq!(lines(&ill, when), [told, open, "! identities: no answer"]);
    }
}
