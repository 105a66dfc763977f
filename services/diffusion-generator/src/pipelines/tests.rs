use std::fs;

use agespan_storage::Storage;

use super::*;
use crate::faces::Detector;
use crate::tiny_pipeline;

#[tokio::test]
async fn the_same_files_are_the_same_pipeline_and_others_another() {
    let folder = tempfile::tempdir().unwrap();
    let storage = Storage::open(folder.path().join("store").to_str().unwrap()).unwrap();
    let registry = Registry::new(storage);
    assert!(matches!(registry.newest().await, Err(PipelineError::NoneYet)));
    let path = tiny_pipeline::save(folder.path(), "one", 1);
    // What is not loaded is not taken in.
    fs::write(path.join("unet/diffusion_pytorch_model.fp16.safetensors"), "other").unwrap();
    // The directory says that it has no safety checker.
    fs::create_dir(path.join("safety_checker")).unwrap();
    fs::write(path.join("safety_checker/model.safetensors"), "checker").unwrap();
    let one = registry.add(path.clone()).await.unwrap();
    assert_eq!(registry.add(path).await.unwrap(), one);
    assert!(one.files.keys().all(|name| !name.contains("fp16") && !name.contains("safety")));
    let other = tiny_pipeline::save(folder.path(), "other", 2);
    let other = registry.add(other).await.unwrap();
    assert_ne!(other.id, one.id);
    let ids: Vec<_> = registry.list().await.unwrap().into_iter().map(|record| record.id).collect();
    assert_eq!(ids, [other.id.as_str(), &one.id]);
    assert_eq!(registry.newest().await.unwrap().id, other.id);
    assert!(matches!(registry.record("../x").await, Err(PipelineError::NotFound(_))));
}

#[tokio::test]
async fn a_pipeline_is_loaded_from_the_store_and_one_at_a_time() {
    let folder = tempfile::tempdir().unwrap();
    let storage = Storage::open(folder.path().join("store").to_str().unwrap()).unwrap();
    let registry = Registry::new(storage);
    let mut ids = Vec::new();
    for (name, seed) in [("one", 1), ("other", 2)] {
        let path = tiny_pipeline::save(folder.path(), name, seed);
        ids.push(registry.add(path.clone()).await.unwrap().id);
        fs::remove_dir_all(path).unwrap();
    }
    let pipelines =
        Pipelines::new(registry, folder.path().join("placed"), Detector::in_folder(folder.path()));
    let one = pipelines.get(&ids[0]).await.unwrap();
    assert!(std::sync::Arc::ptr_eq(&one, &pipelines.get(&ids[0]).await.unwrap()));
    pipelines.get(&ids[1]).await.unwrap();
    assert!(!std::sync::Arc::ptr_eq(&one, &pipelines.get(&ids[0]).await.unwrap()));

    // A file of the folder that somebody damaged is put right from the store.
    let damaged = folder.path().join("placed").join(&ids[1]).join("unet/config.json");
    fs::remove_file(&damaged).unwrap();
    pipelines.get(&ids[1]).await.unwrap();
    assert!(damaged.is_file());
    let gone = pipelines.get("none").await.unwrap_err();
    assert!(matches!(gone, PipelineError::NotFound(_)));
}

#[tokio::test]
async fn the_shipped_pipeline_is_installed_once_and_is_the_oldest() {
    let folder = tempfile::tempdir().unwrap();
    let storage = Storage::open(folder.path().join("store").to_str().unwrap()).unwrap();
    let registry = Registry::new(storage);
    let shipped = registry.install_shipped().await.unwrap();
    assert_eq!(registry.newest().await.unwrap(), shipped);
    // The second time it is found by its hash: its files are not looked at.
    for file in shipped.files.values() {
        registry.storage().delete(&file.path).await.unwrap();
    }
    assert_eq!(registry.install_shipped().await.unwrap(), shipped);
    let file = &shipped.files["unet/config.json"];
    assert!(registry.storage().get_artifact(file).await.is_err());
    let other = registry.add(tiny_pipeline::save(folder.path(), "tiny", 1)).await.unwrap();
    assert_eq!(registry.newest().await.unwrap(), other);
}
