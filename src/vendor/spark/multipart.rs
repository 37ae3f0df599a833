//! A form with a file, as `multipart/form-data`.

use crate::record::raw_hash;

/// A form: text fields, of which those without a value are left out, and one file with its field, name and content.
pub(super) struct Form<'a> {
    pub(super) fields: &'a [(&'a str, Option<&'a str>)],
    pub(super) file: (&'a str, &'a str, &'a [u8]),
}

/// The type and the body of a form.
pub(super) fn form(form: &Form<'_>) -> (String, Vec<u8>) {
    let (field, name, content) = form.file;
    // The boundary is a hash of the content, so it does not occur in the content.
    let boundary: String = raw_hash(content).iter().map(|byte| format!("{byte:02x}")).collect();
    let boundary = format!("mls-sync-{boundary}");
    let mut body = Vec::with_capacity(content.len() + 1024);
    for (field, value) in form.fields.iter().filter_map(|(field, value)| Some((field, (*value)?))) {
        body.extend(format!("--{boundary}\r\nContent-Disposition: form-data; name=\"{field}\"\r\n\r\n{value}\r\n").bytes());
    }
    let name = escaped(name);
    let disposition =
        format!("Content-Disposition: form-data; name=\"{field}\"; filename=\"{name}\"\r\nContent-Type: application/octet-stream");
    body.extend(format!("--{boundary}\r\n{disposition}\r\n\r\n").bytes());
    body.extend_from_slice(content);
    body.extend(format!("\r\n--{boundary}--\r\n").bytes());
    (format!("multipart/form-data; boundary={boundary}"), body)
}

/// A file name in quotes, as the HTML standard escapes it.
fn escaped(name: &str) -> String {
    name.replace('"', "%22").replace('\r', "%0D").replace('\n', "%0A")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_form_holds_its_fields_and_its_file() {
        let fields = [("Token", Some("t")), ("Caption", None)];
        let (kind, body) = form(&Form { fields: &fields, file: ("File", "a\"\r\nb.jpg", b"\xff\xd8") });
        let boundary = kind.strip_prefix("multipart/form-data; boundary=").expect("a boundary");
        let text = String::from_utf8_lossy(&body);
        let expected = format!(
            "--{boundary}\r\nContent-Disposition: form-data; name=\"Token\"\r\n\r\nt\r\n--{boundary}\r\nContent-Disposition: form-data; name=\"File\"; filename=\"a%22%0D%0Ab.jpg\"\r\nContent-Type: application/octet-stream\r\n\r\n\u{fffd}\u{fffd}\r\n--{boundary}--\r\n"
        );
        assert_eq!(text, expected);
    }
}
