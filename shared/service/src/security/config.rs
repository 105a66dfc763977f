//! The settings.

use std::net::SocketAddr;
use std::path::PathBuf;

use agespan_client::tls::ClientFiles;
use agespan_client::{Credentials, Secret, TokenSource};
use clap::Args;
use clap::builder::BoolishValueParser;

/// What a server demands of those who come in. On loopback nothing is demanded by default.
#[derive(Args, Clone, Debug, Default)]
pub struct SecurityConfig {
    /// Certificate of this server, PEM, with those between it and its authority. With it there is TLS
    /// only. Certificates, keys and tokens are read again when their files change.
    #[arg(long, env = "AGESPAN_TLS_CERT", value_name = "FILE", requires = "tls_key")]
    pub tls_cert: Option<PathBuf>,
    /// Private key of this server, PEM.
    #[arg(long, env = "AGESPAN_TLS_KEY", value_name = "FILE", requires = "tls_cert")]
    pub tls_key: Option<PathBuf>,
    /// Authorities of clients, PEM: only who has a certificate signed by one comes in (mutual TLS).
    #[arg(long, env = "AGESPAN_TLS_CLIENT_CA", value_name = "FILE", requires = "tls_cert")]
    pub tls_client_ca: Option<PathBuf>,
    /// Callers with the hashes of their tokens, permissions and quotas, TOML; `agespan token new`
    /// makes entries. With it nobody comes in without a token or a certificate that is named there,
    /// health checks aside.
    #[arg(long, env = "AGESPAN_TOKENS", value_name = "FILE")]
    pub tokens: Option<PathBuf>,
    /// Listen where others can reach it even without TLS or authentication.
    #[arg(long, env = "AGESPAN_INSECURE", value_parser = BoolishValueParser::new())]
    pub insecure: bool,
    /// Append threshold decisions and administrative calls to this file, as JSON lines.
    #[arg(long, env = "AGESPAN_AUDIT_LOG", value_name = "FILE")]
    pub audit_log: Option<PathBuf>,
}

/// A server that others could reach, and anybody could use or listen to.
#[derive(Debug, thiserror::Error)]
#[error(
    "refusing to listen on {listen}, where others can reach it, without {missing}; or allow it with \
     --insecure"
)]
pub struct Exposed {
    listen: SocketAddr,
    missing: String,
}

impl SecurityConfig {
    /// Certificate and key, when there is TLS.
    pub(crate) fn identity(&self) -> Option<(PathBuf, PathBuf)> {
        self.tls_cert.clone().zip(self.tls_key.clone())
    }

    /// Whether a server may listen on this address. `elsewhere` says that something before it does
    /// the TLS.
    ///
    /// # Errors
    /// When others can reach the address and TLS or authentication is missing.
    pub fn check(&self, listen: SocketAddr, elsewhere: bool) -> Result<(), Exposed> {
        if self.insecure || listen.ip().to_canonical().is_loopback() {
            return Ok(());
        }
        let tls = self.identity().is_some() || elsewhere;
        let authenticates = self.tokens.is_some() || self.tls_client_ca.is_some();
        let missing = [
            (!tls).then_some("TLS (--tls-cert and --tls-key, or --allow-plaintext behind a mesh)"),
            (!authenticates).then_some("authentication (--tokens or --tls-client-ca)"),
        ];
        let missing: Vec<_> = missing.into_iter().flatten().collect();
        if missing.is_empty() {
            return Ok(());
        }
        Err(Exposed { listen, missing: missing.join(" and ") })
    }
}

/// What a client goes to servers with: the command line, and a service that calls others.
#[derive(Args, Clone, Debug, Default)]
pub struct AccessConfig {
    /// Authorities that https:// servers are trusted by, PEM [default: the system's].
    #[arg(long, global = true, env = "AGESPAN_CA", value_name = "FILE")]
    pub ca: Option<PathBuf>,
    /// Certificate to show to servers that demand one, PEM.
    #[arg(
        long,
        global = true,
        env = "AGESPAN_CLIENT_CERT",
        value_name = "FILE",
        requires = "client_key"
    )]
    pub client_cert: Option<PathBuf>,
    /// Its private key, PEM.
    #[arg(
        long,
        global = true,
        env = "AGESPAN_CLIENT_KEY",
        value_name = "FILE",
        requires = "client_cert"
    )]
    pub client_key: Option<PathBuf>,
    /// File with the token to show to servers. AGESPAN_TOKEN may hold the token itself.
    #[arg(long, global = true, env = "AGESPAN_TOKEN_FILE", value_name = "FILE")]
    pub token_file: Option<PathBuf>,
    /// The token. Hidden: other users of a machine see what was typed.
    #[arg(long, global = true, env = "AGESPAN_TOKEN", hide = true, hide_env_values = true)]
    pub token: Option<Secret>,
    /// Do without TLS where something before the processes does it: a token may go over http://, and
    /// a server may listen where others can reach it.
    #[arg(long, global = true, env = "AGESPAN_ALLOW_PLAINTEXT", value_parser = BoolishValueParser::new())]
    pub allow_plaintext: bool,
}

impl AccessConfig {
    /// As a client takes them.
    pub fn credentials(&self) -> Credentials {
        let identity = self.client_cert.clone().zip(self.client_key.clone());
        let file = self.token_file.clone().map(TokenSource::File);
        Credentials {
            tls: ClientFiles { ca: self.ca.clone(), identity },
            token: file.or_else(|| self.token.clone().map(TokenSource::Given)),
            allow_plaintext: self.allow_plaintext,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn loopback_is_open_and_nothing_else_is_by_mistake() {
        let file = || Some(PathBuf::from("file"));
        let nothing = SecurityConfig::default();
        let tls = SecurityConfig { tls_cert: file(), tls_key: file(), ..Default::default() };
        let tokens = SecurityConfig { tokens: file(), ..Default::default() };
        let both = SecurityConfig { tokens: file(), ..tls.clone() };
        let mutual = SecurityConfig { tls_client_ca: file(), ..tls.clone() };
        let insecure = SecurityConfig { insecure: true, ..Default::default() };
        let open = |config: &SecurityConfig, address: &str, elsewhere| {
            config.check(address.parse().unwrap(), elsewhere).is_ok()
        };
        for address in ["127.0.0.1:1", "127.3.2.1:1", "[::1]:1", "[::ffff:127.0.0.1]:1"] {
            assert!(open(&nothing, address, false), "{address}");
        }
        for address in ["0.0.0.0:1", "[::]:1", "10.0.0.1:1", "[::ffff:10.0.0.1]:1"] {
            assert!([&both, &mutual, &insecure].map(|it| open(it, address, false)) == [true; 3]);
            assert!([&nothing, &tls, &tokens].map(|it| open(it, address, false)) == [false; 3]);
            assert!([&nothing, &tls].map(|it| open(it, address, true)) == [false; 2]);
            assert!(open(&tokens, address, true), "{address}");
        }
        let refused = nothing.check("0.0.0.0:1".parse().unwrap(), false).unwrap_err().to_string();
        for word in ["0.0.0.0:1", "--tls-cert", "--tokens", "--insecure"] {
            assert!(refused.contains(word), "{refused}");
        }
    }
}
