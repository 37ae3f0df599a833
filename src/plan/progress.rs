//! Where the reading of a window stands, and what follows from a page for it.

/// What follows from a page for its window.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PageStep {
    /// Ask for [`Progress::next_page`].
    Continue,
    /// The window is proven whole.
    Complete,
    /// The window has more pages than the limit: cut it into a shorter stretch of time, or, if that cannot be done, read it
    /// as it is.
    TooDeep {
        /// How many pages it has.
        pages: u64,
    },
    /// A pass ended without proof: cut the window smaller, or read it again with `Reading::again`.
    Unproven,
    /// The answer contradicts itself and does not count as read; why, for people.
    Unreadable(&'static str),
    /// The answer is hard to believe, and is asked for again before it counts; why, for the log.
    Doubtful(&'static str),
    /// All that can be read of a window that cannot be proven was read.
    Salvaged,
}

/// What is known of a window before it is answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Expected {
    /// The number of pages above which to cut.
    pub deepest: u64,
    /// Whether it would be strange if nothing matched.
    pub something: bool,
    /// The most records that were seen on one page.
    pub largest_page: u64,
}

/// Where the reading of a window stands, as far as it is saved.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Progress {
    /// The page to ask for next.
    pub next_page: u32,
    /// Records on a page, as the first page showed; 0 before it was read.
    pub page_size: u64,
    /// The total that the first page of this pass claimed.
    pub total_first: u64,
    /// The total that the last answer claimed.
    pub total_last: u64,
    /// Distinct marks that count for the proof.
    pub keys_seen: u64,
    /// Passes that ended without proof.
    pub passes: u32,
    /// The total rose during this pass: the set is not frozen.
    pub grew: bool,
    /// The order is known to change from page to page, so only a constant set seen in full is proof.
    pub strict: bool,
}
