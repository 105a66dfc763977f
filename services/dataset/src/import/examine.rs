//! The first pass: one thread reads, several decode.

use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Mutex, PoisonError};
use std::thread;

use agespan_imaging::Limits;

use super::{ImportError, ImportOptions, Watch};
use crate::clean::{self, Examined};
use crate::layout::Layout;
use crate::source::{InputFile, Source};

/// Files read ahead of the decoders: with the decoders' own, all that is in memory at once.
const AHEAD: usize = 16;

type Numbered = (usize, InputFile);

/// Looks at every file but the label tables; the result is in the source's order.
pub(super) fn all(
    source: &Source,
    layout: &Layout,
    options: &ImportOptions,
    watch: &mut Watch<'_>,
) -> Result<Vec<Examined>, ImportError> {
    let (sender, receiver) = sync_channel(AHEAD);
    let receiver = Mutex::new(receiver);
    let done = Mutex::new(Vec::new());
    thread::scope(|scope| {
        for _ in 0..options.threads.max(1) {
            scope.spawn(|| decode(&receiver, &done, layout, &options.limits));
        }
        // The sender goes with this call, which is what ends the threads.
        read(source, layout, sender, watch)
    })?;
    let mut done: Vec<Vec<Examined>> = done.into_inner().unwrap_or_else(PoisonError::into_inner);
    done.sort_unstable_by_key(|faces| faces[0].number);
    Ok(done.into_iter().flatten().collect())
}

fn read(
    source: &Source,
    layout: &Layout,
    sender: SyncSender<Numbered>,
    watch: &mut Watch<'_>,
) -> Result<(), ImportError> {
    let mut number = 0;
    source.visit(|file| {
        if layout.is_table(&file.path) {
            return Ok(());
        }
        watch.step(number as u64, source.count(), "checking images")?;
        // Fails only if all decoders panicked; leaving the scope then passes the panic on.
        let _ = sender.send((number, file));
        number += 1;
        Ok(())
    })
}

fn decode(
    receiver: &Mutex<Receiver<Numbered>>,
    done: &Mutex<Vec<Vec<Examined>>>,
    layout: &Layout,
    limits: &Limits,
) {
    while let Some((number, file)) = next(receiver) {
        let faces = clean::examine(number, file, layout, limits);
        done.lock().unwrap_or_else(PoisonError::into_inner).push(faces);
    }
}

/// The lock is held while waiting: the others would only wait for the same file.
fn next(receiver: &Mutex<Receiver<Numbered>>) -> Option<Numbered> {
    receiver.lock().unwrap_or_else(PoisonError::into_inner).recv().ok()
}
