//! The config file, and what comes before it; what is made of the definitions of the flags; packaging.

use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

use crate::process::{Folder, Ran, Server};
use crate::wire::Call;

const FILE: &str = ".config/packhold/config.toml";

fn write(folder: &Folder, text: &str) {
    let path = folder.file(FILE);
    std::fs::create_dir_all(path.parent().expect("a folder")).expect("a folder");
    std::fs::write(path, text).expect("a file");
}

fn ran(mut command: Command) -> Ran {
    Ran::of(command.output().expect("the binary runs"))
}

/// Value and origin of a setting.
fn shown(ran: &Ran, name: &str) -> (String, String) {
    let shown: Value = ran.assert_code(0).json();
    let mut rows = shown.as_array().expect("a list").iter();
    let row = rows.find(|row| row["name"] == name).expect(name);
    let text = |field: &str| row[field].as_str().unwrap_or_default().to_owned();
    (text("value"), text("from"))
}

fn pair(value: &str, from: &str) -> (String, String) {
    (value.to_owned(), from.to_owned())
}

#[test]
fn a_flag_comes_before_the_environment_that_before_the_file_and_that_before_the_default() {
    let folder = Folder::new();
    let show = ["config", "show", "--json"];
    let listen = |ran: &Ran| shown(ran, "listen");
    let by_default = pair("127.0.0.1:8080", "default");
    assert_eq!(listen(&folder.run(&show)), by_default);
    write(&folder, "listen = '127.0.0.1:1'\nno-auth = true\n");
    let in_file = pair("127.0.0.1:1", "file");
    assert_eq!(listen(&folder.run(&show)), in_file);
    let mut command = folder.command(&show);
    command.env("PACKHOLD_LISTEN", "127.0.0.1:2");
    let in_environment = pair("127.0.0.1:2", "environment: PACKHOLD_LISTEN");
    assert_eq!(listen(&ran(command)), in_environment);
    let typed = [&show[..], &["serve", "--listen", "127.0.0.1:3"]].concat();
    let mut command = folder.command(&typed);
    command.env("PACKHOLD_LISTEN", "127.0.0.1:2");
    let ran = ran(command);
    assert_eq!(listen(&ran), pair("127.0.0.1:3", "flag"));
    assert_eq!(shown(&ran, "no-auth"), pair("true", "file"));
    let text = folder.run(&["config", "show"]).assert_code(0).out();
    assert!(
        text.contains(FILE) && text.contains("127.0.0.1:1"),
        "{text}"
    );
    // It is not run.
    assert!(!folder.pack().exists());
}

#[test]
fn the_server_does_what_the_file_says() {
    let folder = Folder::new();
    write(
        &folder,
        "store = 'other.pack'\nlisten = '127.0.0.1:0'\nno-auth = true\n",
    );
    let server = Server::start(folder.command(&["serve"]), &folder.file("stderr.txt"));
    assert_eq!(
        server.send(&Call::new("GET", "/packhold/stats")).status,
        200
    );
    assert!(folder.file("other.pack").exists());
    server.stop();
    // Half a pair would be served without TLS.
    write(&folder, "tls-cert = 'cert.pem'\nno-auth = true\n");
    let ran = folder.run(&["serve", "--listen", "127.0.0.1:0"]);
    assert!(ran.assert_code(2).err().contains("--tls-key"));
}

#[test]
fn profiles_name_servers() {
    let folder = Folder::new();
    let server = folder.serve();
    let address = server.address;
    write(
        &folder,
        &format!(
            "profile = 'gone'\nretries = 0\n[profiles.here]\nserver = 'http://{address}'\n\
             [profiles.gone]\nserver = 'http://127.0.0.1:1'\n"
        ),
    );
    server.put("f", b"x");
    let ls = ["ls", "project/repo"];
    assert!(folder.run(&ls).assert_code(1).err().contains("127.0.0.1:1"));
    let here = [&["--profile", "here"], &ls[..]].concat();
    assert!(folder.run(&here).assert_code(0).out().contains('f'));
    let mut command = folder.command(&ls);
    command.env("PACKHOLD_PROFILE", "here");
    ran(command).assert_code(0);
    let none = [&["--profile", "none"], &ls[..]].concat();
    assert!(folder.run(&none).assert_code(2).err().contains("none"));
    let mut show = vec!["--profile", "here", "config", "show", "--json"];
    let told = pair(&format!("http://{address}"), "file, profile here");
    assert_eq!(shown(&folder.run(&show), "server"), told);
    show.extend(["ls", "--server", "http://x"]);
    assert_eq!(
        shown(&folder.run(&show), "server"),
        pair("http://x", "flag")
    );
    server.stop();
}

#[test]
fn what_is_wrong_in_the_file_is_told_before_anything_is_done() {
    let folder = Folder::new();
    assert!(
        folder
            .run(&["config", "check"])
            .assert_code(0)
            .out()
            .contains("no config file")
    );
    for (text, told) in [
        ("listen =", "line 1"),
        ("lissten = 'x'", "`lissten`"),
        ("listen = 'nowhere'", "`listen`"),
        ("no-auth = 'yes'", "`no-auth`"),
        ("[profiles.x]\njobs = 99", "`profiles.x.jobs`"),
    ] {
        write(&folder, text);
        let ran = folder.run(&["config", "check"]);
        let err = ran.assert_code(2).err();
        assert!(err.contains(FILE) && err.contains(told), "{text}: {err}");
    }
    write(&folder, "listen = 'nowhere'");
    let ran = folder.run(&["serve"]);
    assert!(ran.assert_code(2).err().contains(FILE), "{}", ran.err());
    assert!(!folder.pack().exists());
    // A value that no command but another needs stops nobody; help and version always work.
    folder.run(&["stats", "--help"]).assert_code(0);
    write(&folder, "listen =");
    folder.run(&["--version"]).assert_code(0);
    write(&folder, "log = 'warn'");
    let ran = folder.run(&["config", "check"]);
    assert!(ran.assert_code(0).out().contains("is fine"));
    // One that is named must be there.
    let ran = folder.run(&["--config", "none.toml", "stats"]);
    assert!(ran.assert_code(2).err().contains("none.toml"));
    std::fs::write(folder.file("long.toml"), "#".repeat(2 << 20)).expect("a file");
    folder
        .run(&["--config", "long.toml", "stats"])
        .assert_code(2);
    std::fs::write(folder.file("bytes.toml"), b"\xff\x00").expect("a file");
    folder
        .run(&["--config", "bytes.toml", "stats"])
        .assert_code(2);
}

#[test]
fn completions_and_man_pages_are_made() {
    let folder = Folder::new();
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        let out = folder.run(&["completions", shell]).assert_code(0).out();
        assert!(out.contains("max-connections"), "{shell}");
    }
    folder.run(&["completions", "none"]).assert_code(2);
    let out = folder.run(&["man"]).assert_code(0).out();
    assert!(out.contains(".TH packhold 1"), "{out}");
    folder.run(&["man", "pages/1"]).assert_code(0);
    let page = std::fs::read_to_string(folder.file("pages/1/packhold-serve.1"));
    assert!(page.expect("it was made").contains("PACKHOLD_LISTEN"));
}

fn dist(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("dist")
        .join(name)
}

/// What is packaged fits the binary: flags, settings, also those that are comments.
#[test]
fn what_is_packaged_means_something_to_the_binary() {
    let folder = Folder::new();
    let sample = std::fs::read_to_string(dist("config.toml")).expect("it is there");
    let told = sample.lines().filter_map(|line| line.strip_prefix("# "));
    let settings: Vec<&str> = told
        .filter(|line| line.contains(" = \"") || line.contains(" = f") || line.starts_with('['))
        .collect();
    assert!(settings.len() > 10, "{settings:?}");
    for text in [sample.clone(), settings.join("\n")] {
        std::fs::write(folder.file("sample.toml"), text).expect("a file");
        let check = ["--config", "sample.toml", "config", "check"];
        folder.run(&check).assert_code(0);
    }
    let unit = std::fs::read_to_string(dist("packhold.service")).expect("it is there");
    let start = unit
        .lines()
        .find_map(|line| line.strip_prefix("ExecStart="));
    let words: Vec<&str> = start.expect("it starts something").split(' ').collect();
    assert_eq!(
        words[..3],
        ["/usr/bin/packhold", "--config", "/etc/packhold/config.toml"]
    );
    let show = [&["config", "show", "--json"], &words[3..]].concat();
    let store = pair("/var/lib/packhold/packhold.pack", "flag");
    assert_eq!(shown(&folder.run(&show), "store"), store);
    let container = std::fs::read_to_string(dist("Containerfile")).expect("it is there");
    let variables = container.lines().find_map(|line| line.strip_prefix("ENV "));
    let mut command = folder.command(&["config", "show", "--json"]);
    for variable in variables.expect("it has some").split(' ') {
        let (name, value) = variable.split_once('=').expect("a value");
        if name != "HOME" {
            command.env(name, value);
        }
    }
    let listen = pair("0.0.0.0:8080", "environment: PACKHOLD_LISTEN");
    assert_eq!(shown(&ran(command), "listen"), listen);
}
