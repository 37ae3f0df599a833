//! A kind of thing that a vendor has, as data: its table, its fields, its codec, and how its changes are told.

use crate::record::{Cell, Content, Field, Record};

/// How a vendor tells that a thing is gone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Deletions {
    /// A stream of its own returns the deleted ones.
    Stream,
    /// Nothing tells of all of them: what a proven reading of the whole set lacks is gone, once that is confirmed.
    Absence(Confirmed),
}

/// How it is confirmed that what a proven reading of the whole set lacks is gone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Confirmed {
    /// It is asked for by its key.
    Asked,
    /// A second reading lacks it, too.
    ReadAgain,
    /// Both. Many at once are believed by nobody but a person: the credential may see less than before.
    Both,
}

/// How a thing that was sold is told, and which of its columns may always be kept.
#[derive(Clone, Copy, Debug)]
pub struct Sold {
    /// The column with the status.
    pub status: &'static str,
    /// Its values that mean sold, in any case of letters.
    pub values: &'static [&'static str],
    /// Columns with the date of the sale; the first one that is not null counts.
    pub dates: &'static [&'static str],
    /// Columns that stay where contents are taken out, besides the key and all dates.
    pub stays: &'static [&'static str],
}

/// Columns that are no fields, because they move without being a change to anybody: they are written with the row of what came, and
/// without a row in `changes`.
#[derive(Clone, Copy, Debug)]
pub struct Quiet {
    /// The columns.
    pub columns: &'static [&'static str],
    /// Their values in a record, in that order.
    pub read: fn(&Record) -> Vec<Cell<'static>>,
}

/// One kind of thing. The store, the session and the commands know things of this kind through this value alone.
#[derive(Clone, Copy, Debug)]
pub struct Entity {
    /// What one of them is called, in messages: `listing`.
    pub name: &'static str,
    /// Its table in the file.
    pub table: &'static str,
    /// The table that numbers its rows, for the tables for searches, where it has one.
    pub numbers: Option<&'static str>,
    /// Its fields, in the order of the table's columns; the first two are the key: the feed, and the id inside it.
    pub fields: &'static [Field],
    /// Other names under which a field may arrive, each with the field's wire name.
    pub aliases: &'static [(&'static str, &'static str)],
    /// How its deletions are told.
    pub deletions: Deletions,
    /// The wire name of the field that holds the stamp; `None` where nothing tells when one of them changed.
    pub stamp: Option<&'static str>,
    /// The column with a date after which one of them is not expected to be there any more, which says nothing of a deletion.
    pub lapses: Option<&'static str>,
    /// Columns that two keys share when they are one thing under an old and a new key; empty where that cannot be seen.
    pub likeness: &'static [&'static str],
    /// How its sale is told, where it is sold.
    pub sold: Option<Sold>,
    /// Columns that a person is always shown of one of them.
    pub headline: &'static [&'static str],
    /// Reads one record from its text, as it was sent; the error says what is wrong with it.
    pub read: fn(&str) -> Result<Record, String>,
    /// Decodes a record: one cell for each field, in their order.
    pub decode: fn(&Record) -> Content<'_>,
    /// Whether a record that was asked for by its key says that the thing is deleted.
    pub looks_deleted: fn(&Content) -> bool,
    /// Whether two contents differ in nothing but the queries of URLs, as they do where URLs are signed anew in every answer.
    pub same_but_for_queries: fn(&Content, &Content) -> bool,
    /// A column and a value with which one of them need not be listed, so that its absence says nothing.
    pub unlisted: Option<(&'static str, &'static str)>,
    /// The column by which a credential's view may be narrowed, with what it stands for: if everything of one of its values is gone, the
    /// credential is more likely to see less. `None` where there is no such thing.
    pub scope: Option<(&'static str, &'static str)>,
    /// What moves without being a change, where there is such a thing.
    pub quiet: Option<Quiet>,
    /// The other kinds of things whose rows stand in the same file.
    pub beside: &'static [&'static Entity],
}

impl Entity {
    /// What several of them are called, in messages: the words of the table.
    #[must_use]
    pub fn plural(&self) -> String {
        self.table.replace('_', " ")
    }

    /// This kind of thing, and those beside it.
    pub fn all(&'static self) -> impl Iterator<Item = &'static Entity> {
        std::iter::once(self).chain(self.beside.iter().copied())
    }
}
