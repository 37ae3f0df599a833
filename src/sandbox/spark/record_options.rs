//! The switches of the Spark sandbox for what records hold and writes do.

use super::choices::{
    ByIdDeleted, CreateAnswer, CreateTwice, DeletedFlag, KeyMember, PutContacts, PutNull, StampForm, TicketServices, UriVersion,
    ValidationErrors, WarnAs,
};
use clap::Args;

/// What the documents leave open about records, writes, tickets and validation.
#[derive(Args, Clone, Debug)]
pub struct RecordOptions {
    /// The use of a key changes ModificationTimestamp
    #[arg(long)]
    pub last_active_bumps_modified: bool,
    /// Changes of users and contacts leave ModificationTimestamp
    #[arg(long)]
    pub silent_changes: bool,
    /// The contacts come in another order each time
    #[arg(long)]
    pub contacts_random: bool,
    /// The member Key of a record
    #[arg(long, value_enum, default_value_t = KeyMember::Absent)]
    pub key_member: KeyMember,
    /// The answer to a deleted identity by its Id
    #[arg(long, value_enum, default_value_t = ByIdDeleted::Record)]
    pub deleted_by_id: ByIdDeleted,
    /// A second deletion succeeds
    #[arg(long)]
    pub delete_twice_ok: bool,
    /// The member Deleted of a record
    #[arg(long, value_enum, default_value_t = DeletedFlag::Right)]
    pub deleted_flag: DeletedFlag,
    /// What a creation answers
    #[arg(long, value_enum, default_value_t = CreateAnswer::Uri)]
    pub create_answer: CreateAnswer,
    /// HTTP's status of a creation
    #[arg(long, default_value_t = 201)]
    pub create_status: u16,
    /// The answer to the same person again
    #[arg(long, value_enum, default_value_t = CreateTwice::Accept)]
    pub create_twice: CreateTwice,
    /// The version in a ResourceUri
    #[arg(long, value_enum, default_value_t = UriVersion::V1)]
    pub uri_version: UriVersion,
    /// What becomes of the contacts that an identity has in an update
    #[arg(long, value_enum, default_value_t = PutContacts::Replace)]
    pub put_contacts: PutContacts,
    /// What null does in an update
    #[arg(long, value_enum, default_value_t = PutNull::Clear)]
    pub put_null: PutNull,
    /// Seconds by which lists lag behind writes
    #[arg(long, default_value_t = 0)]
    pub cache_s: u64,
    /// The key may only read (1017)
    #[arg(long)]
    pub read_only_key: bool,
    /// Methods that are forbidden (1018)
    #[arg(long, value_delimiter = ',')]
    pub forbid: Vec<String>,
    /// Refusals come as HTTP 200
    #[arg(long)]
    pub refuse_with_200: bool,
    /// The form of date-times
    #[arg(long, value_enum, default_value_t = StampForm::Mixed)]
    pub stamp_form: StampForm,
    /// The services of tickets
    #[arg(long, value_enum, default_value_t = TicketServices::Photo)]
    pub ticket_services: TicketServices,
    /// Seconds that a ticket lives
    #[arg(long, default_value_t = 3600)]
    pub ticket_ttl_s: u64,
    /// The form of a failed validation
    #[arg(long, value_enum, default_value_t = ValidationErrors::Nested)]
    pub validation_errors: ValidationErrors,
    /// HTTP's status of a failed validation
    #[arg(long, default_value_t = 400)]
    pub validation_status: u16,
    /// What a validation with warnings alone is
    #[arg(long, value_enum, default_value_t = WarnAs::Success)]
    pub validation_warn: WarnAs,
    /// A listing of others is answered 403 in the place of 404
    #[arg(long)]
    pub foreign_listing_forbidden: bool,
    /// Requests after which the key sees the first MLS alone
    #[arg(long)]
    pub scope_shrinks_after: Option<u64>,
    /// E-mail addresses and phones are masked
    #[arg(long)]
    pub masked: bool,
    /// A second sign-in while a session lives is refused
    #[arg(long)]
    pub second_sign_in_refused: bool,
}
