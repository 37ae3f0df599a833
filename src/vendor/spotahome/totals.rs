//! How many processes the vendor has: in all, in each state, without an agent.

use super::calls::Spotahome;
use super::fields::STATES;
use super::filter::{OfAgent, ProcessFilter};
use crate::record::{Failure, ProcessTotals, StateTotal};
use crate::vendor::error::Error;
use tokio_util::sync::CancellationToken;

/// The most states that are counted: a request each.
const MOST_STATES: usize = 20;

impl Spotahome {
    /// The vendor's totals, each by a page of one element: of the list without a filter, of each state that the document names or that
    /// the list of states has, and of those without an agent. Read once more where their sum differs, because processes may have come or
    /// gone meanwhile. `None` as soon as `stop` is cancelled.
    ///
    /// # Errors
    /// As [`Spotahome::states`]; a filter that is refused leaves its total unknown.
    pub(crate) async fn totals(&self, stop: &CancellationToken) -> Option<Result<ProcessTotals, Error>> {
        let listed = match self.states(stop).await? {
            Ok(listed) => listed,
            Err(error) => return Some(Err(error)),
        };
        let totals = self.count(&listed, stop).await?;
        match totals {
            Ok(totals) if totals.sums().is_some_and(|(sum, all)| sum != all) => self.count(&listed, stop).await,
            totals => Some(totals),
        }
    }

    async fn count(&self, listed: &[String], stop: &CancellationToken) -> Option<Result<ProcessTotals, Error>> {
        let unassigned = ProcessFilter { agent: Some(OfAgent::Unassigned), ..ProcessFilter::default() };
        let mut totals = ProcessTotals::default();
        for (filter, total) in [(ProcessFilter::default(), &mut totals.all), (unassigned, &mut totals.unassigned)] {
            match self.total(&filter, stop).await? {
                Ok(counted) => *total = counted,
                Err(error) => return Some(Err(error)),
            }
        }
        let new = listed.iter().map(String::as_str).filter(|state| !STATES.contains(state));
        for state in STATES.into_iter().chain(new).take(MOST_STATES) {
            let filter = ProcessFilter { state: Some(state.to_owned()), ..ProcessFilter::default() };
            let total = match self.total(&filter, stop).await? {
                Ok(total) => total,
                Err(error) => return Some(Err(error)),
            };
            let is_listed = listed.iter().any(|listed| listed == state);
            totals.states.push(StateTotal { state: state.to_owned(), is_listed, is_documented: STATES.contains(&state), total });
        }
        Some(Ok(totals))
    }

    async fn total(&self, filter: &ProcessFilter, stop: &CancellationToken) -> Option<Result<Option<u64>, Error>> {
        Some(match self.processes(filter, 1, 1, stop).await? {
            Ok(page) => Ok(Some(page.total)),
            Err(Error { failure: Failure::Refused, .. }) => Ok(None),
            Err(error) => Err(error),
        })
    }
}
