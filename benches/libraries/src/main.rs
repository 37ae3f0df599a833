//! How long other libraries and settings take, compared with those of the program.
//!
//! The page is one of the sandbox: 200 listings with every field. Each line is the fastest of 15 rounds; in each round, every way of a
//! group runs once.

use mls_sync::record::{Cell, PageRequest, Stamp, Stream, Window, raw_hash};
use mls_sync::sandbox::{Options, Shape, World};
use mls_sync::vendor::LISTINGS;
use mls_sync::vendor::constellation1::read_page;
use rusqlite::types::Value;
use rusqlite::{Connection, OptionalExtension, params_from_iter};
use serde::Deserialize;
use serde_json::value::RawValue;
use sonic_rs::LazyValue;
use std::collections::HashMap;
use std::hint::black_box;
use std::io::{Read, Write};
use std::iter::once;
use std::time::{Duration, Instant};

const ROUNDS: usize = 15;
const ON_A_PAGE: usize = 200;
/// Pages that SQLite stores in a round.
const PAGES: usize = 50;

/// A way to do something, and how long it takes once.
type Way<'a> = (&'a str, Box<dyn FnMut() -> Duration + 'a>);

fn main() {
    let body = body();
    println!("a page of {ON_A_PAGE} listings, {:.1} MB of JSON", body.len() as f64 / 1e6);
    reading(&body);
    hashing(&body);
    unpacking(&body);
    storing(&body);
}

fn body() -> Vec<u8> {
    let feeds = vec!["GAMLS".to_owned()];
    let options = Options { feeds, listings: ON_A_PAGE, deleted: 0, page_size: ON_A_PAGE, shape: Shape::Union, ..Options::default() };
    let mut world = World::new(options);
    let window = Window { from: Stamp::FIRST, to: world.now() };
    world.answer_page(&PageRequest { feeds: world.feeds(), stream: Stream::All, window, page: 1 }).body
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Envelope<'a> {
    #[serde(borrow)]
    results: Vec<&'a RawValue>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct LazyEnvelope<'a> {
    #[serde(borrow)]
    results: Vec<LazyValue<'a>>,
}

/// From the bytes of a page to the members of each record, by name, their values as sent.
fn reading(body: &[u8]) {
    compare(
        "read a page: the members of each record, values as sent",
        vec![
            ("the program, with key, stamp and hash of each record", timed(|| read_page(body).expect("a page"))),
            (
                "serde_json, RawValue",
                timed(|| {
                    let page: Envelope = serde_json::from_slice(body).expect("a page");
                    let members =
                        |record: &&RawValue| serde_json::from_str::<HashMap<&str, &RawValue>>(record.get()).expect("an object").len();
                    page.results.iter().map(members).sum::<usize>()
                }),
            ),
            (
                "sonic-rs, LazyValue, built for any x86-64 as a program is that others install",
                timed(|| {
                    let page: LazyEnvelope = sonic_rs::from_slice(body).expect("a page");
                    let members =
                        |record: &LazyValue| sonic_rs::from_str::<HashMap<&str, LazyValue>>(record.as_raw_str()).expect("an object").len();
                    page.results.iter().map(members).sum::<usize>()
                }),
            ),
            (
                "simd-json, one tape of the whole page: no text of each record, and no number as it was sent",
                Box::new(|| {
                    // It changes the bytes that it reads. A program that owns them needs no copy, so the copy is not timed.
                    let mut bytes = body.to_vec();
                    let begun = Instant::now();
                    black_box(simd_json::to_tape(&mut bytes).expect("a page"));
                    begun.elapsed()
                }),
            ),
        ],
    );
}

fn hashing(body: &[u8]) {
    let page = read_page(body).expect("a page");
    let records: Vec<&[u8]> = page.records.iter().map(|record| record.raw.as_bytes()).collect();
    compare(
        "hash each record",
        vec![
            ("the program: blake3", timed(|| records.iter().map(|record| raw_hash(record)).collect::<Vec<_>>())),
            ("xxh3, 128 bits", timed(|| records.iter().map(|record| xxhash_rust::xxh3::xxh3_128(record)).collect::<Vec<_>>())),
        ],
    );
}

fn unpacking(body: &[u8]) {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    encoder.write_all(body).expect("memory takes all");
    let packed = encoder.finish().expect("memory takes all");
    // Without a name or a comment, the header of a gzip has 10 bytes, and 8 follow what is packed.
    let bare = &packed[10..packed.len() - 8];
    compare(
        "unpack a page",
        vec![
            (
                "as the program: zlib-rs, into one piece",
                timed(|| {
                    let (mut out, mut filled) = (vec![0; body.len()], 0);
                    let mut decoder = flate2::bufread::MultiGzDecoder::new(packed.as_slice());
                    while filled < out.len() {
                        filled += decoder.read(&mut out[filled..]).expect("a gzip");
                    }
                    assert_eq!(decoder.read(&mut [0]).expect("a gzip"), 0);
                    out
                }),
            ),
            (
                "miniz_oxide, without the check of the sum",
                timed(|| {
                    let mut out = vec![0; body.len()];
                    miniz_oxide::inflate::decompress_slice_iter_to_slice(&mut out, once(bare), false, false).expect("packed");
                    out
                }),
            ),
            (
                "libdeflate",
                timed(|| {
                    let mut out = vec![0; body.len()];
                    libdeflater::Decompressor::new().gzip_decompress(&packed, &mut out).expect("a gzip");
                    out
                }),
            ),
        ],
    );
}

/// New rows of a table with the columns of `listings`, each looked for first, in transactions of a page that are synced to the disk.
fn storing(body: &[u8]) {
    let page = read_page(body).expect("a page");
    let cells = |cell: &Cell| match cell {
        Cell::Absent | Cell::Null => Value::Null,
        Cell::Integer(value) => Value::Integer(*value),
        Cell::Real(value) => Value::Real(*value),
        Cell::Text(value) => Value::Text(value.to_string()),
    };
    let rows: Vec<Vec<Value>> = page.records.iter().map(|record| (LISTINGS.decode)(record).cells.iter().map(cells).collect()).collect();
    let insert = |pragmas: &'static str, keeps_statements: bool| -> Box<dyn FnMut() -> Duration + '_> {
        let rows = &rows;
        Box::new(move || store(rows, pragmas, keeps_statements))
    };
    compare(
        "store 50 pages by SQLite, the syncs included",
        vec![
            ("as the program: pages of 16 KiB, statements kept prepared", insert("PRAGMA page_size = 16384;", true)),
            ("each statement prepared anew", insert("PRAGMA page_size = 16384;", false)),
            ("pages of 4 KiB, a WAL of as many bytes", insert("PRAGMA page_size = 4096; PRAGMA wal_autocheckpoint = 4000;", true)),
            ("pages of 8 KiB, a WAL of as many bytes", insert("PRAGMA page_size = 8192; PRAGMA wal_autocheckpoint = 2000;", true)),
            ("the file mapped into memory", insert("PRAGMA page_size = 16384; PRAGMA mmap_size = 1073741824;", true)),
        ],
    );
}

fn store(rows: &[Vec<Value>], pragmas: &str, keeps_statements: bool) -> Duration {
    // The directory for temporary files may lie in memory.
    let directory = tempfile::tempdir_in(".").expect("a directory");
    let mut connection = Connection::open(directory.path().join("rows.db")).expect("a file");
    connection.set_prepared_statement_cache_capacity(if keeps_statements { 64 } else { 0 });
    let setting = "PRAGMA journal_mode = wal; PRAGMA synchronous = full; PRAGMA cache_size = -65536;";
    let columns: Vec<&str> = LISTINGS.fields.iter().map(|field| field.column).collect();
    let table = format!("CREATE TABLE rows (key TEXT PRIMARY KEY, {});", columns.join(", "));
    connection.execute_batch(&format!("{pragmas}{setting}{table}")).expect("a table");
    let places = vec!["?"; columns.len() + 1].join(", ");
    let sql = format!("INSERT INTO rows VALUES ({places})");
    let begun = Instant::now();
    for page in 0..PAGES {
        let tx = connection.transaction().expect("a transaction");
        for (place, row) in rows.iter().enumerate() {
            // Not in their order, as listing numbers are not.
            let key = format!("{:09}", (page * rows.len() + place).wrapping_mul(2_654_435_761) % 1_000_000_007);
            let mut find = tx.prepare_cached("SELECT rowid FROM rows WHERE key = ?").expect("a statement");
            let found: Option<i64> = find.query_row([&key], |row| row.get(0)).optional().expect("an answer");
            assert_eq!(found, None);
            let key = Value::Text(key);
            let mut insert = tx.prepare_cached(&sql).expect("a statement");
            insert.execute(params_from_iter(once(&key).chain(row))).expect("a row");
        }
        tx.commit().expect("stored");
    }
    begun.elapsed()
}

fn timed<'a, T>(mut act: impl FnMut() -> T + 'a) -> Box<dyn FnMut() -> Duration + 'a> {
    Box::new(move || {
        let begun = Instant::now();
        black_box(act());
        begun.elapsed()
    })
}

/// Prints how long each way takes, as a share of the first.
fn compare(what: &str, mut ways: Vec<Way>) {
    let mut fastest = vec![Duration::MAX; ways.len()];
    for _ in 0..ROUNDS {
        for (fastest, (_, way)) in fastest.iter_mut().zip(&mut ways) {
            *fastest = way().min(*fastest);
        }
    }
    println!("\n{what}: {:.2} ms", fastest[0].as_secs_f64() * 1e3);
    for ((name, _), took) in ways.iter().zip(&fastest) {
        println!("{:8.2}  {name}", took.as_secs_f64() / fastest[0].as_secs_f64());
    }
}
