//! What the vendor answers: its page or record, a fault in its place, or what a sabotage makes of it.

use super::driver::{Driver, Sabotage};
use super::shared::is_own;
use mls_sync::plan::checkpoint::WindowState;
use mls_sync::plan::options::Purpose;
use mls_sync::record::{Failure, ListingId, Page, PageRequest, Presence, Record, Stamp};
use mls_sync::sync::intake::Arrival;
use mls_sync::sync::messages::Event;
use mls_sync::vendor::Error as VendorError;
use mls_sync::vendor::constellation1;
use std::time::Duration;

impl Driver {
    /// Asks for a page, together with other feeds or alone.
    pub(super) fn fetch(&mut self, purpose: Purpose, request: PageRequest) -> Result<Event, String> {
        let answer = match self.shared(purpose, &request) {
            Some(answer) => answer,
            None => self.answered(purpose, &request),
        };
        let page = match answer {
            Ok(page) => page,
            Err(failure) => return Ok(Event::Failed(purpose, request, fault(failure))),
        };
        self.last_page = page.records.iter().map(|record| record.key.listing.clone()).collect();
        Ok(Event::Page(purpose, request, page))
    }

    /// Asks for a single record.
    pub(super) fn fetch_one(&mut self, listing: ListingId) -> Event {
        self.time = self.time.plus(Duration::from_millis(30 + self.dice.below(300)));
        self.world.set_clock(self.time);
        let answer = self.answered_one(&listing);
        let answer = if self.sabotage == Sabotage::DeletesUnasked { Ok(None) } else { answer };
        Event::One(listing, answer.map_err(fault))
    }

    fn answered_one(&mut self, listing: &ListingId) -> Result<Option<Record>, Failure> {
        if !self.quiet && self.dice.percent(self.scenario.fail_percent) {
            return Err([Failure::Unavailable, Failure::Unauthorized, Failure::Refused][self.dice.index(3)].clone());
        }
        if self.is_poison(listing) {
            return Err(Failure::Unavailable);
        }
        let reply = self.world.answer_detail(&self.feed, listing);
        if reply.status == 404
            || self.wild.phantom.as_ref() == Some(listing)
            || self.oracle.hidden.as_ref() == Some(listing) && !self.hidden_tells
        {
            return Ok(None);
        }
        constellation1::read_detail(&reply.body).map_err(|_| Failure::Malformed)
    }

    fn answered(&mut self, purpose: Purpose, request: &PageRequest) -> Result<Page, Failure> {
        self.asks(Some((purpose, request)));
        let asked = self.spoilt(purpose, request);
        let (mut page, emptied) = self.world_answers(&asked)?;
        page.vendor_now = self.date();
        self.oracle.claims.answered(purpose, &asked, &page, emptied);
        Ok(page)
    }

    /// A request is about to reach the world; `own` is what the feed that is mirrored asks with it.
    pub(super) fn asks(&mut self, own: Option<(Purpose, &PageRequest)>) {
        let throttled = self.process().throttled;
        self.time = self.time.max(throttled).plus(Duration::from_millis(30 + self.dice.below(300)));
        self.world.set_clock(self.time);
        let late = self.late.len();
        let time = self.time;
        self.late.retain(|visible_at| *visible_at > time);
        let moved = std::mem::take(&mut self.moved) || self.late.len() < late;
        self.oracle.asked(&self.world, own, moved);
        self.stats.requests += u64::from(own.is_some());
    }

    /// What the world answers, and whether that is falsely empty.
    pub(super) fn world_answers(&mut self, asked: &PageRequest) -> Result<(Page, bool), Failure> {
        if self.empty {
            return Ok((empty_page()?, true));
        }
        let reply = self.world.answer_page(asked);
        if !self.quiet && self.dice.percent(self.scenario.fail_percent) {
            let time = self.time;
            return self.fault(&reply.body).map(|page| (page, false)).inspect_err(|failure| {
                if let Failure::Throttled { wait } = failure {
                    self.process().throttled = time.plus(*wait);
                }
            });
        }
        match reply.status {
            200 => {
                let page = constellation1::read_page(&reply.body).map_err(|_| Failure::Malformed)?;
                let page = self.without_hidden(page);
                self.in_the_wild(asked, page)
            }
            _ => Err(Failure::Refused),
        }
    }

    fn without_hidden(&self, mut page: Page) -> Page {
        let all = page.records.len();
        page.records.retain(|record| !is_own(record) || Some(&record.key.listing) != self.oracle.hidden.as_ref());
        page.total -= (all - page.records.len()) as u64;
        page
    }

    /// Any failure instead of the answer, or an answer that is cut short.
    fn fault(&mut self, body: &[u8]) -> Result<Page, Failure> {
        Err(match self.dice.below(12) {
            0 => Failure::Throttled { wait: Duration::from_millis(self.dice.below(60_000)) },
            1 => Failure::Unauthorized,
            2 => Failure::Refused,
            3..6 => {
                let length = self.dice.index(body.len());
                return match constellation1::read_page(&body[..length]) {
                    Ok(page) => panic!("{length} of {} bytes were read as a page of {}", body.len(), page.records.len()),
                    Err(_) => Err(Failure::Malformed),
                };
            }
            6 => {
                return constellation1::read_page(br#"{"Results":null,"Total":7,"Count":0,"NextPage":null}"#)
                    .map_err(|_| Failure::Malformed);
            }
            7 => {
                return constellation1::read_page(br#"{"Results":[],"Total":7,"Count":0,"NextPage":null}"#).map_err(|_| Failure::Malformed);
            }
            8 => Failure::Malformed,
            _ => Failure::Unavailable,
        })
    }

    /// The request as the sabotage would have it.
    fn spoilt(&mut self, purpose: Purpose, request: &PageRequest) -> PageRequest {
        let mut asked = request.clone();
        match self.sabotage {
            Sabotage::Forward if request.page == 1 => drop(self.forward.insert(purpose, 1)),
            Sabotage::Forward => {
                let page = self.forward.entry(purpose).or_insert(1);
                *page += 1;
                asked.page = *page;
            }
            Sabotage::AfterNewest if purpose == Purpose::Poll => {
                let newest = self.newest.get(&request.stream).map(|newest| newest.plus(Duration::from_millis(1)));
                asked.window.from = newest.unwrap_or(asked.window.from).max(asked.window.from);
            }
            _ => {}
        }
        asked
    }

    /// The page as the sabotage would have it stored.
    pub(super) fn spoil_arrival(&mut self, arrival: &mut Arrival) {
        let stream = arrival.request.stream;
        match self.sabotage {
            Sabotage::LiveWins if stream.presence() == Presence::Live => {
                arrival.page.records.iter_mut().for_each(|record| record.stamp = record.stamp.map(|stamp| Stamp(stamp.0 + 1)));
            }
            Sabotage::AfterNewest if arrival.checkpoint.purpose == Purpose::Poll => {
                let newest = arrival.page.records.iter().filter_map(|record| record.stamp).max();
                let newest = self.polled.get(&stream).copied().max(newest);
                newest.map(|newest| self.polled.insert(stream, newest));
                let proven = arrival.checkpoint.window.as_ref().is_some_and(|window| window.state == WindowState::Complete);
                if let (Some(newest), true) = (newest, proven) {
                    self.newest.insert(stream, newest);
                }
            }
            _ => {}
        }
    }
}

pub(super) fn empty_page() -> Result<Page, Failure> {
    constellation1::read_page(br#"{"Results":[],"Total":0,"Count":0,"NextPage":null}"#).map_err(|_| Failure::Malformed)
}

fn fault(failure: Failure) -> VendorError {
    VendorError { failure, message: "a fault".to_owned(), status: None, vendor_now: None }
}
