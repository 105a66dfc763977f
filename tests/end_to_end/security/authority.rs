//! A certificate authority of a test's own.

use std::fs;
use std::path::Path;
use std::sync::Arc;

use agespan_client::tls::{authorities, provider, rustls};
use agespan_tests::Sandbox;
use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DnType, ExtendedKeyUsagePurpose, IsCa,
    KeyPair,
};
use rustls::ClientConfig;
use rustls::pki_types::ServerName;
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

pub(crate) struct Authority {
    issuer: CertifiedIssuer<'static, KeyPair>,
}

impl Authority {
    pub(crate) fn new(name: &str) -> Self {
        let mut params = CertificateParams::default();
        params.distinguished_name.push(DnType::CommonName, name);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = KeyPair::generate().unwrap();
        Self { issuer: CertifiedIssuer::self_signed(params, key).unwrap() }
    }

    /// One whose certificate is ca.pem, and the flags of a server that wants certificates of it.
    pub(crate) fn mutual(sandbox: &Sandbox) -> (Self, Vec<String>) {
        let authority = Self::new("the authority");
        fs::write(sandbox.path("ca.pem"), authority.pem()).unwrap();
        authority.write_server(&sandbox.path("server"));
        let files = [("cert", "server.pem"), ("key", "server.key"), ("client-ca", "ca.pem")];
        let flags = files.iter().flat_map(|(flag, name)| {
            [format!("--tls-{flag}"), sandbox.path(name).to_str().unwrap().to_owned()]
        });
        (authority, flags.collect())
    }

    pub(crate) fn pem(&self) -> String {
        self.issuer.pem()
    }

    /// Writes FILE.pem and FILE.key of a server on loopback.
    pub(crate) fn write_server(&self, file: &Path) {
        self.write(file, "127.0.0.1", ExtendedKeyUsagePurpose::ServerAuth);
    }

    /// Writes FILE.pem and FILE.key of a client with this name.
    pub(crate) fn write_client(&self, file: &Path, name: &str) {
        self.write(file, name, ExtendedKeyUsagePurpose::ClientAuth);
    }

    fn write(&self, file: &Path, name: &str, usage: ExtendedKeyUsagePurpose) {
        let mut params = CertificateParams::new([name.to_owned()]).unwrap();
        params.extended_key_usages = vec![usage];
        let key = KeyPair::generate().unwrap();
        let signed = params.signed_by(&key, &self.issuer).unwrap();
        // As an operator would: the key beside it, then moved over the old.
        for (ending, text) in [("key", key.serialize_pem()), ("pem", signed.pem())] {
            let new = file.with_extension("new");
            fs::write(&new, text).unwrap();
            fs::rename(new, file.with_extension(ending)).unwrap();
        }
    }

    /// The certificate that a server shows to a new client.
    pub(crate) async fn served(&self, url: &str) -> Vec<u8> {
        let file = tempfile::NamedTempFile::new().unwrap();
        fs::write(file.path(), self.pem()).unwrap();
        let config = ClientConfig::builder_with_provider(provider())
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_root_certificates(authorities(file.path()).unwrap())
            .with_no_client_auth();
        let address = url.trim_start_matches("https://");
        let tcp = TcpStream::connect(address).await.unwrap();
        let name = ServerName::try_from("127.0.0.1").unwrap();
        let stream = TlsConnector::from(Arc::new(config)).connect(name, tcp).await.unwrap();
        stream.get_ref().1.peer_certificates().unwrap()[0].to_vec()
    }
}
