//! Which paths an archive may hold.

use super::SourceError;

/// What an entry is, as far as importing is concerned.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum EntryKind {
    File,
    Folder,
    Link,
    /// A device, a socket or a pipe.
    Special,
}

/// Refuses a path that leads out of where it would be unpacked, on any system: Windows takes
/// backslashes for slashes, and a drive letter for an absolute path.
pub(super) fn check(entry: &str, kind: EntryKind) -> Result<(), SourceError> {
    let problem = match kind {
        EntryKind::Link => Some("is a link"),
        EntryKind::Special => Some("is no regular file"),
        EntryKind::File | EntryKind::Folder => path_problem(entry),
    };
    match problem {
        None => Ok(()),
        Some(problem) => Err(SourceError::Unsafe { entry: entry.to_owned(), problem }),
    }
}

fn path_problem(entry: &str) -> Option<&'static str> {
    if entry.contains('\0') {
        return Some("has a zero byte in its path");
    }
    if entry.split(['/', '\\']).any(|part| part == "..") {
        return Some("leads out of the archive (..)");
    }
    let absolute = entry.starts_with(['/', '\\']) || entry.as_bytes().get(1) == Some(&b':');
    absolute.then_some("has an absolute path")
}

/// Counts a file against the limit.
pub(super) fn count(files: &mut u64, limit: u64) -> Result<(), SourceError> {
    *files += 1;
    if *files > limit {
        return Err(SourceError::TooManyFiles { limit });
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_inside_pass() {
        for path in ["a.jpg", "UTKFace/a.jpg", "./a..jpg", "a/..b/c", "ä.jpg", "a/"] {
            assert!(check(path, EntryKind::File).is_ok(), "{path}");
        }
    }

    #[test]
    fn paths_outside_are_refused() {
        for path in ["../a", "a/../../b", "a/..", "/etc/passwd", "\\a", "a\\..\\b", "C:\\a", "a\0b"]
        {
            assert!(check(path, EntryKind::File).is_err(), "{path}");
        }
        assert!(check("a", EntryKind::Link).is_err());
        assert!(check("a", EntryKind::Special).is_err());
    }
}
