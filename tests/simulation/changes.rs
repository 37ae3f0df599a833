//! How the world changes between any two commands.

use super::driver::Driver;
use super::scenario::FEED;
use mls_sync::record::ListingId;
use std::time::Duration;

impl Driver {
    pub(super) fn meddle(&mut self) {
        self.time = self.time.plus(Duration::from_millis(20 + self.dice.below(900)));
        if !self.scenario.clock_step.is_zero() && self.dice.percent(3) {
            let step = self.scenario.clock_step.as_secs() as i64 * 10_000_000;
            self.ours_off = self.dice.pick(&[-step, 0, step]);
        }
        self.world.set_clock(self.time);
        if !self.dice.percent(45) {
            self.changes();
        }
        self.meddle_with_others();
        self.remember();
    }

    fn changes(&mut self) {
        for _ in 0..=self.dice.below(4) {
            self.change();
            if self.dice.percent(50) {
                self.time = self.time.plus(Duration::from_millis(self.dice.below(400)));
                self.world.set_clock(self.time);
            }
        }
    }

    fn change(&mut self) {
        self.moved = true;
        let late = self.dice.percent(self.scenario.late_percent);
        let late_by = if late { Duration::from_millis(self.dice.below(self.scenario.latest.as_millis() as u64)) } else { Duration::ZERO };
        if late {
            self.late.push(self.time.plus(late_by));
        }
        let roll = self.dice.below(100);
        if roll < 12 {
            self.world.add_late(FEED, late_by);
            return;
        }
        if roll < 15 {
            let count = 2 + self.dice.index(self.scenario.vendor.page_size * 3);
            self.world.bulk_touch(FEED, count);
            return;
        }
        let Some(listing) = self.target(roll) else { return };
        match roll {
            15..55 => drop(self.world.edit_late(FEED, &listing, late_by)),
            55..75 => drop(self.world.delete_late(FEED, &listing, late_by)),
            75..90 if self.later_than_its_stamp(&listing) => {
                if self.world.revive_late(FEED, &listing, late_by) {
                    *self.oracle.revivals.entry(listing.0).or_default() += 1;
                }
            }
            90..95 if self.scenario.silent => drop(self.world.remove_silently(FEED, &listing)),
            _ => drop(self.world.edit_late(FEED, &listing, late_by)),
        }
    }

    /// Half of all changes hit the edges of the page that was read last: those shift what is read next.
    fn target(&mut self, roll: u64) -> Option<ListingId> {
        if !(75..90).contains(&roll) && self.dice.percent(50) && !self.last_page.is_empty() {
            let last = self.last_page.len() - 1;
            let place = self.dice.pick(&[0, last]);
            return Some(self.last_page[place].clone());
        }
        let wanted = (75..90).contains(&roll);
        let all: Vec<ListingId> =
            self.world.truth(FEED).into_iter().filter(|(_, truth)| truth.deleted == wanted).map(|(listing, _)| listing).collect();
        (!all.is_empty()).then(|| all[self.dice.index(all.len())].clone())
    }

    /// A revival with the stamp of the deletion cannot be told from the deletion where `Status=0` returns both: at a tie
    /// the deletion stands. So the vendor's clock must have ticked.
    fn later_than_its_stamp(&self, listing: &ListingId) -> bool {
        self.world.truth(FEED).get(listing).is_some_and(|truth| truth.stamp < self.world.now())
    }
}
