//! A directory as storage, which is what one machine uses.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking, in its helpers too")]

use std::fs;

use agespan_storage::{Artifact, ContentHash, Storage, StorageError};
use bytes::Bytes;
use tempfile::TempDir;

fn storage() -> (TempDir, Storage) {
    let dir = tempfile::tempdir().unwrap();
    // Two folders deep: opening creates what is missing.
    let storage = Storage::open(dir.path().join("a/b").to_str().unwrap()).unwrap();
    (dir, storage)
}

#[tokio::test]
async fn an_artifact_is_named_by_its_content() {
    let (dir, storage) = storage();
    let bytes = Bytes::from_static(b"abc");
    let artifact = storage.put_artifact("weights", "bin", bytes.clone()).await.unwrap();
    let hash = ContentHash::of(b"abc");
    let path = format!("weights/{hash}.bin");
    assert_eq!(artifact, Artifact { path: path.clone(), hash, size: 3 });
    assert_eq!(storage.get(&path).await.unwrap(), bytes);
    assert_eq!(storage.get_artifact(&artifact).await.unwrap(), bytes);
    assert_eq!(storage.get_range(&path, 1..3).await.unwrap(), &bytes[1..]);
    assert_eq!(storage.get_range(&path, 2..2).await.unwrap(), &b""[..]);

    // Again: nothing is written.
    let file = dir.path().join("a/b").join(&path);
    let before = fs::metadata(&file).unwrap().modified().unwrap();
    assert_eq!(storage.put_artifact("weights", "bin", bytes).await.unwrap(), artifact);
    assert_eq!(fs::metadata(&file).unwrap().modified().unwrap(), before);
}

#[tokio::test]
async fn damage_is_noticed_and_a_wrong_length_mended() {
    let (dir, storage) = storage();
    let bytes = Bytes::from_static(b"abc");
    let artifact = storage.put_artifact("weights", "bin", bytes.clone()).await.unwrap();
    fs::write(dir.path().join("a/b").join(&artifact.path), b"ab").unwrap();
    let error = storage.get_artifact(&artifact).await.unwrap_err();
    assert!(matches!(error, StorageError::HashMismatch { .. }), "{error}");
    storage.put_artifact("weights", "bin", bytes).await.unwrap();
    storage.get_artifact(&artifact).await.unwrap();
}

#[tokio::test]
async fn a_large_file_goes_in_and_out_in_pieces() {
    let (dir, storage) = storage();
    let file = dir.path().join("weights");
    let bytes: Vec<u8> = (0..20_000_000u32).map(|i| (i.wrapping_mul(i) >> 7) as u8).collect();
    fs::write(&file, &bytes).unwrap();
    let artifact = storage.put_file("weights", "bin", &file).await.unwrap();
    assert_eq!(artifact.hash, ContentHash::of(&bytes));
    assert_eq!(
        storage.put_artifact("weights", "bin", bytes.clone().into()).await.unwrap(),
        artifact
    );
    let local = storage.local_file(&artifact.path).unwrap();
    assert!(local.is_absolute() && fs::read(local).unwrap() == bytes);

    let copy = dir.path().join("copy");
    storage.fetch_file(&artifact, &copy).await.unwrap();
    assert!(fs::read(&copy).unwrap() == bytes);

    // Damaged in the store: nothing appears here.
    fs::remove_file(&copy).unwrap();
    fs::write(dir.path().join("a/b").join(&artifact.path), b"abc").unwrap();
    let error = storage.fetch_file(&artifact, &copy).await.unwrap_err();
    assert!(matches!(error, StorageError::HashMismatch { .. }), "{error}");
    assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 2, "the part stays behind");
    let gone = storage.put_file("weights", "bin", &copy).await.unwrap_err();
    assert!(matches!(gone, StorageError::File { operation: "read", .. }), "{gone}");
}

#[tokio::test]
async fn records_are_created_once_and_replaced_at_will() {
    let (_dir, storage) = storage();
    storage.create_json("datasets/a.json", &vec![1, 2]).await.unwrap();
    let error = storage.create_json("datasets/a.json", &vec![3]).await.unwrap_err();
    assert!(
        matches!(&error, StorageError::AlreadyExists { path } if path == "datasets/a.json"),
        "{error}"
    );
    let read: Vec<i32> = storage.get_json("datasets/a.json").await.unwrap();
    assert_eq!(read, [1, 2]);
    storage.put_json("datasets/a.json", &"new").await.unwrap();
    assert_eq!(storage.get_json::<String>("datasets/a.json").await.unwrap(), "new");
    let error = storage.get_json::<u8>("datasets/a.json").await.unwrap_err();
    assert!(matches!(error, StorageError::Malformed { .. }), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn of_many_creators_one_wins() {
    let (_dir, storage) = storage();
    let tasks: Vec<_> = (0..16)
        .map(|i| {
            let storage = storage.clone();
            tokio::spawn(async move { storage.create_json("x.json", &i).await.is_ok() })
        })
        .collect();
    let mut winners = 0;
    for task in tasks {
        winners += u32::from(task.await.unwrap());
    }
    assert_eq!(winners, 1);
}

#[tokio::test]
async fn listing_is_sorted_and_deleting_repeatable() {
    let (_dir, storage) = storage();
    for path in ["b/2.json", "a/1.json", "b/1.json", "bc/1.json"] {
        storage.put_json(path, &0).await.unwrap();
    }
    assert_eq!(storage.list("b").await.unwrap(), ["b/1.json", "b/2.json"]);
    assert_eq!(storage.list("").await.unwrap().len(), 4);
    assert!(storage.list("nothing").await.unwrap().is_empty());
    storage.delete("b/1.json").await.unwrap();
    storage.delete("b/1.json").await.unwrap();
    assert_eq!(storage.list("b").await.unwrap(), ["b/2.json"]);
    let error = storage.get("b/1.json").await.unwrap_err();
    assert!(matches!(error, StorageError::NotFound { .. }), "{error}");
}

#[tokio::test]
async fn nothing_outside_the_storage_is_reached() {
    let (dir, storage) = storage();
    fs::write(dir.path().join("secret"), b"secret").unwrap();
    for path in ["../../secret", "a/../../secret", "..", "a//b"] {
        let error = storage.get(path).await.unwrap_err();
        assert!(matches!(error, StorageError::InvalidPath { .. }), "{path}: {error}");
    }
    // An absolute path is one below the storage.
    let absolute = dir.path().join("secret");
    assert!(storage.get(absolute.to_str().unwrap()).await.is_err());
}

#[test]
fn locations() {
    let dir = tempfile::tempdir().unwrap();
    let url = format!("file://{}/x", dir.path().display());
    assert_eq!(Storage::open(&url).unwrap().location(), url);
    assert!(dir.path().join("x").is_dir());
    let key = [("aws_region".to_owned(), "eu-west-1".to_owned())];
    Storage::open_with("s3://bucket/some/folder", key).unwrap();
    for location in ["", "memory://", "ftp://host/x", "s3://", "/dev/null/x"] {
        let error = Storage::open(location).unwrap_err();
        assert!(matches!(error, StorageError::Location { .. }), "{location}");
    }
}
