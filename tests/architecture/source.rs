//! The text of a source file as the checks see it: its code, its strings, the paths that it names.

use std::fs;
use std::path::Path;

/// A path that a file names, in a `use` or in its code.
pub(crate) struct Named {
    pub(crate) line: usize,
    /// With `super::` and `self::` resolved to `crate::...`.
    pub(crate) path: String,
    /// The name that a `use` gives it in this file; `None` outside of a `use`.
    pub(crate) imported_as: Option<String>,
}

/// A file of `src`, without its tests and comments.
pub(crate) struct Source {
    /// Its path below `src`, with `/`.
    pub(crate) file: String,
    pub(crate) text: String,
    /// The code with comments, strings and characters blanked.
    pub(crate) code: String,
    /// The strings, each with its line.
    pub(crate) strings: Vec<(usize, String)>,
    pub(crate) paths: Vec<Named>,
}

impl Source {
    pub(crate) fn new(file: &str, text: &str) -> Source {
        let text = text.split("#[cfg(test)]\nmod tests").next().unwrap_or_default().to_owned();
        let (code, strings) = lex(&text);
        let modules: Vec<&str> = file.trim_end_matches(".rs").split('/').collect();
        let mut paths = Reader { code: &code, at: 0, line: 1 }.paths();
        paths.iter_mut().for_each(|named| named.path = resolve(&modules, &named.path));
        Source { file: file.to_owned(), text, code: code.iter().collect(), strings, paths }
    }

    /// The module that the file is: `store/sqlite.rs` is `store::sqlite`.
    pub(crate) fn module(&self) -> String {
        self.file.trim_end_matches(".rs").replace('/', "::")
    }

    pub(crate) fn top(&self) -> &str {
        self.file.trim_end_matches(".rs").split('/').next().unwrap_or_default()
    }

    /// The paths into our own modules, without `crate::`, each with its line.
    pub(crate) fn ours(&self) -> impl Iterator<Item = (usize, &str)> {
        self.paths.iter().filter_map(|named| Some((named.line, named.path.strip_prefix("crate::")?)))
    }
}

/// Every file of `src`.
pub(crate) fn sources() -> Vec<Source> {
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

fn resolve(modules: &[&str], path: &str) -> String {
    let mut modules = modules.to_vec();
    let mut rest = path;
    let mut relative = false;
    while let Some(outer) = rest.strip_prefix("super::") {
        modules.pop();
        (rest, relative) = (outer, true);
    }
    if let Some(own) = rest.strip_prefix("self::") {
        (rest, relative) = (own, true);
    }
    match (relative, modules.is_empty()) {
        (false, _) => path.to_owned(),
        (true, true) => format!("crate::{rest}"),
        (true, false) => format!("crate::{}::{rest}", modules.join("::")),
    }
}

/// Reads paths and `use` trees.
struct Reader<'a> {
    code: &'a [char],
    at: usize,
    line: usize,
}

impl Reader<'_> {
    fn paths(mut self) -> Vec<Named> {
        let mut found = Vec::new();
        while self.at < self.code.len() {
            if !is_word(self.peek()) {
                self.step();
                continue;
            }
            let start = (self.at, self.line);
            let imports = self.word() == "use";
            if imports {
                self.spaces();
            } else {
                (self.at, self.line) = start;
            }
            self.tree("", imports, &mut found);
        }
        found.retain(|named| named.path.contains("::") || named.imported_as.is_some());
        found
    }

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

    /// `a::b`, `a::*`, `a::b as c` or `a::{b, c::d}`.
    fn tree(&mut self, prefix: &str, imports: bool, found: &mut Vec<Named>) {
        let line = self.line;
        let mut path = prefix.to_owned();
        loop {
            match self.peek() {
                '{' => return self.branches(&path, imports, found),
                '*' => {
                    self.step();
                    return found.push(Named { line, path: format!("{path}*"), imported_as: None });
                }
                word if is_word(word) => path.push_str(&self.word()),
                // A turbofish or an end: `collect::<Vec<_>>`.
                _ => break,
            }
            if !self.colons() {
                break;
            }
            path.push_str("::");
        }
        let path = path.trim_end_matches("::self").trim_end_matches("::").to_owned();
        let imported_as = imports.then(|| self.alias().unwrap_or_else(|| last(&path).to_owned()));
        found.push(Named { line, path, imported_as });
    }

    fn branches(&mut self, prefix: &str, imports: bool, found: &mut Vec<Named>) {
        self.step();
        loop {
            self.spaces();
            match self.peek() {
                ',' => self.step(),
                '}' => return self.step(),
                word if is_word(word) || word == '*' || word == '{' => self.tree(prefix, imports, found),
                _ => return,
            }
        }
    }

    /// The name after `as`, if there is one.
    fn alias(&mut self) -> Option<String> {
        let start = (self.at, self.line);
        self.spaces();
        if self.word() == "as" {
            self.spaces();
            return Some(self.word());
        }
        (self.at, self.line) = start;
        None
    }
}

fn last(path: &str) -> &str {
    path.rsplit("::").next().unwrap_or_default()
}

pub(crate) fn is_word(letter: char) -> bool {
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
