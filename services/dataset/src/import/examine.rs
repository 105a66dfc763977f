//! The first pass: one thread reads, several decode.

use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Mutex, PoisonError};
use std::thread;

use agespan_imaging::Limits;

use super::{ImportError, ImportOptions, Watch};
use crate::clean::{self, Examined};
use crate::source::{InputFile, Source};

/// Files read ahead of the decoders: with the decoders' own, all that is in memory at once.
const AHEAD: usize = 16;

type Numbered = (usize, InputFile);

/// Looks at every file; the result is in the source's order.
pub(super) fn all(
    source: &Source,
    options: &ImportOptions,
    watch: &mut Watch<'_>,
) -> Result<Vec<Examined>, ImportError> {
    let (sender, receiver) = sync_channel(AHEAD);
    let receiver = Mutex::new(receiver);
    let done = Mutex::new(Vec::new());
    thread::scope(|scope| {
        for _ in 0..options.threads.max(1) {
            scope.spawn(|| decode(&receiver, &done, &options.limits));
        }
        // The sender goes with this call, which is what ends the threads.
        read(source, sender, watch)
    })?;
    let mut done: Vec<(usize, Examined)> =
        done.into_inner().unwrap_or_else(PoisonError::into_inner);
    done.sort_unstable_by_key(|(number, _)| *number);
    Ok(done.into_iter().map(|(_, file)| file).collect())
}

fn read(
    source: &Source,
    sender: SyncSender<Numbered>,
    watch: &mut Watch<'_>,
) -> Result<(), ImportError> {
    let mut number = 0;
    source.visit(|file| {
        watch.step(number as u64, source.count(), "checking images")?;
        // Fails only if all decoders panicked; leaving the scope then passes the panic on.
        let _ = sender.send((number, file));
        number += 1;
        Ok(())
    })
}

fn decode(
    receiver: &Mutex<Receiver<Numbered>>,
    done: &Mutex<Vec<(usize, Examined)>>,
    limits: &Limits,
) {
    while let Some((number, file)) = next(receiver) {
        let examined = clean::examine(file, limits);
        done.lock().unwrap_or_else(PoisonError::into_inner).push((number, examined));
    }
}

/// The lock is held while waiting: the others would only wait for the same file.
fn next(receiver: &Mutex<Receiver<Numbered>>) -> Option<Numbered> {
    receiver.lock().unwrap_or_else(PoisonError::into_inner).recv().ok()
}
