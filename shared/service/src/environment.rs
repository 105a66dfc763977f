//! The environment of a process that runs models. Its readers, libgomp and malloc, look once, when
//! they are loaded: it has to be there before the process starts.
//!
//! * Threads of libgomp spin while they wait for work. Two libtorch processes on the same cores then
//!   starve each other: a forward pass was seen to fall fifty-fold.
//! * malloc gives every tensor beyond 32 MiB back to the system at once, and the next step waits for
//!   its pages again: a third more training steps a second when it keeps them, in huge pages. A
//!   process so keeps up to a gibibyte that it has used once, in one of two arenas: with more of them,
//!   each thread would keep its own. What is Rust's has an allocator of its own.

use std::os::unix::process::CommandExt;
use std::process::Command;

const ENVIRONMENT: [(&str, &str); 2] = [
    ("OMP_WAIT_POLICY", "PASSIVE"),
    (
        "GLIBC_TUNABLES",
        "glibc.malloc.hugetlb=1:glibc.malloc.arena_max=2:glibc.malloc.mmap_threshold=1073741824:\
         glibc.malloc.trim_threshold=1073741824:glibc.malloc.top_pad=67108864",
    ),
];

/// Gives `command` that environment. What is set already stays as it is.
pub fn for_models(command: &mut Command) -> &mut Command {
    command.envs(missing())
}

/// Replaces this process by itself with that environment, unless it has it. Call it first in `main`.
/// When the replacement fails the process goes on as it is: slower, not wrong.
pub fn begin_for_models() {
    if missing().is_empty() {
        return;
    }
    if let Ok(program) = std::env::current_exe() {
        let mut command = Command::new(program);
        let _ = for_models(command.args(std::env::args_os().skip(1))).exec();
    }
}

#[expect(clippy::disallowed_methods, reason = "these libraries are configured by it alone")]
fn missing() -> Vec<(&'static str, &'static str)> {
    ENVIRONMENT.into_iter().filter(|(name, _)| std::env::var_os(name).is_none()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_set_already_stays() {
        let mut command = Command::new("env");
        for_models(&mut command);
        let given: Vec<_> = command.get_envs().map(|(name, _)| name.to_owned()).collect();
        assert!(given.iter().all(|name| ENVIRONMENT.iter().any(|(known, _)| name == known)));
        let output = command.output().unwrap();
        let seen = String::from_utf8(output.stdout).unwrap();
        assert!(ENVIRONMENT.iter().all(|(name, _)| seen.contains(name)), "{seen}");
    }
}
