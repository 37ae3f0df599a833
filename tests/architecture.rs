//! Who may import whom, and the other rules of the rooms: checked on the text of `src`.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::fs;
use std::path::Path;

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
    Rule { module: "sandbox", may: &["record", "vendor::constellation1::fields"], never: &["reqwest"], wordless: false },
    Rule { module: "config", may: &["record", "vendor"], never: &["rusqlite"], wordless: false },
    Rule { module: "sync", may: &["entity", "plan", "vendor", "record", "store"], never: NETWORK_AND_FILES, wordless: true },
    Rule {
        module: "daemon",
        may: &["config", "entity", "plan", "vendor", "record", "store", "sync"],
        never: NETWORK_AND_FILES,
        wordless: true,
    },
    Rule {
        module: "cli",
        may: &["config", "daemon", "plan", "record", "sandbox", "store", "sync"],
        never: NETWORK_AND_FILES,
        wordless: false,
    },
    Rule { module: "lib", may: &[], never: IMPURE, wordless: true },
    Rule { module: "main", may: &[], never: NETWORK_AND_FILES, wordless: true },
];

/// The sandbox reads a mirror in one file alone: where it compares the mirror with its truth.
const SANDBOX_READS_MIRROR: &str = "sandbox/verify.rs";
/// Lines of a file before its tests.
const LONGEST: usize = 450;
/// Files that may be longer, each with its own limit.
const LONGER: [(&str, usize); 0] = [];

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

/// A file of `src`, without its tests and comments.
struct Source {
    file: String,
    text: String,
    code: Vec<char>,
    strings: Vec<(usize, String)>,
}

impl Source {
    fn new(file: &str, text: &str) -> Source {
        let text = text.split("#[cfg(test)]\nmod tests").next().unwrap_or_default().to_owned();
        let (code, strings) = lex(&text);
        Source { file: file.to_owned(), text, code, strings }
    }

    /// The modules that lead to this file: `store/sqlite.rs` is `["store", "sqlite"]`.
    fn modules(&self) -> Vec<&str> {
        self.file.trim_end_matches(".rs").split('/').collect()
    }

    fn top(&self) -> &str {
        self.modules()[0]
    }

    fn fault(&self, line: usize, what: impl Into<String>) -> Fault {
        Fault { file: self.file.clone(), line, what: what.into() }
    }

    /// Every path that the file names, with its line; `crate::` and `super::` are resolved to `crate::...`.
    fn paths(&self) -> Vec<(usize, String)> {
        let mut found = Vec::new();
        let mut reader = Reader { code: &self.code, at: 0, line: 1 };
        while reader.at < reader.code.len() {
            if is_word(reader.peek()) {
                reader.tree("", &mut found);
            } else {
                reader.step();
            }
        }
        let resolve = |path: &str| self.resolve(path);
        found.into_iter().filter(|(_, path)| path.contains("::")).map(|(line, path)| (line, resolve(&path))).collect()
    }

    fn resolve(&self, path: &str) -> String {
        let mut modules = self.modules();
        let mut rest = path;
        let mut relative = false;
        while let Some(outer) = rest.strip_prefix("super::") {
            modules.pop();
            rest = outer;
            relative = true;
        }
        match rest.strip_prefix("self::") {
            Some(own) => format!("crate::{}::{own}", modules.join("::")),
            None if relative && modules.is_empty() => format!("crate::{rest}"),
            None if relative => format!("crate::{}::{rest}", modules.join("::")),
            None => path.to_owned(),
        }
    }

    /// The paths into our own modules, without `crate::`.
    fn ours(&self) -> Vec<(usize, String)> {
        let inner = |(line, path): (usize, String)| path.strip_prefix("crate::").map(|path| (line, path.to_owned()));
        self.paths().into_iter().filter_map(inner).collect()
    }
}

/// Reads paths and `use` trees.
struct Reader<'a> {
    code: &'a [char],
    at: usize,
    line: usize,
}

impl Reader<'_> {
    fn peek(&self) -> char {
        self.code.get(self.at).copied().unwrap_or(' ')
    }

    fn step(&mut self) {
        self.line += usize::from(self.peek() == '\n');
        self.at += 1;
    }

    fn spaces(&mut self) {
        while self.at < self.code.len() && self.peek().is_whitespace() {
            self.step();
        }
    }

    fn word(&mut self) -> String {
        let mut word = String::new();
        while is_word(self.peek()) {
            word.push(self.peek());
            self.step();
        }
        word
    }

    fn colons(&mut self) -> bool {
        let found = self.code[self.at.min(self.code.len())..].starts_with(&[':', ':']);
        if found {
            self.at += 2;
        }
        found
    }

    /// `a::b`, `a::*` or `a::{b, c::d}`.
    fn tree(&mut self, prefix: &str, found: &mut Vec<(usize, String)>) {
        let line = self.line;
        let mut path = prefix.to_owned();
        loop {
            match self.peek() {
                '{' => {
                    self.step();
                    loop {
                        self.spaces();
                        match self.peek() {
                            ',' => self.step(),
                            '}' => return self.step(),
                            word if is_word(word) || word == '*' || word == '{' => self.tree(&path, found),
                            _ => return,
                        }
                    }
                }
                '*' => {
                    self.step();
                    return found.push((line, format!("{path}*")));
                }
                word if is_word(word) => path.push_str(&self.word()),
                // A turbofish or an end: `collect::<Vec<_>>`.
                _ => return found.push((line, path.trim_end_matches("::").to_owned())),
            }
            if !self.colons() {
                return found.push((line, path));
            }
            path.push_str("::");
        }
    }
}

fn is_word(letter: char) -> bool {
    letter.is_alphanumeric() || letter == '_'
}

/// The code with comments, strings and characters blanked, and the strings with their lines.
fn lex(text: &str) -> (Vec<char>, Vec<(usize, String)>) {
    let letters: Vec<char> = text.chars().collect();
    let (mut code, mut strings, mut at, mut line) = (Vec::new(), Vec::new(), 0, 1);
    while at < letters.len() {
        let end = token_end(&letters, at);
        let token = &letters[at..end];
        let is_string = token.contains(&'"') && token.len() > 1;
        if is_string {
            strings.push((line, token.iter().collect()));
        }
        let blank = is_string || token.starts_with(&['/', '/']) || token.starts_with(&['/', '*']) || token.len() > 2 && token[0] == '\'';
        code.extend(token.iter().map(|letter| if blank && *letter != '\n' { ' ' } else { *letter }));
        line += token.iter().filter(|letter| **letter == '\n').count();
        at = end;
    }
    (code, strings)
}

/// Where the token that begins at `at` ends: a comment, a string, a character, a word, or one letter.
fn token_end(letters: &[char], at: usize) -> usize {
    let rest = &letters[at..];
    let find =
        |from: usize, end: &[char]| (from..rest.len()).find(|i| rest[*i..].starts_with(end)).map_or(letters.len(), |i| at + i + end.len());
    let quoted = |from: usize, quote: char| {
        let mut i = from;
        while i < rest.len() && rest[i] != quote {
            i += if rest[i] == '\\' { 2 } else { 1 };
        }
        (at + i + 1).min(letters.len())
    };
    match rest {
        ['/', '/', ..] => find(0, &['\n']),
        ['/', '*', ..] => find(2, &['*', '/']),
        ['"', ..] => quoted(1, '"'),
        ['b' | 'c', '"', ..] => quoted(2, '"'),
        ['r', '"' | '#', ..] | ['b', 'r', '"' | '#', ..] => {
            let start = rest.iter().position(|letter| matches!(letter, '"' | '#')).unwrap_or(0);
            let hashes = rest[start..].iter().take_while(|letter| **letter == '#').count();
            match rest.get(start + hashes) {
                Some('"') => {
                    let end: Vec<char> = std::iter::once('"').chain(std::iter::repeat_n('#', hashes)).collect();
                    find(start + hashes + 1, &end)
                }
                _ => at + start,
            }
        }
        ['\'', '\\', ..] => quoted(1, '\''),
        ['\'', _, '\'', ..] => at + 3,
        [word, ..] if is_word(*word) => at + rest.iter().take_while(|letter| is_word(**letter)).count(),
        _ => at + 1,
    }
}

fn below(path: &str, root: &str) -> bool {
    path.strip_prefix(root).is_some_and(|rest| rest.is_empty() || rest.starts_with("::"))
}

fn faults(source: &Source) -> Vec<Fault> {
    let Some(rule) = RULES.iter().find(|rule| rule.module == source.top()) else {
        return vec![source.fault(1, format!("the module {} has no rule: add one to tests/architecture.rs", source.top()))];
    };
    let mut faults = import_faults(source, rule);
    faults.extend(word_faults(source, rule));
    faults
}

fn import_faults(source: &Source, rule: &Rule) -> Vec<Fault> {
    let mut faults = Vec::new();
    for (line, path) in source.ours() {
        if !below(&path, rule.module) && !rule.may.iter().any(|root| below(&path, root)) {
            faults.push(source.fault(line, format!("{} must not use crate::{path}; it may use {:?}", rule.module, rule.may)));
        }
    }
    for (line, path) in source.paths() {
        if let Some(never) = rule.never.iter().find(|root| below(&path, root)) {
            faults.push(source.fault(line, format!("{} must never use {never}, and names {path}", rule.module)));
        }
        if rule.module == "sandbox" && below(&path, "rusqlite") && source.file != SANDBOX_READS_MIRROR {
            faults.push(source.fault(line, format!("only {SANDBOX_READS_MIRROR} may use rusqlite, and this names {path}")));
        }
        if path.ends_with("::*") {
            faults.push(source.fault(line, format!("{path} imports names that nobody can see here; name them")));
        }
    }
    faults
}

fn word_faults(source: &Source, rule: &Rule) -> Vec<Fault> {
    let mut faults = Vec::new();
    let code: String = source.code.iter().collect();
    for (index, line) in code.lines().enumerate() {
        for forbidden in ["unsafe", "dbg", "todo", "unimplemented"] {
            if line.split(|letter| !is_word(letter)).any(|word| word == forbidden) {
                faults.push(source.fault(index + 1, format!("`{forbidden}` has no place here")));
            }
        }
    }
    for (index, line) in source.text.lines().enumerate() {
        if let Some(mark) = ["TODO", "FIXME", "XXX"].into_iter().find(|mark| line.contains(mark)) {
            faults.push(source.fault(index + 1, format!("{mark}: do it, or write an issue")));
        }
    }
    let sql = ["SELECT ", "INSERT ", "UPDATE ", "DELETE ", "CREATE ", "PRAGMA ", "BEGIN "];
    for (line, text) in source.strings.iter().filter(|_| rule.wordless) {
        if sql.iter().any(|word| text.contains(word)) {
            faults.push(source.fault(*line, format!("{} holds no SQL: {text}", rule.module)));
        }
        if text.contains("://") {
            faults.push(source.fault(*line, format!("{} holds no URL: {text}", rule.module)));
        }
    }
    let limit = LONGER.iter().find(|(file, _)| *file == source.file).map_or(LONGEST, |(_, limit)| *limit);
    let lines = source.text.lines().count();
    if lines > limit {
        faults.push(source.fault(limit, format!("{lines} lines before the tests; at most {limit}: give a part of it a file of its own")));
    }
    faults
}

/// A cycle among the top-level modules, told by one line of each of its steps.
fn cycle(sources: &[Source]) -> Option<Vec<String>> {
    let mut uses: BTreeMap<String, BTreeMap<String, String>> = BTreeMap::new();
    for source in sources.iter().filter(|source| !matches!(source.top(), "lib" | "main")) {
        for (line, path) in source.ours() {
            let used = path.split("::").next().unwrap_or_default().to_owned();
            if used != source.top() {
                let step = format!("src/{}:{line}: {} uses {used}", source.file, source.top());
                uses.entry(source.top().to_owned()).or_default().entry(used).or_insert(step);
            }
        }
    }
    let mut left: BTreeSet<&String> = uses.keys().collect();
    // Whoever uses nobody that is left is in no cycle.
    while let Some(free) = left.iter().copied().find(|module| !uses[*module].keys().any(|used| left.contains(used))) {
        left.remove(free);
    }
    let steps = left.iter().flat_map(|module| &uses[*module]).filter(|(used, _)| left.contains(used)).map(|(_, step)| step.clone());
    (!left.is_empty()).then(|| steps.collect())
}

fn sources() -> Vec<Source> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut found = Vec::new();
    let mut directories = vec![root.clone()];
    while let Some(directory) = directories.pop() {
        for entry in fs::read_dir(&directory).expect("src can be read") {
            let path = entry.expect("src can be read").path();
            if path.is_dir() {
                directories.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                let file = path.strip_prefix(&root).expect("it is below src").to_str().expect("file names are text").to_owned();
                found.push(Source::new(&file, &fs::read_to_string(&path).expect("src can be read")));
            }
        }
    }
    assert!(found.len() > 40, "only {} files were found", found.len());
    found
}

#[test]
fn every_file_keeps_the_rules_of_its_room() {
    let faults: Vec<String> = sources().iter().flat_map(faults).map(|fault| fault.to_string()).collect();
    assert!(faults.is_empty(), "\n{}", faults.join("\n"));
}

#[test]
fn the_modules_form_no_cycle() {
    if let Some(steps) = cycle(&sources()) {
        panic!("a cycle among the modules:\n{}", steps.join("\n"));
    }
}

#[test]
fn the_imports_that_exist_are_seen() {
    let sources = sources();
    let uses = |file: &str, path: &str| {
        let source = sources.iter().find(|source| source.file == file).expect(file);
        source.paths().iter().any(|(_, found)| below(found, path))
    };
    assert!(uses("sync/worker.rs", "crate::vendor::Vendor"));
    assert!(uses("daemon.rs", "crate::vendor::constellation1::LISTINGS"));
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
    check("sandbox/world.rs", "use crate::vendor::constellation1::Client;", "must not use crate::vendor::constellation1::Client");
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
    assert!(long.len() == 1 && long[0].what.contains("451 lines"), "{long:?}");
    check_clean("store/row.rs", &format!("{}#[cfg(test)]\nmod tests {{\n{}}}\n", "fn f() {}\n".repeat(10), "fn g() {}\n".repeat(900)));
}

#[test]
fn a_module_without_a_rule_is_named() {
    let found = faults(&Source::new("utils.rs", ""));
    assert!(found.len() == 1 && found[0].what.contains("has no rule"), "{found:?}");
}

#[test]
fn a_cycle_is_named_step_by_step() {
    let one = Source::new("store/row.rs", "use crate::plan::window;\n");
    let other = Source::new("plan/window.rs", "\nuse crate::record::Stamp;\nuse crate::store::Store;\n");
    let steps = cycle(&[one, other]).expect("a cycle");
    assert_eq!(steps, ["src/plan/window.rs:3: plan uses store", "src/store/row.rs:1: store uses plan"]);
}

#[test]
fn words_in_comments_strings_and_tests_break_no_rule() {
    check_clean("plan/window.rs", "//! Not tokio::time, not crate::store::Store.\n/* unsafe */\n");
    check_clean("plan/window.rs", "const A: &str = \"crate::store::Store and tokio::spawn \\\" unsafe\";\nconst B: char = '\"';\n");
    check_clean("plan/window.rs", "fn f<'a>(a: &'a str) -> &'a str { a }\n#[cfg(test)]\nmod tests {\n    use super::*;\n}\n");
    check_clean("plan/window.rs", "use super::coverage::Coverage;\nuse crate::record::{Stamp, Window};\nuse std::time::Duration;\n");
}
