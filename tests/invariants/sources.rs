//! What the sources must not say.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use agespan_tests::repository;

/// The files that git knows, or would add.
fn files() -> Vec<PathBuf> {
    let listed = Command::new("git")
        .args(["ls-files", "--cached", "--others", "--exclude-standard"])
        .current_dir(repository())
        .output()
        .unwrap();
    assert!(listed.status.success(), "the sources are read through git");
    let listed = String::from_utf8(listed.stdout).unwrap();
    let files: Vec<_> = listed.lines().map(PathBuf::from).collect();
    files.into_iter().filter(|file| repository().join(file).is_file()).collect()
}

/// The text of a file; none for pictures and weights.
fn text(file: &Path) -> Option<String> {
    String::from_utf8(fs::read(repository().join(file)).unwrap()).ok()
}

fn is_rust(file: &Path) -> bool {
    file.extension().is_some_and(|extension| extension == "rs")
}

#[test]
fn generated_types_stay_at_the_edge() {
    // The command line is a client through and through; tests speak to servers as clients do.
    let edge = ["shared/proto/", "shared/client/", "services/agespan/", "tests/"];
    let mut seen = 0;
    for file in files().iter().filter(|file| is_rust(file)) {
        let path = file.to_str().unwrap();
        let at_edge = edge.iter().any(|folder| path.starts_with(folder))
            || path.contains("/transport")
            || path.contains("/tests/");
        let speaks = text(file).unwrap().lines().any(|line| {
            let generated = line.contains("agespan_proto::") || line.contains("client::proto::");
            generated && !line.contains("DESCRIPTORS") && !line.contains("SERVICE_NAME")
        });
        assert!(at_edge || !speaks || path == "shared/service/src/serve.rs", "{path}");
        seen += usize::from(speaks);
    }
    assert!(seen > 10, "only {seen} files speak the protocol: this test looks for the wrong words");
}

#[test]
fn only_one_thread_holds_a_network() {
    // Tensors are made where a network is owned: its engine, its training, its crate.
    let owners = [
        "shared/models/",
        "shared/fused/",
        "services/age-estimator/src/precision.rs",
        "services/age-estimator/src/engine",
        "services/age-estimator/src/network.rs",
        "services/age-estimator/src/training",
        "services/age-estimator/examples/",
        "services/diffusion-generator/src/engine",
        "services/diffusion-generator/src/training",
        "services/diffusion-generator/src/small.rs",
        "services/diffusion-generator/src/worker/tuner/mod.rs",
        "services/diffusion-generator/examples/",
        "services/evaluator/src/images/engine.rs",
        "services/evaluator/src/images/reconstruction.rs",
        "services/diffusion-generator/src/tiny_pipeline.rs",
        "tests/golden/",
        "tests/fuzz/",
    ];
    for file in files().iter().filter(|file| is_rust(file)) {
        let path = file.to_str().unwrap();
        let text = text(file).unwrap();
        let has_tensors =
            [" tch::", "(tch::", "::tch::", "&tch::"].iter().any(|at| text.contains(at));
        let is_owner = owners.iter().any(|owner| path.starts_with(owner));
        assert!(!has_tensors || is_owner || path.contains("tests/invariants"), "{path}");
    }
}

#[test]
fn unsafe_code_stands_in_one_crate() {
    // A test asks a library to do without the extensions of the processor.
    let allowed = [
        "shared/fused/src/adamw.rs",
        "shared/fused/src/gradients.rs",
        "shared/fused/src/lib.rs",
        "shared/fused/src/quantized.rs",
        "shared/imaging/tests/pixels.rs",
    ];
    let word = concat!("uns", "afe ");
    let is_code = |line: &str| {
        [format!("{word}{{"), format!("{word}fn"), format!("{word}impl"), format!("{word}extern")]
            .iter()
            .any(|code| line.contains(code.as_str()))
    };
    let with = files().into_iter().filter(|file| is_rust(file));
    let with = with.filter(|file| text(file).unwrap().lines().any(is_code));
    let mut with: Vec<_> = with.map(|file| file.to_str().unwrap().to_owned()).collect();
    with.sort();
    assert_eq!(with, allowed);
}

#[test]
fn no_file_names_a_machine_or_a_face_of_the_data_set() {
    let home = ["/ro", "ot/"].concat();
    let work = ["/wo", "rk/"].concat();
    for file in files() {
        let path = file.to_str().unwrap();
        assert!(!path.contains(".chip."), "{path} looks like a face of UTKFace");
        let Some(text) = text(&file) else { continue };
        for (line, number) in text.lines().zip(1..) {
            let named = line.contains(&home) || line.contains(&work);
            assert!(!named, "{path}:{number} names a path of one machine: {line}");
        }
    }
}

#[test]
fn sources_are_short_enough_to_be_read() {
    for file in files().iter().filter(|file| is_rust(file)) {
        let lines = text(file).unwrap().lines().count();
        assert!(lines <= 400, "{} has {lines} lines", file.display());
    }
}
