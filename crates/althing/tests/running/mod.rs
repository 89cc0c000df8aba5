//! A server as a person runs it: the built binary, in a folder of its own, on ports that are free.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Output, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::thread::JoinHandle;
use std::time::Duration;

use serde_json::Value;

/// How long a test waits for what takes a fraction of a second; the machine may be busy.
const LIMIT: Duration = Duration::from_secs(60);
/// Between two looks whether a command has ended.
const LOOK_PAUSE: Duration = Duration::from_millis(5);
/// So many looks take [`LIMIT`] at least.
const LOOKS_MAX: u128 = LIMIT.as_millis() / LOOK_PAUSE.as_millis();

/// The binary, in `folder`, without what the environment of the tests says.
pub fn althing(folder: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_althing"));
    for (name, _) in std::env::vars_os().filter(|(name, _)| name.to_string_lossy().starts_with("ALTHING_")) {
        command.env_remove(name);
    }
    command.current_dir(folder);
    command
}

/// Runs a command that ends by itself, with `input` on its standard input.
pub fn run(mut command: Command, input: &str) -> Output {
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().expect("the binary was built for this test");
    let mut stdin = child.stdin.take().expect("it is a pipe");
    // Who reads no input may have ended already.
    let _: Result<_, _> = stdin.write_all(input.as_bytes());
    drop(stdin);
    let stdout = read_all(child.stdout.take().expect("it is a pipe"));
    let stderr = read_all(child.stderr.take().expect("it is a pipe"));
    for _ in 0..LOOKS_MAX {
        if child.try_wait().expect("it runs").is_some() {
            break;
        }
        std::thread::sleep(LOOK_PAUSE);
    }
    // One that goes on is ended, and has no status of its own.
    let _: std::io::Result<()> = child.kill();
    let status = child.wait().expect("it runs");
    Output { status, stdout: stdout.join().expect("it reads"), stderr: stderr.join().expect("it reads") }
}

fn read_all(mut pipe: impl Read + Send + 'static) -> JoinHandle<Vec<u8>> {
    std::thread::spawn(move || {
        let mut all = Vec::new();
        // What came before the pipe broke is what there is.
        let _: std::io::Result<usize> = pipe.read_to_end(&mut all);
        all
    })
}

/// A running server. Killed when dropped, if it has not ended.
pub struct Server {
    child: Child,
    lines: Receiver<String>,
    /// What it has logged until it was ready.
    pub log: Vec<String>,
    /// Where clients connect.
    pub clients: SocketAddr,
    /// Where servers connect, if that is somewhere else.
    pub servers: Option<SocketAddr>,
}

impl Server {
    /// Writes `config` to the folder and starts a server there.
    pub fn start(folder: &Path, config: &str) -> Self {
        std::fs::write(folder.join("althing.toml"), config).expect("the folder is ours");
        let mut command = althing(folder);
        let mut child =
            command.arg("serve").stderr(Stdio::piped()).spawn().expect("the binary was built for this test");
        let (send, lines) = channel();
        let stderr = BufReader::new(child.stderr.take().expect("it is a pipe"));
        std::thread::spawn(move || stderr.lines().map_while(Result::ok).try_for_each(|line| send.send(line)));
        let mut log = Vec::new();
        while !log.last().is_some_and(|line: &String| line.contains("is ready")) {
            log.push(lines.recv_timeout(LIMIT).unwrap_or_else(|error| panic!("it does not start: {error}: {log:#?}")));
        }
        let address = |whom: &str| {
            let line = log.iter().find(|line| line.contains(&format!("Listening for {whom} at ")))?;
            let from = line.find("://")? + 3;
            let end = line[from..].find(|c: char| !c.is_ascii_digit() && c != '.' && c != ':');
            line[from..end.map_or(line.len(), |end| from + end)].parse().ok()
        };
        let clients = address("clients").unwrap_or_else(|| panic!("no address for clients: {log:#?}"));
        let servers = address("servers");
        Self { child, lines, log, clients, servers }
    }

    /// Asks the client port and returns the status and the JSON that it answers.
    pub fn ask(&self, method: &str, path: &str, body: &str) -> (u16, Value) {
        self.ask_as("", method, path, body)
    }

    /// The same with headers of the caller's, each with its line's end.
    pub fn ask_as(&self, headers: &str, method: &str, path: &str, body: &str) -> (u16, Value) {
        let answer = read_answer(self.send(method, path, headers, body));
        let (head, body) = answer.split_once("\r\n\r\n").unwrap_or_else(|| panic!("no answer to {path}: {answer}"));
        let status = head.split(' ').nth(1).and_then(|status| status.parse().ok()).expect("a status");
        (status, serde_json::from_str(body).unwrap_or_default())
    }

    /// Sends a request to the client port and returns the connection, on which the answer comes.
    pub fn send(&self, method: &str, path: &str, headers: &str, body: &str) -> TcpStream {
        let mut stream = TcpStream::connect(self.clients).expect("it listens");
        stream.set_read_timeout(Some(LIMIT)).expect("the limit is not zero");
        let length = body.len();
        let request = format!(
            "{method} {path} HTTP/1.1\r\nHost: a.test\r\nConnection: close\r\n{headers}Content-Length: {length}\r\n\r\n{body}"
        );
        stream.write_all(request.as_bytes()).expect("it reads");
        stream
    }

    /// Sends SIGTERM, waits for the end for at most `limit`, and returns how it ended.
    pub fn terminate(mut self, limit: Duration) -> ExitStatus {
        let id = self.child.id().to_string();
        let sent = Command::new("kill").args(["-TERM", &id]).status().expect("there is kill");
        assert!(sent.success());
        // Its standard error closes when it ends.
        let mut said = Vec::new();
        loop {
            match self.lines.recv_timeout(limit) {
                Ok(line) => said.push(line),
                Err(std::sync::mpsc::RecvTimeoutError::Disconnected) => break,
                Err(std::sync::mpsc::RecvTimeoutError::Timeout) => panic!("it does not end: {said:#?}"),
            }
        }
        self.child.wait().expect("it is our child")
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // It may have ended already.
        let _: Result<_, _> = self.child.kill();
        let _: Result<_, _> = self.child.wait();
    }
}

/// Reads until the other side closes.
pub fn read_answer(mut stream: TcpStream) -> String {
    let mut answer = Vec::new();
    let _: Result<_, _> = stream.read_to_end(&mut answer);
    String::from_utf8_lossy(&answer).into_owned()
}
