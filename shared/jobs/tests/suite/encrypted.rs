//! A Redis under TLS.

use std::{
    fs,
    net::TcpListener,
    path::Path,
    process::{Child, Command, Stdio},
};

use agespan_jobs::{Jobs, JobsConfig, JobsError};
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};

use crate::support::wait_for;

struct Server(Child);

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn authority() -> CertifiedIssuer<'static, KeyPair> {
    let mut params = CertificateParams::default();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let key = KeyPair::generate().expect("a key");
    CertifiedIssuer::self_signed(params, key).expect("a certificate")
}

fn start(dir: &Path, issuer: &CertifiedIssuer<'static, KeyPair>) -> (Server, String) {
    let key = KeyPair::generate().expect("a key");
    let params = CertificateParams::new(["127.0.0.1".to_owned()]).expect("a name");
    let signed = params.signed_by(&key, issuer).expect("a certificate");
    fs::write(dir.join("cert"), signed.pem()).expect("written");
    fs::write(dir.join("key"), key.serialize_pem()).expect("written");
    let free = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let port = free.local_addr().expect("is bound").port();
    drop(free);
    let child = Command::new("redis-server")
        .current_dir(dir)
        .args(["--port", "0", "--tls-port", &port.to_string(), "--bind", "127.0.0.1"])
        .args(["--tls-cert-file", "cert", "--tls-key-file", "key", "--tls-auth-clients", "no"])
        .stdout(Stdio::null())
        .spawn()
        .expect("redis-server is installed");
    (Server(child), format!("rediss://127.0.0.1:{port}"))
}

fn jobs(url: &str, trusted: &CertifiedIssuer<'static, KeyPair>) -> Jobs {
    let authorities = Some(trusted.pem().into_bytes());
    Jobs::new(JobsConfig { authorities, ..JobsConfig::new(url) }).expect("a valid configuration")
}

#[tokio::test]
async fn jobs_go_to_a_redis_whose_authority_is_trusted() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let (trusted, other) = (authority(), authority());
    let (_server, url) = start(dir.path(), &trusted);
    let own = jobs(&url, &trusted);
    wait_for("Redis", async || own.ping().await.is_ok(), |&answers| answers).await;
    let job = own.submit("train-model", b"x", None).await.expect("is taken");
    assert_eq!(own.get(&job.id).await.expect("is there").kind, "train-model");

    let refused = jobs(&url, &other).ping().await.expect_err("is not trusted");
    assert!(matches!(refused, JobsError::Unavailable { .. }), "{refused:?}");
}
