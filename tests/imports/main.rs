//! The files of `src` import in one direction: no circle between them, parents and
//! their own child modules aside. `cargo test --test imports -- --nocapture` prints
//! who imports whom.
//!
//! Mutations caught: a `use` of one file more, in both directions; a path in the
//! middle of a function; a name that comes by way of a re-export.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects
)]

mod source;

use std::collections::{BTreeMap, BTreeSet};

use source::Crate;

type Graph = BTreeMap<String, BTreeSet<String>>;

#[test]
fn no_files_import_each_other_in_a_circle() {
    let graph = graph(&Crate::read("src"));
    for (file, imports) in &graph {
        let imports: Vec<&str> = imports.iter().map(String::as_str).collect();
        println!("{file} -> {}", imports.join(" "));
    }
    assert!(graph.len() > 30, "the files are found");
    let edges: usize = graph.values().map(BTreeSet::len).sum();
    assert!(edges > 100, "their imports are found");
    let circles = circles(&graph);
    assert!(circles.is_empty(), "circles: {circles:#?}");
}

#[test]
fn a_circle_is_found() {
    let of = |edges: &[(&str, &str)]| {
        let mut graph = Graph::new();
        for (from, to) in edges {
            graph.entry((*to).to_owned()).or_default();
            let imports = graph.entry((*from).to_owned()).or_default();
            imports.insert((*to).to_owned());
        }
        circles(&graph)
    };
    assert!(of(&[("a", "b"), ("b", "c"), ("a", "c")]).is_empty());
    assert_eq!(
        of(&[("a", "b"), ("b", "c"), ("c", "a"), ("d", "a")]),
        [["a", "b", "c"]]
    );
}

/// Which module imports from which, but for parents and their own.
fn graph(source: &Crate) -> Graph {
    let mut graph = Graph::new();
    for (module, paths) in source.modules() {
        let imports = graph.entry(module.to_owned()).or_default();
        for path in paths {
            let target = source.resolve(module, path);
            if !is_within(module, &target) && !is_within(&target, module) {
                imports.insert(target);
            }
        }
    }
    graph
}

/// Whether `inner` is `outer` or a module in it.
fn is_within(outer: &str, inner: &str) -> bool {
    let rest = inner.strip_prefix(outer);
    rest.is_some_and(|rest| rest.is_empty() || rest.starts_with("::"))
}

/// The groups of modules each of which reaches all others of its group.
fn circles(graph: &Graph) -> Vec<Vec<String>> {
    let reached: BTreeMap<&str, BTreeSet<&str>> = graph
        .keys()
        .map(|module| (module.as_str(), reach(graph, module)))
        .collect();
    let mut circles = BTreeSet::new();
    for (module, others) in &reached {
        if others.contains(module) {
            let back = |other: &&&str| reached[**other].contains(module);
            let circle = others.iter().filter(back);
            circles.insert(circle.map(|module| (*module).to_owned()).collect());
        }
    }
    circles.into_iter().collect()
}

fn reach<'a>(graph: &'a Graph, from: &str) -> BTreeSet<&'a str> {
    let mut reached = BTreeSet::new();
    let mut next: Vec<&str> = graph[from].iter().map(String::as_str).collect();
    while let Some(module) = next.pop() {
        if reached.insert(module) {
            next.extend(graph.get(module).into_iter().flatten().map(String::as_str));
        }
    }
    reached
}
