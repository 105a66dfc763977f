//! An S3 server.

use std::fs::File;
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use agespan_tests::free_address;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::process::{Child, Command};
use tokio::time::{Instant, sleep};

use crate::tools::tool;

/// It imports half of a cloud's interfaces first, on two cores that others use as well.
const PATIENCE: Duration = Duration::from_secs(120);

/// A server with one bucket, which is gone when this is dropped.
pub(crate) struct Bucket {
    address: String,
    _server: Child,
}

impl Bucket {
    pub(crate) async fn start(name: &str, log: &Path) -> Self {
        let address = free_address();
        let (host, port) = address.split_once(':').unwrap();
        let output = File::create(log).unwrap();
        let server = Command::new(tool("moto_server"))
            .args(["-H", host, "-p", port])
            .stdout(output.try_clone().unwrap())
            .stderr(output)
            .stdin(Stdio::null())
            .kill_on_drop(true)
            .spawn()
            .unwrap();
        let bucket = Self { address, _server: server };
        let deadline = Instant::now() + PATIENCE;
        while !bucket.put(name).await {
            let said = || std::fs::read_to_string(log).unwrap();
            assert!(Instant::now() < deadline, "no bucket: {}", said());
            sleep(Duration::from_millis(100)).await;
        }
        bucket
    }

    /// What a Secret tells the processes.
    pub(crate) fn variables(&self) -> [(String, String); 5] {
        let endpoint = format!("http://{}", self.address);
        [
            ("AWS_REGION", "us-east-1"),
            ("AWS_ACCESS_KEY_ID", "somebody"),
            ("AWS_SECRET_ACCESS_KEY", "something"),
            ("AWS_ENDPOINT", &endpoint),
            ("AWS_ALLOW_HTTP", "true"),
        ]
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
    }

    /// The objects whose names begin so.
    pub(crate) async fn count(&self, name: &str, prefix: &str) -> usize {
        let listed = self.said("GET", &format!("{name}?list-type=2&prefix={prefix}")).await;
        listed.unwrap().matches("<Key>").count()
    }

    async fn put(&self, name: &str) -> bool {
        self.said("PUT", name).await.is_ok_and(|said| said.starts_with("HTTP/1.1 200"))
    }

    async fn said(&self, method: &str, path: &str) -> std::io::Result<String> {
        let mut connection = TcpStream::connect(&self.address).await?;
        let lines = [
            format!("{method} /{path} HTTP/1.1"),
            format!("Host: {}", self.address),
            "Content-Length: 0".to_owned(),
            "Connection: close".to_owned(),
        ];
        connection.write_all(format!("{}\r\n\r\n", lines.join("\r\n")).as_bytes()).await?;
        let mut answer = String::new();
        connection.read_to_string(&mut answer).await?;
        Ok(answer)
    }
}
