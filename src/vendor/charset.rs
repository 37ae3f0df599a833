//! A body as UTF-8, whatever charset its header names.

use encoding_rs::{Encoding, UTF_8};

/// The body in UTF-8; as it is where no charset is named. A UTF-16 body is known by its first two bytes, too.
///
/// # Errors
/// The charset that is named is not known.
pub(super) fn in_utf8(body: Vec<u8>, content_type: Option<&str>) -> Result<Vec<u8>, String> {
    let named = content_type.and_then(charset);
    let encoding = match named {
        None => UTF_8,
        Some(name) => Encoding::for_label(name.as_bytes()).ok_or_else(|| format!("its charset \"{name}\" is not known"))?,
    };
    let encoding = Encoding::for_bom(&body).map_or(encoding, |(encoding, _)| encoding);
    // What is broken in UTF-8 is mended where it is read.
    if encoding == UTF_8 {
        return Ok(body);
    }
    Ok(encoding.decode(&body).0.into_owned().into_bytes())
}

/// The charset of a type such as `application/json; charset="utf-8"`.
fn charset(content_type: &str) -> Option<&str> {
    let parameters = content_type.split(';').skip(1).filter_map(|parameter| parameter.split_once('='));
    let mut charsets = parameters.filter(|(name, _)| name.trim().eq_ignore_ascii_case("charset"));
    charsets.next().map(|(_, value)| value.trim().trim_matches(['"', '\'']))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(body: &[u8], content_type: &str, expected: &str) {
        assert_eq!(in_utf8(body.to_vec(), Some(content_type)).as_deref(), Ok(expected.as_bytes()), "{content_type}");
    }

    #[test]
    fn the_named_charset_is_honoured() {
        check("é".as_bytes(), "application/json", "é");
        check("é".as_bytes(), "application/json; charset=utf-8", "é");
        check(b"5\x92 caf\xe9", "application/json; charset=windows-1252", "5’ café");
        check(b"caf\xe9", "application/json; odata=x; Charset=\"ISO-8859-1\"", "café");
        check(b"\xff\xfe{\0}\0", "application/json", "{}");
        check(b"{\0}\0", "application/json;charset=utf-16le", "{}");
        let unknown = in_utf8(Vec::new(), Some("text/json; charset=klingon")).expect_err("no such charset");
        assert!(unknown.contains("klingon"), "{unknown}");
    }

    #[test]
    fn broken_utf_8_is_left_to_the_reader() {
        assert_eq!(in_utf8(b"\xff".to_vec(), None), Ok(b"\xff".to_vec()));
    }
}
