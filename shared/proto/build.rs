//! Generates the messages, clients and servers of `proto/`, and the descriptor set for reflection.
//! protox parses in Rust, so that nobody needs protoc.

use std::error::Error;
use std::path::{Path, PathBuf};

use prost::Message;

#[expect(clippy::disallowed_methods, reason = "cargo speaks to build scripts by environment")]
fn main() -> Result<(), Box<dyn Error>> {
    // Cargo runs this in the package's folder. A path that was compiled in would be another
    // checkout's when two share a target folder.
    let root = Path::new("../../proto");
    println!("cargo:rerun-if-changed={}", root.display());
    let mut files = Vec::new();
    find(root, &mut files)?;
    files.sort();

    let descriptors = protox::compile(files, [root])?;
    let out = PathBuf::from(std::env::var("OUT_DIR")?);
    std::fs::write(out.join("descriptors.bin"), descriptors.encode_to_vec())?;
    tonic_prost_build::configure()
        // Images are handed on without a copy.
        .bytes(".agespan")
        .bytes(".inference")
        .include_file("agespan.rs")
        .compile_fds(descriptors)?;
    Ok(())
}

fn find(folder: &Path, files: &mut Vec<PathBuf>) -> std::io::Result<()> {
    for entry in std::fs::read_dir(folder)? {
        let path = entry?.path();
        if path.is_dir() {
            find(&path, files)?;
        } else if path.extension().is_some_and(|extension| extension == "proto") {
            files.push(path);
        }
    }
    Ok(())
}
