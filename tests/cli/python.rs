//! The Python clients `blue-krill` and `bkstorages`, as `PyPI` has them, against the binary; and what
//! `obd` does with packages.
//!
//! They are installed once, into a virtual environment that later runs find again. Where that
//! cannot be done (no Python, no package registry) these tests say so and pass.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::OnceLock;

use crate::noise::noise;
use crate::process::{Folder, Server};
use crate::rpms::rpm_with;

const SCRIPTS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/python");
const ENVIRONMENT: &str = concat!(env!("CARGO_TARGET_TMPDIR"), "/python-clients");
const PASSWORD: &str = "an administrator's";

/// Runs a command to its end; `Err` tells why it did not succeed, in one line.
fn run(command: &mut Command) -> Result<String, String> {
    let ran = command.stdin(Stdio::null()).output();
    let ran = ran.map_err(|error| format!("{}: {error}", command.get_program().display()))?;
    if ran.status.success() {
        return Ok(String::from_utf8_lossy(&ran.stdout).into_owned());
    }
    let said = [ran.stderr, ran.stdout].concat();
    let said = String::from_utf8_lossy(&said).into_owned();
    let last = said.lines().rfind(|line| !line.trim().is_empty());
    Err(last.unwrap_or("it failed and said nothing").to_owned())
}

/// Installs the clients, unless an earlier run did so with the same Python and the same versions.
fn install() -> Result<PathBuf, String> {
    let environment = Path::new(ENVIRONMENT);
    let python = environment.join("bin/python");
    let requirements = Path::new(SCRIPTS).join("requirements.txt");
    let pinned = std::fs::read_to_string(&requirements).expect("the fixtures are there");
    let version = run(Command::new("python3").arg("--version"))?;
    let (stamp, complete) = (environment.join("complete"), version + &pinned);
    if std::fs::read_to_string(&stamp).is_ok_and(|found| found == complete) {
        return Ok(python);
    }
    run(Command::new("python3")
        .args(["-m", "venv", "--clear"])
        .arg(environment))?;
    run(Command::new(&python)
        .args(["-m", "pip", "install", "--quiet", "--no-input"])
        .args(["--disable-pip-version-check", "--retries", "0", "--no-deps"])
        .arg("--requirement")
        .arg(&requirements))?;
    // The last step: what an interrupted run leaves is not taken for complete.
    std::fs::write(&stamp, complete).map_err(|error| error.to_string())?;
    Ok(python)
}

/// The interpreter that has the clients; `None` where they cannot be installed.
fn python() -> Option<&'static Path> {
    static PYTHON: OnceLock<Option<PathBuf>> = OnceLock::new();
    let found = PYTHON.get_or_init(|| {
        let why = match install() {
            Ok(python) => return Some(python),
            Err(why) => why,
        };
        let line = format!("skipped, for the Python clients cannot be installed: {why}\n");
        // Not `eprintln!`: what that prints is not shown when a test passes.
        let told = std::io::stderr().write_all(line.as_bytes());
        told.expect("standard error takes a line");
        None
    });
    found.as_deref()
}

/// Runs a script, which asserts for itself, against a new server with a password.
fn assert_script(name: &str) {
    assert_script_with(name, &[]);
}

/// Runs a script beside which there are these files.
fn assert_script_with(name: &str, files: &[(&str, &[u8])]) {
    let Some(python) = python() else { return };
    let folder = Folder::new();
    for (file, bytes) in files {
        std::fs::write(folder.file(file), bytes).expect("a file");
    }
    let mut command = folder.command(&["serve", "--listen", "127.0.0.1:0"]);
    command.env("PACKHOLD_ADMIN_PASSWORD", PASSWORD);
    let server = Server::start(command, &folder.file("stderr.txt"));
    let mut script = Command::new(python);
    script.arg(Path::new(SCRIPTS).join(name));
    script.current_dir(folder.file(""));
    for proxy in ["http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"] {
        script.env_remove(proxy);
    }
    let ran = script
        .env("SERVER_URL", format!("http://{}", server.address))
        .env("ADMIN_PASSWORD", PASSWORD)
        // Nobody's stored logins, and no compiled files beside the scripts.
        .env("NETRC", "/dev/null")
        .env("PYTHONDONTWRITEBYTECODE", "1")
        .stdin(Stdio::null())
        .output()
        .expect("the interpreter runs");
    let said = String::from_utf8_lossy(&ran.stderr);
    assert!(ran.status.success(), "{name}: {}\n{said}", ran.status);
    server.stop();
    folder.run(&["verify"]).assert_code(0);
}

#[test]
fn blue_krill_manages_projects_repositories_and_users() {
    assert_script("manager.py");
}

#[test]
fn blue_krill_stores_blobs() {
    assert_script("blobstore.py");
}

#[test]
fn bkstorages_is_a_storage_of_django() {
    assert_script("django_storage.py");
}

/// A package beside the script, larger than any buffer.
#[test]
fn obd_uploads_packages() {
    let package = |version: &str| {
        let payload = noise(1, 2 << 20);
        rpm_with("oceanbase-ce", version, "101.el7", "x86_64", &payload)
    };
    assert_script_with(
        "obd.py",
        &[
            (
                "oceanbase-ce-4.3.5.1-101.el7.x86_64.rpm",
                &package("4.3.5.1"),
            ),
            (
                "oceanbase-ce-4.3.5.2-101.el7.x86_64.rpm",
                &package("4.3.5.2"),
            ),
        ],
    );
}
