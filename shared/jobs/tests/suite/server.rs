//! A `redis-server` of a test's own, on a port.

use std::{
    net::TcpListener,
    process::{Child, Command, Stdio},
};

use tempfile::TempDir;

/// It works in its folder and is killed when this is dropped.
pub(crate) struct Server {
    child: Child,
    pub(crate) port: u16,
    _dir: TempDir,
}

impl Server {
    /// On a free port of loopback, which it is told by `flag`.
    pub(crate) fn start(dir: TempDir, flag: &str, more: &[&str]) -> Self {
        let free = TcpListener::bind(("127.0.0.1", 0)).expect("a free port");
        let port = free.local_addr().expect("is bound").port();
        drop(free);
        let child = Command::new("redis-server")
            .current_dir(&dir)
            .args(["--bind", "127.0.0.1", "--save", "", flag, &port.to_string()])
            .args(more)
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("redis-server is installed");
        Self { child, port, _dir: dir }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
