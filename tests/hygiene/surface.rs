//! What the crate's public names are, read from its source, so that none of them
//! escapes the sweep.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use crate::sweep::SWEPT;

#[test]
fn the_sweep_covers_every_public_name() {
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let found = names(&source.join("lib.rs"), &source, "");
    let swept: BTreeSet<String> = SWEPT.iter().map(|name| (*name).to_owned()).collect();
    let missing: Vec<_> = found.difference(&swept).collect();
    assert!(
        missing.is_empty(),
        "not swept: {missing:?}. Print them in sweep.rs, and list them"
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
                let (_, last) = item.rsplit_once("::").unwrap();
                for name in last.trim_matches(['{', '}']).split(',') {
                    let name = name.trim().trim_end_matches('}').trim();
                    // As it is called here.
                    let name = name.rsplit(" as ").next().unwrap();
                    names.extend((!name.is_empty()).then(|| format!("{prefix}{name}")));
                }
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
            // Of the methods only those that stand by themselves: a field or a
            // method belongs to a type that is listed.
            _ => {}
        }
    }
    names
}

#[test]
fn names_are_found_wherever_they_may_stand() {
    let folder: PathBuf = std::env::temp_dir().join(format!("fiskil-auth-{}", std::process::id()));
    std::fs::create_dir_all(folder.join("deep")).unwrap();
    let text = "pub use self::a::{A, B as C};\n#[cfg(x)]\npub use b::D; // pub use e::E;\n\
        pub use f::{\n    F,\n    G,\n};\npub mod deep;\nmod hidden;\npub(crate) struct H;\n\
        pub type I = u8;\npub struct J<T>(T);\npub enum K {}\n";
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
        ["A", "C", "D", "F", "G", "I", "J", "K", "deep::L", "deep::M"]
    );
}
