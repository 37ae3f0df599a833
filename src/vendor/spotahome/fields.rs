//! What the document names: fields, states, members and paths.

use crate::record::{Field, Kind, NamedBy};

/// The member that names the credential. The client adds it to each record; a blank keeps it apart from any member of the vendor's.
pub const ACCOUNT: &str = "mls-sync account";
/// The only path of the document: a process, its assignation and the states lie below it.
pub const PATH: &str = "listing-processes";
/// Behind the id of a process: its agent.
pub const ASSIGNATION: &str = "assignation";
/// The list of states.
pub const STATES_PATH: &str = "listing-processes/states";
/// The array of processes in `_embedded`.
pub const PROCESSES_MEMBER: &str = "sah:listing-processes";
/// The array of states in `_embedded`: the document writes its name in another way.
pub const STATES_MEMBER: &str = "sah:listing-process:states";
/// The value of the filter for those without an agent.
pub const UNASSIGNED: &str = "unassigned";
/// The state of one that was cancelled.
pub const CANCELLED: &str = "cancelled";
/// The states that the document names, in its order.
pub const STATES: [&str; 5] = [CANCELLED, "propertyVerified", "propertyUnverified", "waitingContent", "waitingProperty"];

/// A listing process. What one holds is known from a single example; the first field is ours.
pub static PROCESS: [Field; 7] = [
    field(ACCOUNT, "account", Kind::Text, false),
    field("id", "process_id", Kind::Integer, false),
    field("locator", "locator", Kind::Text, true),
    field("accountId", "account_id", Kind::Text, true),
    field("propertyId", "property_id", Kind::Text, true),
    field("agentId", "agent_id", Kind::Text, true),
    field("state", "state", Kind::Text, true),
];

const fn field(wire: &'static str, column: &'static str, kind: Kind, nullable: bool) -> Field {
    Field { wire, column, kind, nullable, named_by: NamedBy::Both }
}
