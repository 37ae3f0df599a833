//! Who may import whom, and the other rules of the rooms: checked on the text of `src`.

mod circles;
mod source;

use circles::{Circle, circles, file_steps, module_steps};
use source::{Source, is_word, sources};
use std::fmt;

/// What a top-level module may use of ours (paths below the crate), and which other paths it must never name.
struct Rule {
    module: &'static str,
    may: &'static [&'static str],
    never: &'static [&'static str],
    /// Whether SQL and URLs have no place in its strings.
    wordless: bool,
}

const NETWORK_AND_FILES: &[&str] = &["reqwest", "rusqlite"];
const IMPURE: &[&str] = &[
    "axum",
    "Utc::now",
    "chrono::Local",
    "chrono::Utc::now",
    "governor",
    "rand",
    "reqwest",
    "rusqlite",
    "std::env",
    "std::fs",
    "std::io",
    "std::net",
    "std::process",
    "std::thread",
    "std::time::Instant",
    "std::time::SystemTime",
    "tokio",
    "tracing",
];

const RULES: &[Rule] = &[
    Rule { module: "record", may: &[], never: IMPURE, wordless: true },
    Rule { module: "entity", may: &["record"], never: IMPURE, wordless: true },
    Rule { module: "plan", may: &["record", "entity"], never: IMPURE, wordless: true },
    Rule { module: "vendor", may: &["record", "entity"], never: &["rusqlite"], wordless: false },
    Rule { module: "store", may: &["record", "entity", "plan"], never: &["reqwest"], wordless: false },
    Rule { module: "sync", may: &["record", "entity", "plan", "store", "vendor"], never: NETWORK_AND_FILES, wordless: true },
    Rule { module: "serve", may: &["record", "entity", "store", "vendor"], never: &["reqwest"], wordless: false },
    Rule { module: "follow", may: &["record", "entity", "store"], never: &[], wordless: false },
    Rule { module: "publish", may: &["record", "entity", "store"], never: &[], wordless: false },
    Rule { module: "sandbox", may: &["record", "entity", "vendor"], never: &["reqwest"], wordless: false },
    Rule { module: "config", may: &["record", "vendor"], never: &["rusqlite"], wordless: false },
    Rule {
        module: "daemon",
        may: &["config", "entity", "plan", "record", "store", "sync", "vendor"],
        never: NETWORK_AND_FILES,
        wordless: true,
    },
    Rule {
        module: "cli",
        may: &["config", "daemon", "entity", "plan", "record", "sandbox", "serve", "store", "sync", "vendor"],
        never: NETWORK_AND_FILES,
        wordless: false,
    },
    Rule { module: "lib", may: &[], never: IMPURE, wordless: true },
    Rule { module: "main", may: &[], never: NETWORK_AND_FILES, wordless: true },
];

/// The modules in `vendor` that are one vendor each. None may name another, and what they share may name none.
const VENDORS: [&str; 3] = ["constellation1", "spark", "spotahome"];
/// The file in which they meet, as the cases of one closed enum.
const MEETING: &str = "vendor/catalogue.rs";
/// What `daemon`, `cli` and `config` may name of a vendor: what the client is constructed from.
const CONSTRUCTORS: [&str; 2] = ["Client", "ClientOptions"];
/// What the sandbox and `serve` may name of a vendor, and of `vendor` at all.
const FIELD_TABLES: &str = "fields";
/// The sandbox reads a mirror in one file alone: where it compares the mirror with its truth.
const SANDBOX_READS_MIRROR: &str = "sandbox/verify.rs";
/// Lines of a file before its tests.
const LONGEST: usize = 300;
/// Files that may be longer, because they are a table of data.
const TABLES_OF_DATA: [&str; 1] = ["vendor/constellation1/fields.rs"];
#[derive(Debug, PartialEq, Eq)]
struct Fault {
    file: String,
    line: usize,
    what: String,
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "src/{}:{}: {}", self.file, self.line, self.what)
    }
}

fn fault(source: &Source, line: usize, what: impl Into<String>) -> Fault {
    Fault { file: source.file.clone(), line, what: what.into() }
}

fn below(path: &str, root: &str) -> bool {
    path.strip_prefix(root).is_some_and(|rest| rest.is_empty() || rest.starts_with("::"))
}

fn faults(source: &Source) -> Vec<Fault> {
    let Some(rule) = RULES.iter().find(|rule| rule.module == source.top()) else {
        return vec![fault(source, 1, format!("the module {} has no rule: add one to tests/architecture.rs", source.top()))];
    };
    let mut faults = import_faults(source, rule);
    faults.extend(word_faults(source, rule));
    faults
}

fn import_faults(source: &Source, rule: &Rule) -> Vec<Fault> {
    let mut faults = Vec::new();
    for (line, path) in source.ours() {
        if !below(path, rule.module) && !rule.may.iter().any(|root| below(path, root)) {
            faults.push(fault(source, line, format!("{} must not use crate::{path}; it may use {:?}", rule.module, rule.may)));
        }
        if let Some(what) = vendor_fault(source, path) {
            faults.push(fault(source, line, format!("this must not name crate::{path}: {what}")));
        }
    }
    for named in &source.paths {
        let (line, path) = (named.line, &named.path);
        if let Some(never) = rule.never.iter().find(|root| below(path, root)) {
            faults.push(fault(source, line, format!("{} must never use {never}, and names {path}", rule.module)));
        }
        if rule.module == "sandbox" && below(path, "rusqlite") && source.file != SANDBOX_READS_MIRROR {
            faults.push(fault(source, line, format!("only {SANDBOX_READS_MIRROR} may use rusqlite, and this names {path}")));
        }
        if path.ends_with("::*") {
            faults.push(fault(source, line, format!("{path} imports names that nobody can see here; name them")));
        }
    }
    faults
}

/// Why this file must not name this path into `vendor`, if it must not.
fn vendor_fault(source: &Source, path: &str) -> Option<String> {
    let mut segments = path.split("::");
    if segments.next() != Some("vendor") {
        return None;
    }
    let vendor = segments.next().filter(|segment| VENDORS.contains(segment));
    let item = segments.next();
    match (source.top(), vendor) {
        ("vendor", Some(vendor))
            if ["vendor.rs", MEETING].contains(&source.file.as_str()) || below(&source.module(), &format!("vendor::{vendor}")) =>
        {
            None
        }
        ("vendor", Some(vendor)) => Some(format!("{vendor} is one vendor, and this file belongs to another or to all")),
        ("sandbox" | "serve", Some(_)) if item == Some(FIELD_TABLES) => None,
        ("sandbox" | "serve", _) => Some("the other side of the wire knows the field tables alone".to_owned()),
        ("cli" | "config" | "daemon", Some(_)) if item.is_some_and(|item| CONSTRUCTORS.contains(&item)) => None,
        (_, Some(vendor)) => Some(format!("only src/vendor knows the codec of {vendor}; daemon, cli and config may name {CONSTRUCTORS:?}")),
        (_, None) => None,
    }
}

fn word_faults(source: &Source, rule: &Rule) -> Vec<Fault> {
    let mut faults = Vec::new();
    for (index, line) in source.code.lines().enumerate() {
        for forbidden in ["unsafe", "dbg", "todo", "unimplemented"] {
            if line.split(|letter| !is_word(letter)).any(|word| word == forbidden) {
                faults.push(fault(source, index + 1, format!("`{forbidden}` has no place here")));
            }
        }
    }
    for (index, line) in source.text.lines().enumerate() {
        if let Some(mark) = ["TODO", "FIXME", "XXX"].into_iter().find(|mark| line.contains(mark)) {
            faults.push(fault(source, index + 1, format!("{mark}: do it, or write an issue")));
        }
    }
    let sql = ["SELECT ", "INSERT ", "UPDATE ", "DELETE ", "CREATE ", "PRAGMA ", "BEGIN "];
    for (line, text) in source.strings.iter().filter(|_| rule.wordless) {
        if sql.iter().any(|word| text.contains(word)) {
            faults.push(fault(source, *line, format!("{} holds no SQL: {text}", rule.module)));
        }
        if text.contains("://") {
            faults.push(fault(source, *line, format!("{} holds no URL: {text}", rule.module)));
        }
    }
    let lines = source.text.lines().count();
    let may_be_longer = TABLES_OF_DATA.contains(&source.file.as_str());
    if lines > LONGEST && !may_be_longer {
        faults.push(fault(
            source,
            LONGEST,
            format!("{lines} lines before the tests; at most {LONGEST}: give a part of it a file of its own"),
        ));
    }
    faults
}

#[test]
fn every_file_keeps_the_rules_of_its_room() {
    let faults: Vec<String> = sources().iter().flat_map(faults).map(|fault| fault.to_string()).collect();
    assert!(faults.is_empty(), "\n{}", faults.join("\n"));
}

fn told(circles: &[Circle]) -> String {
    circles.iter().map(|circle| format!("\n{:?}\n{}\n", circle.nodes, circle.lines.join("\n"))).collect()
}

#[test]
fn the_modules_form_no_circle() {
    let found = circles(&module_steps(&sources()));
    assert!(found.is_empty(), "circles among the modules:\n{}", told(&found));
}

#[test]
fn the_files_form_no_circle() {
    let found = circles(&file_steps(&sources()));
    assert!(found.is_empty(), "circles among the files:\n{}", told(&found));
}

#[test]
fn the_imports_that_exist_are_seen() {
    let sources = sources();
    let uses = |file: &str, path: &str| {
        let source = sources.iter().find(|source| source.file == file).expect(file);
        source.paths.iter().any(|named| below(&named.path, path))
    };
    assert!(uses("sync/tools.rs", "crate::vendor::Vendor"));
    assert!(uses("daemon.rs", "crate::vendor::constellation1::Client"));
    assert!(uses("store/commit.rs", "crate::plan::merge"));
    assert!(uses("store/commit.rs", "crate::store::checkpoint"));
    assert!(uses("store/sqlite.rs", "rusqlite"));
}

/// The rules have teeth: `text` in `file` is found at fault on its line 2, for what `expected` says.
fn check(file: &str, text: &str, expected: &str) {
    let found = faults(&Source::new(file, &format!("//! A file.\n{text}\n")));
    let told: Vec<String> = found.iter().map(ToString::to_string).collect();
    let line = format!("src/{file}:2: ");
    assert!(told.iter().any(|fault| fault.starts_with(&line) && fault.contains(expected)), "{text:?} in {file} gave {told:?}");
}

fn check_clean(file: &str, text: &str) {
    assert_eq!(faults(&Source::new(file, text)), [], "{text:?} in {file}");
}

#[test]
fn a_line_that_breaks_a_rule_is_named() {
    check("plan/window.rs", "use tokio::time::sleep;", "must never use tokio");
    check("plan/window.rs", "use crate::store::Store;", "must not use crate::store::Store");
    check("plan/window.rs", "use crate::{record::Stamp, store::Store};", "must not use crate::store::Store");
    check("plan/window.rs", "use super::super::store::Store;", "must not use crate::store::Store");
    check("plan.rs", "use super::store::Store;", "must not use crate::store::Store");
    check("plan/window.rs", "fn f() { let now = std::time::Instant::now(); }", "must never use std::time::Instant");
    check("plan/window.rs", "use std::time::{Duration, Instant};", "must never use std::time::Instant");
    check("plan/window.rs", "fn f() { chrono::Utc::now(); }", "must never use chrono::Utc::now");
    check("plan/window.rs", "fn f() { Utc::now(); }", "must never use Utc::now");
    check("record/stamp.rs", "use crate::plan::window;", "must not use crate::plan::window");
    check("vendor/limiter.rs", "use crate::store::Store;", "must not use crate::store::Store");
    check("store/commit.rs", "use crate::vendor::Vendor;", "must not use crate::vendor::Vendor");
    check("store/commit.rs", "fn f() -> reqwest::Url {}", "must never use reqwest");
    check("sandbox/world.rs", "use crate::vendor::constellation1::Client;", "must not name crate::vendor::constellation1::Client");
    check("sandbox/world.rs", "use crate::vendor::Vendor;", "knows the field tables alone");
    check("sandbox/world.rs", "use crate::plan::window;", "must not use crate::plan::window");
    check("entity.rs", "use crate::vendor::Vendor;", "must not use crate::vendor::Vendor");
    check("vendor/spark/decode.rs", "use crate::vendor::constellation1::fields;", "constellation1 is one vendor");
    check("vendor/limiter.rs", "use super::constellation1::throttle;", "constellation1 is one vendor");
    check("serve/page.rs", "use crate::sync::worker;", "must not use crate::sync::worker");
    check("sync/worker.rs", "use crate::vendor::constellation1::AGENTS;", "only src/vendor knows the codec of constellation1");
    check("daemon.rs", "use crate::vendor::constellation1::{Client, read_page};", "must not name crate::vendor::constellation1::read_page");
    check("cli/why.rs", "use crate::vendor::constellation1::fields::LISTING_DETAILS;", "only src/vendor knows the codec");
    check("config.rs", "use crate::vendor::constellation1;", "only src/vendor knows the codec");
    check("config.rs", "use rusqlite::Connection;", "must never use rusqlite");
    check("sandbox/world.rs", "use rusqlite::Connection;", "only sandbox/verify.rs may use rusqlite");
    check("sync/worker.rs", "const SQL: &str = \"SELECT 1 FROM x\";", "holds no SQL");
    check("sync/worker.rs", "const URL: &str = r#\"https://a\"#;", "holds no URL");
    check("store/row.rs", "use crate::record::*;", "imports names");
    check("store/row.rs", "fn f() { unsafe { g() } }", "`unsafe`");
    check("store/row.rs", "fn f() { dbg!(1); }", "`dbg`");
    check("store/row.rs", "// TODO: later", "TODO");
}

#[test]
fn a_file_that_is_too_long_is_named() {
    let long = faults(&Source::new("store/row.rs", &"fn f() {}\n".repeat(LONGEST + 1)));
    assert!(long.len() == 1 && long[0].what.contains("301 lines"), "{long:?}");
    check_clean("store/row.rs", &format!("{}#[cfg(test)]\nmod tests {{\n{}}}\n", "fn f() {}\n".repeat(10), "fn g() {}\n".repeat(900)));
}

#[test]
fn a_module_without_a_rule_is_named() {
    let found = faults(&Source::new("utils.rs", ""));
    assert!(found.len() == 1 && found[0].what.contains("has no rule"), "{found:?}");
}

#[test]
fn a_circle_of_modules_is_named_step_by_step() {
    let one = Source::new("store/row.rs", "use crate::plan::window;\n");
    let other = Source::new("plan/window.rs", "\nuse crate::record::Stamp;\nuse crate::store::Store;\n");
    let found = circles(&module_steps(&[one, other]));
    assert_eq!(found.len(), 1);
    assert_eq!(found[0].lines, ["src/plan/window.rs:3: plan uses store", "src/store/row.rs:1: store uses plan"]);
}

/// The files of the circles that these files make.
fn check_circles(files: &[(&str, &str)], expected: &[&[&str]]) {
    let sources: Vec<Source> = files.iter().map(|(file, text)| Source::new(file, text)).collect();
    let found = circles(&file_steps(&sources));
    let nodes: Vec<Vec<&str>> = found.iter().map(|circle| circle.nodes.iter().map(String::as_str).collect()).collect();
    assert_eq!(nodes, expected, "{files:?} gave {}", told(&found));
}

#[test]
fn a_circle_of_files_is_found_however_it_is_written() {
    let circle: &[&[&str]] = &[&["a/x.rs", "a/y.rs"]];
    let y = ("a/y.rs", "use crate::a::x::X;\nstruct Y;\n");
    for uses_y in [
        "use super::y::Y;",
        "use super::{y::{Y, Z}, y};",
        "use super::y;",
        "use crate::a::y::Y as Other;",
        "use crate::a::{self, y::{self, Y}};",
        "use crate::a;\nfn f() { a::y::g(); }",
        "fn f() { super::y::g(); }",
        // Through the parent, which only passes the name on.
        "use super::Y;",
        "use crate::a::Y;",
        "use super::Renamed;",
    ] {
        let parent = ("a.rs", "mod x;\nmod y;\npub use y::Y;\nuse y::Y as Renamed;\n");
        check_circles(&[parent, ("a/x.rs", uses_y), y], circle);
    }
    let three = [("a/x.rs", "use super::y::Y;"), ("a/y.rs", "use super::z::Z;"), ("a/z.rs", "use super::x::X;")];
    check_circles(&three, &[&["a/x.rs", "a/y.rs", "a/z.rs"]]);
}

#[test]
fn a_parent_is_in_a_circle_only_by_what_it_defines() {
    let child = ("a/x.rs", "use super::Shared;\npub struct X;\n");
    check_circles(&[("a.rs", "mod x;\npub use x::X;\npub struct Shared;\n"), child], &[&["a.rs", "a/x.rs"]]);
    check_circles(&[("a.rs", "mod x;\nfn f() { x::g(); }\npub struct Shared;\n"), child], &[&["a.rs", "a/x.rs"]]);
    check_circles(&[("a.rs", "mod x;\npub struct Shared;\n"), child], &[]);
    let shared = ("a/shared.rs", "pub struct Shared;\n");
    check_circles(&[("a.rs", "mod shared;\nmod x;\npub use shared::Shared;\npub use x::X;\n"), child, shared], &[]);
}

#[test]
fn a_chain_or_a_use_in_the_tests_is_no_circle() {
    check_circles(&[("a/x.rs", "use super::y::Y;"), ("a/y.rs", "use super::z::Z;"), ("a/z.rs", "use std::io;")], &[]);
    let tests = "#[cfg(test)]\nmod tests {\n    use crate::a::x::X;\n}\n";
    check_circles(&[("a/x.rs", "use super::y::Y;"), ("a/y.rs", tests)], &[]);
    // What leads into a circle, or out of it, is not in it.
    let files =
        [("a/in.rs", "use super::x::X;"), ("a/x.rs", "use super::y::Y;"), ("a/y.rs", "use super::{x::X, out::O};"), ("a/out.rs", "")];
    check_circles(&files, &[&["a/x.rs", "a/y.rs"]]);
}

#[test]
fn words_in_comments_strings_and_tests_break_no_rule() {
    check_clean("plan/window.rs", "//! Not tokio::time, not crate::store::Store.\n/* unsafe */\n");
    check_clean("plan/window.rs", "const A: &str = \"crate::store::Store and tokio::spawn \\\" unsafe\";\nconst B: char = '\"';\n");
    check_clean("plan/window.rs", "fn f<'a>(a: &'a str) -> &'a str { a }\n#[cfg(test)]\nmod tests {\n    use super::*;\n}\n");
    check_clean("plan/window.rs", "use super::coverage::Coverage;\nuse crate::record::{Stamp, Window};\nuse std::time::Duration;\n");
    check_clean("sandbox/render.rs", "use crate::vendor::constellation1::fields::LISTING_DETAILS;\n");
    check_clean("daemon.rs", "use crate::vendor::constellation1::{Client, ClientOptions};\nuse crate::vendor::Vendor;\n");
    check_clean("vendor.rs", "use constellation1::Client;\n");
    check_clean("vendor/constellation1/listings.rs", "use super::fields::LISTING_DETAILS;\n");
}
