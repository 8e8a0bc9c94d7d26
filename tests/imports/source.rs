//! The modules of a crate, and the paths in them, read from its files without the
//! tests'.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

pub(crate) struct Crate {
    /// By their paths: `crate`, `crate::cache`, `crate::cache::core`.
    modules: BTreeMap<String, Module>,
}

#[derive(Default)]
struct Module {
    /// Paths that begin with `crate`, `self` or `super`.
    paths: Vec<Vec<String>>,
    /// What a name that it re-exports stands for.
    exports: BTreeMap<String, Vec<String>>,
}

impl Crate {
    pub(crate) fn read(folder: &str) -> Self {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join(folder);
        let mut modules = BTreeMap::new();
        read(&root.join("lib.rs"), &root, "crate", &mut modules);
        Self { modules }
    }

    pub(crate) fn modules(&self) -> impl Iterator<Item = (&str, &[Vec<String>])> {
        let modules = self.modules.iter();
        modules.map(|(name, module)| (name.as_str(), module.paths.as_slice()))
    }

    /// The module in which the item is that `path` means, as `from` has it.
    pub(crate) fn resolve(&self, from: &str, path: &[String]) -> String {
        let mut at = from.to_owned();
        for (index, name) in path.iter().enumerate() {
            let child = format!("{at}::{name}");
            if name == "crate" {
                at = name.clone();
            } else if name == "super" {
                at = at
                    .rsplit_once("::")
                    .map_or_else(|| at.clone(), |(up, _)| up.to_owned());
            } else if name == "self" {
                continue;
            } else if self.modules.contains_key(&child) {
                at = child;
            } else if let Some(export) = self.modules[&at].exports.get(name) {
                // It may be a module that another one is named after.
                let target = self.resolve(&at, export);
                return match path.get(index + 1) {
                    Some(_) if self.modules.contains_key(&format!("{target}::{name}")) => {
                        format!("{target}::{name}")
                    }
                    _ => target,
                };
            } else {
                break;
            }
        }
        at
    }
}

/// Reads the module in `file`, whose children are in `folder`.
fn read(file: &Path, folder: &Path, name: &str, modules: &mut BTreeMap<String, Module>) {
    let text = fs::read_to_string(file).unwrap_or_else(|error| panic!("{file:?}: {error}"));
    let text = without_tests(&without_comments(&text));
    let mut module = Module::default();
    for statement in text.split(';') {
        if let Some((visibility, tree)) = use_statement(statement) {
            for path in expand(tree) {
                if visibility.contains("pub") {
                    let export = path.last().cloned().unwrap_or_default();
                    module.exports.insert(export, path.clone());
                }
                module.paths.push(path);
            }
        } else {
            module.paths.extend(inline_paths(statement));
        }
        if let Some(child) = child_module(statement) {
            let path = format!("{name}::{child}");
            let (file, inside) = (folder.join(format!("{child}.rs")), folder.join(child));
            let file = if file.exists() {
                file
            } else {
                inside.join("mod.rs")
            };
            read(&file, &inside, &path, modules);
        }
    }
    module
        .paths
        .retain(|path| matches!(path[0].as_str(), "crate" | "self" | "super"));
    modules.insert(name.to_owned(), module);
}

fn without_comments(text: &str) -> String {
    let lines = text.lines().map(|line| match line.find("//") {
        // In a string, an address.
        Some(at) if !line[..at].ends_with(':') => &line[..at],
        _ => line,
    });
    lines.collect::<Vec<_>>().join("\n")
}

/// Without modules and items that only tests have. They stand at the end of a
/// file, or are one statement.
fn without_tests(text: &str) -> String {
    let mut kept = String::new();
    let mut rest = text;
    while let Some(at) = rest.find("#[cfg(") {
        let (before, attribute) = rest.split_at(at);
        kept.push_str(before);
        let end = attribute.find(")]").map_or(attribute.len(), |end| end + 2);
        let condition = &attribute[..end];
        let tests = condition.contains("test") && !condition.contains("not(all(test");
        rest = if tests {
            after_item(&attribute[end..])
        } else {
            &attribute[end..]
        };
    }
    kept + rest
}

/// What follows the first item of a text.
fn after_item(text: &str) -> &str {
    let mut depth = 0_i32;
    for (at, byte) in text.bytes().enumerate() {
        match byte {
            b'{' | b'(' | b'[' => depth += 1,
            b')' | b']' => depth -= 1,
            b'}' if depth == 1 => return &text[at + 1..],
            b'}' => depth -= 1,
            b';' | b',' if depth == 0 => return &text[at + 1..],
            _ => {}
        }
    }
    ""
}

fn use_statement(statement: &str) -> Option<(&str, &str)> {
    let at = statement.find("use ")?;
    let before = statement[..at].rsplit('\n').next()?.trim();
    let is_use = before.is_empty() || before.starts_with("pub");
    is_use.then(|| (before, statement[at + 4..].trim()))
}

fn child_module(statement: &str) -> Option<&str> {
    let line = statement.trim_end().rsplit('\n').next()?.trim();
    let (before, name) = line.split_once("mod ")?;
    let declares = before.is_empty() || before.starts_with("pub");
    (declares && !name.contains(['{', ' '])).then_some(name)
}

/// The paths of a `use` tree; `as` keeps the name that is imported.
fn expand(tree: &str) -> Vec<Vec<String>> {
    let tree = tree.trim();
    let Some((prefix, rest)) = tree.split_once('{') else {
        let path = tree.split(" as ").next().unwrap_or(tree);
        return vec![
            path.split("::")
                .map(|name| name.trim().to_owned())
                .collect(),
        ];
    };
    let prefix: Vec<String> = prefix
        .split("::")
        .map(|name| name.trim().to_owned())
        .collect();
    let inside = rest.rsplit_once('}').map_or(rest, |(inside, _)| inside);
    let mut paths = Vec::new();
    for branch in branches(inside) {
        for path in expand(branch) {
            let names = prefix.iter().filter(|name| !name.is_empty()).cloned();
            paths.push(names.chain(path).collect());
        }
    }
    paths
}

/// The parts between commas that are in no inner braces.
fn branches(inside: &str) -> Vec<&str> {
    let (mut depth, mut from, mut found) = (0, 0, Vec::new());
    for (at, byte) in inside.bytes().enumerate() {
        match byte {
            b'{' => depth += 1,
            b'}' => depth -= 1,
            b',' if depth == 0 => {
                found.push(&inside[from..at]);
                from = at + 1;
            }
            _ => {}
        }
    }
    found.push(&inside[from..]);
    found.retain(|branch| !branch.trim().is_empty());
    found
}

/// Paths in the middle of code.
fn inline_paths(code: &str) -> Vec<Vec<String>> {
    let is_part = |character: char| character.is_alphanumeric() || "_:".contains(character);
    let words = code.split(|character| !is_part(character));
    let paths = words.filter(|word| ["crate::", "super::"].iter().any(|p| word.starts_with(p)));
    paths
        .map(|path| {
            path.trim_end_matches(':')
                .split("::")
                .map(str::to_owned)
                .collect()
        })
        .collect()
}
