//! The pages show what is run, and nothing that is not compiled.

use std::fs;
use std::path::Path;

fn read(path: &str) -> String {
    fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(path)).unwrap()
}

/// The code of a file, without its first line.
fn code(path: &str) -> String {
    let text = read(path);
    let (_, code) = text.split_once("\n\n").unwrap();
    code.trim().replace("pub fn", "fn")
}

#[test]
fn the_page_on_watching_has_the_recipes_that_are_run() {
    let page = read("src/docs/watching.md");
    for recipe in ["with_metrics", "with_opentelemetry"] {
        let code = code(&format!("tests/recipes/{recipe}.rs"));
        assert!(page.contains(&code), "another text in the page:\n{code}");
    }
}

#[test]
fn the_page_on_reqwest_has_the_middleware_of_the_example() {
    let example = read("examples/reqwest_middleware.rs");
    let from = example.find("#[async_trait]").unwrap();
    let (middleware, _) = example[from..].split_once("\n\n").unwrap();
    assert!(middleware.lines().count() <= 30);
    let page = read("src/docs/reqwest.md");
    assert!(
        page.contains(middleware),
        "another text in the page:\n{middleware}"
    );
}

/// A fence that says nothing, `rust` or `no_run` is a doctest.
#[test]
fn every_code_block_of_the_pages_is_compiled() {
    let pages = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/docs");
    let mut blocks = 0;
    for page in fs::read_dir(pages).unwrap() {
        let path = page.unwrap().path();
        let text = fs::read_to_string(&path).unwrap();
        let fences = text
            .lines()
            .filter(|line| line.starts_with("```"))
            .step_by(2);
        for fence in fences {
            let is_compiled = ["```rust", "```", "```no_run"].contains(&fence);
            let is_no_rust = ["```sh", "```toml", "```json", "```text"].contains(&fence);
            assert!(is_compiled || is_no_rust, "{}: {fence}", path.display());
            blocks += usize::from(is_compiled);
        }
    }
    assert!(blocks > 15, "the blocks are found");
}
