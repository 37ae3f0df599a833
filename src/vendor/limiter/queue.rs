//! The queue of those who want to send a request, in the order in which they go.

use crate::record::POLLS_PER_OTHER;
use std::collections::BTreeSet;

/// Who goes first when several wait.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Priority {
    /// Reads what is new: goes before every fill, except that one request in three is a fill while any waits.
    Poll,
    /// Reads what is old: a backfill, a look-back or a scan.
    Fill,
}

/// A place in the queue; the number is that of its coming.
pub(super) type Ticket = (Priority, u64);

#[derive(Debug, Default)]
pub(super) struct Queue {
    next_number: u64,
    waiting: BTreeSet<Ticket>,
    /// Polls that went before a waiting fill, since the last fill.
    passed_over: u32,
    in_flight: usize,
}

impl Queue {
    pub(super) fn join(&mut self, priority: Priority) -> Ticket {
        let ticket = (priority, self.next_number);
        self.next_number += 1;
        self.waiting.insert(ticket);
        ticket
    }

    /// Who goes next. Where `fill_may_go` is false, as when the budget of fills is spent, no fill stands in a poll's way.
    pub(super) fn next(&self, fill_may_go: bool) -> Option<Ticket> {
        let fill = self.first_fill().filter(|_| fill_may_go && self.passed_over >= POLLS_PER_OTHER);
        fill.or_else(|| self.waiting.first().copied())
    }

    /// The request of this ticket is sent.
    pub(super) fn depart(&mut self, ticket: Ticket) {
        self.waiting.remove(&ticket);
        self.passed_over = if ticket.0 == Priority::Poll && self.first_fill().is_some() { self.passed_over + 1 } else { 0 };
        self.in_flight += 1;
    }

    /// Whoever held this ticket has given up waiting; or the request was sent, and is over.
    pub(super) fn leave(&mut self, ticket: Ticket) {
        if !self.waiting.remove(&ticket) {
            self.in_flight -= 1;
        }
    }

    pub(super) fn in_flight(&self) -> usize {
        self.in_flight
    }

    fn first_fill(&self) -> Option<Ticket> {
        self.waiting.range((Priority::Fill, 0)..).next().copied()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The order in which these leave, as a letter and the number of their coming.
    fn check(come: &str, fill_may_go: bool, expected: &str) {
        let mut queue = Queue::default();
        for letter in come.chars() {
            queue.join(if letter == 'p' { Priority::Poll } else { Priority::Fill });
        }
        let mut left = String::new();
        while let Some(ticket) = queue.next(fill_may_go) {
            queue.depart(ticket);
            queue.leave(ticket);
            left.push_str(&format!("{}{} ", if ticket.0 == Priority::Poll { "p" } else { "f" }, ticket.1));
        }
        assert_eq!((left.trim_end(), queue.in_flight()), (expected, 0), "{come}");
    }

    #[test]
    fn polls_go_first_and_equals_go_in_the_order_of_their_coming() {
        check("", true, "");
        check("fpfp", true, "p1 p3 f0 f2");
        check("pppppff", true, "p0 p1 f5 p2 p3 f6 p4");
        check("pppppf", false, "p0 p1 p2 p3 p4 f5");
    }

    #[test]
    fn who_gives_up_stands_in_nobodys_way() {
        let mut queue = Queue::default();
        let (first, second) = (queue.join(Priority::Poll), queue.join(Priority::Poll));
        queue.leave(first);
        assert_eq!(queue.next(true), Some(second));
    }
}
