//! The lines of `mls-sync status` about agents, offices and open houses.

use crate::cli::print::grouped;
use crate::record::printable;
use crate::store::CensusReport;

/// Characters of a problem that fit a line.
const PROBLEM: usize = 200;

/// One line for all kinds that are well, and one for each that is not. `age` tells how long ago a time is.
pub(super) fn lines(censuses: &[CensusReport], age: impl Fn(&str) -> String) -> Vec<String> {
    let (well, ill): (Vec<&CensusReport>, Vec<&CensusReport>) = censuses.iter().partition(|census| is_well(census));
    let counts: Vec<String> = well.iter().map(|census| count(census)).collect();
    let oldest = well.iter().filter_map(|census| census.proven_at.as_deref()).min();
    let well = oldest.map(|at| format!("{}, read whole {} ago", counts.join(", "), age(at)));
    well.into_iter().chain(ill.into_iter().flat_map(|census| told(census, &age))).collect()
}

fn is_well(census: &CensusReport) -> bool {
    census.problem.is_none() && census.proven_at.is_some() && census.due_at.is_some() && census.absent == 0 && census.dangling == 0
}

fn count(census: &CensusReport) -> String {
    format!("{} {}s", grouped(census.live), census.entity.replace('_', " "))
}

/// How many there are, when they were last read whole, and what is wrong.
fn told(census: &CensusReport, age: impl Fn(&str) -> String) -> Vec<String> {
    let CensusReport { entity, proven_at, absent, due_at, problem, dangling, .. } = census;
    let proven = proven_at.as_deref().map_or("never read whole".to_owned(), |at| format!("read whole {} ago", age(at)));
    let off = if due_at.is_none() { "; not read any more" } else { "" };
    let mut lines = vec![format!("{}, {proven}{off}", count(census))];
    if *absent > 0 {
        lines[0].push_str(&format!("; {} absent, not deleted yet", grouped(*absent)));
    }
    if *dangling > 0 {
        lines[0].push_str(&format!("; {} listings name one that is not there (dangling_ids)", grouped(*dangling)));
    }
    let kind = entity.replace('_', " ");
    lines.extend(problem.iter().map(|problem| format!("! {kind}s: {}", printable(problem, PROBLEM))));
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_line_tells_what_is_well_and_others_what_is_wrong() {
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
        let offices = CensusReport { entity: "office".to_owned(), live: 3, ..well.clone() };
        let ill = CensusReport { absent: 7, dangling: 3, due_at: None, proven_at: None, problem: Some("403".to_owned()), ..well.clone() };
        let told = "1,200 open houses, never read whole; not read any more; 7 absent, not deleted yet; \
                    3 listings name one that is not there (dangling_ids)";
        let all = [offices, ill, well];
        assert_eq!(lines(&all, age), ["3 offices, 1,200 open houses, read whole 2m ago", told, "! open houses: 403"]);
        assert_eq!(lines(&[], age), Vec::<String>::new());
    }
}
