//! What is logged, which can be changed while the process runs.

use std::path::{Path, PathBuf};
use std::time::Duration;

use tracing_subscriber::filter::ParseError;
use tracing_subscriber::{EnvFilter, Registry, reload};

use super::TelemetryConfig;

/// Whatever filter is asked for: at finer levels these write down the headers of requests, tokens
/// among them, or the bytes of connections.
const NEVER_MORE: [&str; 4] = ["h2=info", "hyper=info", "rustls=info", "tower=info"];

/// Between two looks at the file. Whoever turns a level up is waiting for its lines.
const BETWEEN_LOOKS: Duration = Duration::from_secs(2);

/// The filter of a process, and where it may be changed.
#[derive(Debug)]
pub(crate) struct Filter {
    handle: reload::Handle<EnvFilter, Registry>,
    /// Without the file, or with an empty one.
    usual: String,
    file: Option<PathBuf>,
}

impl Filter {
    /// As the settings say, and the layer that goes by it.
    pub(super) fn new(
        config: &TelemetryConfig,
    ) -> Result<(Self, reload::Layer<EnvFilter, Registry>), ParseError> {
        let file = config.log_filter_file.clone();
        let usual = config.log.clone();
        // A mistake in the settings ends the start; one in the file, which comes and goes, never does.
        let (layer, handle) = reload::Layer::new(parse(&usual)?);
        let filter = Self { handle, usual, file };
        Ok((filter, layer))
    }

    /// Does as the file says, from its first look on. Ends when nobody needs it: without a file at once.
    pub(crate) async fn follow(self) {
        let Some(file) = &self.file else { return };
        let mut known = self.usual.clone();
        loop {
            let wanted = read(file).unwrap_or_else(|| self.usual.clone());
            if wanted != known {
                self.change(&wanted);
                known = wanted;
            }
            tokio::time::sleep(BETWEEN_LOOKS).await;
        }
    }

    fn change(&self, wanted: &str) {
        match parse(wanted) {
            Ok(filter) => {
                tracing::info!(filter = wanted, "what is logged changes");
                if self.handle.reload(filter).is_err() {
                    tracing::warn!("another filter was there first; what is logged stays as it is");
                }
            }
            Err(error) => {
                tracing::warn!(%error, filter = wanted, "what is logged stays as it is");
            }
        }
    }
}

fn read(file: &Path) -> Option<String> {
    let text = std::fs::read_to_string(file).ok()?;
    Some(text.trim().to_owned()).filter(|text| !text.is_empty())
}

fn parse(text: &str) -> Result<EnvFilter, ParseError> {
    let mut filter: EnvFilter = EnvFilter::builder().parse(text)?;
    for quiet in NEVER_MORE {
        filter = filter.add_directive(quiet.parse()?);
    }
    Ok(filter)
}
