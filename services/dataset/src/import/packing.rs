//! The second pass: good files go into shards.

use std::collections::BTreeMap;

use agespan_imaging::{self as imaging, Limits};
use agespan_storage::{ContentHash, Storage};
use tokio::runtime::Handle;

use super::shard::Packer;
use super::{ImportError, Watch};
use crate::clean::{self, Examined};
use crate::label::Split;
use crate::layout::Layout;
use crate::manifest::{Place, Row};
use crate::record::Shard;
use crate::source::{Content, InputFile, Source};

pub(super) struct Packing<'a> {
    pub(super) storage: &'a Storage,
    pub(super) runtime: &'a Handle,
    pub(super) limits: &'a Limits,
    /// Every face, in the source's order; good ones get their place.
    pub(super) rows: Vec<Row>,
    /// What is stored so far, by part.
    pub(super) shards: Vec<Shard>,
}

impl Packing<'_> {
    pub(super) fn run(
        &mut self,
        source: &Source,
        layout: &Layout,
        faces: &[Examined],
        watch: &mut Watch<'_>,
    ) -> Result<(), ImportError> {
        // One open shard for each part: whoever wants one part then reads no other.
        let mut open: BTreeMap<Split, Packer> =
            Split::ALL.iter().map(|split| (*split, Packer::new())).collect();
        let files = faces.last().map_or(0, |face| face.number + 1);
        let (mut number, mut first) = (0, 0);
        source.visit(|file| {
            if layout.is_table(&file.path) {
                return Ok(());
            }
            let end = first + faces[first..].iter().take_while(|f| f.number == number).count();
            let of_file = &faces[first..end];
            if of_file.first().is_none_or(|face| !face.path.starts_with(&file.path)) {
                return Err(changed(&file.path));
            }
            watch.step(number as u64, Some(files as u64), "packing images")?;
            for (face, row) in of_file.iter().zip(first..) {
                let Some(split) = self.rows[row].split else { continue };
                let packer = open.entry(split).or_insert_with(Packer::new);
                self.put(packer, row, &file, face)?;
                if packer.is_full() {
                    self.close(split, std::mem::replace(packer, Packer::new()))?;
                }
            }
            (number, first) = (number + 1, end);
            Ok::<(), ImportError>(())
        })?;
        if let Some(missing) = faces.get(first) {
            return Err(changed(&missing.path));
        }
        for (split, packer) in open.into_iter().filter(|(_, packer)| !packer.is_empty()) {
            self.close(split, packer)?;
        }
        self.shards.sort_by_key(|shard| shard.split); // stable: in the order of packing
        Ok(())
    }

    /// Packs a file's bytes, or a face that is cut out of it.
    fn put(
        &self,
        packer: &mut Packer,
        row: usize,
        file: &InputFile,
        face: &Examined,
    ) -> Result<(), ImportError> {
        let Content::Bytes(bytes) = &file.content else { return Err(changed(&file.path)) };
        if Some(ContentHash::of(bytes)) != face.file_hash {
            return Err(changed(&file.path));
        }
        let packed = match face.crop {
            None => packer.push(row, &face.path, bytes),
            Some(crop) => {
                let kept = imaging::decode(bytes, self.limits)
                    .and_then(|image| clean::cut(&image, crop))
                    .map_err(|_| changed(&file.path))?;
                packer.push(row, &face.path, &kept)
            }
        };
        packed.map_err(|source| ImportError::Pack { path: face.path.clone(), source })
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

fn changed(path: &str) -> ImportError {
    ImportError::Changed { path: path.to_owned() }
}
