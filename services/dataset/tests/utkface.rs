//! The real archive, when it is at hand: it never enters the repository.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking, in its helpers too")]

mod synthetic;

use std::collections::{BTreeSet, HashMap};
use std::path::Path;

use agespan_dataset::label::Split;
use agespan_dataset::samples::Samples;
use synthetic::World;

#[test]
#[allow(clippy::disallowed_methods, reason = "a test has no command line to take a path from")]
fn the_shared_archive() {
    let Some(source) = std::env::var_os("AGESPAN_UTKFACE") else {
        eprintln!("skipped: set AGESPAN_UTKFACE to the path of utkface.zip to run this test");
        return;
    };
    let world = World::new();
    let record = world.import(Path::new(&source), "utkface").unwrap();
    let samples = world.runtime.block_on(Samples::open(&world.storage, "utkface")).unwrap();
    assert_eq!(
        record.faces() + record.quarantined.values().sum::<u64>(),
        samples.rows().len() as u64
    );
    // Each part has its share.
    let shares = [0.70, 0.08, 0.11, 0.11];
    for (split, share) in Split::ALL.iter().zip(shares) {
        let got = record.splits[split].faces as f64 / record.faces() as f64;
        assert!((got - share).abs() < 0.005, "{split}: {got}");
    }
    // No moment and no picture is in two parts.
    let mut parts: HashMap<String, BTreeSet<Split>> = HashMap::new();
    for row in samples.faces(None) {
        let names = [row.timestamp.clone(), row.pixel_hash.map(|hash| hash.to_string())];
        for name in names.into_iter().flatten() {
            parts.entry(name).or_default().extend(row.split);
        }
    }
    assert!(parts.values().all(|parts| parts.len() == 1));
}
