//! The gallery's middleware on reqwest 0.12: the same text, with the versions before.

extern crate reqwest_0_12 as reqwest;
extern crate reqwest_middleware_0_4 as reqwest_middleware;

#[path = "../../../../examples/reqwest_middleware.rs"]
mod example;

fn main() -> anyhow::Result<()> {
    example::main()
}
