//! `packhold backup`, `restore`, `follow` and `serve --as-of`.

use std::fs;
use std::process::Stdio;
use std::thread::sleep;
use std::time::Duration;

use serde_json::Value;

use crate::noise::noise;
use crate::process::{Folder, Server, put};
use crate::wire::Call;

fn url(server: &Server) -> String {
    format!("http://{}", server.address)
}

fn backup(folder: &Folder, server: &Server) -> Value {
    let ran = folder.run(&["backup", "copy.pack", "--server", &url(server), "--json"]);
    ran.assert_code(0).json()
}

#[test]
fn a_running_store_is_backed_up_and_restored() {
    let folder = Folder::new();
    let server = folder.serve();
    server.put("a", &noise(1, 3_000_000));
    let first = backup(&folder, &server);
    assert_eq!(first["created"], true, "{first}");
    server.put("b", &noise(2, 500_000));
    let second = backup(&folder, &server);
    assert_eq!(second["created"], false, "{second}");
    let added = second["added_bytes"].as_u64().expect("a number");
    assert!((500_000..600_000).contains(&added), "{second}");
    let busy = folder.run(&["backup", "copy.pack"]);
    assert!(busy.assert_code(1).err().contains("packhold.pack"));
    server.stop();
    // What the server did while it stopped comes from the closed store.
    folder.run(&["backup", "copy.pack"]).assert_code(0);
    let restore = ["restore", "copy.pack", "--store", "new.pack"];
    folder.run(&restore).assert_code(0);
    let refused = folder.run(&restore);
    assert!(refused.assert_code(2).err().contains("new.pack"));
    let verify = folder.run(&["verify", "--store", "new.pack"]);
    verify.assert_code(0);
    let server = folder.serve_with(&["--no-auth", "--store", "new.pack"]);
    assert!(server.get("a") == Some(noise(1, 3_000_000)));
    assert!(server.get("b") == Some(noise(2, 500_000)));
    server.stop();
}

#[test]
fn a_standby_follows_and_is_promoted_by_serving_it() {
    let folder = Folder::new();
    let mut server = folder.serve();
    server.put("a", &noise(1, 100_000));
    let mut follow = folder.command(&["follow", "standby.pack", "--server", &url(&server)]);
    let follow = follow.stderr(Stdio::null()).spawn();
    let mut follow = follow.expect("the binary runs");
    server.put("b", &noise(2, 100_000));
    let upto = fs::metadata(folder.pack()).expect("the pack").len();
    let reached = (0..400).any(|_| {
        sleep(Duration::from_millis(50));
        let standby = fs::metadata(folder.file("standby.pack"));
        standby.is_ok_and(|file| file.len() >= upto)
    });
    assert!(reached, "the standby stays behind");
    server.kill();
    follow.kill().expect("it runs");
    follow.wait().expect("it ends");
    let standby = folder.serve_with(&["--no-auth", "--store", "standby.pack"]);
    assert!(standby.get("a") == Some(noise(1, 100_000)));
    assert!(standby.get("b") == Some(noise(2, 100_000)));
    standby.put("own", b"x");
    standby.stop();
    // It went its own way: the old store, served again, is no longer what it follows.
    let server = folder.serve();
    server.put("c", b"y");
    let follow = folder.run(&["follow", "standby.pack", "--server", &url(&server)]);
    assert!(follow.assert_code(1).err().contains("409"));
    server.stop();
}

#[test]
fn an_earlier_state_is_served() {
    let folder = Folder::new();
    let server = folder.serve();
    server.put("a", b"one");
    sleep(Duration::from_millis(20));
    let then = jiff::Timestamp::now().to_string();
    sleep(Duration::from_millis(20));
    server.put("b", b"two");
    server.stop();
    let server = folder.serve_with(&["--no-auth", "--as-of", &then]);
    assert_eq!(server.get("a").as_deref(), Some(b"one".as_slice()));
    assert_eq!(server.get("b"), None);
    let refused = put("c").body("three").send(server.address);
    assert_eq!(refused.verdict(), (503, 250_102), "{refused:?}");
    // On purpose: it is as ready as it will be.
    let ready = server.send(&Call::new("GET", "/readyz"));
    assert_eq!(
        (ready.status, ready.body),
        (200, b"ready, for reading only\n".to_vec())
    );
    server.stop();
    let never = folder.run(&["serve", "--no-auth", "--as-of", "1999-01-01T00:00:00Z"]);
    assert!(never.assert_code(1).err().contains("no commit"));
}

#[test]
fn who_waits_for_something_to_come_is_answered_when_the_server_stops() {
    let folder = Folder::new();
    let server = folder.serve();
    server.put("a", b"x");
    backup(&folder, &server);
    // One that ends where the log does: as `follow` asks.
    let pack = Call::new("GET", "/packhold/pack?after=0&chain=00&wait=60");
    assert_eq!(server.send(&pack).verdict(), (400, 250_105));
    let end = packhold::store::Copy::open(&folder.file("copy.pack"));
    let end = end.expect("it opens").expect("it is there").end();
    let (commit, chain) = (end.commit, hex::encode(end.chain));
    let address = server.address;
    let waits = std::thread::spawn(move || {
        let target = format!("/packhold/pack?after={commit}&chain={chain}&wait=60");
        Call::new("GET", target).try_send(address)
    });
    sleep(Duration::from_millis(700));
    server.stop();
    let answer = waits.join().expect("no panic").expect("an answer");
    assert_eq!(answer.status, 200, "{answer:?}");
}
