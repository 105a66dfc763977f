//! How much memory a piece of work takes at its height.

use std::fs;

/// Bytes that the process held at most during `work`, above what it held before. Other threads count
/// as well: nextest gives each test a process of its own.
pub(crate) fn height<T>(work: impl FnOnce() -> T) -> (u64, T) {
    // Begins the height anew at what is held now.
    fs::write("/proc/self/clear_refs", "5").unwrap();
    let before = field("VmRSS:");
    let done = work();
    (field("VmHWM:").saturating_sub(before), done)
}

fn field(name: &str) -> u64 {
    let status = fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix(name)).unwrap();
    line.trim().trim_end_matches(" kB").parse::<u64>().unwrap() * 1024
}
