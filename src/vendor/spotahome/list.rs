//! Whether an answer counts as a page of a list, and which page may follow it.

use crate::vendor::value::{elements, members, whole};
use serde_json::value::RawValue;
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};

/// A page whose size is a multiple of this may have been cut there.
const ROUND: u32 = 10;
/// The most sizes that are remembered; who asks for more different ones is told of a next page more often than there is one.
const MOST_SIZES: usize = 16;

/// A page of a list.
#[derive(Debug)]
pub(super) struct List<'a> {
    /// The vendor's number of all matches.
    pub(super) total: u64,
    /// The elements, as sent.
    pub(super) items: Vec<&'a RawValue>,
}

/// What was asked for.
#[derive(Clone, Copy, Debug)]
pub(super) struct Asked {
    /// The page, from 1.
    pub(super) page: u32,
    /// Elements on a page.
    pub(super) size: u32,
}

/// What earlier pages have shown of how the vendor counts.
#[derive(Debug, Default)]
pub(super) struct Habits {
    /// `count` was seen to be the number of elements where that is not the size asked for.
    counts_items: AtomicBool,
    /// `count` was seen to be the size asked for, and that was told.
    counts_asked: AtomicBool,
    /// The true size of pages, as page 1 showed it, by the size asked for.
    sizes: Mutex<BTreeMap<u32, u32>>,
}

/// Reads a list of what stands under this name in `_embedded`. Its links are not looked at: in the document's example they point in a
/// circle, and they keep neither filters nor the page size.
pub(super) fn read<'a>(body: &'a [u8], name: &str, asked: Asked, habits: &Habits) -> Result<List<'a>, String> {
    let body = std::str::from_utf8(body).map_err(|_| "the answer is no UTF-8")?;
    let page = members(body.trim_start_matches('\u{feff}')).ok_or("the answer is no JSON object")?;
    let number = |name: &str| page.get(name).and_then(|value| u64::try_from(whole(value.get())?).ok());
    let total = number("total").ok_or("the answer has no whole number as its total")?;
    let count = number("count").ok_or("the answer has no whole number as its count")?;
    let embedded = page.get("_embedded").map_or("null", |embedded| embedded.get());
    let items = match array(embedded, name)? {
        Some(items) => items,
        // Every page so far has at most the size asked for, so this one has some of the total.
        None if total > u64::from(asked.page.saturating_sub(1)) * u64::from(asked.size) => {
            return Err(format!("the answer lacks {name}, and says that there are {total}"));
        }
        None => Vec::new(),
    };
    if items.len() as u64 > u64::from(asked.size) {
        return Err(format!("the answer has {} elements on a page of {}", items.len(), asked.size));
    }
    habits.check_count(count, items.len() as u64, asked.size)?;
    Ok(List { total, items })
}

/// The array, where there is one. An empty list may lack it: how one looks is not documented. PHP writes an empty object as `[]`.
fn array<'a>(embedded: &'a str, name: &str) -> Result<Option<Vec<&'a RawValue>>, String> {
    if embedded == "null" || elements(embedded).is_some_and(|elements| elements.is_empty()) {
        return Ok(None);
    }
    let mut members = members(embedded).ok_or("_embedded is no JSON object")?;
    let Some(array) = members.remove(name) else { return Ok(None) };
    elements(array.get()).map(Some).ok_or_else(|| format!("{name} is no array"))
}

impl Habits {
    /// `count` is the number of elements, or the size asked for in every answer. Any other one tells that elements are missing, as in
    /// the document's own example.
    fn check_count(&self, count: u64, items: u64, size: u32) -> Result<(), String> {
        let size = u64::from(size);
        if count == items {
            if items != size {
                self.counts_items.store(true, Ordering::Relaxed);
            }
            return Ok(());
        }
        if count != size || self.counts_items.load(Ordering::Relaxed) {
            return Err(format!("the answer counts {count} elements and has {items}"));
        }
        if !self.counts_asked.swap(true, Ordering::Relaxed) {
            tracing::info!("the vendor's count is the page size that was asked for, not the number of elements on the page");
        }
        Ok(())
    }

    /// The page that may follow: where fewer are seen than the total, or where this page is full, since the total may be of the page
    /// alone.
    pub(super) fn next_page(&self, asked: Asked, items: u32, total: u64) -> Option<u32> {
        let size = self.true_size(asked, items, total);
        let before = u64::from(asked.page.saturating_sub(1)) * u64::from(size.unwrap_or(items));
        // Such a number may be the vendor's largest page, and the total that of the page alone.
        let may_be_cut = asked.page == 1 && items.is_multiple_of(ROUND);
        let may_follow = items > 0 && (may_be_cut || items >= size.unwrap_or(asked.size) || before + u64::from(items) < total);
        may_follow.then(|| asked.page.checked_add(1)).flatten()
    }

    /// The size of pages as page 1 showed it: the vendor may know a maximum, which is not documented. `None` where page 1 was not seen.
    fn true_size(&self, asked: Asked, items: u32, total: u64) -> Option<u32> {
        let mut sizes = self.sizes.lock().unwrap_or_else(PoisonError::into_inner);
        let is_full = asked.page == 1 && items > 0 && u64::from(items) < total;
        if is_full && (sizes.len() < MOST_SIZES || sizes.contains_key(&asked.size)) {
            sizes.insert(asked.size, items);
        }
        sizes.get(&asked.size).copied()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PRINTED: &str = r#"{"count":2,"total":2,"_links":{"self":{"href":"/listing-processes?page=1"},"next":{"href":"/listing-processes?page=1"}},"_embedded":{"sah:listing-processes":[{"id":111}]}}"#;
    const NAME: &str = "sah:listing-processes";

    fn read_at(page: u32, size: u32, body: &str) -> Result<(u64, usize), String> {
        read(body.as_bytes(), NAME, Asked { page, size }, &Habits::default()).map(|list| (list.total, list.items.len()))
    }

    fn check(body: &str, expected: Option<(u64, usize)>) {
        assert_eq!(read_at(1, 100, body).ok(), expected, "{body}");
    }

    #[test]
    fn the_printed_example_is_no_page() {
        let told = read_at(1, 100, PRINTED).expect_err("no page");
        assert_eq!(told, "the answer counts 2 elements and has 1");
        check(&PRINTED.replace("\"count\":2", "\"count\":1"), Some((2, 1)));
    }

    #[test]
    fn a_page_has_a_total_a_count_and_an_array() {
        let page =
            |count: &str, total: &str, items: &str| format!(r#"{{"count":{count},"total":{total},"_embedded":{{"{NAME}":{items}}}}}"#);
        check(&page("1", "1", "[{}]"), Some((1, 1)));
        check(&format!("\u{feff}{}", page("1.0", "1e0", "[{}]")), Some((1, 1)));
        for (count, total, items) in
            [("1", "-1", "[{}]"), ("1", "1.5", "[{}]"), ("null", "1", "[{}]"), ("1", "1", "{}"), ("3", "3", "[{},{}]")]
        {
            check(&page(count, total, items), None);
        }
        for body in ["", "[]", "5", "<html>", "{}", r#"{"count":0}"#, r#"{"count":0,"total":0,"_embedded":5}"#, r#"{"count":1,"total":1}"#]
        {
            check(body, None);
        }
        assert!(read_at(1, 2, &page("3", "3", "[{},{},{}]")).is_err(), "more than asked for");
    }

    #[test]
    fn an_empty_list_has_several_shapes() {
        for embedded in
            ["", r#","_embedded":null"#, r#","_embedded":{}"#, r#","_embedded":[]"#, r#","_embedded":{"sah:listing-processes":[]}"#]
        {
            check(&format!("{{\"count\":0,\"total\":0{embedded}}}"), Some((0, 0)));
            assert_eq!(read_at(3, 100, &format!("{{\"count\":0,\"total\":200{embedded}}}")), Ok((200, 0)), "past the end: {embedded}");
        }
        assert!(read_at(2, 100, r#"{"count":0,"total":101}"#).is_err());
    }

    #[test]
    fn a_count_is_of_the_elements_or_of_the_size_asked_for() {
        let habits = Habits::default();
        assert!(habits.check_count(100, 100, 100).is_ok() && habits.check_count(100, 37, 100).is_ok());
        assert!(habits.check_count(36, 37, 100).is_err());
        let habits = Habits::default();
        assert!(habits.check_count(37, 37, 100).is_ok());
        assert!(habits.check_count(100, 99, 100).is_err(), "here it is of the elements");
    }

    /// The pages that are asked for where each has these elements.
    fn check_pages(size: u32, total: u64, pages: &[u32], expected: u32) {
        let habits = Habits::default();
        let mut page = 1;
        while let Some(next) = pages.get(page as usize - 1).and_then(|items| habits.next_page(Asked { page, size }, *items, total)) {
            page = next;
        }
        assert_eq!(page, expected, "{pages:?} of {total}");
    }

    #[test]
    fn a_next_page_is_named_where_there_may_be_one() {
        check_pages(100, 0, &[0], 1);
        check_pages(100, 37, &[37], 1);
        check_pages(100, 237, &[100, 100, 37], 3);
        check_pages(100, 200, &[100, 100, 0], 3);
        check_pages(100, 100, &[100, 100, 37], 3);
        check_pages(100, 50, &[20, 20, 10], 3);
        check_pages(100, 20, &[20, 20, 5], 2);
        check_pages(100, 120, &[20, 20, 20, 20, 20, 20, 0], 7);
        check_pages(1, 2, &[1, 1, 0], 3);
        check_pages(100, 237, &[100, 90, 47], 3);
    }

    #[test]
    fn who_did_not_see_page_1_asks_once_more() {
        assert_eq!(Habits::default().next_page(Asked { page: 7, size: 100 }, 20, 500), Some(8));
        assert_eq!(Habits::default().next_page(Asked { page: u32::MAX, size: 1 }, 1, 1), None);
    }
}
