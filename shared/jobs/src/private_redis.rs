//! A `redis-server` of one's own.

use std::{
    ffi::OsStr,
    fs::{File, TryLockError},
    io,
    os::unix::{ffi::OsStrExt, process::CommandExt},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::Duration,
};

use tempfile::TempDir;
use tokio::time::{Instant, sleep};

mod error;

pub use error::PrivateRedisError;

/// The oldest server whose consumer groups report a lag.
const MIN_MAJOR_VERSION: u32 = 7;

/// `sun_path` has 108 bytes on Linux and 104 on macOS, with a zero at its end.
const MAX_SOCKET_PATH_BYTES: usize = 100;

/// Loading an append-only file of a busy week takes seconds; a server of a process that was just
/// killed takes a moment to go.
const PATIENCE: Duration = Duration::from_secs(30);

/// A `redis-server` that listens on a unix socket only and keeps an append-only file in its
/// directory. It is killed when this is dropped; nothing it has acknowledged is lost by that.
///
/// Should this process be killed, the server notices within a moment through a pipe to a watching
/// shell, and leaves. The directory stays locked as long as the server lives.
#[derive(Debug)]
pub struct PrivateRedis {
    server: Child,
    watch: Child,
    socket: PathBuf,
    /// Holds the socket when the directory's own path is too long for one.
    _short: Option<TempDir>,
}

impl PrivateRedis {
    /// Starts `redis-server` from the search path with its data in `dir`, and waits until it
    /// serves. The directory is made if it is not there.
    pub async fn start(dir: &Path) -> Result<Self, PrivateRedisError> {
        Self::start_program(Path::new("redis-server"), dir).await
    }

    /// Starts another program that behaves like `redis-server`.
    pub async fn start_program(program: &Path, dir: &Path) -> Result<Self, PrivateRedisError> {
        check_version(program)?;
        std::fs::create_dir_all(dir).map_err(io_error("make", dir))?;
        let dir = dir.canonicalize().map_err(io_error("find", dir))?;
        let lock = lock(&dir).await?;
        let (socket, short) = socket_path(&dir)?;
        // One that a killed server has left would look like a server that refuses connections.
        let _ = std::fs::remove_file(&socket);
        let mut server = command(program, &dir, &socket)
            .stdin(Stdio::from(lock))
            .spawn()
            .map_err(io_error("start", program))?;
        let watch = match watch(&server) {
            Ok(watch) => watch,
            Err(error) => {
                end(&mut server);
                return Err(error);
            }
        };
        let mut redis = Self { server, watch, socket, _short: short };
        redis.wait_until_serving(&dir.join(LOG)).await?;
        Ok(redis)
    }

    /// The URL for [`JobsConfig`](crate::JobsConfig). It is the same each time for one directory,
    /// unless that has a very long path.
    pub fn url(&self) -> String {
        format!("redis+unix://{}", percent_encode(&self.socket))
    }

    /// The process id of the server.
    pub fn id(&self) -> u32 {
        self.server.id()
    }

    async fn wait_until_serving(&mut self, log: &Path) -> Result<(), PrivateRedisError> {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let problem = match ping(&self.url()).await {
                Ok(()) => return Ok(()),
                Err(error) => format!("does not answer: {error}"),
            };
            if let Ok(Some(status)) = self.server.try_wait() {
                return Err(not_serving(format!("has ended ({status})"), log));
            }
            if Instant::now() > deadline {
                return Err(not_serving(problem, log));
            }
            sleep(Duration::from_millis(20)).await;
        }
    }
}

impl Drop for PrivateRedis {
    fn drop(&mut self) {
        // The watch first: it must not signal a process id that was given to somebody else.
        end(&mut self.watch);
        end(&mut self.server);
        let _ = std::fs::remove_file(&self.socket);
    }
}

const LOG: &str = "redis.log";

/// Kills and reaps. After SIGKILL a process is gone within milliseconds, so this may block.
fn end(child: &mut Child) {
    let _ = child.kill();
    let _ = child.wait();
}

fn command(program: &Path, dir: &Path, socket: &Path) -> Command {
    let mut command = Command::new(program);
    let mut option = |name: &str, value: &dyn AsRef<OsStr>| {
        command.arg(name).arg(value.as_ref());
    };
    option("--port", &"0");
    option("--unixsocket", &socket);
    option("--unixsocketperm", &"700");
    option("--dir", &dir);
    // The append-only file alone, on the disk before a command is answered. `everysec`, the default,
    // not only risks a second when the power fails: while an fsync is slow it answers for up to two
    // seconds before it writes at all, and a killed server forgets what it has acknowledged.
    option("--appendonly", &"yes");
    option("--appendfsync", &"always");
    option("--save", &"");
    option("--daemonize", &"no");
    option("--logfile", &LOG);
    command.stdout(Stdio::null()).stderr(Stdio::null());
    // A Ctrl-C in the terminal is for us: workers still have to give their jobs back.
    command.process_group(0);
    command
}

/// A shell that waits for the end of its input, which comes when this process ends in whatever way,
/// and then ends the server. `PR_SET_PDEATHSIG` would need unsafe code, and fires when the *thread*
/// that started the child ends.
fn watch(server: &Child) -> Result<Child, PrivateRedisError> {
    Command::new("sh")
        .args(["-c", "read -r _; kill \"$0\"", &server.id().to_string()])
        .process_group(0)
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .map_err(io_error("start", Path::new("sh")))
}

/// Two servers on one append-only file destroy it. The lock goes with the open file, which becomes
/// the server's standard input: it lasts exactly as long as the server does.
async fn lock(dir: &Path) -> Result<File, PrivateRedisError> {
    let path = dir.join("redis.lock");
    let file = File::create(&path).map_err(io_error("open", &path))?;
    let deadline = Instant::now() + Duration::from_secs(5);
    loop {
        match file.try_lock() {
            Ok(()) => return Ok(file),
            Err(TryLockError::WouldBlock) if Instant::now() < deadline => {
                sleep(Duration::from_millis(50)).await;
            }
            Err(TryLockError::WouldBlock) => {
                return Err(PrivateRedisError::InUse { dir: dir.to_owned() });
            }
            Err(TryLockError::Error(source)) => return Err(io_error("lock", &path)(source)),
        }
    }
}

fn socket_path(dir: &Path) -> Result<(PathBuf, Option<TempDir>), PrivateRedisError> {
    let socket = dir.join("redis.sock");
    if socket.as_os_str().len() <= MAX_SOCKET_PATH_BYTES {
        return Ok((socket, None));
    }
    // Not the configured temporary directory, which may be as long.
    let tmp = Path::new("/tmp");
    let short = tempfile::Builder::new()
        .prefix("agespan-")
        .tempdir_in(tmp)
        .map_err(io_error("make a directory in", tmp))?;
    Ok((short.path().join("redis.sock"), Some(short)))
}

fn check_version(program: &Path) -> Result<(), PrivateRedisError> {
    let output = match Command::new(program).arg("--version").output() {
        Ok(output) => output,
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            return Err(PrivateRedisError::NotInstalled { program: program.to_owned() });
        }
        Err(error) => return Err(io_error("run", program)(error)),
    };
    let said = String::from_utf8_lossy(&output.stdout);
    match major_version(&said) {
        Some(major) if major >= MIN_MAJOR_VERSION => Ok(()),
        _ => Err(PrivateRedisError::TooOld {
            program: program.to_owned(),
            found: said.trim().to_owned(),
        }),
    }
}

/// From `Redis server v=7.0.15 sha=…`, which Valkey says alike.
fn major_version(said: &str) -> Option<u32> {
    let version = said.split_whitespace().find_map(|word| word.strip_prefix("v="))?;
    version.split('.').next()?.parse().ok()
}

async fn ping(url: &str) -> Result<(), redis::RedisError> {
    let client = redis::Client::open(url)?;
    let mut connection = client.get_multiplexed_async_connection().await?;
    redis::cmd("PING").query_async(&mut connection).await
}

fn not_serving(problem: String, log: &Path) -> PrivateRedisError {
    let text = std::fs::read(log).unwrap_or_default();
    let text = String::from_utf8_lossy(&text);
    let lines: Vec<&str> = text.lines().collect();
    PrivateRedisError::NotServing {
        problem,
        log: log.to_owned(),
        tail: lines[lines.len().saturating_sub(10)..].join("\n"),
    }
}

fn io_error(operation: &'static str, path: &Path) -> impl FnOnce(io::Error) -> PrivateRedisError {
    let path = path.to_owned();
    move |source| PrivateRedisError::Io { operation, path, source }
}

fn percent_encode(path: &Path) -> String {
    let mut encoded = String::new();
    for &byte in path.as_os_str().as_bytes() {
        if byte.is_ascii_alphanumeric() || b"/-_.~".contains(&byte) {
            encoded.push(char::from(byte));
        } else {
            encoded.push_str(&format!("%{byte:02X}"));
        }
    }
    encoded
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_the_version_of_redis_and_of_valkey() {
        assert_eq!(major_version("Redis server v=7.0.15 sha=00000000:0 bits=64"), Some(7));
        assert_eq!(major_version("Valkey server v=8.1.3 sha=00000000:0"), Some(8));
        assert_eq!(major_version("busybox"), None);
    }

    #[test]
    fn encodes_what_a_url_cannot_hold() {
        assert_eq!(percent_encode(Path::new("/a b/ü?.sock")), "/a%20b/%C3%BC%3F.sock");
    }
}
