//! The binary as a process.

use std::fs::File;
use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, ExitStatus, Output, Stdio};

use tempfile::TempDir;

use crate::wire::{Answer, Call, Wire};

/// A folder with a store that may be there or not; the binary runs in it.
pub struct Folder(TempDir);

impl Folder {
    /// A new one.
    pub fn new() -> Self {
        Self(tempfile::tempdir().expect("a directory"))
    }

    /// A file in it.
    pub fn file(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    /// The default store.
    pub fn pack(&self) -> PathBuf {
        self.file("packhold.pack")
    }

    /// Its index.
    pub fn index(&self) -> PathBuf {
        self.file("packhold.pack.index")
    }

    /// The binary with these arguments, and none of the variables that it reads. It is at home here:
    /// what the user who runs the tests has there is not looked at.
    pub fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_packhold"));
        command.args(args).current_dir(self.0.path());
        command.env("HOME", self.0.path());
        for name in ["NETRC", "XDG_STATE_HOME", "XDG_CONFIG_HOME"] {
            command.env_remove(name);
        }
        command.stdin(Stdio::null());
        for (name, _) in std::env::vars_os() {
            if name.to_string_lossy().starts_with("PACKHOLD_") {
                command.env_remove(name);
            }
        }
        command
    }

    /// Runs the binary to its end.
    pub fn run(&self, args: &[&str]) -> Ran {
        Ran(self.command(args).output().expect("the binary runs"))
    }

    /// Starts a server to which everybody is the administrator.
    pub fn serve(&self) -> Server {
        self.serve_with(&["--no-auth"])
    }

    /// Starts a server with further arguments.
    pub fn serve_with(&self, args: &[&str]) -> Server {
        let all = [&["serve", "--listen", "127.0.0.1:0"], args].concat();
        Server::start(self.command(&all), &self.file("stderr.txt"))
    }

    /// What the last server said on standard error.
    pub fn complaints(&self) -> String {
        std::fs::read_to_string(self.file("stderr.txt")).expect("standard error was kept")
    }
}

/// What became of a run.
pub struct Ran(Output);

impl Ran {
    /// Of a process that has ended.
    pub fn of(output: Output) -> Self {
        Self(output)
    }

    /// Its exit status.
    pub fn code(&self) -> Option<i32> {
        self.0.status.code()
    }

    /// Its standard output.
    pub fn out(&self) -> String {
        String::from_utf8_lossy(&self.0.stdout).into_owned()
    }

    /// Its standard error.
    pub fn err(&self) -> String {
        String::from_utf8_lossy(&self.0.stderr).into_owned()
    }

    /// Asserts an exit status.
    pub fn assert_code(&self, code: i32) -> &Self {
        let (out, err) = (self.out(), self.err());
        assert_eq!(self.code(), Some(code), "stdout: {out}\nstderr: {err}");
        self
    }

    /// Its standard output as one JSON document.
    pub fn json(&self) -> serde_json::Value {
        serde_json::from_str(&self.out()).unwrap_or_else(|e| panic!("{e}: {}", self.out()))
    }
}

/// A running server; it is killed when this is dropped.
pub struct Server {
    child: Child,
    /// Kept open: a server that prints more must not die of it.
    _stdout: BufReader<ChildStdout>,
    pub address: SocketAddr,
}

impl Server {
    /// Starts a server and waits for the line that says where it listens.
    pub fn start(mut command: Command, stderr: &Path) -> Self {
        let stderr_file = File::create(stderr).expect("a file for standard error");
        command.stdout(Stdio::piped()).stderr(stderr_file);
        let mut child = command.spawn().expect("the binary runs");
        let mut stdout = BufReader::new(child.stdout.take().expect("it is piped"));
        let mut line = String::new();
        stdout.read_line(&mut line).expect("standard output");
        let url = line.trim_end().strip_prefix("listening on http");
        let address = url.and_then(|url| url.trim_start_matches('s').strip_prefix("://"));
        let Some(address) = address.and_then(|address| address.parse().ok()) else {
            let status = child.wait();
            let complaints = std::fs::read_to_string(stderr);
            panic!("no address: `{line}`, {status:?}, {complaints:?}");
        };
        Self {
            child,
            _stdout: stdout,
            address,
        }
    }

    /// Its process.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Sends a signal, by its name.
    pub fn signal(&self, name: &str) {
        let (option, pid) = (format!("-{name}"), self.pid().to_string());
        let sent = Command::new("kill").args([option, pid]).status();
        assert!(sent.expect("kill runs").success());
    }

    /// Waits for its end.
    pub fn wait(mut self) -> ExitStatus {
        self.child.wait().expect("it was started here")
    }

    /// Asks it to end, and waits.
    pub fn stop(self) {
        self.signal("TERM");
        let status = self.wait();
        assert_eq!(status.code(), Some(0), "{status:?}");
    }

    /// Kills it, and waits until it is gone.
    pub fn kill(&mut self) {
        self.child.kill().expect("it was started here");
        self.child.wait().expect("it was started here");
    }

    /// A connection.
    pub fn connect(&self) -> Wire {
        Wire::connect(self.address).expect("the server listens")
    }

    /// Says something.
    pub fn send(&self, call: &Call) -> Answer {
        call.send(self.address)
    }

    /// Uploads.
    pub fn put(&self, name: &str, body: &[u8]) {
        let call = put(name).header("X-BKREPO-OVERWRITE", "true").body(body);
        let answer = self.send(&call);
        assert_eq!(answer.verdict(), (200, 0), "{name}");
    }

    /// Downloads; `None` when there is no such file.
    pub fn get(&self, name: &str) -> Option<Vec<u8>> {
        let answer = self.send(&get(name));
        match answer.status {
            200 => Some(answer.body),
            _ => {
                assert_eq!(answer.verdict().0, 404, "{name}: {answer:?}");
                None
            }
        }
    }

    /// A number from the process's status, in bytes.
    pub fn status_bytes(&self, field: &str) -> u64 {
        let path = format!("/proc/{}/status", self.pid());
        let status = std::fs::read_to_string(path).expect("the process runs");
        let line = status.lines().find_map(|line| line.strip_prefix(field));
        let kibibytes = line.and_then(|line| line.split_whitespace().nth(1)?.parse::<u64>().ok());
        kibibytes.expect("the field is there") << 10
    }

    /// How many threads the process has.
    pub fn threads(&self) -> usize {
        let tasks = std::fs::read_dir(format!("/proc/{}/task", self.pid()));
        tasks.expect("the process runs").count()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // Gone already, mostly.
        let _killed = self.child.kill();
        let _waited = self.child.wait();
    }
}

/// A request to the repository that tests use.
pub fn call(method: &str, name: &str) -> Call {
    Call::new(method, format!("/generic/project/repo/{name}"))
}

/// An upload.
pub fn put(name: &str) -> Call {
    call("PUT", name)
}

/// A download.
pub fn get(name: &str) -> Call {
    call("GET", name)
}
