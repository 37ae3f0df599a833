//! The key of the sandbox's only client, which no debug output shows.

use std::fmt;
use std::str::FromStr;

/// The system access key of the sandbox's only client.
#[derive(Clone, PartialEq, Eq)]
pub struct Key(pub String);

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Key(hidden)")
    }
}

impl FromStr for Key {
    type Err = std::convert::Infallible;

    fn from_str(text: &str) -> Result<Key, Self::Err> {
        Ok(Key(text.to_owned()))
    }
}
