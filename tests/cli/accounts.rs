//! `packhold user`, `token` and `key`, at a running server and in a closed store.

use std::io::Write;
use std::process::Stdio;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use crate::process::{Folder, Ran, Server, get, put};
use crate::wire::Call;

const PASSWORD: &str = "the administrator's";

/// A folder, and perhaps a server on its store.
struct Accounts {
    folder: Folder,
    server: Option<Server>,
}

impl Accounts {
    /// A closed store, and a server on another one like it.
    fn both() -> [Self; 2] {
        [false, true].map(|served| {
            let folder = Folder::new();
            let server = Self::start(&folder);
            server.put_as_admin("f");
            let mut accounts = Self {
                folder,
                server: Some(server),
            };
            if !served {
                accounts.close();
            }
            accounts
        })
    }

    fn start(folder: &Folder) -> Server {
        let mut command = folder.command(&["serve", "--listen", "127.0.0.1:0"]);
        command.env("PACKHOLD_ADMIN_PASSWORD", PASSWORD);
        Server::start(command, &folder.file("stderr.txt"))
    }

    fn close(&mut self) {
        if let Some(server) = self.server.take() {
            server.stop();
        }
    }

    /// Runs a command with this on its standard input.
    fn run_with(&self, args: &[&str], input: &str) -> Ran {
        let mut command = self.folder.command(args);
        if let Some(server) = &self.server {
            command.env("PACKHOLD_SERVER", format!("http://{}", server.address));
            command.env("PACKHOLD_PASSWORD", PASSWORD);
        }
        command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        let mut child = command.spawn().expect("the binary runs");
        let mut stdin = child.stdin.take().expect("it is piped");
        // Not every command reads it.
        let _written = stdin.write_all(input.as_bytes());
        drop(stdin);
        Ran::of(child.wait_with_output().expect("it ends"))
    }

    fn run(&self, args: &[&str]) -> Ran {
        self.run_with(args, "")
    }

    /// Runs a command that ends well, and gives what it says as JSON.
    fn json(&self, args: &[&str]) -> Value {
        self.run(&[args, &["--json"]].concat())
            .assert_code(0)
            .json()
    }

    /// Says something to the server, which begins for that if it has to.
    fn send(&mut self, call: &Call) -> u16 {
        let served = self.server.is_some();
        let server = self.server.get_or_insert_with(|| Self::start(&self.folder));
        let status = server.send(call).status;
        if !served {
            self.close();
        }
        status
    }
}

impl Server {
    fn put_as_admin(&self, name: &str) {
        let call = login(put(name).body("x"), "admin", PASSWORD);
        assert_eq!(self.send(&call).verdict(), (200, 0));
    }
}

fn login(call: Call, name: &str, password: &str) -> Call {
    let encoded = STANDARD.encode(format!("{name}:{password}"));
    call.header("Authorization", format!("Basic {encoded}"))
}

#[test]
fn users_come_change_and_go() {
    for mut accounts in Accounts::both() {
        let added = accounts.run_with(&["user", "add", "ann"], "first\n");
        assert!(added.assert_code(0).out().contains("ann"));
        let again = accounts.run_with(&["user", "add", "ann"], "first\n");
        again.assert_code(1);
        assert!(again.err().contains("ann"), "{}", again.err());
        accounts
            .run_with(&["user", "add", "root", "--admin"], "r\n")
            .assert_code(0);

        let listed = accounts.json(&["user", "list"]);
        let shown: Vec<(&Value, &Value)> = listed
            .as_array()
            .expect("a list")
            .iter()
            .map(|user| (&user["userId"], &user["admin"]))
            .collect();
        let expected = [("admin", true), ("ann", false), ("root", true)]
            .map(|(name, admin)| (json!(name), json!(admin)));
        assert_eq!(
            shown,
            expected.each_ref().map(|(name, admin)| (name, admin))
        );
        assert!(
            accounts
                .run(&["user", "list"])
                .assert_code(0)
                .out()
                .contains("root\tadmin\t")
        );

        let own = |password: &str| login(Call::new("GET", "/auth/api/user/ann"), "ann", password);
        assert_eq!(accounts.send(&own("first")), 200);
        accounts
            .run_with(&["user", "passwd", "ann"], "second\r\nnot this")
            .assert_code(0);
        assert_eq!(accounts.send(&own("first")), 401);
        assert_eq!(accounts.send(&own("second")), 200);
        accounts.run(&["user", "del", "ann"]).assert_code(0);
        assert_eq!(accounts.send(&own("second")), 401);
        for args in [&["user", "del", "ann"][..], &["user", "del", "admin"]] {
            accounts.run(args).assert_code(1);
        }
        accounts
            .run_with(&["user", "passwd", "nobody"], "x\n")
            .assert_code(1);
    }
}

#[test]
fn grants_and_roles() {
    for mut accounts in Accounts::both() {
        accounts
            .run_with(&["user", "add", "ann"], "ann\n")
            .assert_code(0);
        let read = || login(get("f"), "ann", "ann");
        let packages = || login(Call::new("GET", "/api/v2/software-packages"), "ann", "ann");
        assert_eq!(accounts.send(&read()), 403);
        let set = accounts.json(&["user", "grant", "ann", "project/repo", "read", "write"]);
        assert_eq!(
            set,
            json!({
                "userId": "ann", "projectId": "project", "repoName": "repo",
                "actions": ["READ", "WRITE"],
            })
        );
        assert_eq!(accounts.send(&read()), 200);
        accounts
            .run(&["user", "grant", "ann", "project/repo"])
            .assert_code(0);
        assert_eq!(accounts.send(&read()), 403);
        accounts
            .run(&["user", "grant", "ann", "project", "manage"])
            .assert_code(0);
        assert_eq!(accounts.send(&read()), 200);
        assert_eq!(accounts.send(&packages()), 403);
        accounts
            .run(&["user", "role", "ann", "viewer"])
            .assert_code(0);
        assert_eq!(accounts.send(&packages()), 200);
        accounts
            .run(&["user", "role", "ann", "none"])
            .assert_code(0);
        assert_eq!(accounts.send(&packages()), 403);
        for args in [
            &["user", "grant", "ann", "unknown", "read"][..],
            &["user", "grant", "nobody", "project", "read"],
            &["user", "role", "nobody", "viewer"],
        ] {
            accounts.run(args).assert_code(1);
        }
        accounts
            .run(&["user", "grant", "ann", "project", "own"])
            .assert_code(2);
        accounts
            .run(&["user", "role", "ann", "root"])
            .assert_code(2);
    }
}

#[test]
fn tokens_are_printed_once_and_nothing_beside_them() {
    for mut accounts in Accounts::both() {
        let made = accounts.run(&["token", "add", "admin", "ci"]);
        let token = made.assert_code(0).out();
        let token = token.strip_suffix('\n').expect("a line").to_owned();
        assert!(
            token.starts_with("pht_") && !token.contains('\n'),
            "{token}"
        );
        let call = || get("f").header("Authorization", format!("Bearer {token}"));
        assert_eq!(accounts.send(&call()), 200);
        accounts
            .run(&["token", "add", "admin", "ci"])
            .assert_code(1);
        let made = accounts.json(&["token", "add", "admin", "two", "--days", "7"]);
        assert!(
            made["id"].is_string() && made["expiredAt"].is_string(),
            "{made}"
        );
        let listed = accounts.json(&["token", "list", "admin"]);
        let names: Vec<&Value> = listed
            .as_array()
            .expect("a list")
            .iter()
            .map(|token| &token["name"])
            .collect();
        assert_eq!(names, [&json!("ci"), &json!("two")]);
        assert_eq!(listed[1]["expiredAt"], made["expiredAt"]);
        assert!(!listed.to_string().contains("pht_"));
        let shown = accounts
            .run(&["token", "list", "admin"])
            .assert_code(0)
            .out();
        assert!(
            shown.contains("never") && !shown.contains("pht_"),
            "{shown}"
        );
        accounts
            .run(&["token", "del", "admin", "ci"])
            .assert_code(0);
        assert_eq!(accounts.send(&call()), 401);
        accounts
            .run(&["token", "del", "admin", "ci"])
            .assert_code(1);
        accounts
            .run(&["token", "add", "nobody", "ci"])
            .assert_code(1);
        accounts
            .run(&["token", "add", "admin", "x", "--days", "0"])
            .assert_code(2);
    }
}

#[test]
fn keys_are_printed_once() {
    for mut accounts in Accounts::both() {
        let made = accounts.json(&["key", "add", "admin"]);
        let (key, secret) = (&made["accessKey"], &made["secretKey"]);
        let (key, secret) = (
            key.as_str().expect("a key"),
            secret.as_str().expect("a secret"),
        );
        let encoded = STANDARD.encode(format!("{key}:{secret}"));
        let call = || get("f").header("Authorization", format!("Platform {encoded}"));
        assert_eq!(accounts.send(&call()), 200);
        let listed = accounts.json(&["key", "list", "admin"]);
        assert_eq!(listed[0]["accessKey"], key);
        assert!(!listed.to_string().contains(secret));
        accounts.run(&["key", "del", key]).assert_code(0);
        assert_eq!(accounts.send(&call()), 401);
        accounts.run(&["key", "del", key]).assert_code(1);
        let shown = accounts.run(&["key", "add", "admin"]).assert_code(0).out();
        assert!(shown.contains("phs_"), "{shown}");
    }
}

#[test]
fn passwords_are_never_arguments_and_never_empty() {
    let [accounts, _] = Accounts::both();
    accounts
        .run(&["user", "add", "ann", "password"])
        .assert_code(2);
    accounts
        .run(&["user", "add", "ann", "--password", "x"])
        .assert_code(2);
    for input in ["", "\n"] {
        accounts
            .run_with(&["user", "add", "ann"], input)
            .assert_code(2);
    }
    let mut command = accounts.folder.command(&["user", "add", "ann"]);
    command.env("PACKHOLD_NEW_PASSWORD", "x");
    Ran::of(command.output().expect("the binary runs")).assert_code(0);
    for name in ["", "a/b", "a:b", "anonymous"] {
        accounts
            .run_with(&["user", "add", name], "x\n")
            .assert_code(1);
    }
    let ran = accounts
        .folder
        .run(&["user", "list", "--store", "nowhere.pack"]);
    ran.assert_code(1);
    assert!(!accounts.folder.file("nowhere.pack").exists());
}

#[test]
fn a_server_wants_to_know_who_asks_and_a_store_in_use_is_refused() {
    let [_, accounts] = Accounts::both();
    let server = accounts.server.as_ref().expect("a server");
    let url = format!("http://{}", server.address);
    let mut command = accounts.folder.command(&["user", "list", "--server", &url]);
    command.env("PACKHOLD_PASSWORD", "wrong");
    let ran = Ran::of(command.output().expect("the binary runs"));
    ran.assert_code(1);
    assert!(ran.err().contains("401"), "{}", ran.err());
    let ran = accounts.folder.run(&["user", "list"]);
    ran.assert_code(1);
    assert!(ran.err().contains("in use"), "{}", ran.err());
}
