//! Tells the compiler that the whole repository is here. The package on the registry has no build script, and none of
//! the files that `Cargo.toml` leaves out of it.

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    println!("cargo::rustc-cfg=in_repository");
}
