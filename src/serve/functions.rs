//! What the filters ask of a value that SQL has no words for.

use crate::record::{Location, Position};
use rusqlite::functions::{Context, FunctionFlags};
use rusqlite::{Connection, Error, Result};

/// Adds the functions to a connection.
pub(super) fn register(connection: &Connection) -> Result<()> {
    let flags = FunctionFlags::SQLITE_UTF8 | FunctionFlags::SQLITE_DETERMINISTIC | FunctionFlags::SQLITE_DIRECTONLY;
    connection.create_scalar_function("holds_words", 2, flags, holds_words)?;
    connection.create_scalar_function("has_part", 2, flags, has_part)?;
    connection.create_scalar_function("lies_within", 4, flags, lies_within)
}

/// `holds_words(text, words)`, in any case of letters.
fn holds_words(context: &Context) -> Result<bool> {
    let words = context.get_or_create_aux(1, |value| Ok::<_, Error>(value.as_str()?.to_lowercase()))?;
    Ok(text(context, 0).is_some_and(|text| text.to_lowercase().contains(words.as_str())))
}

/// `has_part(text, list)`: whether one of the parts of the text, which commas part, is in the list, a JSON array.
fn has_part(context: &Context) -> Result<bool> {
    let list =
        context.get_or_create_aux(1, |value| Ok::<_, Error>(serde_json::from_str::<Vec<String>>(value.as_str()?).unwrap_or_default()))?;
    let is_asked = |part: &str| list.iter().any(|asked| asked.eq_ignore_ascii_case(part.trim()));
    Ok(text(context, 0).is_some_and(|text| text.split(',').any(is_asked)))
}

/// `lies_within(longitude, latitude, location, miles)`; the location is well-known text. What has no position lies nowhere.
fn lies_within(context: &Context) -> Result<bool> {
    let location = context.get_or_create_aux(2, |value| {
        let wrong = |why: String| Error::UserFunctionError(why.into());
        value.as_str()?.parse::<Location>().map_err(wrong)
    })?;
    let (longitude, latitude): (Option<f64>, Option<f64>) = (context.get(0)?, context.get(1)?);
    let position = longitude.zip(latitude).map(|(longitude, latitude)| Position { longitude, latitude });
    let miles = context.get(3)?;
    Ok(position.is_some_and(|position| location.holds(position, miles)))
}

/// Nothing where it is null.
fn text<'a>(context: &'a Context, index: usize) -> Option<&'a str> {
    context.get_raw(index).as_str().ok()
}
