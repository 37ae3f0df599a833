//! The members of a JSON object, one level deep: what lies below stays text.

use super::fields::LISTING_DETAILS;
use super::json::Cutter;
use crate::record::{Cut, Span};
use std::borrow::Cow;
use std::collections::HashMap;
use std::mem::take;
use std::sync::LazyLock;

/// So many fields in a row may be left out before another order of the members is assumed.
const LEFT_OUT: usize = 8;

/// The place of each field in [`LISTING_DETAILS`], by its name.
pub(super) static COLUMNS: LazyLock<HashMap<&'static str, usize>> =
    LazyLock::new(|| LISTING_DETAILS.iter().enumerate().map(|(index, field)| (field.wire, index)).collect());

/// The members of a JSON object. Of a name that is repeated, the last value counts.
pub(super) struct Members<'a> {
    pub(super) text: &'a str,
    pub(super) cut: Cut,
}

impl<'a> Members<'a> {
    /// `None` when the text is not JSON, or not an object.
    pub(super) fn read(text: &'a str) -> Option<Members<'a>> {
        Body::read(text).map(|body| body.members)
    }

    /// The value of a member as sent. Names that differ only in case are one member, and the exact name wins.
    pub(super) fn get(&self, name: &str) -> Option<&'a str> {
        self.exact(name).or_else(|| self.in_other_case(name))
    }

    /// As `get`, but a null counts as absent.
    pub(super) fn known(&self, name: &str) -> Option<&'a str> {
        let not_null = |value: &&str| *value != "null";
        self.exact(name).filter(not_null).or_else(|| self.in_other_case(name).filter(not_null))
    }

    fn exact(&self, name: &str) -> Option<&'a str> {
        match COLUMNS.get(name) {
            Some(index) => self.cut.fields[*index].of(self.text),
            None => others(self.text, &self.cut).rev().find(|(known, _)| known == name).map(|(_, value)| value),
        }
    }

    fn in_other_case(&self, name: &str) -> Option<&'a str> {
        let is_other = |(known, _): &(Cow<str>, &str)| known.eq_ignore_ascii_case(name) && known != name;
        others(self.text, &self.cut).rev().find(is_other).map(|(_, value)| value)
    }

    pub(super) fn is_empty(&self) -> bool {
        self.in_order().is_empty()
    }

    /// All members in their order.
    pub(super) fn in_order(&self) -> Vec<(Cow<'a, str>, &'a str)> {
        let fields = LISTING_DETAILS.iter().zip(&self.cut.fields);
        let fields = fields.filter_map(|(field, value)| Some((Cow::Borrowed(field.wire), value.of(self.text)?)));
        let mut members: Vec<_> = fields.chain(others(self.text, &self.cut)).collect();
        members.sort_by_key(|(_, value)| value.as_ptr());
        members
    }
}

/// Where the values of a JSON object lie in its text; `None` when it is not JSON, or no object.
#[must_use]
pub fn cut(text: &str) -> Option<Cut> {
    Members::read(text).map(|members| members.cut)
}

/// The members of a record that are no fields, by their decoded names.
pub(super) fn others<'a>(json: &'a str, cut: &Cut) -> impl DoubleEndedIterator<Item = (Cow<'a, str>, &'a str)> {
    let read = move |(name, value): &(u32, Span)| Some((Cutter::new(json.get(*name as usize..)?).name()?, value.of(json)?));
    cut.others.iter().filter_map(read)
}

/// What stands in an array, as sent, and its members if it is an object.
pub(super) type Element<'a> = (&'a str, Option<Cut>);

/// The elements of members that are arrays, with the place where each begins.
type Arrays<'a> = Vec<(u32, Vec<Element<'a>>)>;

/// A text that is one JSON object, and the elements of its members that are arrays.
pub(super) struct Body<'a> {
    pub(super) members: Members<'a>,
    arrays: Arrays<'a>,
}

impl<'a> Body<'a> {
    /// `None` when the text is not JSON, or not an object.
    pub(super) fn read(text: &'a str) -> Option<Body<'a>> {
        let (mut cutter, mut arrays) = (Cutter::new(text), Vec::new());
        cutter.peek()?;
        let text = text.get(cutter.at..)?;
        let cut = members(&mut cutter, Some(&mut arrays))?;
        cutter.peek().is_none().then_some(Body { members: Members { text, cut }, arrays })
    }

    /// The elements of the array that is the value of this member; `None` for any other value.
    pub(super) fn take_elements(&mut self, value: &str) -> Option<Vec<Element<'a>>> {
        let begin = value.as_ptr().addr() - self.members.text.as_ptr().addr();
        self.arrays.iter_mut().find(|(at, _)| *at as usize == begin).map(|(_, elements)| take(elements))
    }
}

/// An answer with more elements in an array than this is refused: pages have 200, and each element takes some kilobytes of memory,
/// however short it is.
pub(super) const MOST_ELEMENTS: usize = 50_000;

/// The elements of an array.
fn elements<'a>(cutter: &mut Cutter<'a>) -> Option<Vec<Element<'a>>> {
    cutter.expect(b'[')?;
    let mut elements = Vec::new();
    while cutter.another(b']', elements.is_empty())? {
        if elements.len() >= MOST_ELEMENTS {
            return None;
        }
        let start = cutter.at;
        let members = if cutter.peek()? == b'{' { Some(members(cutter, None)?) } else { cutter.value().map(|()| None)? };
        elements.push((cutter.since(start)?, members));
    }
    Some(elements)
}

/// The members of the object that begins here, in its text. Where they are wanted, the elements of arrays are kept, too.
fn members<'a>(cutter: &mut Cutter<'a>, mut arrays: Option<&mut Arrays<'a>>) -> Option<Cut> {
    cutter.expect(b'{')?;
    let begin = cutter.at - 1;
    let place = |at: usize| u32::try_from(at - begin).ok();
    let mut cut = Cut { fields: vec![Span::default(); LISTING_DETAILS.len()], others: Vec::new() };
    let (mut likely, mut is_first) = (0, true);
    while cutter.another(b'}', take(&mut is_first))? {
        let name = place(cutter.at)?;
        let field = field(cutter, likely)?;
        let start = cutter.at;
        match &mut arrays {
            Some(arrays) if cutter.peek()? == b'[' => arrays.push((place(start)?, elements(cutter)?)),
            _ => cutter.value()?,
        }
        let value = Span { start: place(start)?, end: place(cutter.at)? };
        match field {
            Some(field) => (cut.fields[field], likely) = (value, field + 1),
            None => cut.others.push((name, value)),
        }
    }
    Some(cut)
}

/// The place of the field that the next member is named after, if any; the cutter then stands before the member's value. Mostly it
/// is the likely one: then the end of the name is not looked for.
fn field(cutter: &mut Cutter, likely: usize) -> Option<Option<usize>> {
    let fields = LISTING_DETAILS.get(likely..).unwrap_or_default();
    if fields.first().is_some_and(|field| cutter.passes(field.wire)) {
        cutter.peek()?;
        return Some(Some(likely));
    }
    let name = cutter.name()?;
    let ahead = fields.iter().take(LEFT_OUT).position(|field| field.wire == name);
    Some(ahead.map(|ahead| likely + ahead).or_else(|| COLUMNS.get(name.as_ref()).copied()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::value::RawValue;
    use std::collections::BTreeMap;

    /// The members of a JSON object as serde_json reads them.
    fn by_serde_json(json: &str) -> BTreeMap<String, String> {
        let members: BTreeMap<String, &RawValue> = serde_json::from_str(json).expect("an object");
        members.into_iter().map(|(name, value)| (name, value.get().to_owned())).collect()
    }

    fn read<C: FromIterator<(String, String)>>(members: &Members) -> C {
        members.in_order().into_iter().map(|(name, value)| (name.into_owned(), value.to_owned())).collect()
    }

    #[test]
    fn reads_members_as_sent() {
        let json = " {\"a\" : 1.50 , \"b\\u0062\":[ 1 ], \"\\ud800\":0, \"a\":null} ";
        let expected = [("a", "1.50"), ("bb", "[ 1 ]"), ("\u{FFFD}", "0"), ("a", "null")];
        let members = Members::read(json).expect("an object");
        assert_eq!(read::<Vec<_>>(&members), expected.map(|(name, value)| (name.to_owned(), value.to_owned())));
        assert_eq!((members.get("a"), members.known("a"), members.get("c")), (Some("null"), None, None));
        assert_eq!((members.get("BB"), members.get("A")), (Some("[ 1 ]"), Some("null")));
        let members = Members::read(r#"{"Total":1,"total":2,"count":null,"COUNT":3,"Count":null}"#).expect("an object");
        assert_eq!((members.known("Total"), members.known("Count")), (Some("1"), Some("3")));
        let members = Members::read(r#"{"City":1,"city":2,"beds":null,"BEDS":3,"Beds":null,"City":4}"#).expect("an object");
        assert_eq!((members.known("City"), members.known("Beds"), members.get("Beds")), (Some("4"), Some("3"), Some("null")));
    }

    #[test]
    fn cuts_json_as_serde_json_reads_it() {
        for json in [
            " { } ",
            r#"{"a":{"b":[1,"]}",{}]},"c":[],"a\"":"\\\\","d":-1.5e3 , "e" : true}"#,
            r#"{"a":"{[\\\"","\u00e8":null,"é":"é"}"#,
            r#"{"FeedId":"A","Acres":1,"Address2":3,"Address":[4],"AgentRemarks2":5,"Air" : 6, "AirSearch":"7","feedId":8}"#,
        ] {
            let expected = by_serde_json(json);
            assert_eq!(read::<BTreeMap<_, _>>(&Members::read(json).expect("an object")), expected, "{json}");
            let list = format!("{{\"x\":[{json}, 1 ,[],{json}]}}");
            let mut body = Body::read(&list).expect("an object");
            let array = body.members.get("x").expect("an array");
            let elements = body.take_elements(array).expect("an array");
            assert_eq!(elements.iter().map(|(text, _)| *text).collect::<Vec<_>>(), [json.trim(), "1", "[]", json.trim()]);
            let (text, cut) = elements.into_iter().next_back().expect("the last");
            let members = Members { text, cut: cut.expect("an object") };
            assert_eq!(read::<BTreeMap<_, _>>(&members), expected, "{json}");
        }
    }

    #[test]
    fn refuses_an_array_without_measure() {
        let body = |count: usize| format!("{{\"Results\":[{}]}}", vec!["1"; count].join(","));
        assert!(Body::read(&body(MOST_ELEMENTS)).is_some());
        assert!(Body::read(&body(MOST_ELEMENTS + 1)).is_none());
    }

    #[test]
    fn takes_what_serde_json_takes_and_nothing_else() {
        let sound = r#" {"a":[1,{"b":"é\u0041\""},-0.5E+7,[]],"c":null,"d":{"e":{}},"f":true} "#;
        let check = |text: &str| {
            let expected = serde_json::from_str::<&RawValue>(text).is_ok_and(|value| value.get().starts_with('{'));
            assert_eq!(Body::read(text).is_some(), expected, "{text}");
        };
        check(sound);
        for (at, _) in sound.char_indices() {
            check(&sound[..at]);
            check(&sound[at..]);
            for wedge in ["", ",", "]", "}", "{", "[", "\"", "\\", "0", "-", ".", "e", "\u{1}", "n", ":", " ", "\\u12", "\\x"] {
                let next = at + sound[at..].chars().next().map_or(0, char::len_utf8);
                check(&format!("{}{wedge}{}", &sound[..at], &sound[at..]));
                check(&format!("{}{wedge}{}", &sound[..at], &sound[next..]));
            }
        }
    }
}
