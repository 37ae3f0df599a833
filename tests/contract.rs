//! What others rely on: the schema, the command line, the unit and what the documents say of them.

use mls_sync::config::Config;
use mls_sync::record::Kind;
use mls_sync::store::Store;
use mls_sync::vendor::LISTINGS;
use mls_sync::vendor::constellation1::fields::LISTING_DETAILS;
use rusqlite::types::Null;
use rusqlite::{Connection, OpenFlags};
use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

const SCHEMA: &str = include_str!("../schema.sql");
const README: &str = include_str!("../README.md");
const CONSUMERS: &str = include_str!("../docs/consumers.md");
const OPERATE: &str = include_str!("../docs/operate.md");
const CHANGELOG: &str = include_str!("../CHANGELOG.md");
const EXAMPLE: &str =
    concat!(include_str!("../config/example.toml"), include_str!("../config/spark.toml"), include_str!("../config/spotahome.toml"));
const VENDORS: &str = include_str!("../docs/vendors.md");
const UNIT: &str = include_str!("../systemd/mls-sync.service");
const SERVE_UNIT: &str = include_str!("../systemd/mls-sync-serve.service");

/// What the mirror adds to the vendor's fields, in order.
const OWN_COLUMNS: [(&str, &str); 10] = [
    ("extra", "TEXT"),
    ("first_seen_at", "TEXT"),
    ("changed_at", "TEXT"),
    ("deleted_at", "TEXT"),
    ("deleted_cause", "TEXT"),
    ("change_seq", "INTEGER"),
    ("stamp", "TEXT"),
    ("raw_hash", "BLOB"),
    ("content_hash", "BLOB"),
    ("purged_at", "TEXT"),
];

/// Tables and views, without those in which SQLite keeps what is in its virtual tables.
const TABLES_AND_VIEWS: &str = "SELECT name FROM pragma_table_list WHERE schema = 'main' AND type <> 'shadow' AND name NOT LIKE 'sqlite_%'";

fn schema() -> Connection {
    let connection = Connection::open_in_memory().expect("SQLite opens");
    connection.execute_batch(SCHEMA).expect("schema.sql is valid");
    connection
}

fn texts(connection: &Connection, sql: &str) -> Vec<String> {
    let mut statement = connection.prepare(sql).unwrap_or_else(|error| panic!("{sql}: {error}"));
    let rows = statement.query_map([], |row| row.get(0)).expect(sql);
    rows.collect::<rusqlite::Result<_>>().expect(sql)
}

#[test]
fn the_columns_of_listings_are_the_fields_and_then_the_mirrors_own() {
    let connection = schema();
    let mut statement = connection.prepare("SELECT name, type FROM pragma_table_info('listings') ORDER BY cid").expect("a query");
    let columns: Vec<(String, String)> =
        statement.query_map([], |row| Ok((row.get(0)?, row.get(1)?))).expect("columns").map(Result::unwrap).collect();
    let fields = LISTING_DETAILS.iter().map(|field| (field.column, field.kind.column_type()));
    let expected: Vec<(String, String)> = fields.chain(OWN_COLUMNS).map(|(column, kind)| (column.to_owned(), kind.to_owned())).collect();
    for (column, expected) in columns.iter().zip(&expected) {
        assert_eq!(column, expected);
    }
    assert_eq!(columns.len(), expected.len());
}

#[test]
fn the_317_fields_have_names_of_their_own_in_snake_case() {
    let wires: BTreeSet<&str> = LISTING_DETAILS.iter().map(|field| field.wire).collect();
    let columns: BTreeSet<&str> = LISTING_DETAILS.iter().map(|field| field.column).collect();
    assert_eq!((wires.len(), columns.len(), LISTING_DETAILS.len()), (317, 317, 317));
    for field in &LISTING_DETAILS {
        assert_eq!(field.column, snake_case(field.wire));
    }
    let taken: Vec<&str> = OWN_COLUMNS.iter().map(|(column, _)| *column).filter(|column| columns.contains(column)).collect();
    assert!(taken.is_empty(), "the mirror's own columns must not be the vendor's: {taken:?}");
}

fn snake_case(wire: &str) -> String {
    let mut snake = String::new();
    for letter in wire.chars() {
        if letter.is_uppercase() && !snake.is_empty() {
            snake.push('_');
        }
        snake.push(letter.to_ascii_lowercase());
    }
    snake
}

#[test]
fn fields_whose_type_the_document_gives_in_two_ways_are_text_that_takes_either() {
    let loose: Vec<&str> = LISTING_DETAILS.iter().filter(|field| field.kind == Kind::Loose).map(|field| field.wire).collect();
    assert_eq!(loose, ["AboveGroundSqFt", "DockHeight", "FinishedSquareFeet", "FireplaceCount", "GarageSpaces"]);
    assert_eq!(Kind::Loose.column_type(), "TEXT");
    let kind_of = |wire: &str| LISTING_DETAILS.iter().find(|field| field.wire == wire).map(|field| field.kind);
    assert_eq!(kind_of("NumberOfUnits"), Some(Kind::Integer), "int? and short? fit 64 bits");
}

#[test]
fn every_table_is_strict() {
    let connection = schema();
    let lax = texts(
        &connection,
        "SELECT name FROM pragma_table_list WHERE schema = 'main' AND type = 'table' AND name NOT LIKE 'sqlite_%' AND NOT strict",
    );
    assert_eq!(lax, Vec::<String>::new());
}

#[test]
fn every_table_and_view_is_marked_as_public_or_internal_and_stands_under_that_heading() {
    let (public, internal) = SCHEMA.split_once("\n-- INTERNAL: ").expect("two parts");
    assert!(public.contains("\n-- PUBLIC: "));
    let made = |part: &'static str| {
        part.lines().filter(|line| ["CREATE TABLE ", "CREATE VIEW ", "CREATE VIRTUAL TABLE "].iter().any(|made| line.starts_with(made)))
    };
    let unmarked: Vec<&str> = made(public).filter(|line| !line.ends_with("  -- public")).collect();
    let astray: Vec<&str> = made(internal).filter(|line| !line.ends_with("  -- internal")).collect();
    assert_eq!((unmarked, astray), (Vec::new(), Vec::new()));
    let all = texts(&schema(), TABLES_AND_VIEWS);
    assert_eq!(made(public).count() + made(internal).count(), all.len(), "each is created on a line of its own");
}

#[test]
fn the_page_for_consumers_names_every_table_and_view() {
    let names = texts(&schema(), TABLES_AND_VIEWS);
    assert!(names.len() >= 11, "{names:?}");
    let missing: Vec<&String> = names.iter().filter(|name| !CONSUMERS.contains(&format!("`{name}`"))).collect();
    assert!(missing.is_empty(), "docs/consumers.md says nothing of {missing:?}");
}

/// No step of the query reads a whole table; `expected` is the index that it uses.
fn check_plan(sql: &str, expected: &str) {
    let connection = schema();
    let mut statement = connection.prepare(&format!("EXPLAIN QUERY PLAN {sql}")).unwrap_or_else(|error| panic!("{sql}: {error}"));
    let nulls = rusqlite::params_from_iter(vec![Null; statement.parameter_count()]);
    let plan: Vec<String> = statement.query_map(nulls, |row| row.get("detail")).expect("a plan").map(Result::unwrap).collect();
    let plan = plan.join("\n");
    assert!(plan.contains(expected), "{sql}\ndoes not use {expected}:\n{plan}");
    let whole = plan.lines().find(|step| step.starts_with("SCAN") && !step.contains("VIRTUAL TABLE"));
    assert_eq!(whole, None, "{sql}\nreads a whole table:\n{plan}");
    assert!(!plan.contains("TEMP B-TREE"), "{sql}\nsorts:\n{plan}");
}

#[test]
fn hot_queries_use_an_index() {
    let key = "USING INDEX sqlite_autoindex_listings_2 (feed_id=? AND listing_id=?)";
    check_plan("SELECT * FROM listings WHERE feed_id = ?1 AND listing_id = ?2", key);
    check_plan("SELECT * FROM live_listings WHERE feed_id = ?1 AND listing_id = ?2", key);
    check_plan("SELECT * FROM listing_photos WHERE feed_id = ?1 AND listing_id = ?2", key);
    check_plan("SELECT * FROM listing_open_houses WHERE feed_id = ?1 AND listing_id = ?2", key);
    check_plan("SELECT * FROM listings WHERE change_seq > ?1 ORDER BY change_seq LIMIT 1000", "sqlite_autoindex_listings_1 (change_seq>?)");
    check_plan("SELECT * FROM changes WHERE seq > ?1 ORDER BY seq", "USING INTEGER PRIMARY KEY (rowid>?)");
    check_plan("SELECT * FROM changes WHERE entity = 'listing' AND feed_id = ?1 AND key = ?2 ORDER BY seq", "changes_of_key");
    check_plan("SELECT listing_id FROM listings WHERE feed_id = ?1 AND deleted_at IS NOT NULL", "listings_deleted");
}

/// The code blocks of a document that are marked with `language`.
fn blocks<'a>(document: &'a str, language: &str) -> Vec<&'a str> {
    let fence = format!("```{language}\n");
    document.split(&fence).skip(1).filter_map(|rest| rest.split("\n```").next()).collect()
}

#[test]
fn every_query_of_the_documents_is_valid() {
    let connection = schema();
    let blocks = [README, CONSUMERS].into_iter().flat_map(|document| blocks(document, "sql"));
    let queries: Vec<&str> = blocks.flat_map(|block| block.split_inclusive(';')).filter(|query| query.contains("SELECT")).collect();
    assert!(queries.len() >= 9, "the documents have {} queries", queries.len());
    // The SQLite of this test has no math functions.
    for query in queries.into_iter().filter(|query| !query.contains("asin(")) {
        connection.prepare(query).unwrap_or_else(|error| panic!("{query}: {error}"));
    }
}

/// The texts of a directory's Rust files, and of those below it.
fn sources(directory: &Path) -> Vec<String> {
    let entries = fs::read_dir(directory).expect("a directory").map(|entry| entry.expect("an entry").path());
    let read = |path: PathBuf| match path.is_dir() {
        true => sources(&path),
        false if path.extension().is_some_and(|extension| extension == "rs") => vec![fs::read_to_string(&path).expect("UTF-8")],
        false => Vec::new(),
    };
    entries.flat_map(read).collect()
}

/// The names of the tests in a text.
fn tests_of(text: &str) -> BTreeSet<String> {
    let after = text.split("#[test]\n").skip(1).filter_map(|rest| rest.trim_start().strip_prefix("fn "));
    after.filter_map(|rest| rest.split('(').next()).map(str::to_owned).collect()
}

#[test]
fn what_it_survives_is_shown_by_tests_that_exist_and_every_fault_has_its_entry() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let faults = include_str!("../docs/faults.md");
    let named: BTreeSet<String> =
        faults.lines().filter_map(|line| line.strip_prefix("  - `")?.strip_suffix('`')).map(str::to_owned).collect();
    let all: BTreeSet<String> = sources(&root.join("tests")).iter().flat_map(|text| tests_of(text)).collect();
    let (files, names): (Vec<&String>, Vec<&String>) = named.iter().partition(|name| name.contains('/'));
    assert!(names.len() > 60 && files.len() >= 3, "{named:?}");
    let strange: Vec<&&String> = names.iter().filter(|name| !all.contains(**name)).collect();
    assert!(strange.is_empty(), "docs/faults.md names tests that do not exist: {strange:?}");
    assert!(files.iter().all(|file| root.join(file).exists()), "{files:?}");
    let faults: BTreeSet<String> = sources(&root.join("tests/faults")).iter().flat_map(|text| tests_of(text)).collect();
    let politeness = tests_of(&fs::read_to_string(root.join("tests/faults/politeness.rs")).expect("UTF-8"));
    let missing: Vec<&String> = faults.difference(&named).filter(|name| !politeness.contains(*name)).collect();
    assert!(missing.is_empty(), "docs/faults.md has no entry for {missing:?}");
}

#[test]
fn every_file_of_tests_is_part_of_the_test_program() {
    let files = fs::read_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests")).expect("a directory");
    let names = files.map(|file| file.expect("a file").file_name().into_string().expect("UTF-8"));
    let modules: Vec<String> = names.filter_map(|name| Some(name.strip_suffix(".rs")?.to_owned())).filter(|name| name != "main").collect();
    let named = |module: &&String| include_str!("main.rs").lines().any(|line| line == format!("mod {module};"));
    let missing: Vec<&String> = modules.iter().filter(|module| !named(module)).collect();
    assert!(modules.len() > 20 && missing.is_empty(), "tests/main.rs does not name {missing:?}");
}

#[test]
fn every_key_of_the_documents_is_in_the_example() {
    // A key without a default is shown in a comment.
    let example = EXAMPLE.replace("# access_token_file =", "access_token_file =").replace("# token_file =", "token_file =");
    let example: toml::Table = example.parse().expect("the example is TOML");
    let blocks = [OPERATE, VENDORS].map(|page| blocks(page, "toml"));
    assert!(blocks.iter().all(|blocks| !blocks.is_empty()), "a page shows no configuration");
    for block in blocks.into_iter().flatten() {
        Config::parse(block).unwrap_or_else(|error| panic!("{block}\n{error}"));
        for (section, shown) in block.parse::<toml::Table>().expect("TOML") {
            let known = example.get(&section).unwrap_or_else(|| panic!("{section} is not in config/example.toml"));
            for key in shown.as_table().into_iter().flat_map(toml::Table::keys) {
                assert!(known.get(key).is_some(), "{section}.{key} is not in config/example.toml");
            }
        }
    }
}

#[test]
fn the_two_commands_of_the_readme_are_the_ones_that_are_checked() {
    let commands: Vec<&str> = blocks(README, "sh")[0].lines().collect();
    assert_eq!(commands, ["cargo run --release -- demo", "cargo test"]);
    assert!(include_str!("../.ci/run").lines().any(|line| line == commands[1]), ".ci/run does not run `{}`", commands[1]);
}

#[test]
fn every_line_that_hardens_the_unit_has_its_reason() {
    for unit in [UNIT, SERVE_UNIT] {
        let hardening = unit.split("NoNewPrivileges").next().map_or(0, |before| before.lines().count());
        let lines: Vec<&str> = unit.lines().collect();
        let end = lines.iter().position(|line| *line == "[Install]").expect("an install section");
        for (index, line) in lines.iter().enumerate().take(end).skip(hardening) {
            let reasoned = line.is_empty() || line.starts_with('#') || lines[index - 1].starts_with("# ");
            assert!(reasoned, "{line} has no reason");
        }
    }
}

#[test]
fn the_changelog_has_this_version() {
    let heading = format!("\n## [{}]", env!("CARGO_PKG_VERSION"));
    assert!(CHANGELOG.contains(&heading), "CHANGELOG.md lacks{heading}");
}

fn program() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_mls-sync"));
    for variable in ["MLS_SYNC_CONFIG", "MLS_SYNC_SYSTEM_ACCESS_KEY", "CREDENTIALS_DIRECTORY", "NOTIFY_SOCKET", "RUST_LOG"] {
        command.env_remove(variable);
    }
    command
}

fn help(arguments: &[&str]) -> String {
    let output = program().args(arguments).arg("--help").output().expect("the program starts");
    assert!(output.status.success(), "{arguments:?} --help: {}", said(&output));
    String::from_utf8(output.stdout).expect("help is text")
}

fn said(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

fn subcommands() -> Vec<String> {
    let help = help(&[]);
    let list = help.split("Commands:\n").nth(1).and_then(|rest| rest.split("\n\n").next()).expect("a list of commands");
    // A description that does not fit goes on deeper.
    let lines = list.lines().filter(|line| line.starts_with("  ") && !line.starts_with("   "));
    let names = lines.filter_map(|line| line.split_whitespace().next()).filter(|name| *name != "help");
    names.map(str::to_owned).collect()
}

#[test]
fn the_documents_name_every_subcommand_and_its_flags() {
    let subcommands = subcommands();
    assert_eq!(
        subcommands,
        [
            "run",
            "status",
            "reconcile",
            "rejects",
            "feeds",
            "lookups",
            "identities",
            "processes",
            "intents",
            "tickets",
            "listings",
            "why",
            "refetch",
            "ask",
            "changes",
            "history",
            "verify",
            "wait",
            "snapshot",
            "export",
            "serve",
            "sandbox",
            "demo"
        ]
    );
    for subcommand in &subcommands {
        assert!(README.contains(&format!("mls-sync {subcommand}")), "README.md does not name `mls-sync {subcommand}`");
        help(&[subcommand]);
    }
    // The sandbox and the demo have their own help for their switches.
    for subcommand in subcommands.iter().filter(|name| !["sandbox", "demo"].contains(&name.as_str())) {
        let flags: BTreeSet<String> = help(&[subcommand]).split_whitespace().filter_map(flag).collect();
        assert!(flags.contains("--config"), "{flags:?}");
        for flag in flags.iter().filter(|flag| !["--help", "--version"].contains(&flag.as_str())) {
            assert!(OPERATE.contains(flag.as_str()), "docs/operate.md does not name {flag} of `mls-sync {subcommand}`");
        }
    }
}

/// The documents, with the directories from which their links count.
fn documents() -> Vec<(PathBuf, String)> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let docs = fs::read_dir(root.join("docs")).expect("docs can be read").map(|entry| entry.expect("an entry").path());
    let top = ["README.md", "CONTRIBUTING.md", "SECURITY.md", "CHANGELOG.md"].map(|name| root.join(name));
    let read = |path: PathBuf| (path.clone(), fs::read_to_string(&path).expect("UTF-8"));
    docs.chain(top).map(read).collect()
}

#[test]
fn the_readme_is_short() {
    let lines = README.lines().count();
    assert!(lines <= 150, "README.md has {lines} lines; move what only some readers need to docs/");
    let long: Vec<&str> = README.lines().filter(|line| line.chars().count() > 120).collect();
    assert!(long.is_empty(), "too wide to read: {long:#?}");
}

#[test]
fn every_link_of_the_documents_leads_somewhere() {
    for (path, text) in documents() {
        let links = text.split("](").skip(1).filter_map(|rest| rest.split(')').next()).filter(|link| !link.contains("://"));
        for link in links {
            let (file, heading) = link.split_once('#').unwrap_or((link, ""));
            let target = if file.is_empty() { path.clone() } else { path.parent().expect("a directory").join(file) };
            assert!(target.exists(), "{}: {link} leads nowhere", path.display());
            let headings = || fs::read_to_string(&target).expect("UTF-8").lines().filter_map(anchor).collect::<Vec<String>>();
            assert!(heading.is_empty() || headings().iter().any(|found| found == heading), "{}: no heading {link}", path.display());
        }
    }
}

/// The name by which links reach a heading.
fn anchor(line: &str) -> Option<String> {
    let title = line.strip_prefix('#')?.trim_start_matches('#').trim();
    let letters = title.chars().filter(|letter| letter.is_alphanumeric() || matches!(letter, ' ' | '-'));
    Some(letters.map(|letter| if letter == ' ' { '-' } else { letter.to_ascii_lowercase() }).collect())
}

#[test]
fn every_command_of_the_documents_exists() {
    let known = subcommands();
    for (path, text) in documents() {
        let named = text.split("`mls-sync ").skip(1).filter_map(|rest| rest.split([' ', '`']).next());
        // `mls-sync COMMAND --help` stands for each of them.
        let strange: Vec<&str> = named.filter(|name| *name != "COMMAND" && !known.iter().any(|known| known == name)).collect();
        assert!(strange.is_empty(), "{} names commands that do not exist: {strange:?}", path.display());
    }
}

fn flag(word: &str) -> Option<String> {
    let name = word.strip_prefix("--")?;
    let name: String = name.chars().take_while(|letter| letter.is_alphanumeric() || *letter == '-').collect();
    (!name.is_empty()).then(|| format!("--{name}"))
}

/// The value of a key of the unit.
fn unit(key: &str) -> &'static str {
    let value = UNIT.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix('='));
    value.unwrap_or_else(|| panic!("the unit has no {key}"))
}

#[test]
fn the_unit_starts_the_program_with_words_that_it_knows() {
    let mut words = unit("ExecStart").split_whitespace();
    assert_eq!(words.next(), Some("/usr/local/bin/mls-sync"));
    let arguments: Vec<&str> = words.collect();
    assert!(arguments.contains(&"run"), "{arguments:?}");
    assert!(help(&arguments).starts_with("Mirror the vendor"), "{arguments:?}");
    assert_eq!(unit("Type"), "notify");
    let serves = SERVE_UNIT.lines().find_map(|line| line.strip_prefix("ExecStart=/usr/local/bin/mls-sync ")).expect("a command");
    assert!(help(&serves.split_whitespace().collect::<Vec<_>>()).starts_with("Answer the partner API"), "{serves}");
}

/// A configuration in `directory` that lacks nothing but a key, and whose database is in a directory that does not exist.
fn config_without_a_key(directory: &Path) -> PathBuf {
    let path = directory.join("config.toml");
    std::fs::write(&path, "database = \"missing/mls.db\"\n[constellation1]\nclient = \"C\"\n").expect("the configuration is written");
    path
}

#[test]
fn the_unit_does_not_restart_what_a_restart_cannot_help() {
    let directory = crate::support::directory();
    let config = config_without_a_key(directory.path());
    let output = program().current_dir(&directory).arg("--config").arg(config).arg("run").output().expect("the program starts");
    assert_eq!(output.status.code().map(|code| code.to_string()).as_deref(), Some(unit("RestartPreventExitStatus")));
    assert!(said(&output).contains("there is no system access key"), "{}", said(&output));
}

#[test]
fn the_credential_of_the_unit_is_the_one_that_the_program_looks_for() {
    let (name, _) = unit("LoadCredential").split_once(':').expect("a name and a path");
    let directory = crate::support::directory();
    let config = config_without_a_key(directory.path());
    std::fs::write(directory.path().join(name), "key\n").expect("the credential is written");
    let mut command = program();
    command.current_dir(&directory).env("CREDENTIALS_DIRECTORY", directory.path()).arg("--config").arg(config).arg("run");
    let output = command.output().expect("the program starts");
    assert!(said(&output).contains("the directory missing does not exist"), "{}", said(&output));
}

/// What is in a directory, without what was there before.
fn names(directory: &Path) -> BTreeSet<String> {
    let entries = std::fs::read_dir(directory).expect("the directory can be read");
    entries.map(|entry| entry.expect("an entry").file_name().to_string_lossy().into_owned()).collect()
}

#[test]
fn a_database_of_the_program_can_be_read_by_others_when_the_program_has_stopped() {
    let directory = crate::support::directory();
    let path = directory.path().join("mls.db");
    let (store, writer) = Store::open(&path, &LISTINGS).expect("the store opens");
    drop(store);
    writer.join().expect("the writer ends");

    // Without the two companions, readers without the right to write could not open it.
    assert_eq!(names(directory.path()), BTreeSet::from(["mls.db", "mls.db-shm", "mls.db-wal"].map(str::to_owned)));
    for name in names(directory.path()) {
        let mode = std::fs::metadata(directory.path().join(&name)).expect("it exists").permissions().mode() & 0o777;
        assert_eq!(mode, 0o640, "{name} has mode {mode:o}");
    }
    assert_eq!(std::fs::metadata(directory.path().join("mls.db-wal")).expect("it exists").len(), 0, "the WAL is folded in");

    let reader = Connection::open_with_flags(&path, OpenFlags::SQLITE_OPEN_READ_ONLY).expect("it opens for reading");
    let pragma = |name: &str| reader.pragma_query_value(None, name, |row| row.get::<_, i64>(0)).expect(name);
    assert_eq!((pragma("application_id"), pragma("user_version")), (0x4d4c_5353, 3));
    assert!(SCHEMA.contains("application_id = 0x4d4c5353") && SCHEMA.contains("user_version = 3"), "schema.sql tells the same numbers");
    let mode: String = reader.pragma_query_value(None, "journal_mode", |row| row.get(0)).expect("a mode");
    assert_eq!(mode, "wal");
    let live: i64 = reader.query_row("SELECT count(*) FROM live_listings", [], |row| row.get(0)).expect("a count");
    assert_eq!(live, 0);
}

/// Up to when the feed A is complete, and up to when but for its known gaps.
fn complete(db: &Connection) -> [Option<String>; 2] {
    let sql = "SELECT complete_until, complete_but_for_known_gaps_until FROM coverage";
    db.query_row(sql, [], |row| Ok([row.get(0)?, row.get(1)?])).expect("a feed")
}

#[test]
fn coverage_passes_over_known_gaps_in_a_column_of_its_own_and_steps_back_by_what_came_late() {
    let db = schema();
    let run = |sql: &str| db.execute_batch(sql).expect(sql);
    run("INSERT INTO feeds (feed_id, since, added_at, activity, activity_at) VALUES ('A', '1900-01-01T00:00:00', '', 'new', '');
        INSERT INTO cursors (feed_id, status, aligned, from_rule) VALUES ('A', 0, 0, 'exact'), ('A', 3, 0, 'exact')");
    let some = |text: &str| Some(text.to_owned());
    assert_eq!(complete(&db), [None, None]);
    run("INSERT INTO covered VALUES ('A', 3, '1900-01-01T00:00:00', '2026-01-09T00:00:00'),
        ('A', 0, '1900-01-01T00:00:00', '2026-01-02T00:00:00'), ('A', 0, '2026-01-03T00:00:00', '2026-01-04T00:00:00'),
        ('A', 0, '2026-01-05T00:00:00', '2026-01-08T00:00:00')");
    assert_eq!(complete(&db), [some("2026-01-02T00:00:00"), some("2026-01-02T00:00:00")]);
    run("INSERT INTO known_gaps VALUES ('A', 0, '2026-01-02T00:00:00', '2026-01-03T00:00:00', 'HTTP 500', 1, '', '')");
    assert_eq!(complete(&db), [some("2026-01-02T00:00:00"), some("2026-01-04T00:00:00")]);
    run("INSERT INTO known_gaps VALUES ('A', 0, '2026-01-04T00:00:00', '2026-01-05T00:00:00', 'HTTP 500', 1, '', '')");
    assert_eq!(complete(&db), [some("2026-01-02T00:00:00"), some("2026-01-08T00:00:00")]);
    run("INSERT INTO late_listings (feed_id, listing_id, stamp, late_s, found_by, found_at)
        VALUES ('A', 'x', '', 8.5, 'poll', strftime('%Y-%m-%dT%H:%M:%fZ', 'now')), ('A', 'y', '', 9000.0, 'scan', '2020-01-01T00:00:00.000Z')");
    assert_eq!(complete(&db), [some("2026-01-01T23:59:51.500"), some("2026-01-07T23:59:51.500")]);
    run("DELETE FROM covered WHERE status = 3");
    assert_eq!(complete(&db), [None, None], "deletions were not read");
}

#[test]
fn the_file_holds_what_schema_sql_says() {
    let directory = crate::support::directory();
    let path = directory.path().join("mls.db");
    drop(Store::open(&path, &LISTINGS).expect("the store opens"));
    let file = Connection::open_with_flags(&path, OpenFlags::SQLITE_OPEN_READ_ONLY).expect("it opens for reading");
    let sql = "SELECT coalesce(sql, name) FROM sqlite_schema ORDER BY type, name";
    assert_eq!(texts(&file, sql), texts(&schema(), sql));
}
