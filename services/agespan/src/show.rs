//! Tables, numbers and progress bars.

use agespan_client::explain;
use agespan_client::proto::age::v1::Gender;
use agespan_client::proto::job::v1::Job;
use comfy_table::{Table, presets::UTF8_FULL_CONDENSED};
use indicatif::{ProgressBar, ProgressStyle};
use tonic::Status;

/// The last line of a command that failed.
#[expect(clippy::print_stderr, reason = "errors go to stderr")]
pub(crate) fn error(error: &anyhow::Error) {
    match error.downcast_ref::<Status>() {
        Some(status) => eprintln!("error: {}", explain(status)),
        None => eprintln!("error: {error:#}"),
    }
}

/// A line that is not the answer, and no error.
#[expect(clippy::print_stderr, reason = "warnings go to stderr")]
pub(crate) fn warning(text: &str) {
    eprintln!("warning: {text}");
}

/// An empty table with these columns.
pub(crate) fn table(columns: &[&str]) -> Table {
    let mut table = Table::new();
    table.load_style(UTF8_FULL_CONDENSED).set_header(columns.iter().copied());
    table
}

/// A bar that shows a job. It is silent where there is no terminal.
pub(crate) struct JobBar(ProgressBar);

impl JobBar {
    pub(crate) fn new(title: &str) -> Self {
        let bar = ProgressBar::new(0).with_prefix(title.to_owned());
        let style = "{prefix:>12} {bar:30} {pos}/{len} {elapsed_precise} {msg}";
        if let Ok(style) = ProgressStyle::with_template(style) {
            bar.set_style(style);
        }
        Self(bar)
    }

    pub(crate) fn show(&self, job: &Job) {
        if let Some(progress) = &job.progress {
            self.0.set_length(progress.total);
            self.0.set_position(progress.done);
            self.0.set_message(progress.message.clone());
        }
    }

    /// Prints something while the bar is out of the way.
    pub(crate) fn interrupt(&self, print: impl FnOnce()) {
        self.0.suspend(print);
    }

    pub(crate) fn finish(self) {
        self.0.finish_and_clear();
    }
}

/// A gender in a word; none where it is not known.
pub(crate) fn gender(gender: Gender) -> Option<&'static str> {
    match gender {
        Gender::Female => Some("female"),
        Gender::Male => Some("male"),
        Gender::Unspecified => None,
    }
}

/// A share as a percentage with one decimal.
pub(crate) fn percent(share: f64) -> String {
    format!("{:.1} %", share * 100.0)
}

/// A share with its bounds.
pub(crate) fn bounded(value: f64, lower: f64, upper: f64) -> String {
    format!("{} ({} to {})", percent(value), percent(lower), percent(upper))
}
