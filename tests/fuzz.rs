//! Whatever bytes a vendor sends: the claims of the fuzz targets, over their corpus and seeded mutations of it.
//!
//! `MLS_SYNC_FUZZ_SECONDS` lets each of them run so long instead of a fixed number of mutations.

mod harness;

use rusqlite::Connection;
use std::fs;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::time::{Duration, Instant};

/// Mutations of an ordinary run, a target.
const MUTATIONS: u32 = 200_000;
/// A mutated input grows no longer, so that an ordinary run stays short.
const LONGEST: usize = 4096;
/// What mutations put in: what has been trouble somewhere.
const ODD: [&[u8]; 42] = [
    b"NaN",
    b"Infinity",
    b"-Infinity",
    b"\"",
    b"\\",
    b"\\u0000",
    b"\\ud800",
    b"\\udc00",
    b"\0",
    b"\x1b",
    b"\n",
    b"\xff",
    b"\xed\xa0\x80",
    b"\xef\xbb\xbf",
    b"1e400",
    b"-1e400",
    b"3000000000",
    b"9223372036854775808",
    b"-0",
    b"[[[[",
    b"]]]]",
    b"{\"a\":",
    b"}",
    b",",
    b":",
    b"null",
    b"true",
    b"\"FeedId\":\"\"",
    b"\"ListingId\":1",
    b"\"Beds\":",
    b"\"Media\":{\"Photos\":[",
    b"\"ListingMedia\":",
    b"\"Total\":",
    b"\"beds\":\"3\",",
    b"\"BEDS\":2.0",
    b"/Date(1732570195000-0500)/",
    b"2026-11-25 21:29:55+0000",
    b"\"NextPage\":\"\"",
    b"\"Photos\":{",
    b"seconds",
    b"0001-01-01T00:00:00",
    b"9999-12-31T23:59:59.9999999Z",
];

struct Dice(u64);

impl Dice {
    fn below(&mut self, limit: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 % limit.max(1) as u64) as usize
    }
}

fn corpus(target: &str) -> Vec<Vec<u8>> {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fuzz/corpus").join(target);
    let mut paths: Vec<_> = fs::read_dir(directory).expect("a corpus").map(|entry| entry.expect("an entry").path()).collect();
    // The order of a directory is not the same everywhere; the mutations are to be.
    paths.sort();
    paths.iter().map(|path| fs::read(path).expect("an entry")).collect()
}

fn mutated(seeds: &[Vec<u8>], dice: &mut Dice) -> Vec<u8> {
    let mut bytes = seeds[dice.below(seeds.len())].clone();
    for _ in 0..=dice.below(4) {
        let at = dice.below(bytes.len() + 1);
        let end = at + dice.below(bytes.len() - at + 1).min(40);
        match dice.below(7) {
            0 => bytes.truncate(at),
            1 => drop(bytes.drain(at..end)),
            2 => drop(bytes.splice(at..at, bytes[at..end].to_vec())),
            3 => drop(bytes.splice(at..end, ODD[dice.below(ODD.len())].iter().copied())),
            4 => {
                let other = &seeds[dice.below(seeds.len())];
                let from = dice.below(other.len() + 1);
                bytes.splice(at..end, other[from..].iter().copied().take(200));
            }
            5 if at < bytes.len() => bytes[at] = dice.below(256) as u8,
            _ => drop(bytes.splice(at..at, ODD[dice.below(ODD.len())].iter().copied())),
        }
    }
    bytes.truncate(LONGEST);
    bytes
}

/// The claim holds for the corpus and for what mutations make of it; the same ones in every ordinary run.
fn check(target: &str, claim: impl Fn(&[u8])) {
    let tried = |bytes: &[u8]| {
        let outcome = catch_unwind(AssertUnwindSafe(|| claim(bytes)));
        assert!(outcome.is_ok(), "{target}: {:?}", String::from_utf8_lossy(bytes));
    };
    let seeds = corpus(target);
    assert!(seeds.len() > 10, "{target} has hardly a corpus");
    seeds.iter().for_each(|bytes| tried(bytes));
    let seconds = std::env::var("MLS_SYNC_FUZZ_SECONDS").ok().map(|text| text.parse().expect("a number of seconds"));
    let end = seconds.map(|seconds| Instant::now() + Duration::from_secs(seconds));
    let mut dice = Dice(0x5EED);
    let mut done = 0;
    while end.map_or(done < MUTATIONS, |end| Instant::now() < end) {
        tried(&mutated(&seeds, &mut dice));
        done += 1;
    }
    println!("{target}: {done} mutations of {} entries", seeds.len());
}

#[test]
fn every_result_of_a_page_becomes_a_record_or_a_reject() {
    check("envelope", harness::envelope);
}

#[test]
fn no_member_of_a_record_is_lost_and_sqlite_reads_what_is_stored() {
    let sqlite = Connection::open_in_memory().expect("a database");
    let mut valid = sqlite.prepare("SELECT json_valid(?1) AND (SELECT count(*) FROM json_tree(?1)) > 0").expect("a query");
    let valid = std::cell::RefCell::new(&mut valid);
    check("record", |bytes| {
        for json in harness::record(bytes) {
            assert_eq!(valid.borrow_mut().query_row([&json], |row| row.get(0)), Ok(true), "{json}");
        }
    });
}

#[test]
fn nobody_is_asked_earlier_than_a_429_says() {
    check("throttle", harness::throttle);
}
