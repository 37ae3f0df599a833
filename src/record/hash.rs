//! Hashes by which a record that came before is recognised.

/// 128 bits of a cryptographic hash over a record as it was sent, or over its decoded cells.
pub type Hash = [u8; 16];

/// Hash of a record as it was sent.
#[must_use]
pub fn raw_hash(bytes: &[u8]) -> Hash {
    let mut hash = [0; 16];
    hash.copy_from_slice(&blake3::hash(bytes).as_bytes()[..16]);
    hash
}
