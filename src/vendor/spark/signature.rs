//! The signatures of the session mode.

use md5::{Digest, Md5};

/// The signature of a sign-in.
pub(super) fn of_session(key: &str, secret: &str) -> String {
    hex(&format!("{secret}ApiKey{key}"))
}

/// The signature of a request: its path with the version, its query, and its body as sent. The parameters are signed raw, in
/// the byte order of their names, AuthToken and ApiUser among them.
pub(super) fn of_request(key: &str, secret: &str, path: &str, query: &[(&str, String)], body: &str) -> String {
    let mut query: Vec<&(&str, String)> = query.iter().collect();
    query.sort();
    let query: String = query.iter().map(|(name, value)| format!("{name}{value}")).collect();
    hex(&format!("{secret}ApiKey{key}ServicePath{path}{query}{body}"))
}

fn hex(signed: &str) -> String {
    let digest = Md5::digest(signed);
    digest.iter().flat_map(|byte| [byte >> 4, byte & 15]).filter_map(|digit| char::from_digit(u32::from(digit), 16)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(path: &str, query: &[(&'static str, &str)], body: &str, expected: &str) {
        let query: Vec<(&str, String)> = query.iter().map(|(name, value)| (*name, (*value).to_owned())).collect();
        assert_eq!(of_request("my_key", "my_secret", path, &query, body), expected, "{path} {body}");
    }

    #[test]
    fn signs_the_vendors_vectors() {
        assert_eq!(of_session("abcd", "1234"), "2fde9e59147081ad4e39382e1f809710");
        assert_eq!(of_session("my_key", "my_secret"), "c731cf2455fbc7a4ef937b2301108d7a");
        let page = [("_page", "1"), ("_pagination", "1"), ("AuthToken", "1234")];
        let listings = [&page[..], &[("ApiUser", "foobar"), ("_limit", "10")]].concat();
        check("/v1/listings", &listings, "", "1cb789831f8f4c6925dc708c93762a2c");
        let identities = [&page[..], &[("_limit", "25")]].concat();
        check("/v1/developers/identities", &identities, "", "02c5637d9c57fedd22fb82e944c9a539");
        let body = r#"{"D":{"FirstName":"Joe"}}"#;
        check("/v1/developers/identities", &[("AuthToken", "1234")], body, "02ec693d3eb31b1ef47429a98c4bc7c0");
    }
}
