//! What is true of the processes, for whoever compares a mirror with it.

use super::process::{Facts, Process};
use super::world::World;
use crate::sandbox::account_truth::{Life, TrueRow, TrueRows};
use serde_json::{Map, Value, json};

impl World {
    /// What is true of each process.
    #[must_use]
    pub fn truth(&self) -> TrueRows {
        let vanished = self.vanished.iter().map(|id| (*id, TrueRow { life: Life::Vanished, columns: Map::new() }));
        let there = self.processes.values().map(|process| (process.id, TrueRow { life: Life::Live, columns: columns(process) }));
        vanished.chain(there).collect()
    }
}

/// A process by the names of the columns.
fn columns(process: &Process) -> Map<String, Value> {
    let Process { id, locator, account, facts: Facts { property, agent, state }, .. } = process;
    let named = [
        ("process_id", json!(id)),
        ("locator", json!(locator)),
        ("account_id", json!(account)),
        ("property_id", json!(property)),
        ("agent_id", json!(agent)),
        ("state", json!(state)),
        ("extra", Value::Null),
    ];
    named.into_iter().map(|(column, value)| (column.to_owned(), value)).collect()
}
