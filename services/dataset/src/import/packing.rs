//! The second pass: good files go into shards.

use std::collections::BTreeMap;

use agespan_storage::{ContentHash, Storage};
use tokio::runtime::Handle;

use super::shard::Packer;
use super::{ImportError, Watch};
use crate::clean::Examined;
use crate::label::Split;
use crate::manifest::{Place, Row};
use crate::record::Shard;
use crate::source::{Content, InputFile, Source};

pub(super) struct Packing<'a> {
    pub(super) storage: &'a Storage,
    pub(super) runtime: &'a Handle,
    /// Every file, in the source's order; good ones get their place.
    pub(super) rows: Vec<Row>,
    /// What is stored so far, by part.
    pub(super) shards: Vec<Shard>,
}

impl Packing<'_> {
    pub(super) fn run(
        &mut self,
        source: &Source,
        files: &[Examined],
        watch: &mut Watch<'_>,
    ) -> Result<(), ImportError> {
        // One open shard for each part: whoever wants one part then reads no other.
        let mut open: BTreeMap<Split, Packer> =
            Split::ALL.iter().map(|split| (*split, Packer::new())).collect();
        let (mut index, total) = (0, files.len());
        source.visit(|file| {
            let examined = files.get(index).filter(|examined| examined.path == file.path);
            let examined = examined.ok_or_else(|| changed(&file.path))?;
            watch.step(index as u64, Some(total as u64), "packing images")?;
            if let Some(split) = self.rows[index].split {
                let packer = open.entry(split).or_insert_with(Packer::new);
                put(packer, index, &file, examined)?;
                if packer.is_full() {
                    self.close(split, std::mem::replace(packer, Packer::new()))?;
                }
            }
            index += 1;
            Ok::<(), ImportError>(())
        })?;
        if let Some(missing) = files.get(index) {
            return Err(changed(&missing.path));
        }
        for (split, packer) in open.into_iter().filter(|(_, packer)| !packer.is_empty()) {
            self.close(split, packer)?;
        }
        self.shards.sort_by_key(|shard| shard.split); // stable: in the order of packing
        Ok(())
    }

    /// Stores a shard; only now its path, and with it the place of its images, is known.
    fn close(&mut self, split: Split, packer: Packer) -> Result<(), ImportError> {
        let (bytes, inside) = packer
            .finish()
            .map_err(|source| ImportError::Pack { path: format!("a shard of {split}"), source })?;
        let stored = self.storage.put_artifact("datasets/shards", "tar", bytes);
        let artifact = self.runtime.block_on(stored)?;
        for packed in &inside {
            self.rows[packed.row].place = Some(Place {
                shard: artifact.path.clone(),
                offset: packed.offset,
                length: packed.length,
            });
        }
        self.shards.push(Shard { split, images: inside.len() as u64, artifact });
        Ok(())
    }
}

fn put(
    packer: &mut Packer,
    index: usize,
    file: &InputFile,
    examined: &Examined,
) -> Result<(), ImportError> {
    match &file.content {
        Content::Bytes(bytes) if Some(ContentHash::of(bytes)) == examined.file_hash => packer
            .push(index, &file.path, bytes)
            .map_err(|source| ImportError::Pack { path: file.path.clone(), source }),
        _ => Err(changed(&file.path)),
    }
}

fn changed(path: &str) -> ImportError {
    ImportError::Changed { path: path.to_owned() }
}
