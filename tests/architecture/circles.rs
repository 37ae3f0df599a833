//! The circles of imports, among modules or among files.
//!
//! An import is a step from the file that names an item to the file that defines it. Where a module only passes a name on
//! (`pub use row::Row;` in `store.rs`, or a private `use` that a child reads through `super::`), the step goes past it to
//! the file that defines the name. So a parent that declares its children and re-exports from them is in no circle; it is
//! in one as soon as a child imports what the parent itself defines while the parent imports from that child. A `mod` line
//! is no import. A path to a module alone (`use super::row;`) is a step to that module's file, unless this file lies below
//! it: there only what is named through it counts.

use super::source::Source;
use std::collections::{BTreeMap, BTreeSet};

/// Of each node, the nodes that it uses, each with the first line that does.
pub(crate) type Steps = BTreeMap<String, BTreeMap<String, String>>;

/// A name is followed through so many re-exports.
const MOST_REEXPORTS: usize = 8;

/// The steps among the top-level modules.
pub(crate) fn module_steps(sources: &[Source]) -> Steps {
    let mut steps = Steps::new();
    for source in sources.iter().filter(|source| !matches!(source.top(), "lib" | "main")) {
        for (line, path) in source.ours() {
            let used = path.split("::").next().unwrap_or_default();
            if used != source.top() {
                let told = format!("src/{}:{line}: {} uses {used}", source.file, source.top());
                steps.entry(source.top().to_owned()).or_default().entry(used.to_owned()).or_insert(told);
            }
        }
    }
    steps
}

/// The steps among the files.
pub(crate) fn file_steps(sources: &[Source]) -> Steps {
    let modules: BTreeMap<String, &Source> = sources.iter().map(|source| (source.module(), source)).collect();
    let mut steps = Steps::new();
    for source in sources {
        for named in source.paths.iter().filter(|named| !is_ancestor(&named.path, source)) {
            let Some(used) = definer(&modules, source, &named.path, MOST_REEXPORTS).filter(|used| used.file != source.file) else {
                continue;
            };
            let told = format!("src/{}:{}: {} of {}", source.file, named.line, named.path, used.file);
            steps.entry(source.file.clone()).or_default().entry(used.file.clone()).or_insert(told);
        }
    }
    steps
}

fn is_ancestor(path: &str, source: &Source) -> bool {
    format!("crate::{}", source.module()).strip_prefix(path).is_some_and(|rest| rest.starts_with("::"))
}

/// The file that defines what `path` names in `source`; `None` where that is none of ours.
fn definer<'a>(modules: &BTreeMap<String, &'a Source>, source: &Source, path: &str, left: usize) -> Option<&'a Source> {
    let path = absolute(modules, source, path, left)?;
    let segments: Vec<&str> = path.split("::").collect();
    let (module, depth) = (1..=segments.len()).rev().find_map(|depth| Some((*modules.get(&segments[..depth].join("::"))?, depth)))?;
    let passed_on = segments.get(depth).and_then(|name| imported(module, name)).filter(|_| left > 0);
    match passed_on {
        Some(further) => definer(modules, module, further, left - 1),
        None => Some(module),
    }
}

/// A path from the crate's root, without `crate::`: as written, or by a child module or an imported name that it begins with.
fn absolute(modules: &BTreeMap<String, &Source>, source: &Source, path: &str, left: usize) -> Option<String> {
    if let Some(path) = path.strip_prefix("crate::") {
        return Some(path.to_owned());
    }
    let (first, rest) = path.split_once("::").unwrap_or((path, ""));
    let child = format!("{}::{first}", source.module());
    if modules.contains_key(&child) {
        return Some(format!("{child}::{rest}").trim_end_matches("::").to_owned());
    }
    let import = imported(source, first).filter(|import| left > 0 && *import != path)?;
    absolute(modules, source, format!("{import}::{rest}").trim_end_matches("::"), left - 1)
}

fn imported<'a>(source: &'a Source, name: &str) -> Option<&'a str> {
    source.paths.iter().find(|named| named.imported_as.as_deref() == Some(name)).map(|named| named.path.as_str())
}

/// The nodes of one circle, or of several that meet, and the lines that make it.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Circle {
    pub(crate) nodes: BTreeSet<String>,
    pub(crate) lines: Vec<String>,
}

/// Every circle, each node in at most one.
pub(crate) fn circles(steps: &Steps) -> Vec<Circle> {
    let reached: BTreeMap<&String, BTreeSet<&String>> = steps.keys().map(|node| (node, reached_from(steps, node))).collect();
    let mut groups = BTreeSet::new();
    for (node, others) in &reached {
        let group: BTreeSet<&String> =
            others.iter().copied().filter(|other| reached.get(other).is_some_and(|back| back.contains(node))).collect();
        groups.insert(group);
    }
    let told = |group: BTreeSet<&String>| {
        let inside = group.iter().flat_map(|node| &steps[*node]).filter(|(used, _)| group.contains(used));
        let lines = inside.map(|(_, line)| line.clone()).collect();
        Circle { nodes: group.into_iter().cloned().collect(), lines }
    };
    groups.into_iter().filter(|group| !group.is_empty()).map(told).collect()
}

/// What a node uses, and what that uses, and so on; the node itself only if it is in a circle.
fn reached_from<'a>(steps: &'a Steps, node: &str) -> BTreeSet<&'a String> {
    let mut reached = BTreeSet::new();
    let mut waiting: Vec<&str> = vec![node];
    while let Some(next) = waiting.pop() {
        for used in steps.get(next).into_iter().flat_map(BTreeMap::keys) {
            if reached.insert(used) {
                waiting.push(used);
            }
        }
    }
    reached
}
