//! Who is let in.

use std::sync::Arc;
use std::time::Instant;

use agespan_client::Reloaded;
use http::HeaderMap;
use http::header::AUTHORIZATION;
use tonic::{Code, Status};

use super::audit::{Audit, AuditError};
use super::permissions::{Need, Permission};
use super::quota::{Allowance, Buckets};
use super::tokens::{self, Entry, Tokens, TokensError};
use super::{Caller, Origin, SecurityConfig};
use crate::status;

/// Lets callers in, or not.
#[derive(Default)]
pub(crate) struct Gate {
    /// None: nobody needs a token.
    tokens: Option<Reloaded<Tokens>>,
    buckets: Arc<Buckets>,
    pub(super) audit: Audit,
}

/// Why there is no gate.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum GateError {
    /// The callers are not known.
    #[error(transparent)]
    Tokens(#[from] TokensError),
    /// Nothing could be written down.
    #[error(transparent)]
    Audit(#[from] AuditError),
}

/// Who was not let in, and what is said to them.
pub(super) struct Refused {
    pub(super) caller: Caller,
    pub(super) status: Status,
}

impl Gate {
    pub(crate) fn new(config: &SecurityConfig) -> Result<Self, GateError> {
        let tokens = config.tokens.as_deref().map(tokens::load).transpose()?;
        let audit = Audit::open(config.audit_log.clone())?;
        Ok(Self { tokens, buckets: Arc::default(), audit })
    }

    /// Who asks and how much more they may, if they may at all.
    pub(super) fn admit(
        &self,
        origin: &Origin,
        need: Need,
        headers: &HeaderMap,
    ) -> Result<(Caller, Allowance), Box<Refused>> {
        let anonymous = origin.caller();
        let Some(tokens) = &self.tokens else { return Ok((anonymous, Allowance::default())) };
        if anonymous == Caller::Own || need == Need::Nothing {
            return Ok((anonymous, Allowance::default()));
        }
        let tokens = tokens.current();
        let refuse = |status| Box::new(Refused { caller: anonymous.clone(), status });
        let (entry, caller) = match (bearer(headers), &anonymous) {
            (Some(token), _) => {
                let entry = tokens.find(token).ok_or_else(|| refuse(unknown()))?;
                (entry, Caller::Token(entry.name.as_str().into()))
            }
            (None, Caller::Certificate(name)) => {
                let entry = tokens.certified(name).ok_or_else(|| refuse(uncertified(name)))?;
                (entry, anonymous.clone())
            }
            (None, _) => return Err(refuse(missing())),
        };
        let name: Arc<str> = entry.name.as_str().into();
        match self.check(entry, need) {
            Ok(()) => {
                let limited = |quota| Allowance::new(self.buckets.clone(), name, quota);
                Ok((caller, entry.quota.map(limited).unwrap_or_default()))
            }
            Err(status) => Err(Box::new(Refused { caller, status })),
        }
    }

    fn check(&self, entry: &Entry, need: Need) -> Result<(), Status> {
        if let Need::Permission(permission) = need
            && !entry.may(permission)
        {
            return Err(denied(entry, permission));
        }
        let Some(quota) = entry.quota else { return Ok(()) };
        self.buckets.take(&entry.name, quota, Instant::now()).map_err(|wait| {
            let message = format!(
                "{} may ask {} times a second, {} at once",
                entry.name, quota.per_second, quota.burst
            );
            status::retry_after(Code::ResourceExhausted, "QUOTA", message, wait)
        })
    }
}

/// The token of `authorization: Bearer …`.
fn bearer(headers: &HeaderMap) -> Option<&str> {
    let (scheme, token) = headers.get(AUTHORIZATION)?.to_str().ok()?.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())
}

fn missing() -> Status {
    let message = "this server wants a token, as `authorization: Bearer …`: --token-file or \
                   AGESPAN_TOKEN of agespan, -H of grpcurl";
    status::new(Code::Unauthenticated, "TOKEN_MISSING", message)
}

fn uncertified(name: &str) -> Status {
    let message = format!(
        "no caller has the certificate {name}; an operator can add one to the tokens file, or show a \
         token"
    );
    status::new(Code::Unauthenticated, "CERTIFICATE_UNKNOWN", message)
}

fn unknown() -> Status {
    let message = "the token is not one that this server knows; ask its operator for a new one";
    status::new(Code::Unauthenticated, "TOKEN_UNKNOWN", message)
}

fn denied(entry: &Entry, permission: Permission) -> Status {
    let message = format!(
        "this needs the permission \"{permission}\", which {} does not have; an operator can add it \
         in the tokens file",
        entry.name
    );
    status::new(Code::PermissionDenied, "PERMISSION_MISSING", message)
}
