//! Who asks.

use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use agespan_client::tls::rustls::pki_types::CertificateDer;
use http::Extensions;
use sha2::{Digest, Sha256};
use webpki::EndEntityCert;

/// Who asks, in the extensions of every request that is let in. Whoever shares something out between
/// callers takes it as the key.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub enum Caller {
    /// A caller of the tokens file, by name.
    Token(Arc<str>),
    /// Who showed a certificate and no token: the certificate's first URI, else its first DNS
    /// name, else its hash.
    Certificate(Arc<str>),
    /// Nobody in particular at this address.
    Address(IpAddr),
    /// A service of this process.
    Own,
    /// Nothing is known.
    #[default]
    Unknown,
}

impl Caller {
    /// The one who asked a request with these extensions.
    pub fn of(extensions: &Extensions) -> Self {
        extensions.get().cloned().unwrap_or_default()
    }
}

/// No two callers are written the same.
impl fmt::Display for Caller {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Token(name) => write!(formatter, "token:{name}"),
            Self::Certificate(name) => write!(formatter, "certificate:{name}"),
            Self::Address(address) => write!(formatter, "address:{address}"),
            Self::Own => formatter.write_str("own"),
            Self::Unknown => formatter.write_str("unknown"),
        }
    }
}

/// Where a connection comes from.
#[derive(Clone, Debug)]
pub(crate) enum Origin {
    /// Over the network, with the name in its certificate where one was demanded.
    Network { address: SocketAddr, certificate: Option<Arc<str>> },
    /// From this process.
    Own,
}

impl Origin {
    /// Who that is as long as no token says better.
    pub(crate) fn caller(&self) -> Caller {
        match self {
            Self::Network { certificate: Some(name), .. } => Caller::Certificate(name.clone()),
            Self::Network { address, .. } => Caller::Address(address.ip().to_canonical()),
            Self::Own => Caller::Own,
        }
    }
}

/// The name of a certificate that was verified already.
pub(crate) fn name(certificate: &CertificateDer<'_>) -> Arc<str> {
    let parsed = EndEntityCert::try_from(certificate).ok();
    let named = parsed.as_ref().and_then(|certificate| {
        certificate.valid_uri_names().next().or_else(|| certificate.valid_dns_names().next())
    });
    match named {
        Some(name) => name.into(),
        None => {
            let hash = Sha256::digest(certificate);
            let hex: String = hash.iter().map(|byte| format!("{byte:02x}")).collect();
            format!("sha256:{hex}").into()
        }
    }
}

#[cfg(test)]
mod tests {
    use rcgen::{CertificateParams, KeyPair, SanType};

    use super::*;

    fn named(names: Vec<SanType>) -> String {
        let mut params = CertificateParams::default();
        params.subject_alt_names = names;
        let made = params.self_signed(&KeyPair::generate().unwrap()).unwrap();
        name(made.der()).to_string()
    }

    #[test]
    fn a_certificate_is_called_by_its_workload_then_its_host_then_its_hash() {
        let uri = || SanType::URI("spiffe://shop/checkout".try_into().unwrap());
        let dns = || SanType::DnsName("checkout.shop".try_into().unwrap());
        assert_eq!(named(vec![dns(), uri()]), "spiffe://shop/checkout");
        assert_eq!(named(vec![dns()]), "checkout.shop");
        assert!(named(Vec::new()).starts_with("sha256:"));
    }

    #[test]
    fn an_address_is_one_caller_however_it_is_written() {
        let network = |address: &str| Origin::Network {
            address: address.parse().unwrap(),
            certificate: None,
        };
        assert_eq!(network("10.0.0.1:1").caller(), network("[::ffff:10.0.0.1]:2").caller());
        // A name in the tokens file cannot pass for an address.
        let token = Caller::Token("10.0.0.1".into());
        assert_ne!(token.to_string(), network("10.0.0.1:1").caller().to_string());
    }
}
