//! Imports of made-up data, from source to samples.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking, in its helpers too")]

mod synthetic;

use std::cell::Cell;
use std::collections::BTreeMap;
use std::io::Read;

use agespan_dataset::import::{ImportError, ImportOptions, Watch, import};
use agespan_dataset::label::Split;
use agespan_dataset::record::{self, RecordError};
use agespan_dataset::samples::{Samples, SamplesError};
use agespan_dataset::split::Fractions;
use agespan_imaging::Limits;
use synthetic::{World, directory, good, gzip, mixed, tar, zip};

#[test]
fn every_container_gives_the_same_dataset() {
    let world = World::new();
    let files = mixed();
    let tar = tar(&files);
    let sources = [
        ("directory", directory(&world.path("files"), &files)),
        ("zip", zip(&world.path("no-extension"), &files)),
        ("tar", world.file("a.tar", &tar)),
        ("gzip", world.file("a.tgz", &gzip(&tar))),
    ];
    let records = sources.map(|(name, source)| world.import(&source, name).unwrap());
    for record in &records[1..] {
        assert_eq!(record.content_hash, records[0].content_hash, "{}", record.name);
        assert_eq!(record.shards, records[0].shards, "{}", record.name);
        assert_eq!(record.splits, records[0].splits, "{}", record.name);
    }
    assert_eq!(world.names(), ["directory", "gzip", "tar", "zip"]);
}

#[test]
fn nothing_is_dropped_silently() {
    let world = World::new();
    let files = mixed();
    let record = world.import(&zip(&world.path("a.zip"), &files), "a").unwrap();
    let expected = [
        ("CONTRADICTING_AGES", 2),
        ("DOUBLE_UNDERSCORE", 1),
        ("DUPLICATE_PIXELS", 1),
        ("EMPTY", 1),
        ("MISSING_RACE", 1),
        ("NOT_AN_IMAGE_NAME", 1),
        ("TOO_SMALL", 1),
        ("TRUNCATED", 1),
        ("UNKNOWN_FORMAT", 1),
    ];
    let expected: BTreeMap<String, u64> = expected.map(|(r, n)| (r.to_owned(), n)).into();
    assert_eq!(record.quarantined, expected);
    assert_eq!(record.faces(), 63);

    let samples = world.runtime.block_on(Samples::open(&world.storage, "a")).unwrap();
    let paths: Vec<&str> = samples.rows().iter().map(|row| row.path.as_str()).collect();
    assert_eq!(paths, files.iter().map(|(path, _)| path.as_str()).collect::<Vec<_>>());
    for row in samples.rows() {
        assert_eq!(row.split.is_some(), row.quarantine.is_none(), "{row:?}");
        assert_eq!(row.place.is_some(), row.quarantine.is_none(), "{row:?}");
    }
    let statistics = samples.statistics();
    assert_eq!(statistics.files, files.len() as u64);
    assert_eq!(statistics.quarantined, expected);
    assert_eq!(statistics.count(None), 63);
    for (split, part) in &record.splits {
        assert_eq!(statistics.count(Some(*split)), part.faces);
        assert_eq!(samples.faces(Some(*split)).count() as u64, part.faces);
    }
}

#[test]
fn images_come_back_byte_for_byte() {
    let world = World::new();
    let files = mixed();
    let bytes: BTreeMap<_, _> = files.iter().cloned().collect();
    world.import(&zip(&world.path("a.zip"), &files), "a").unwrap();
    world.runtime.block_on(async {
        let samples = Samples::open(&world.storage, "a").await.unwrap();
        let mut seen = 0;
        for split in Split::ALL {
            for shard in samples.shards(Some(*split)) {
                for (row, image) in samples.read_shard(shard).await.unwrap() {
                    assert_eq!(row.split, Some(*split));
                    assert_eq!(image, bytes[&row.path]);
                    assert_eq!(samples.image(row).await.unwrap(), image);
                    seen += 1;
                }
            }
        }
        assert_eq!(seen, 63);
        let bad = samples.rows().iter().find(|row| row.quarantine.is_some()).unwrap();
        let error = samples.image(bad).await.unwrap_err();
        assert!(matches!(error, SamplesError::NoBytes { .. }), "{error}");
    });
}

#[test]
fn a_shard_is_a_tar() {
    let world = World::new();
    // Longer than a tar header has room for.
    let long = format!("{}/5_0_0_1.jpg", "a".repeat(150));
    let files = vec![(long.clone(), synthetic::jpeg(1))];
    let record = world.import(&directory(&world.path("files"), &files), "a").unwrap();
    let bytes = world.runtime.block_on(world.storage.get_artifact(&record.shards[0].artifact));
    let bytes = bytes.unwrap();
    let mut archive = tar::Archive::new(&bytes[..]);
    let mut entry = archive.entries().unwrap().next().unwrap().unwrap();
    assert_eq!(entry.path().unwrap().to_str(), Some(long.as_str()));
    let mut image = Vec::new();
    entry.read_to_end(&mut image).unwrap();
    assert_eq!(image, files[0].1);
    world.runtime.block_on(async {
        let samples = Samples::open(&world.storage, "a").await.unwrap();
        assert_eq!(samples.image(&samples.rows()[0]).await.unwrap(), image);
    });
}

#[test]
fn the_seed_and_the_fractions_decide() {
    let world = World::new();
    let source = zip(&world.path("a.zip"), &good(200));
    let run = |name, seed, fractions| {
        let options = ImportOptions { seed, fractions, threads: 3, ..Default::default() };
        world.import_with(&source, name, &options, &|| false).unwrap()
    };
    let first = run("a", 1, Fractions::default());
    assert_eq!(first.content_hash, run("b", 1, Fractions::default()).content_hash);
    assert_ne!(first.splits, run("c", 2, Fractions::default()).splits);
    let all = Fractions { train: 0.0, validation: 0.0, calibration: 0.0, test: 1.0 };
    let record = run("d", 1, all);
    assert_eq!(record.splits[&Split::Test].faces, 200);
    assert_eq!(record.shards.len(), 1);

    let bad = ImportOptions {
        fractions: Fractions { train: 0.9, ..Fractions::default() },
        ..Default::default()
    };
    let error = world.import_with(&source, "e", &bad, &|| false).unwrap_err();
    assert!(matches!(error, ImportError::Fractions(_)), "{error}");
}

#[test]
fn a_name_is_taken_once_and_well_formed() {
    let world = World::new();
    let source = zip(&world.path("a.zip"), &good(5));
    world.import(&source, "a").unwrap();
    let error = world.import(&source, "a").unwrap_err();
    assert!(matches!(&error, ImportError::AlreadyExists(name) if name == "a"), "{error}");
    let error = world.import(&source, "../a").unwrap_err();
    assert!(matches!(error, ImportError::Record(RecordError::Name(_))), "{error}");

    world.runtime.block_on(async {
        record::delete(&world.storage, "a").await.unwrap();
        let error = record::load(&world.storage, "a").await.unwrap_err();
        assert!(matches!(error, RecordError::NotFound(_)), "{error}");
        assert!(record::delete(&world.storage, "a").await.is_err());
    });
    world.import(&source, "a").unwrap();
}

#[test]
fn a_cancelled_import_leaves_nothing_visible_and_can_be_repeated() {
    let world = World::new();
    let source = zip(&world.path("a.zip"), &good(40));
    // In the first pass, in the second, and just before the record.
    for calls in [3, 45, 80] {
        let count = Cell::new(0);
        let cancelled = || {
            count.set(count.get() + 1);
            count.get() > calls
        };
        let error =
            world.import_with(&source, "a", &ImportOptions::default(), &cancelled).unwrap_err();
        assert!(matches!(error, ImportError::Cancelled), "{error}");
        assert!(world.names().is_empty());
    }
    let after = world.import(&source, "a").unwrap();
    let fresh = World::new().import(&source, "a").unwrap();
    assert_eq!((after.content_hash, after.shards), (fresh.content_hash, fresh.shards));
}

#[test]
fn progress_is_told() {
    let world = World::new();
    let source = zip(&world.path("a.zip"), &good(10));
    let mut told = Vec::new();
    let watch = Watch {
        progress: &mut |done, total, step| told.push((done, total, step.to_owned())),
        cancelled: &|| false,
    };
    let options = ImportOptions::default();
    import(&source, "a", &options, &world.storage, world.runtime.handle(), watch).unwrap();
    assert_eq!(told.len(), 21);
    assert_eq!(told[3], (3, Some(10), "checking images".into()));
    assert_eq!(told[13], (3, Some(10), "packing images".into()));
    assert_eq!(told[20], (10, Some(10), "writing the manifest".into()));
}

#[test]
fn a_source_that_changes_is_noticed() {
    let world = World::new();
    let source = directory(&world.path("files"), &good(10));
    let victim = source.join(&good(10)[4].0);
    let watch = Watch {
        progress: &mut |done, _, step| {
            if (done, step) == (0, "packing images") {
                std::fs::write(&victim, synthetic::jpeg(99)).unwrap();
            }
        },
        cancelled: &|| false,
    };
    let options = ImportOptions::default();
    let error =
        import(&source, "a", &options, &world.storage, world.runtime.handle(), watch).unwrap_err();
    assert!(matches!(error, ImportError::Changed { .. }), "{error}");
    assert!(world.names().is_empty());
}

#[test]
fn nothing_usable_is_an_error_that_says_why() {
    let world = World::new();
    let files = vec![("a.jpg".to_owned(), vec![1]), ("b.jpg".to_owned(), vec![2])];
    let error = world.import(&zip(&world.path("a.zip"), &files), "a").unwrap_err().to_string();
    assert!(
        error.contains("none of the 2 files") && error.contains("WRONG_FIELD_COUNT"),
        "{error}"
    );
    std::fs::create_dir(world.path("empty")).unwrap();
    let error = world.import(&world.path("empty"), "a").unwrap_err();
    assert!(matches!(error, ImportError::NothingUsable { files: 0, .. }), "{error}");
}

#[test]
fn a_long_file_is_quarantined_unread() {
    let world = World::new();
    let mut files = good(3);
    files.push(("UTKFace/9_0_0_9.jpg".into(), vec![0; 5 << 20]));
    let limits = Limits { max_bytes: 1 << 20, ..Limits::default() };
    let options = ImportOptions { limits, ..Default::default() };
    let source = zip(&world.path("a.zip"), &files);
    let record = world.import_with(&source, "a", &options, &|| false).unwrap();
    assert_eq!(record.quarantined, BTreeMap::from([("TOO_LARGE".to_owned(), 1)]));
}
