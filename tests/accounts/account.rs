//! A vendor's sandbox with one account, and a configuration that names it alone.

use crate::support::{Ended, LIMIT, Program};
use mls_sync::sandbox::spark::{self, SparkSandbox};
use mls_sync::sandbox::spotahome::{self, SpotahomeSandbox};
use rusqlite::Connection;
use serde_json::Value;
use std::fs;
use std::net::{Ipv4Addr, SocketAddr, SocketAddrV4};
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;
use tempfile::TempDir;

/// Of header, payload and signature, the second names a user.
pub const TOKEN: &str = "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJhbGljZSIsImV4cCI6NDA3MDkwODgwMH0.secretsecretsecret";
pub const SPARK_TOKEN: &str = "spark-secret-token-0123456789";

/// A vendor's sandbox, and a configuration that names it alone.
pub struct Account<S> {
    pub sandbox: S,
    dir: TempDir,
    runs: AtomicU32,
    _runtime: tokio::runtime::Runtime,
}

const ANYWHERE: SocketAddr = SocketAddr::V4(SocketAddrV4::new(Ipv4Addr::LOCALHOST, 0));

pub fn spotahome(options: spotahome::Options) -> Account<SpotahomeSandbox> {
    let options = spotahome::Options { token: TOKEN.parse().unwrap(), ..options };
    let account = Account::of(|runtime| runtime.block_on(SpotahomeSandbox::start(options, ANYWHERE)).unwrap());
    account.write("token", TOKEN);
    account.configure(&format!(
        "[spotahome]\nbase_url = {:?}\ntoken_file = {:?}\nevery = \"1s\"\nitems_per_page = 20\n[spotahome.rate]\nrequests_per_second = 1000.0\n",
        account.sandbox.url(),
        account.path("token")
    ));
    account
}

pub fn spark(options: spark::Options) -> Account<SparkSandbox> {
    let options = spark::Options { token: SPARK_TOKEN.parse().unwrap(), ..options };
    let account = Account::of(|runtime| runtime.block_on(SparkSandbox::start(options, ANYWHERE)).unwrap());
    account.write("token", SPARK_TOKEN);
    account.configure(&format!(
        "[spark]\nbase_url = {:?}\naccess_token_file = {:?}\nevery = \"1s\"\n[spark.rate]\nrequests_per_second = 1000.0\n",
        account.sandbox.url(),
        account.path("token")
    ));
    account
}

impl<S> Account<S> {
    pub fn of(start: impl FnOnce(&tokio::runtime::Runtime) -> S) -> Account<S> {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        Account { sandbox: start(&runtime), dir: crate::support::directory(), runs: AtomicU32::new(0), _runtime: runtime }
    }

    pub fn configure(&self, sections: &str) {
        self.write("config.toml", &format!("database = {:?}\n{sections}", self.path("mls.db")));
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    pub fn write(&self, name: &str, text: &str) {
        fs::write(self.path(name), text).unwrap();
        fs::set_permissions(self.path(name), fs::Permissions::from_mode(0o600)).unwrap();
    }

    pub fn start(&self, arguments: &[&str]) -> Program {
        let config = self.path("config.toml");
        let run = self.runs.fetch_add(1, Ordering::Relaxed);
        let output = self.path(&format!("run-{run}"));
        Program::start(&[&["--config", config.to_str().unwrap()], arguments].concat(), &[], &output)
    }

    pub fn run(&self, arguments: &[&str]) -> Ended {
        self.start(arguments).wait(LIMIT)
    }

    pub fn number(&self, sql: &str) -> i64 {
        Connection::open(self.path("mls.db")).unwrap().query_row(sql, [], |row| row.get(0)).unwrap()
    }

    pub fn status(&self) -> Value {
        let shown: Value = serde_json::from_str(&self.run(&["status", "--json"]).succeeded().stdout).unwrap();
        shown["scanned"][0].clone()
    }

    pub fn ids(&self, sql: &str) -> Vec<i64> {
        let file = Connection::open(self.path("mls.db")).unwrap();
        let mut statement = file.prepare(sql).unwrap();
        statement.query_map([], |row| row.get(0)).unwrap().map(Result::unwrap).collect()
    }

    pub fn stop(&self, daemon: Program) {
        daemon.signal("TERM");
        daemon.wait(Duration::from_secs(10)).succeeded();
    }

    /// No secret stands in what was written: the file, and what the programs said.
    pub fn holds_none_of(&self, secrets: &[&str]) {
        let mut files = 0;
        for file in fs::read_dir(self.dir.path()).unwrap() {
            let path = file.unwrap().path();
            if path.file_name().is_some_and(|name| name != "token") && path.is_file() {
                let bytes = fs::read(&path).unwrap();
                files += 1;
                for secret in secrets {
                    assert!(!bytes.windows(secret.len()).any(|window| window == secret.as_bytes()), "{} holds a secret", path.display());
                }
            }
        }
        assert!(files >= 4, "{files} files");
    }
}
