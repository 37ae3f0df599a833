//! Photos and open houses in the one form that the views read, whatever form they come in.

use super::canonical::{Object, canonical_with};
use super::fields::LISTING_DETAILS;
use super::scalar::{boolean, unquoted, whole};
use crate::record::{Cell, Content, Hash};
use std::borrow::Cow;

/// The members that the views read, as the document names them.
const NAMES: [&str; 8] = ["Photos", "Sequence", "NormalSizeUrl", "LargeSizeUrl", "IsActive", "StartDate", "EndDate", "Remarks"];

/// Media as one object with a list `Photos`; a bare list of objects, or one photo, is its photos. `None` for anything else.
pub(super) fn media(value: &str) -> Option<String> {
    let canonical = canonical_with(value, amend)?;
    match canonical.as_bytes() {
        [b'{', ..] if is_photo(&canonical) && !canonical.contains("\"Photos\":") => Some(format!("{{\"Photos\":[{canonical}]}}")),
        [b'{', ..] => Some(canonical),
        [b'[', b'{' | b']', ..] => Some(format!("{{\"Photos\":{canonical}}}")),
        _ => None,
    }
}

/// Open houses as a list; one object is a list of one. `None` for anything else.
pub(super) fn open_houses(value: &str) -> Option<String> {
    let canonical = canonical_with(value, amend)?;
    match canonical.as_bytes() {
        [b'[', ..] => Some(canonical),
        [b'{', ..] => Some(format!("[{canonical}]")),
        _ => None,
    }
}

/// Gives the members that the views read their names in the document's case, and their values the document's types where
/// nothing is lost.
fn amend(object: &mut Object<'_>) {
    while let Some((sent, name)) = object.keys().find_map(|sent| Some((sent.clone(), renamed(sent, object)?))) {
        let value = object.remove(&sent).unwrap_or_default();
        object.insert(Cow::Borrowed(name), value);
    }
    for (name, value) in object {
        let other = match name.as_ref() {
            "Photos" => is_photo(value).then(|| format!("[{value}]")),
            "Sequence" if !value.bytes().all(|byte| byte.is_ascii_digit()) => whole(unquoted(value)).map(|number| number.to_string()),
            "IsActive" if value != "true" && value != "false" => boolean(unquoted(value)).map(|truth| truth.to_string()),
            _ => None,
        };
        if let Some(other) = other {
            *value = other;
        }
    }
}

/// The document's name of a member that comes in another case, unless that has a value of its own.
fn renamed(sent: &str, object: &Object<'_>) -> Option<&'static str> {
    let name = NAMES.into_iter().find(|name| name.eq_ignore_ascii_case(sent))?;
    (name != sent && !object.contains_key(name)).then_some(name)
}

/// One photo in the place of a list of them; an object of another kind stays what it is.
fn is_photo(photos: &str) -> bool {
    photos.starts_with('{') && NAMES[1..4].iter().any(|name| photos.contains(&format!("\"{name}\":")))
}

/// Whether two contents differ in nothing but the queries of photo URLs.
pub(super) fn same_but_for_queries(one: &Content, other: &Content) -> bool {
    hash_without_queries(one) == hash_without_queries(other)
}

fn hash_without_queries(content: &Content) -> Hash {
    let mut content = content.clone();
    for (field, cell) in LISTING_DETAILS.iter().zip(&mut content.cells) {
        if field.wire == "Media"
            && let Cell::Text(media) = cell
        {
            *media = canonical_with(media, cut_queries).unwrap_or_default().into();
        }
    }
    content.hash()
}

fn cut_queries(object: &mut Object<'_>) {
    for (name, value) in object {
        let is_url = name.len() >= 3 && name.as_bytes()[name.len() - 3..].eq_ignore_ascii_case(b"url");
        if let Some((url, _)) = value.split_once('?').filter(|_| is_url && value.starts_with('"')) {
            *value = format!("{url}\"");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls_that_are_signed_anew_differ_in_their_queries_alone() {
        let content = |media: &str, price: i64| {
            let cells = LISTING_DETAILS.iter().map(|field| match field.wire {
                "Media" => Cell::Text(media.to_owned().into()),
                "Price" => Cell::Integer(price),
                _ => Cell::Null,
            });
            Content { cells: cells.collect(), extra: None }
        };
        let one = content(r#"{"Photos":[{"LargeSizeUrl":"https://p/1.jpg?sig=a","Sequence":1}]}"#, 5);
        assert!(same_but_for_queries(&one, &content(r#"{"Photos":[{"LargeSizeUrl":"https://p/1.jpg?sig=b&t=\"2","Sequence":1}]}"#, 5)));
        assert!(same_but_for_queries(&one, &content(r#"{"Photos":[{"LargeSizeUrl":"https://p/1.jpg","Sequence":1}]}"#, 5)));
        assert!(!same_but_for_queries(&one, &content(r#"{"Photos":[{"LargeSizeUrl":"https://p/2.jpg?sig=a","Sequence":1}]}"#, 5)));
        assert!(!same_but_for_queries(&one, &content(r#"{"Photos":[{"LargeSizeUrl":"https://p/1.jpg?sig=b","Sequence":1}]}"#, 6)));
        let captions = [r#"{"Caption":"a?b"}"#, r#"{"Caption":"a?c"}"#].map(|media| content(media, 5));
        assert!(!same_but_for_queries(&captions[0], &captions[1]));
    }

    fn check_media(value: &str, expected: Option<&str>) {
        assert_eq!(media(value).as_deref(), expected, "{value}");
    }

    fn check_houses(value: &str, expected: Option<&str>) {
        assert_eq!(open_houses(value).as_deref(), expected, "{value}");
    }

    #[test]
    fn photos_are_a_list_in_an_object() {
        check_media(r#"{"Photos":[{"Sequence":1}],"A":2}"#, Some(r#"{"A":2,"Photos":[{"Sequence":1}]}"#));
        check_media(r#"[{"Sequence":"2"},{"Sequence":10.0}]"#, Some(r#"{"Photos":[{"Sequence":2},{"Sequence":10}]}"#));
        check_media(r#"{"sequence":"1","LargeSizeUrl":"u"}"#, Some(r#"{"Photos":[{"LargeSizeUrl":"u","Sequence":1}]}"#));
        check_media("[ ]", Some(r#"{"Photos":[]}"#));
        check_media(r#"{"photos":{"sequence":"1","largeSizeUrl":"u"}}"#, Some(r#"{"Photos":[{"LargeSizeUrl":"u","Sequence":1}]}"#));
        check_media(r#"{"Photos":{"a":{"b":1}}}"#, Some(r#"{"Photos":{"a":{"b":1}}}"#));
        check_media(r#"{"Photos":[{"Sequence":"first"}]}"#, Some(r#"{"Photos":[{"Sequence":"first"}]}"#));
        check_media(r#"{"Photos":[],"photos":[1]}"#, Some(r#"{"Photos":[],"photos":[1]}"#));
        for other in ["[1]", "5", r#""none""#, "[[]]"] {
            check_media(other, None);
        }
    }

    #[test]
    fn open_houses_are_a_list() {
        check_houses(r#"[{"IsActive":true}]"#, Some(r#"[{"IsActive":true}]"#));
        check_houses(r#"{"isActive":"False","Remarks":null}"#, Some(r#"[{"IsActive":false,"Remarks":null}]"#));
        check_houses(r#"[{"IsActive":1}]"#, Some(r#"[{"IsActive":true}]"#));
        check_houses(r#""none""#, None);
    }
}
