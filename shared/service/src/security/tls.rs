//! TLS as a server: what the files say at the moment of a handshake.

use std::sync::Arc;

use agespan_client::Reloaded;
use agespan_client::tls::rustls::server::WebPkiClientVerifier;
use agespan_client::tls::rustls::server::danger::ClientCertVerifier;
use agespan_client::tls::rustls::{Error, ServerConfig};
use agespan_client::tls::{self, TlsError};

use super::SecurityConfig;

/// What handshakes go by; none without a certificate.
pub(crate) type ServerTls = Option<Reloaded<ServerConfig>>;

/// Reads the files that the settings name.
pub(crate) fn load(config: &SecurityConfig) -> Result<ServerTls, TlsError> {
    let Some((certificate, key)) = config.identity() else { return Ok(None) };
    let files = [Some(certificate), Some(key), config.tls_client_ca.clone()];
    let own = config.clone();
    Reloaded::new(files.into_iter().flatten().collect(), move || read(&own)).map(Some)
}

fn read(config: &SecurityConfig) -> Result<ServerConfig, TlsError> {
    let (certificate, key) = config.identity().unwrap_or_default();
    let failed = |source| TlsError::Use { file: certificate.clone(), source };
    let builder = ServerConfig::builder_with_provider(tls::provider())
        .with_safe_default_protocol_versions()
        .map_err(failed)?;
    let builder = match verifier(config)? {
        None => builder.with_no_client_auth(),
        Some(verifier) => builder.with_client_cert_verifier(verifier),
    };
    let chain = tls::certificates(&certificate)?;
    let mut tls = builder.with_single_cert(chain, tls::private_key(&key)?).map_err(failed)?;
    tls.alpn_protocols = vec![tls::ALPN.to_owned()];
    Ok(tls)
}

/// Who checks the certificates of clients, where they are demanded.
fn verifier(config: &SecurityConfig) -> Result<Option<Arc<dyn ClientCertVerifier>>, TlsError> {
    let Some(file) = &config.tls_client_ca else { return Ok(None) };
    let authorities = Arc::new(tls::authorities(file)?);
    let built = WebPkiClientVerifier::builder_with_provider(authorities, tls::provider()).build();
    let built = built.map_err(|error| TlsError::Use {
        file: file.clone(),
        source: Error::General(error.to_string()),
    })?;
    Ok(Some(built))
}
