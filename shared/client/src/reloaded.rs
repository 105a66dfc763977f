//! What is read from files, and read again when they change.

use std::error::Error;
use std::fmt;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

/// Between two looks at the files.
const BETWEEN_LOOKS: Duration = Duration::from_secs(1);

type AnyError = Box<dyn Error + Send + Sync>;
type Read<T> = Box<dyn Fn() -> Result<T, AnyError> + Send + Sync>;
/// Modification time, length and inode: a file that another was moved over has a new inode.
type Stamp = Vec<Option<(i64, i64, u64, u64)>>;

/// A value from files. It is looked after when it is used, at most once a second, so that it needs
/// no task of its own; the files are few and small.
pub struct Reloaded<T>(Arc<Inner<T>>);

struct Inner<T> {
    files: Vec<PathBuf>,
    read: Read<T>,
    state: Mutex<State<T>>,
}

struct State<T> {
    value: Arc<T>,
    stamp: Stamp,
    looked: Instant,
}

impl<T> Reloaded<T> {
    /// What `read` makes of `files`.
    ///
    /// # Errors
    /// Those of the first reading. When a later one fails the value before it stays in use, and the
    /// log says why.
    pub fn new<E>(
        files: Vec<PathBuf>,
        read: impl Fn() -> Result<T, E> + Send + Sync + 'static,
    ) -> Result<Self, E>
    where
        E: Error + Send + Sync + 'static,
    {
        // The stamp first: files that change while they are read are read again.
        let stamp = stamp(&files);
        let value = Arc::new(read()?);
        let state = Mutex::new(State { value, stamp, looked: Instant::now() });
        let read: Read<T> = Box::new(move || Ok(read()?));
        Ok(Self(Arc::new(Inner { files, read, state })))
    }

    /// The value, read again if the files have changed.
    pub fn current(&self) -> Arc<T> {
        let mut state = self.0.state.lock().unwrap_or_else(PoisonError::into_inner);
        if state.looked.elapsed() >= BETWEEN_LOOKS {
            state.looked = Instant::now();
            let stamp = stamp(&self.0.files);
            if stamp != state.stamp {
                state.stamp = stamp;
                self.replace(&mut state);
            }
        }
        state.value.clone()
    }

    fn replace(&self, state: &mut State<T>) {
        let files = &self.0.files;
        match (self.0.read)() {
            Ok(value) => {
                state.value = Arc::new(value);
                tracing::info!(?files, "read again, since they have changed");
            }
            Err(error) => {
                let error: &(dyn Error + 'static) = &*error;
                tracing::warn!(
                    ?files,
                    error,
                    "changed and cannot be used: what was read before stays"
                );
            }
        }
    }
}

impl<T> Clone for Reloaded<T> {
    fn clone(&self) -> Self {
        Self(self.0.clone())
    }
}

/// The value is not shown: it may be a secret.
impl<T> fmt::Debug for Reloaded<T> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_tuple("Reloaded").field(&self.0.files).finish()
    }
}

fn stamp(files: &[PathBuf]) -> Stamp {
    let one = |file: &PathBuf| {
        let found = fs::metadata(file).ok()?;
        Some((found.mtime(), found.mtime_nsec(), found.size(), found.ino()))
    };
    files.iter().map(one).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn number(file: &PathBuf) -> Result<u32, std::io::Error> {
        fs::read_to_string(file)?.parse().map_err(std::io::Error::other)
    }

    #[test]
    fn a_changed_file_is_read_again_and_a_bad_one_changes_nothing() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("number");
        let read = |file: PathBuf| Reloaded::new(vec![file.clone()], move || number(&file));
        assert!(read(file.clone()).is_err());

        fs::write(&file, "1").unwrap();
        let reloaded = read(file.clone()).unwrap();
        assert_eq!(*reloaded.current(), 1);
        for (text, expected) in [("2", 2), ("no number", 2), ("33", 33)] {
            fs::write(&file, text).unwrap();
            std::thread::sleep(BETWEEN_LOOKS);
            assert_eq!(*reloaded.current(), expected, "{text}");
        }
        fs::remove_file(&file).unwrap();
        std::thread::sleep(BETWEEN_LOOKS);
        assert_eq!(*reloaded.current(), 33);
    }
}
