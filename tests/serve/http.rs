//! A served mirror, and requests to it.

use crate::support::{KEY, LIMIT, Mirror, Program, eventually};
use md5::{Digest, Md5};
use serde_json::Value;
use std::fs;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::PathBuf;
use std::time::Duration;

/// `serve` at work, with a client that is named as the vendor's.
pub(crate) struct Served {
    pub(crate) program: Program,
    pub(crate) address: String,
    config: PathBuf,
}

impl Served {
    /// Starts it on the mirror's file; `keys` are of the section [serve].
    pub(crate) fn of(mirror: &Mirror, keys: &str) -> Served {
        let (key, config) = (mirror.dir().join("client-key"), mirror.dir().join("serve.toml"));
        fs::write(&key, KEY).unwrap();
        let clients = format!("[serve.clients.demo]\nkey_file = {key:?}\n");
        // As fast as it can, unless the test says so.
        let rate = if keys.contains("requests_per_second") { "" } else { "requests_per_second = 10000\n" };
        fs::write(&config, format!("database = {:?}\n[serve]\n{keys}{rate}{clients}", mirror.database())).unwrap();
        Served::start(mirror, config, "127.0.0.1:0")
    }

    fn start(mirror: &Mirror, config: PathBuf, listen: &str) -> Served {
        let program = mirror.start_bare(&["--config", config.to_str().unwrap(), "serve", "--listen", listen], &[]);
        let mut address = None;
        eventually("it listens", LIMIT, || {
            address =
                program.stdout().split("http://").nth(1).and_then(|rest| rest.split_once('\n')).map(|(address, _)| address.to_owned());
            address.is_some()
        });
        Served { program, address: address.unwrap(), config }
    }

    /// Ends it by SIGKILL and starts it again at the same place.
    pub(crate) fn restarted(self, mirror: &Mirror) -> Served {
        let Served { program, address, config } = self;
        program.kill();
        Served::start(mirror, config, &address)
    }

    /// Adds a client to the configuration.
    pub(crate) fn client(&self, name: &str, keys: &str) -> Client {
        let key = self.config.with_file_name("client-key");
        let config = fs::read_to_string(&self.config).unwrap();
        fs::write(&self.config, format!("{config}[serve.clients.{name}]\nkey_file = {key:?}\n{keys}")).unwrap();
        Client { name: name.to_owned() }
    }
}

pub(crate) struct Client {
    name: String,
}

impl Client {
    pub(crate) fn get(&self, served: &Served, path: &str, query: &[(&str, &str)]) -> Answer {
        let query: Vec<String> = query
            .iter()
            .map(|(name, value)| format!("{name}={}", value.bytes().map(|byte| format!("%{byte:02X}")).collect::<String>()))
            .collect();
        raw(&served.address, "GET", &format!("{path}?{}", query.join("&")), &signed(&self.name, KEY, "20260501120000"), "")
    }

    pub(crate) fn post(&self, served: &Served, path: &str, body: &Value) -> Answer {
        raw(&served.address, "POST", path, &signed(&self.name, KEY, "20260501120000"), &body.to_string())
    }
}

pub(crate) fn get(served: &Served, path: &str, query: &[(&str, &str)]) -> Answer {
    Client { name: "demo".to_owned() }.get(served, path, query)
}

pub(crate) fn post(served: &Served, path: &str, body: &Value) -> Answer {
    Client { name: "demo".to_owned() }.post(served, path, body)
}

pub(crate) fn signed(client: &str, key: &str, timestamp: &str) -> Vec<(String, String)> {
    let digest = Md5::digest(format!("{client} {key} x-ml-timestamp:{timestamp}"));
    let signature: String = digest.iter().map(|byte| format!("{byte:02x}")).collect();
    let auth = format!("client={client}&systemaccesskey={key}&signature={signature}");
    vec![("ml-auth".to_owned(), auth), ("x-ml-timestamp".to_owned(), timestamp.to_owned())]
}

#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) head: String,
    pub(crate) body: String,
}

impl Answer {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|error| panic!("{error}: HTTP {} {}", self.status, self.body))
    }

    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        let lines = self.head.lines().filter_map(|line| line.split_once(": "));
        lines.into_iter().find(|(known, _)| known.eq_ignore_ascii_case(name)).map(|(_, value)| value)
    }
}

/// One request over a connection of its own.
pub(crate) fn raw(address: &str, method: &str, path: &str, headers: &[(String, String)], body: &str) -> Answer {
    let mut stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
    let headers: String = headers.iter().map(|(name, value)| format!("{name}: {value}\r\n")).collect();
    let length = body.len();
    let request =
        format!("{method} {path} HTTP/1.1\r\nhost: {address}\r\nconnection: close\r\n{headers}content-length: {length}\r\n\r\n{body}");
    // A server that has refused may have closed already; what it said is read all the same.
    stream.write_all(request.as_bytes()).ok();
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).ok();
    let answer = String::from_utf8(answer).unwrap();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap_or_else(|| panic!("no answer to {method} {path}: {answer:?}"));
    let status = head.split_whitespace().nth(1).and_then(|code| code.parse().ok()).unwrap();
    Answer { status, head: head.to_owned(), body: body.to_owned() }
}
