//! The names of everything in Redis.

use crate::JobsError;

/// Builds key names under one prefix.
#[derive(Debug, Clone)]
pub(crate) struct Keys {
    prefix: String,
}

impl Keys {
    pub(crate) fn new(prefix: &str) -> Self {
        Self { prefix: prefix.to_owned() }
    }

    /// The hash that is a job.
    pub(crate) fn job(&self, id: &str) -> String {
        format!("{}{id}", self.job_prefix())
    }

    /// What every job's key begins with.
    pub(crate) fn job_prefix(&self) -> String {
        format!("{}:job:", self.prefix)
    }

    /// The stream of a kind. Autoscalers are configured with this name.
    pub(crate) fn stream(&self, kind: &str) -> String {
        format!("{}:queue:{kind}", self.prefix)
    }

    /// Ids of all jobs, or of one kind's, scored by sequence number.
    pub(crate) fn index(&self, kind: Option<&str>) -> String {
        match kind {
            Some(kind) => format!("{}:index:{kind}", self.prefix),
            None => format!("{}:index", self.prefix),
        }
    }

    /// The counter that orders jobs.
    pub(crate) fn sequence(&self) -> String {
        format!("{}:sequence", self.prefix)
    }

    /// Which job a request id has made.
    pub(crate) fn request(&self, kind: &str, request_id: &str) -> String {
        format!("{}:request:{kind}:{request_id}", self.prefix)
    }
}

/// Refuses kinds that would be unreadable or ambiguous as part of a key.
pub(crate) fn check_kind(kind: &str) -> Result<(), JobsError> {
    let readable = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    if kind.is_empty() || kind.len() > 64 || !kind.bytes().all(readable) {
        return Err(JobsError::invalid(
            "kind",
            format!("must be 1 to 64 of a-z, 0-9 and '-', got {kind:?}"),
        ));
    }
    Ok(())
}
