//! A vendor whose answers are made beforehand: a page is put together by copying.

use flate2::{Compress, Compression, Crc, Decompress, FlushCompress, FlushDecompress};
use mls_sync::record::{PageRequest, Record, Stamp, Stream, Window};
use mls_sync::sandbox::World;
use mls_sync::vendor::constellation1::read_page;
use reqwest::Url;
use std::error::Error;
use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard};

/// Listings on a page.
pub(crate) const PAGE: usize = 200;
/// What stands before a listing's stamp.
const STAMP: &str = "\"MlsUpdateDate\":\"";

/// Some bytes of an answer, as they are sent: plain, or as deflate blocks that need nothing of what comes before them.
struct Piece {
    sent: Vec<u8>,
    /// The sum and the length of the plain bytes.
    crc: Crc,
}

/// By stamp.
type Records = Vec<(Stamp, Piece)>;

pub(crate) struct Vendor {
    listings: RwLock<Records>,
    deletions: Records,
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
    /// Without compression.
    fn stored(json: &[u8], plain: bool) -> Piece {
        let length = (json.len() as u16).to_le_bytes();
        let head = [0, length[0], length[1], !length[0], !length[1]];
        let head = if plain { &[] } else { head.as_slice() };
        Piece { sent: [head, json].concat(), crc: crc(json) }
    }

    fn new(json: &[u8], plain: bool) -> io::Result<Piece> {
        let mut sent = Vec::with_capacity(json.len() + 100);
        match plain {
            true => sent.extend(json),
            false => drop(Compress::new(Compression::default(), false).compress_vec(json, &mut sent, FlushCompress::Full)?),
        }
        sent.shrink_to_fit();
        Ok(Piece { sent, crc: crc(json) })
    }

    fn json(&self, plain: bool) -> Result<Vec<u8>, Box<dyn Error>> {
        if plain {
            return Ok(self.sent.clone());
        }
        let mut json = Vec::with_capacity(self.crc.amount() as usize + 1);
        Decompress::new(false).decompress_vec(&self.sent, &mut json, FlushDecompress::Sync)?;
        Ok(json)
    }
}

fn crc(bytes: &[u8]) -> Crc {
    let mut crc = Crc::new();
    crc.update(bytes);
    crc
}

impl Vendor {
    pub(crate) fn of(mut world: World, plain: bool) -> Result<Vendor, Box<dyn Error>> {
        let listings = RwLock::new(records(&mut world, Stream::All, plain)?);
        Ok(Vendor { listings, deletions: records(&mut world, Stream::Deleted, plain)?, plain, requests: AtomicU64::new(0) })
    }

    /// How many listings there are, and how many pages hold all records, each read once.
    pub(crate) fn counts(&self) -> (f64, f64) {
        let listings = self.listings().len();
        (listings as f64, (listings.div_ceil(PAGE) + self.deletions.len().div_ceil(PAGE)) as f64)
    }

    /// The bytes of all listings, as JSON and as sent.
    pub(crate) fn bytes(&self) -> (f64, f64) {
        let listings = self.listings();
        let json: f64 = listings.iter().map(|(_, piece)| f64::from(piece.crc.amount())).sum();
        (json, listings.iter().map(|(_, piece)| piece.sent.len()).sum::<usize>() as f64)
    }

    /// The listings as JSON arrays, page by page.
    pub(crate) fn json_pages(&self, mut each: impl FnMut(&[u8]) -> Result<(), Box<dyn Error>>) -> Result<(), Box<dyn Error>> {
        for page in self.listings().chunks(PAGE) {
            let json: Result<Vec<_>, _> = page.iter().map(|(_, piece)| piece.json(self.plain)).collect();
            each(&[b"[".as_slice(), &json?.join(&b','), b"]"].concat())?;
        }
        Ok(())
    }

    fn listings(&self) -> RwLockReadGuard<'_, Records> {
        self.listings.read().unwrap_or_else(PoisonError::into_inner)
    }

    /// Answers in threads of its own, until the process ends.
    pub(crate) fn start(self) -> io::Result<Served> {
        let listener = TcpListener::bind("127.0.0.1:0")?;
        let oldest = self.listings().first().map_or(Stamp::FIRST, |(stamp, _)| *stamp).to_wire();
        let served = Served { address: listener.local_addr()?, oldest, vendor: Arc::new(self) };
        let vendor = Arc::clone(&served.vendor);
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let vendor = Arc::clone(&vendor);
                std::thread::spawn(move || vendor.serve(stream).map_err(|error| eprintln!("a connection ended: {error}")));
            }
        });
        Ok(served)
    }

    fn serve(&self, mut stream: TcpStream) -> Result<(), Box<dyn Error>> {
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
                let url = Url::parse("http://vendor")?.join(request.split(' ').nth(1).unwrap_or_default())?;
                stream.write_all(&self.answer(&url)?)?;
                asked.clear();
            }
        }
    }

    /// The whole response. A path that begins with a number shows only so many of the newest listings, and no deletions; with
    /// `touch` and a number behind it, so many of these are stamped anew instead.
    fn answer(&self, url: &Url) -> Result<Vec<u8>, Box<dyn Error>> {
        let mut path = url.path().trim_matches('/').split('/');
        let newest = path.next().and_then(|newest| newest.parse::<usize>().ok());
        if let (Some(newest), Some("touch"), Some(count)) = (newest, path.next(), path.next()) {
            self.touch(newest, count.parse()?)?;
            return self.response(&[]);
        }
        let listings = self.listings();
        let shown = match (parameter(url, "Status").as_deref(), newest) {
            (Some("3"), None) => &self.deletions[..],
            (Some("3"), Some(_)) => &[],
            (_, newest) => &listings[listings.len().saturating_sub(newest.unwrap_or(usize::MAX))..],
        };
        self.page(shown, url)
    }

    fn page(&self, shown: &[(Stamp, Piece)], url: &Url) -> Result<Vec<u8>, Box<dyn Error>> {
        let stamp = |name: &str| parameter(url, name).and_then(|date| Stamp::parse(&date));
        let (from, to) = (stamp("FromUpdatedDate").unwrap_or(Stamp::FIRST), stamp("ToUpdatedDate").unwrap_or(Stamp::NO_END));
        let begin = shown.partition_point(|(stamp, _)| *stamp < from);
        let end = shown.partition_point(|(stamp, _)| *stamp <= to).max(begin);
        let matches = &shown[begin..end];
        let page: usize = parameter(url, "Page").and_then(|page| page.parse().ok()).unwrap_or(1);
        let results = matches.chunks(PAGE).nth(page - 1).unwrap_or_default();
        let next = if page * PAGE < matches.len() { (page + 1).to_string() } else { "null".to_owned() };
        let tail = format!(r#"],"Total":{},"Count":{},"NextPage":{next}}}"#, matches.len(), results.len());
        let [head, comma, tail] = [br#"{"Results":["#, b",".as_slice(), tail.as_bytes()].map(|json| Piece::stored(json, self.plain));
        let between = results.iter().flat_map(|(_, listing)| [&comma, listing]).skip(1);
        self.response(&[&head].into_iter().chain(between).chain([&tail]).collect::<Vec<_>>())
    }

    /// Stamps so many of the newest listings with the time that it is now, spread evenly over them.
    fn touch(&self, newest: usize, count: usize) -> Result<(), Box<dyn Error>> {
        let mut listings = self.listings.write().map_err(|_| "another change failed")?;
        let begin = listings.len().saturating_sub(newest);
        let now = Stamp::from_utc(chrono::Utc::now());
        for (stamp, piece) in listings[begin..].iter_mut().step_by((newest / count).max(1)).take(count) {
            let json = String::from_utf8(piece.json(self.plain)?)?;
            let (before, rest) = json.split_once(STAMP).ok_or("a listing without a stamp")?;
            let (_, after) = rest.split_once('"').ok_or("a stamp without an end")?;
            let json = format!("{before}{STAMP}{}\"{after}", now.to_wire());
            (*stamp, *piece) = (now, Piece::new(json.as_bytes(), self.plain)?);
        }
        listings.sort_by_key(|(stamp, _)| *stamp);
        Ok(())
    }

    fn response(&self, pieces: &[&Piece]) -> Result<Vec<u8>, Box<dyn Error>> {
        let length: usize = pieces.iter().map(|piece| piece.sent.len()).sum();
        let (length, encoding) = if self.plain { (length, "") } else { (length + 20, "Content-Encoding: gzip\r\n") };
        let date = chrono::Utc::now().format("%a, %d %b %Y %H:%M:%S GMT");
        let head =
            format!("HTTP/1.1 200 OK\r\nDate: {date}\r\nContent-Type: application/json\r\n{encoding}Content-Length: {length}\r\n\r\n");
        let mut response = Vec::with_capacity(head.len() + length);
        response.extend_from_slice(head.as_bytes());
        match self.plain {
            true => pieces.iter().for_each(|piece| response.extend_from_slice(&piece.sent)),
            false => gzip(pieces, &mut response),
        }
        Ok(response)
    }
}

fn parameter(url: &Url, wanted: &str) -> Option<String> {
    url.query_pairs().find(|(name, _)| name == wanted).map(|(_, value)| value.into_owned())
}

/// The deflate blocks of the pieces in one gzip member: 10 bytes of header, an empty last block of 2 bytes, sum and length.
fn gzip(pieces: &[&Piece], out: &mut Vec<u8>) {
    let mut crc = Crc::new();
    out.extend([0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 255]);
    for piece in pieces {
        out.extend_from_slice(&piece.sent);
        crc.combine(&piece.crc);
    }
    out.extend([3, 0]);
    out.extend(crc.sum().to_le_bytes());
    out.extend(crc.amount().to_le_bytes());
}

/// All records of a stream, by stamp.
fn records(world: &mut World, stream: Stream, plain: bool) -> Result<Records, Box<dyn Error>> {
    let window = Window { from: Stamp::FIRST, to: world.now() };
    let mut request = PageRequest { feeds: world.feeds(), stream, window, page: 1 };
    let mut records = Vec::new();
    loop {
        let page = read_page(&world.answer_page(&request).body)?;
        for Record { stamp, raw, .. } in page.records {
            records.push((stamp.ok_or("no stamp")?, Piece::new(raw.as_bytes(), plain)?));
        }
        match page.next_page {
            Some(next) => request.page = next,
            None => break,
        }
    }
    records.sort_by_key(|(stamp, _)| *stamp);
    Ok(records)
}
