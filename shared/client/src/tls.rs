//! Certificates and keys from PEM files, for clients and servers alike, and TLS as a client.

use std::path::{Path, PathBuf};
use std::sync::Arc;

pub use tokio_rustls::rustls;
use tokio_rustls::rustls::crypto::CryptoProvider;
use tokio_rustls::rustls::pki_types::pem::{self, PemObject};
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::rustls::{ClientConfig, ConfigBuilder, RootCertStore, WantsVerifier};

use crate::Reloaded;

/// HTTP/2, in the negotiation of TLS.
pub const ALPN: &[u8] = b"h2";

/// Why TLS cannot be set up.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TlsError {
    /// A file is not there, or is no PEM file with what is looked for.
    #[error("cannot read {what} from {}; it should be a PEM file", file.display())]
    File {
        /// What is looked for in it.
        what: &'static str,
        /// Which one.
        file: PathBuf,
        /// Why.
        #[source]
        source: pem::Error,
    },
    /// The files were read and do not fit.
    #[error("cannot use {}", file.display())]
    Use {
        /// Which one.
        file: PathBuf,
        /// Why.
        #[source]
        source: rustls::Error,
    },
    /// No authority is known by which a server could be trusted.
    #[error("this system has no certificate authorities of its own; name the server's with --ca")]
    NoAuthorities,
}

/// The one library that does all cryptography here, named so that nothing depends on which others
/// are linked.
pub fn provider() -> Arc<CryptoProvider> {
    Arc::new(rustls::crypto::aws_lc_rs::default_provider())
}

/// The certificates in a file, at least one.
///
/// # Errors
/// When there is none.
pub fn certificates(file: &Path) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let failed = |source| TlsError::File { what: "certificates", file: file.to_owned(), source };
    let read = CertificateDer::pem_file_iter(file).map_err(failed)?;
    let all = read.collect::<Result<Vec<_>, _>>().map_err(failed)?;
    if all.is_empty() { Err(failed(pem::Error::NoItemsFound)) } else { Ok(all) }
}

/// The bytes of a file of certificates, for whoever reads PEM by itself.
///
/// # Errors
/// When there is no certificate in it.
pub fn pem_of_certificates(file: &Path) -> Result<Vec<u8>, TlsError> {
    certificates(file)?;
    std::fs::read(file).map_err(|source| TlsError::File {
        what: "certificates",
        file: file.to_owned(),
        source: pem::Error::Io(source),
    })
}

/// The private key in a file: PKCS #8, PKCS #1 or SEC 1.
///
/// # Errors
/// When there is none.
pub fn private_key(file: &Path) -> Result<PrivateKeyDer<'static>, TlsError> {
    PrivateKeyDer::from_pem_file(file).map_err(|source| TlsError::File {
        what: "a private key",
        file: file.to_owned(),
        source,
    })
}

/// The authorities in a file.
///
/// # Errors
/// When there is none, or one cannot be understood.
pub fn authorities(file: &Path) -> Result<RootCertStore, TlsError> {
    let mut store = RootCertStore::empty();
    for certificate in certificates(file)? {
        let used = store.add(certificate);
        used.map_err(|source| TlsError::Use { file: file.to_owned(), source })?;
    }
    Ok(store)
}

/// The files of a client.
#[derive(Clone, Debug, Default)]
pub struct ClientFiles {
    /// Authorities that servers are trusted by; the system's own when there is none.
    pub ca: Option<PathBuf>,
    /// Certificate and key by which the client makes itself known.
    pub identity: Option<(PathBuf, PathBuf)>,
}

impl ClientFiles {
    pub(crate) fn load(&self) -> Result<Reloaded<ClientConfig>, TlsError> {
        let identity = self.identity.iter().flat_map(|(certificate, key)| [certificate, key]);
        let files = self.ca.iter().chain(identity).cloned().collect();
        let own = self.clone();
        Reloaded::new(files, move || own.read())
    }

    fn read(&self) -> Result<ClientConfig, TlsError> {
        let authorities = match &self.ca {
            Some(file) => authorities(file)?,
            None => system_authorities()?,
        };
        let builder = versions(ClientConfig::builder_with_provider(provider()))?;
        let builder = builder.with_root_certificates(authorities);
        let mut config = match &self.identity {
            None => builder.with_no_client_auth(),
            Some((certificate, key)) => builder
                .with_client_auth_cert(certificates(certificate)?, private_key(key)?)
                .map_err(|source| TlsError::Use { file: certificate.clone(), source })?,
        };
        config.alpn_protocols = vec![ALPN.to_owned()];
        Ok(config)
    }
}

/// TLS 1.3, and 1.2 for older clients and servers.
fn versions(
    builder: ConfigBuilder<ClientConfig, rustls::WantsVersions>,
) -> Result<ConfigBuilder<ClientConfig, WantsVerifier>, TlsError> {
    builder
        .with_safe_default_protocol_versions()
        .map_err(|source| TlsError::Use { file: PathBuf::from("the TLS versions"), source })
}

fn system_authorities() -> Result<RootCertStore, TlsError> {
    let mut store = RootCertStore::empty();
    store.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    if store.is_empty() { Err(TlsError::NoAuthorities) } else { Ok(store) }
}
