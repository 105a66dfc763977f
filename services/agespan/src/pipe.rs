//! A reader that has seen enough, such as `head`, is no error. `println!` panics on it.

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind, set_hook, take_hook};
use std::process::ExitCode;

/// Runs `command` and ends well, without a word, where nobody reads what it prints any more.
pub(crate) fn until_closed(command: impl FnOnce() -> ExitCode) -> ExitCode {
    let report = take_hook();
    set_hook(Box::new(move |panic| {
        if !is_closed_pipe(panic.payload()) {
            report(panic);
        }
    }));
    // Unwound and not ended at once: a private Redis has to be stopped.
    catch_unwind(AssertUnwindSafe(command)).unwrap_or_else(|panic| {
        if is_closed_pipe(&*panic) { ExitCode::SUCCESS } else { resume_unwind(panic) }
    })
}

/// By the standard library's words.
fn is_closed_pipe(panic: &dyn Any) -> bool {
    panic.downcast_ref::<String>().is_some_and(|said| {
        said.starts_with("failed printing to stdout") && said.contains("Broken pipe")
    })
}
