//! A Redis under TLS.

use std::fs;

use agespan_jobs::{Jobs, JobsConfig, JobsError};
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};

use crate::{server::Server, support::wait_for};

fn authority() -> CertifiedIssuer<'static, KeyPair> {
    let mut params = CertificateParams::default();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let key = KeyPair::generate().expect("a key");
    CertifiedIssuer::self_signed(params, key).expect("a certificate")
}

fn start(issuer: &CertifiedIssuer<'static, KeyPair>) -> Server {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let key = KeyPair::generate().expect("a key");
    let params = CertificateParams::new(["127.0.0.1".to_owned()]).expect("a name");
    let signed = params.signed_by(&key, issuer).expect("a certificate");
    fs::write(dir.path().join("cert"), signed.pem()).expect("written");
    fs::write(dir.path().join("key"), key.serialize_pem()).expect("written");
    let files = ["--tls-cert-file", "cert", "--tls-key-file", "key", "--tls-auth-clients", "no"];
    Server::start(dir, "--tls-port", &[&["--port", "0"], &files[..]].concat())
}

fn jobs(url: &str, trusted: &CertifiedIssuer<'static, KeyPair>) -> Jobs {
    let authorities = Some(trusted.pem().into_bytes());
    Jobs::new(JobsConfig { authorities, ..JobsConfig::new(url) }).expect("a valid configuration")
}

#[tokio::test]
async fn jobs_go_to_a_redis_whose_authority_is_trusted() {
    let (trusted, other) = (authority(), authority());
    let server = start(&trusted);
    let url = format!("rediss://127.0.0.1:{}", server.port);
    let own = jobs(&url, &trusted);
    wait_for("Redis", async || own.ping().await.is_ok(), |&answers| answers).await;
    let job = own.submit("train-model", b"x", None).await.expect("is taken");
    assert_eq!(own.get(&job.id).await.expect("is there").kind, "train-model");

    let refused = jobs(&url, &other).ping().await.expect_err("is not trusted");
    assert!(matches!(refused, JobsError::Unavailable { .. }), "{refused:?}");
}
