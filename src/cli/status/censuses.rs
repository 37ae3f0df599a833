//! The lines of `mls-sync status` about agents, offices and open houses.

use crate::cli::print::grouped;
use crate::record::printable;
use crate::store::CensusReport;

/// Characters of a problem that fit a line.
const PROBLEM: usize = 200;

/// How many there are, when they were last read whole, and what is wrong. `age` tells how long ago a time is.
pub(super) fn lines(census: &CensusReport, age: impl Fn(&str) -> String) -> Vec<String> {
    let CensusReport { entity, live, proven_at, absent, due_at, problem, dangling, .. } = census;
    let kind = entity.replace('_', " ");
    let proven = proven_at.as_deref().map_or("never read whole".to_owned(), |at| format!("read whole {} ago", age(at)));
    let off = if due_at.is_none() { "; not read any more" } else { "" };
    let mut lines = vec![format!("{} {kind}s, {proven}{off}", grouped(*live))];
    if *absent > 0 {
        lines[0].push_str(&format!("; {} absent, not deleted yet", grouped(*absent)));
    }
    if *dangling > 0 {
        lines[0].push_str(&format!("; {} listings name one that is not there (dangling_ids)", grouped(*dangling)));
    }
    lines.extend(problem.iter().map(|problem| format!("! {kind}s: {}", printable(problem, PROBLEM))));
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_tells_what_is_there_and_another_what_is_wrong() {
        let age = |at: &str| if at.ends_with("58:00.000Z") { "2m".to_owned() } else { panic!("{at}") };
        let well = CensusReport {
            entity: "open_house".to_owned(),
            live: 1200,
            proven_at: Some("2026-05-01T11:58:00.000Z".to_owned()),
            proven_rows: Some(1200),
            absent: 0,
            due_at: Some("2026-05-01T12:58:00.000Z".to_owned()),
            problem: None,
            dangling: 0,
        };
        assert_eq!(lines(&well, age), ["1,200 open houses, read whole 2m ago"]);
        let ill = CensusReport { absent: 7, dangling: 3, due_at: None, proven_at: None, problem: Some("403".to_owned()), ..well };
        let told = "1,200 open houses, never read whole; not read any more; 7 absent, not deleted yet; \
                    3 listings name one that is not there (dangling_ids)";
        assert_eq!(lines(&ill, age), [told, "! open houses: 403"]);
    }
}
