//! A status in one line for a person.

use std::error::Error;
use std::io;

use tokio_rustls::rustls;
use tonic::{Code, Status};
use tonic_types::StatusExt;

/// A status in one line: what was wrong and what to do.
pub fn explain(status: &Status) -> String {
    let reason = status.get_details_error_info().map(|info| format!(" ({})", info.reason));
    if reason.is_none()
        && let Some(line) = tls_failure(status)
    {
        return line;
    }
    match status.code() {
        // tonic's own words for a refused connection help nobody.
        Code::Unavailable if reason.is_none() => {
            "no server answers there; start one with `agespan up`, or name one with --server".into()
        }
        Code::Unimplemented if reason.is_none() => {
            "the server does not host the service that this asks; name one that does with --server".into()
        }
        // Nor those for one that broke. A server's own status has no source.
        _ if reason.is_none() && status.source().is_some() => {
            "the connection to the server broke; one that speaks TLS wants https://; a job that was \
             begun is not lost: see `agespan job list` once the server is back"
                .into()
        }
        _ => format!("{}{}", status.message(), reason.unwrap_or_default()),
    }
}

/// What a failed handshake means.
fn tls_failure(status: &Status) -> Option<String> {
    let mut cause = status.source();
    while let Some(error) = cause {
        if let Some(failure) = as_tls(error) {
            return Some(advice(failure));
        }
        cause = error.source();
    }
    None
}

fn as_tls<'a>(error: &'a (dyn Error + 'static)) -> Option<&'a rustls::Error> {
    let inner = error.downcast_ref::<io::Error>().and_then(io::Error::get_ref);
    let inner = inner.and_then(|inner| inner.downcast_ref());
    error.downcast_ref().or(inner)
}

fn advice(error: &rustls::Error) -> String {
    match error {
        rustls::Error::InvalidCertificate(_) => format!(
            "the server is not trusted ({error}); name the authority that signed its certificate with \
             --ca"
        ),
        rustls::Error::AlertReceived(_) => format!(
            "the server refuses this client's certificate ({error}); show one that its authority signed \
             with --client-cert and --client-key"
        ),
        rustls::Error::InvalidMessage(_) => {
            "the server does not speak TLS; write its address with http://".to_owned()
        }
        _ => format!("no TLS with the server: {error}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_broken_connection_is_told_from_what_a_server_says() {
        let broken = Status::from_error(Box::new(io::Error::other("reset")));
        assert!(explain(&broken).starts_with("the connection to the server broke"));
        assert_eq!(explain(&Status::not_found("no job jobs/a")), "no job jobs/a");
    }

    #[test]
    fn a_failed_handshake_says_what_to_do() {
        let unknown = rustls::CertificateError::UnknownIssuer;
        let wrapped =
            |error| Status::from_error(Box::new(io::Error::other::<rustls::Error>(error)));
        let line = explain(&wrapped(rustls::Error::InvalidCertificate(unknown)));
        assert!(line.contains("--ca"), "{line}");
        let alert = rustls::AlertDescription::CertificateRequired;
        let line = explain(&wrapped(rustls::Error::AlertReceived(alert)));
        assert!(line.contains("--client-cert"), "{line}");
        let line = explain(&wrapped(rustls::InvalidMessage::InvalidContentType.into()));
        assert!(line.contains("http://"), "{line}");
    }
}
