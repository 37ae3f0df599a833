//! A vendor whose answers are made beforehand: a page is put together by copying.

use flate2::{Compress, Compression, Crc, FlushCompress};
use mls_sync::record::{PageRequest, Record, Stamp, Stream, Window};
use mls_sync::sandbox::World;
use mls_sync::vendor::constellation1::read_page;
use std::error::Error;
use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// Listings on a page.
pub(crate) const PAGE: usize = 200;

/// Some bytes of an answer, also as deflate blocks that need nothing of what comes before them.
pub(crate) struct Piece {
    pub(crate) json: Vec<u8>,
    deflated: Vec<u8>,
    crc: Crc,
}

pub(crate) struct Vendor {
    /// By stamp, as the next.
    pub(crate) listings: Vec<(Stamp, Piece)>,
    pub(crate) deletions: Vec<(Stamp, Piece)>,
    /// What stands between two of them.
    comma: Piece,
    plain: bool,
    requests: AtomicU64,
}

/// A vendor that listens.
pub(crate) struct Served {
    pub(crate) address: SocketAddr,
    /// The oldest stamp: proving that there is nothing before it takes waits, which are not to be measured.
    pub(crate) oldest: String,
    vendor: Arc<Vendor>,
}

impl Served {
    /// How many requests came since this was asked last.
    pub(crate) fn take_requests(&self) -> u64 {
        self.vendor.requests.swap(0, Ordering::Relaxed)
    }
}

impl Piece {
    fn stored(json: Vec<u8>) -> Piece {
        let mut deflated = vec![0];
        let length = json.len() as u16;
        deflated.extend(length.to_le_bytes());
        deflated.extend((!length).to_le_bytes());
        deflated.extend(&json);
        Piece { crc: crc(&json), json, deflated }
    }

    fn deflated(json: Vec<u8>) -> io::Result<Piece> {
        let mut deflated = Vec::with_capacity(json.len() + 100);
        Compress::new(Compression::default(), false).compress_vec(&json, &mut deflated, FlushCompress::Full)?;
        deflated.shrink_to_fit();
        Ok(Piece { crc: crc(&json), json, deflated })
    }
}

fn crc(bytes: &[u8]) -> Crc {
    let mut crc = Crc::new();
    crc.update(bytes);
    crc
}

impl Vendor {
    pub(crate) fn of(world: &mut World, plain: bool) -> Result<Vendor, Box<dyn Error>> {
        let (listings, deletions) = (records(world, Stream::All)?, records(world, Stream::Deleted)?);
        Ok(Vendor { listings, deletions, comma: Piece::stored(b",".to_vec()), plain, requests: AtomicU64::new(0) })
    }

    /// How many pages hold all records, each read once.
    pub(crate) fn pages(&self) -> usize {
        self.listings.len().div_ceil(PAGE) + self.deletions.len().div_ceil(PAGE)
    }

    pub(crate) fn json_bytes(&self) -> f64 {
        self.listings.iter().map(|(_, piece)| piece.json.len()).sum::<usize>() as f64
    }

    pub(crate) fn sent_bytes(&self) -> f64 {
        let sent = |piece: &Piece| if self.plain { piece.json.len() } else { piece.deflated.len() };
        self.listings.iter().map(|(_, piece)| sent(piece)).sum::<usize>() as f64
    }

    /// Answers in threads of its own, until the process ends.
    pub(crate) fn start(self) -> io::Result<Served> {
        let listener = TcpListener::bind("127.0.0.1:0")?;
        let oldest = self.listings.first().map_or(Stamp::FIRST, |(stamp, _)| *stamp).to_wire();
        let served = Served { address: listener.local_addr()?, oldest, vendor: Arc::new(self) };
        let vendor = Arc::clone(&served.vendor);
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let vendor = Arc::clone(&vendor);
                std::thread::spawn(move || vendor.serve(stream));
            }
        });
        Ok(served)
    }

    fn serve(&self, mut stream: TcpStream) -> io::Result<()> {
        stream.set_nodelay(true)?;
        let mut asked = Vec::new();
        let mut buffer = [0; 4096];
        loop {
            match stream.read(&mut buffer)? {
                0 => return Ok(()),
                length => asked.extend_from_slice(&buffer[..length]),
            }
            if asked.ends_with(b"\r\n\r\n") {
                self.requests.fetch_add(1, Ordering::Relaxed);
                let request = String::from_utf8_lossy(&asked);
                stream.write_all(&self.answer(request.split(' ').nth(1).unwrap_or_default()))?;
                asked.clear();
            }
        }
    }

    /// The whole response to this path with its query.
    fn answer(&self, path: &str) -> Vec<u8> {
        let url = reqwest::Url::parse("http://vendor").and_then(|url| url.join(path)).expect("a path");
        let asked = |wanted: &str| url.query_pairs().find(|(name, _)| name == wanted).map(|(_, value)| value.into_owned());
        let stamp = |name: &str| asked(name).and_then(|date| Stamp::parse(&date));
        let (from, to) = (stamp("FromUpdatedDate").unwrap_or(Stamp::FIRST), stamp("ToUpdatedDate").unwrap_or(Stamp::NO_END));
        let records = if asked("Status").as_deref() == Some("3") { &self.deletions } else { &self.listings };
        let begin = records.partition_point(|(stamp, _)| *stamp < from);
        let end = records.partition_point(|(stamp, _)| *stamp <= to).max(begin);
        let matches = &records[begin..end];
        let page: usize = asked("Page").and_then(|page| page.parse().ok()).unwrap_or(1);
        let results = matches.chunks(PAGE).nth(page - 1).unwrap_or_default();
        let next = if page * PAGE < matches.len() { (page + 1).to_string() } else { "null".to_owned() };
        let head = Piece::stored(br#"{"Results":["#.to_vec());
        let tail = format!(r#"],"Total":{},"Count":{},"NextPage":{next}}}"#, matches.len(), results.len());
        let tail = Piece::stored(tail.into_bytes());
        let between = results.iter().flat_map(|(_, listing)| [&self.comma, listing]).skip(1);
        self.response(&[&head].into_iter().chain(between).chain([&tail]).collect::<Vec<_>>())
    }

    fn response(&self, pieces: &[&Piece]) -> Vec<u8> {
        let length: usize = pieces.iter().map(|piece| if self.plain { piece.json.len() } else { piece.deflated.len() }).sum();
        let (length, encoding) = if self.plain { (length, "") } else { (length + 20, "Content-Encoding: gzip\r\n") };
        let date = chrono::Utc::now().format("%a, %d %b %Y %H:%M:%S GMT");
        let head =
            format!("HTTP/1.1 200 OK\r\nDate: {date}\r\nContent-Type: application/json\r\n{encoding}Content-Length: {length}\r\n\r\n");
        let mut response = Vec::with_capacity(head.len() + length);
        response.extend_from_slice(head.as_bytes());
        match self.plain {
            true => pieces.iter().for_each(|piece| response.extend_from_slice(&piece.json)),
            false => gzip(pieces, &mut response),
        }
        response
    }
}

/// The deflate blocks of the pieces in one gzip member: 10 bytes of header, an empty last block of 2 bytes, sum and length.
fn gzip(pieces: &[&Piece], out: &mut Vec<u8>) {
    let mut crc = Crc::new();
    out.extend([0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 255]);
    for piece in pieces {
        out.extend_from_slice(&piece.deflated);
        crc.combine(&piece.crc);
    }
    out.extend([3, 0]);
    out.extend(crc.sum().to_le_bytes());
    out.extend(crc.amount().to_le_bytes());
}

/// All records of a stream, by stamp.
fn records(world: &mut World, stream: Stream) -> Result<Vec<(Stamp, Piece)>, Box<dyn Error>> {
    let window = Window { from: Stamp::FIRST, to: world.now() };
    let mut request = PageRequest { feeds: world.feeds(), stream, window, page: 1 };
    let mut records = Vec::new();
    loop {
        let page = read_page(&world.answer_page(&request).body)?;
        for Record { stamp, raw, .. } in page.records {
            records.push((stamp.ok_or("no stamp")?, Piece::deflated(raw.into_bytes())?));
        }
        match page.next_page {
            Some(next) => request.page = next,
            None => break,
        }
    }
    records.sort_by_key(|(stamp, _)| *stamp);
    Ok(records)
}
