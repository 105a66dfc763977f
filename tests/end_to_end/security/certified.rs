//! Permissions by certificate.

use std::fs;

use agespan_tests::Sandbox;

use super::authority::Authority;

#[tokio::test]
async fn a_certificate_has_the_permissions_of_its_entry() {
    let sandbox = Sandbox::new().await;
    let (authority, server) = Authority::mutual(&sandbox);
    authority.write_client(&sandbox.path("shop"), "shop.example");
    authority.write_client(&sandbox.path("stranger"), "stranger.example");
    let entry = "[[caller]]\nname = \"shop\"\ncertificate = \"shop.example\"\npermissions = [\"predict\"]\n";
    fs::write(sandbox.path("tokens.toml"), entry).unwrap();
    let tokens = sandbox.path("tokens.toml");
    let mut flags: Vec<&str> = server.iter().map(String::as_str).collect();
    flags.extend(["--tokens", tokens.to_str().unwrap()]);
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
