//! The gallery's middleware on reqwest 0.13.

#[path = "../../../../examples/reqwest_middleware.rs"]
mod example;

fn main() -> anyhow::Result<()> {
    example::main()
}
