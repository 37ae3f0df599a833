//! The brake: whether the listings that a scan did not find may be deleted, or wait for a person.

/// The limits of the brake: inferred deletions that exceed both `count` and `share` wait for a person.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct BrakeLimits {
    /// Up to this many absent rows never pull the brake.
    pub count: u64,
    /// Up to this share of a feed's live rows never pulls it.
    pub share: f64,
    /// How many rows the vendor is asked about in one run.
    pub budget: u64,
}

/// What a run's reading found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Finding {
    /// Every window was proven whole.
    pub proven: bool,
    /// Live listings that were read.
    pub read: u64,
    /// Live rows that were there before the run began.
    pub live_before: u64,
    /// Of those, rows that the reading lacks.
    pub absent: u64,
    /// Of those, rows whose address, price and place a new listing has.
    pub twins: u64,
}

/// What to do about the absent rows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Ruling {
    /// Ask the vendor about each, up to the budget, and delete what it confirms.
    Confirm,
    /// Change nothing until a person approves.
    Withhold(String),
    /// Change nothing: the reading proves nothing.
    Fail(String),
}

/// Fewer twins than this never look like changed keys, however small the feed.
const FEWEST_TWINS: u64 = 10;

/// Decides what to do about the rows that a scan did not find.
#[must_use]
pub(crate) fn rule(finding: Finding, limits: BrakeLimits) -> Ruling {
    let Finding { proven, read, live_before, absent, twins } = finding;
    if !proven {
        let why = "some of the vendor's answers could not be proven complete, so what they lack shows nothing; nothing was deleted";
        return Ruling::Fail(why.to_owned());
    }
    if read == 0 && live_before > 0 {
        return Ruling::Fail(format!("the vendor returned no listing although {live_before} are live in the file; nothing was deleted"));
    }
    let share_of = |count: u64| count as f64 / live_before.max(1) as f64;
    let share = share_of(absent);
    // An MLS that changes its keys makes many listings vanish and as many appear: those are not deletions. Agents list a home
    // again under a new number every day, but those are a small share of a feed.
    if twins >= FEWEST_TWINS && twins * 2 >= absent && share_of(twins) > limits.share {
        return Ruling::Withhold(format!(
            "{twins} of the {absent} listings that the vendor no longer returns came back under another number, with the same address, \
             price and place: the numbers seem to have changed"
        ));
    }
    if absent > limits.count && share > limits.share {
        return Ruling::Withhold(format!("the vendor no longer returns {absent} of {live_before} live listings ({:.1} %)", share * 100.0));
    }
    Ruling::Confirm
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMITS: BrakeLimits = BrakeLimits { count: 100, share: 0.05, budget: 1000 };

    fn check(proven: bool, read: u64, live_before: u64, absent: u64, twins: u64, expected: &str) {
        let ruling = rule(Finding { proven, read, live_before, absent, twins }, LIMITS);
        let word = match &ruling {
            Ruling::Confirm => "confirm",
            Ruling::Withhold(_) => "withhold",
            Ruling::Fail(_) => "fail",
        };
        assert_eq!(word, expected, "{ruling:?}");
    }

    #[test]
    fn an_empty_answer_never_deletes() {
        check(true, 0, 1, 1, 0, "fail");
        check(true, 0, 100_000, 100_000, 0, "fail");
        check(true, 0, 0, 0, 0, "confirm");
    }

    #[test]
    fn what_is_not_proven_never_deletes() {
        check(false, 900, 1_000, 1, 0, "fail");
    }

    #[test]
    fn many_deletions_need_a_person() {
        check(true, 900, 1_000, 100, 0, "confirm");
        check(true, 899, 1_000, 101, 0, "withhold");
        check(true, 9_000, 10_000, 500, 0, "confirm");
        check(true, 9_000, 10_000, 501, 0, "withhold");
        check(true, 10, 60, 50, 0, "confirm");
    }

    #[test]
    fn changed_keys_need_a_person() {
        check(true, 1_000, 1_000, 100, 51, "withhold");
        check(true, 1_000, 1_000, 100, 49, "confirm");
        check(true, 100, 100, 20, 10, "withhold");
        check(true, 100, 100, 9, 9, "confirm");
    }

    #[test]
    fn homes_that_agents_list_again_under_new_numbers_are_confirmed_one_by_one() {
        check(true, 2_000, 2_000, 12, 12, "confirm");
        check(true, 1_000, 1_000, 50, 50, "confirm");
        check(true, 1_000, 1_000, 51, 51, "withhold");
    }
}
