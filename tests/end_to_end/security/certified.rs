//! Permissions by certificate.

use std::fs;

use agespan_tests::Sandbox;

use super::authority::Authority;

#[tokio::test]
async fn a_certificate_has_the_permissions_of_its_entry() {
    let sandbox = Sandbox::new().await;
    let authority = Authority::new("the authority");
    fs::write(sandbox.path("ca.pem"), authority.pem()).unwrap();
    authority.write_server(&sandbox.path("server"));
    authority.write_client(&sandbox.path("shop"), "shop.example");
    authority.write_client(&sandbox.path("stranger"), "stranger.example");
    let entry = "[[caller]]\nname = \"shop\"\ncertificate = \"shop.example\"\npermissions = [\"predict\"]\n";
    fs::write(sandbox.path("tokens.toml"), entry).unwrap();
    let path = |name: &str| sandbox.path(name).to_str().unwrap().to_owned();
    let (ca, certificate, key) = (path("ca.pem"), path("server.pem"), path("server.key"));
    let tls = ["--tls-cert", &certificate, "--tls-key", &key, "--tls-client-ca", &ca];
    let tokens = path("tokens.toml");
    let flags = [&tls[..], &["--tokens", &tokens]].concat();
    let server = sandbox.start("agespan-conformal-calibrator", &flags).await;
    let url = server.url.replace("http://", "https://");

    let run = async |who: &str, command: &[&str]| {
        let (shown, shown_key) = (format!("{who}.pem"), format!("{who}.key"));
        let begin = ["--server", &url, "--ca", "ca.pem", "--client-cert", &shown];
        sandbox.alone(&[&begin[..], &["--client-key", &shown_key], command].concat()).await
    };
    let list = ["calibration", "list"];
    assert_eq!(run("shop", &list).await.code, 0);
    let denied = run("shop", &["calibration", "rollback", "models/none"]).await;
    assert!(denied.code == 1 && denied.err.contains("PERMISSION_MISSING"), "{}", denied.err);
    let unknown = run("stranger", &list).await;
    assert!(unknown.err.contains("stranger.example"), "{}", unknown.err);
    assert!(unknown.err.contains("CERTIFICATE_UNKNOWN"), "{}", unknown.err);
}
