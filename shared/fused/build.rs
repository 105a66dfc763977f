//! Compiles the one C++ file against the headers of the libtorch that torch-sys links.

use std::path::PathBuf;

fn main() {
    println!("cargo:rerun-if-changed=src/fused.cpp");
    #[expect(clippy::disallowed_methods, reason = "cargo tells a build script by the environment")]
    let lib = std::env::var_os("DEP_TCH_LIBTORCH_LIB").map(PathBuf::from);
    let lib = lib.expect("torch-sys says where libtorch is");
    cc::Build::new()
        .cpp(true)
        .std("c++20")
        .warnings(false)
        .define("_GLIBCXX_USE_CXX11_ABI", "1")
        .include(lib.with_file_name("include"))
        .file("src/fused.cpp")
        .compile("agespan_fused");
}
