//! The server under test: the built binary in a temporary folder, ended when it is dropped.

use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use events::ServerName;
use handles::Handles;
use tempfile::TempDir;

use crate::report::{Failure, failed};

/// How long the server may take until it is ready.
const READY_MAX: Duration = Duration::from_secs(20);
/// Between two attempts to reach it.
const READY_PAUSE: Duration = Duration::from_micros(500);

/// The names of files in the server's folder.
const CONFIG: &str = "althing.toml";
const LOG: &str = "log";

/// A running server.
pub(crate) struct Althing {
    process: Child,
    /// Where clients talk to it.
    pub(crate) client: SocketAddr,
    /// Its name: where other servers talk to it.
    pub(crate) name: ServerName,
    /// From the start of the process until it answered.
    pub(crate) ready_after: Duration,
    binary: PathBuf,
    folder: TempDir,
}

/// What the system says of a process.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Usage {
    /// Time on all cores together.
    pub(crate) cpu: Duration,
    /// Bytes resident.
    pub(crate) resident: u64,
    /// The most bytes that were ever resident.
    pub(crate) peak: u64,
}

impl Althing {
    /// Starts `binary` on an empty database and waits until it answers.
    pub(crate) async fn start(binary: &Path, handles: &Handles) -> Result<Self, Failure> {
        let folder = TempDir::with_prefix("althing-load-").map_err(failed("a temporary folder"))?;
        let (client, federation) = (free_address()?, free_address()?);
        std::fs::write(folder.path().join(CONFIG), configuration(client, federation))
            .map_err(failed("the configuration"))?;
        let binary = binary.canonicalize().map_err(failed("the binary"))?;
        let name = ServerName::parse(federation.to_string()).map_err(failed("the server's name"))?;
        let process = spawn(&binary, &folder)?;
        let mut started = Self { process, client, name, ready_after: Duration::ZERO, binary, folder };
        started.until_ready(federation, handles).await?;
        Ok(started)
    }

    /// Ends the process, as a loss of power would.
    pub(crate) fn kill(&mut self) -> Result<(), Failure> {
        self.process.kill().map_err(failed("the process"))?;
        self.process.wait().map(drop).map_err(failed("the process"))
    }

    /// Starts it again on what it has, and waits until it answers.
    pub(crate) async fn start_again(&mut self, handles: &Handles) -> Result<(), Failure> {
        self.process = spawn(&self.binary, &self.folder)?;
        let federation = self.name.as_str().parse().map_err(failed("the server's address"))?;
        self.until_ready(federation, handles).await
    }

    async fn until_ready(&mut self, federation: SocketAddr, handles: &Handles) -> Result<(), Failure> {
        let began = handles.clock.monotonic();
        while TcpStream::connect(self.client).is_err() || TcpStream::connect(federation).is_err() {
            if handles.clock.monotonic() - began > READY_MAX {
                return Err(Failure(format!("althing does not start: {}", self.last_words())));
            }
            handles.clock.sleep(READY_PAUSE).await;
        }
        self.ready_after = handles.clock.monotonic() - began;
        Ok(())
    }

    /// What the system says of the process.
    pub(crate) fn usage(&self) -> Result<Usage, Failure> {
        Usage::of(&self.process.id().to_string())
    }

    /// The end of the server's log.
    pub(crate) fn last_words(&self) -> String {
        let log = std::fs::read_to_string(self.folder.path().join(LOG)).unwrap_or_default();
        let lines: Vec<&str> = log.lines().rev().take(3).collect();
        lines.into_iter().rev().collect::<Vec<_>>().join(" / ")
    }
}

impl Usage {
    /// What the system says of this program.
    pub(crate) fn own() -> Result<Self, Failure> {
        Self::of("self")
    }

    fn of(process: &str) -> Result<Self, Failure> {
        let folder = Path::new("/proc").join(process);
        let status = std::fs::read_to_string(folder.join("status")).map_err(failed("the process has gone"))?;
        let stat = std::fs::read_to_string(folder.join("stat")).map_err(failed("the process has gone"))?;
        let memory = |name: &str| {
            let line = status.lines().find_map(|line| line.strip_prefix(name));
            let kib = line.and_then(|line| line.split_whitespace().next()).and_then(|kib| kib.parse::<u64>().ok());
            kib.map(|kib| kib * 1024).ok_or_else(|| Failure(format!("the system says nothing of {name}")))
        };
        // proc(5): the name of the program, in brackets, may hold spaces; utime and stime are the 12th and 13th field behind.
        let fields: Vec<&str> = stat.rsplit(')').next().unwrap_or_default().split_whitespace().collect();
        let ticks = |at: usize| fields.get(at).and_then(|field| field.parse::<u64>().ok()).unwrap_or(0);
        Ok(Self {
            // Linux counts in hundredths of a second, whatever its clock does: USER_HZ.
            cpu: Duration::from_millis((ticks(11) + ticks(12)) * 10),
            resident: memory("VmRSS:")?,
            peak: memory("VmHWM:")?,
        })
    }
}

impl Drop for Althing {
    fn drop(&mut self) {
        // Its folder is deleted with it: there is nothing to save. It may have ended by itself.
        let _: std::io::Result<()> = self.process.kill();
        let _: std::io::Result<std::process::ExitStatus> = self.process.wait();
    }
}

/// Starts the server in its folder.
fn spawn(binary: &Path, folder: &TempDir) -> Result<Child, Failure> {
    let log = std::fs::File::options().create(true).append(true).open(folder.path().join(LOG));
    Command::new(binary)
        .args(["serve", "--config", CONFIG])
        .current_dir(folder.path())
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(log.map_err(failed("the log"))?)
        .spawn()
        .map_err(failed("the binary"))
}

/// An address where nobody listens.
pub(crate) fn free_address() -> Result<SocketAddr, Failure> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).map_err(failed("a free port"))?;
    listener.local_addr().map_err(failed("a free port"))
}

fn configuration(client: SocketAddr, federation: SocketAddr) -> String {
    format!(
        "server_name = \"{federation}\"\n\
         data_dir = \"data\"\n\
         [client]\n\
         listen = [\"{client}\"]\n\
         [federation]\n\
         listen = [\"{federation}\"]\n\
         verify_certificates = false\n\
         allowed_ip_ranges = [\"127.0.0.0/8\"]\n\
         trusted_key_servers = []\n\
         [registration]\n\
         mode = \"open\"\n\
         [limits]\n\
         enabled = false\n\
         [log]\n\
         filter = \"warn\"\n"
    )
}
