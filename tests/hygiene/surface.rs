//! What the crate's public names are, read from its source, so that none of them
//! escapes the sweep.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use crate::table::PRINTED;

#[test]
fn the_sweep_prints_every_public_name() {
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let found = names(&source.join("lib.rs"), &source, "");
    // `stringify!` may put spaces into a path.
    let swept: BTreeSet<String> = PRINTED
        .iter()
        .map(|(name, _)| name.replace(' ', ""))
        .collect();
    let missing: Vec<_> = found.difference(&swept).collect();
    assert!(
        missing.is_empty(),
        "not swept: {missing:?}. Print them in table.rs"
    );
    let gone: Vec<_> = swept.difference(&found).collect();
    assert!(gone.is_empty(), "swept, but not public: {gone:?}");
}

/// The public names of a module: what it re-exports, what it declares, and what
/// its public modules have.
fn names(file: &Path, folder: &Path, prefix: &str) -> BTreeSet<String> {
    let text = std::fs::read_to_string(file).unwrap();
    let text: String = text
        .lines()
        .map(|line| line.split("//").next().unwrap())
        .collect::<Vec<_>>()
        .join(" ");
    let mut names = BTreeSet::new();
    let mut rest = text.as_str();
    while let Some((_, item)) = rest.split_once("pub ") {
        rest = item;
        let item = item.split([';', '(', '<', ':', '=']).next().unwrap();
        let words: Vec<&str> = item.split_whitespace().collect();
        match words[..] {
            ["use", ..] => {
                let item = rest.split(';').next().unwrap();
                let item = item.trim_start_matches("use ");
                names.extend(imported(item).iter().map(|name| format!("{prefix}{name}")));
            }
            ["mod", name] => {
                let flat = folder.join(format!("{name}.rs"));
                let nested = folder.join(name);
                let file = if flat.is_file() {
                    flat
                } else {
                    nested.join("mod.rs")
                };
                names.extend(self::names(&file, &nested, &format!("{prefix}{name}::")));
            }
            [
                "struct" | "enum" | "trait" | "type" | "const" | "static",
                name,
                ..,
            ] => {
                names.insert(format!("{prefix}{name}"));
            }
            // Fields and methods belong to a type that is listed.
            _ => {}
        }
    }
    names
}

/// What a `use` brings in, as it is called then.
fn imported(tree: &str) -> Vec<String> {
    let Some((path, group)) = tree.split_once('{') else {
        let name = tree.rsplit(" as ").next().unwrap();
        let name = name.rsplit("::").next().unwrap().trim();
        assert_ne!(name, "*", "a glob hides what it brings in: {tree}");
        return (!name.is_empty())
            .then(|| name.to_owned())
            .into_iter()
            .collect();
    };
    let (group, _) = group.rsplit_once('}').unwrap();
    let mut depth = 0;
    let branches = group.split(|c| {
        depth += i32::from(c == '{') - i32::from(c == '}');
        c == ',' && depth == 0
    });
    let of_itself = path.trim_end_matches("::").trim();
    branches
        .flat_map(|branch| match branch.trim() {
            "self" => imported(of_itself),
            branch => imported(branch),
        })
        .collect()
}

#[test]
fn public_names_are_found_in_every_form_of_declaration() {
    let folder: PathBuf = std::env::temp_dir().join(format!("fiskil-auth-{}", std::process::id()));
    std::fs::create_dir_all(folder.join("deep")).unwrap();
    let text = "pub use self::a::{A, B as C};\n#[cfg(x)]\npub use b::D; // pub use e::E;\n\
        pub use f::{\n    F,\n    G,\n};\npub mod deep;\nmod hidden;\npub(crate) struct H;\n\
        pub type I = u8;\npub use o::{O, p::{P, q::{self, Q as R}}, S};\npub struct J<T>(T);\npub enum K {}\n";
    std::fs::write(folder.join("lib.rs"), text).unwrap();
    std::fs::write(
        folder.join("deep/mod.rs"),
        "pub use self::l::L;\npub trait M: N {}",
    )
    .unwrap();
    let found = names(&folder.join("lib.rs"), &folder, "");
    std::fs::remove_dir_all(&folder).unwrap();
    let found: Vec<&str> = found.iter().map(String::as_str).collect();
    assert_eq!(
        found,
        [
            "A", "C", "D", "F", "G", "I", "J", "K", "O", "P", "R", "S", "deep::L", "deep::M", "q"
        ]
    );
}
