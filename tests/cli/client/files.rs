//! Files there and back again.

use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::symlink;

use serde_json::Value;

use super::{client, run, tree, write};
use crate::noise::noise;
use crate::process::{Folder, Ran};

fn filled() -> Folder {
    let folder = Folder::new();
    write(&folder, "in/a.bin", &noise(1, 300_000));
    write(&folder, "in/deep/er/b", b"b");
    write(&folder, "in/empty", b"");
    write(&folder, "in/ü %2F?#&+.txt", b"name");
    folder
}

fn numbers(ran: &Ran, names: &[&str]) -> Vec<u64> {
    let summary: Value = ran.json();
    let number = |name: &&str| summary[name].as_u64().expect("a number");
    names.iter().map(number).collect()
}

#[test]
fn a_folder_goes_there_and_back_and_nothing_goes_twice() {
    let folder = filled();
    let server = folder.serve();
    let url = format!("http://{}", server.address);
    let fields = ["files", "moved", "moved_bytes", "present", "failed"];
    let push = ["push", "in", "p/r/x", "--json"];
    let ran = run(&folder, &url, &push);
    assert_eq!(numbers(ran.assert_code(0), &fields), [4, 4, 300_005, 0, 0]);
    let ran = run(&folder, &url, &push);
    assert_eq!(numbers(ran.assert_code(0), &fields), [4, 0, 0, 4, 0]);
    let pull = ["pull", "p/r/x", "out/side", "--json"];
    let ran = run(&folder, &url, &pull);
    assert_eq!(numbers(ran.assert_code(0), &fields), [4, 4, 300_005, 0, 0]);
    assert!(tree(&folder.file("out/side")) == tree(&folder.file("in")));
    let ran = run(&folder, &url, &pull);
    assert_eq!(numbers(ran.assert_code(0), &fields), [4, 0, 0, 4, 0]);
    server.stop();
    folder.run(&["verify"]).assert_code(0);
}

#[test]
fn single_files_go_where_they_are_told() {
    let folder = filled();
    let server = folder.serve();
    let url = format!("http://{}", server.address);
    for (place, path) in [
        ("p/r/one", "/generic/p/r/one"),
        ("p/r/d/", "/generic/p/r/d/b"),
        ("p/s", "/generic/p/s"),
    ] {
        let ran = run(&folder, &url, &["push", "in/deep/er/b", place]);
        if place == "p/s" {
            // The root of a repository is a folder.
            ran.assert_code(1);
            continue;
        }
        assert!(ran.assert_code(0).out().contains("sent 1 of 1 files"));
        let got = server.send(&crate::wire::Call::new("GET", path));
        assert_eq!((got.status, &got.body[..]), (200, &b"b"[..]), "{place}");
    }
    run(&folder, &url, &["push", "in/deep/er/b", "p/s/"]).assert_code(0);
    for (dest, made) in [("named", "named"), ("new/", "new/one"), ("in", "in/one")] {
        run(&folder, &url, &["pull", "p/r/one", dest]).assert_code(0);
        let bytes = std::fs::read(folder.file(made)).expect(made);
        assert_eq!(bytes, b"b", "{dest}");
    }
    run(&folder, &url, &["pull", "p/r/one"]).assert_code(0);
    assert!(folder.file("one").exists());
    run(&folder, &url, &["pull", "p/r/one", "p/r/d", "both"]).assert_code(0);
    assert_eq!(tree(&folder.file("both")).len(), 2);
    // Neither is there.
    run(&folder, &url, &["pull", "p/r/none", "x"]).assert_code(1);
    run(&folder, &url, &["push", "none", "p/r/none"]).assert_code(1);
    run(&folder, &url, &["pull", "p/r/one", "p/r/none", "x"]).assert_code(4);
    server.stop();
}

#[test]
fn other_files_are_replaced_only_if_that_is_wanted() {
    let folder = filled();
    let server = folder.serve();
    let url = format!("http://{}", server.address);
    run(&folder, &url, &["push", "in", "p/r/x"]).assert_code(0);
    write(&folder, "in/empty", b"no more");
    let push = ["push", "in", "p/r/x"];
    let ran = run(&folder, &url, &push);
    assert!(ran.assert_code(4).err().contains("p/r/x/empty"));
    let place = "/generic/p/r/x/empty";
    let get = || server.send(&crate::wire::Call::new("GET", place)).body;
    assert_eq!(get(), b"");
    let pull = ["pull", "p/r/x", "in"];
    let ran = run(&folder, &url, &pull);
    assert!(ran.assert_code(4).err().contains("in/empty"));
    let here = || std::fs::read(folder.file("in/empty")).expect("a file");
    assert_eq!(here(), b"no more");
    let pull_it = ["pull", "p/r/x/empty", "in/empty"];
    run(&folder, &url, &pull_it).assert_code(1);
    let overwrite = [&push[..], &["--overwrite"]].concat();
    run(&folder, &url, &overwrite).assert_code(0);
    assert_eq!(get(), b"no more");
    write(&folder, "in/empty", b"other");
    let overwrite = [&pull[..], &["--overwrite"]].concat();
    run(&folder, &url, &overwrite).assert_code(0);
    assert_eq!(here(), b"no more");
    server.stop();
}

#[test]
fn what_cannot_be_sent_is_told_and_the_rest_is_sent() {
    let folder = filled();
    let server = folder.serve();
    let url = format!("http://{}", server.address);
    let bad = std::ffi::OsStr::from_bytes(b"in/bad\xff");
    std::fs::write(folder.file("").join(bad), "x").expect("a file");
    for name in ["in/ blank", "in/back\\slash"] {
        write(&folder, name, b"x");
    }
    symlink("/etc/passwd", folder.file("in/link")).expect("a link");
    let ran = run(&folder, &url, &["push", "in", "p/r/x", "--json"]);
    let fields = ["moved", "failed", "passed_over"];
    assert_eq!(numbers(ran.assert_code(4), &fields), [4, 3, 1]);
    let err = ran.err();
    for told in ["UTF-8", " blank", "back\\", "in/link"] {
        assert!(err.contains(told), "{told}: {err}");
    }
    let ran = run(&folder, &url, &["push", "-q", "in", "p/r/x"]);
    ran.assert_code(4);
    assert_eq!(ran.out(), "");
    assert!(!ran.err().contains("in/link"), "{}", ran.err());
    server.stop();
}

#[test]
fn what_is_there_is_listed_and_deleted() {
    let folder = filled();
    let server = folder.serve();
    let url = format!("http://{}", server.address);
    run(&folder, &url, &["push", "in", "p/r/x"]).assert_code(0);
    let out = |args: &[&str]| run(&folder, &url, args).assert_code(0).out();
    assert_eq!(out(&["ls"]), "p/\n");
    assert_eq!(out(&["ls", "p"]), "r/\n");
    let listed = out(&["ls", "p/r/x"]);
    let names: Vec<_> = listed.lines().map(|line| &line[35..]).collect();
    assert_eq!(names, ["deep/", "a.bin", "empty", "ü %2F?#&+.txt"]);
    let listed: Value = serde_json::from_str(&out(&["ls", "-r", "--json", "p/r"])).expect("JSON");
    let rows = listed.as_array().expect("a list");
    assert_eq!(rows.len(), 4);
    assert_eq!(rows[0]["name"], "x/deep/er/b");
    assert_eq!(rows[0]["size"], 1);
    assert_eq!(
        out(&["ls", "--json", "p/r/x/deep/er/b/"])
            .matches("sha256")
            .count(),
        1
    );
    run(&folder, &url, &["ls", "p/r/none"]).assert_code(2);
    let ran = run(
        &folder,
        &url,
        &["rm", "p/r/x/a.bin", "p/r/x", "p/r/none", "p/r"],
    );
    ran.assert_code(4);
    for told in ["--recursive", "p/r/none is not there", "repository"] {
        let told = told.replace(" is", ": is");
        assert!(ran.err().contains(&told), "{told}: {}", ran.err());
    }
    assert_eq!(ran.out(), "deleted 1, 3 failed\n");
    run(&folder, &url, &["rm", "-f", "p/r/none"]).assert_code(0);
    run(&folder, &url, &["rm", "-r", "p/r/none"]).assert_code(1);
    run(&folder, &url, &["rm", "-r", "p/r/x"]).assert_code(0);
    assert_eq!(out(&["ls", "-r", "p/r"]), "");
    assert_eq!(out(&["ls", "-r", "--json", "p/r"]), "[]\n");
    server.stop();
}

#[test]
fn folders_are_made_alike() {
    let folder = filled();
    let server = folder.serve();
    let url = format!("http://{}", server.address);
    let sync = ["sync", "in", "p/r/x", "--json"];
    run(&folder, &url, &sync).assert_code(0);
    write(&folder, "in/empty", b"no more");
    write(&folder, "in/new", b"new");
    std::fs::remove_file(folder.file("in/a.bin")).expect("it is there");
    std::fs::remove_dir_all(folder.file("in/deep")).expect("it is there");
    let fields = ["moved", "present", "deleted", "failed"];
    let ran = run(&folder, &url, &sync);
    assert_eq!(numbers(ran.assert_code(0), &fields), [2, 1, 0, 0]);
    let ran = run(&folder, &url, &[&sync[..], &["--delete"]].concat());
    assert_eq!(numbers(ran.assert_code(0), &fields), [0, 3, 2, 0]);
    write(&folder, "out/empty", b"old");
    write(&folder, "out/mine", b"mine");
    let down = ["sync", "out", "p/r/x", "--down"];
    run(&folder, &url, &down).assert_code(0);
    let mut there = tree(&folder.file("out"));
    assert_eq!(there.remove("mine").as_deref(), Some(&b"mine"[..]));
    assert!(there == tree(&folder.file("in")));
    // What cannot be read here is not taken for gone.
    std::fs::remove_dir_all(folder.file("in")).expect("it is there");
    let ran = run(&folder, &url, &[&sync[..], &["--delete"]].concat());
    ran.assert_code(2);
    assert!(
        server
            .send(&crate::wire::Call::new("GET", "/generic/p/r/x/new"))
            .status
            == 200
    );
    server.stop();
}

#[test]
fn what_cannot_be_meant_is_a_usage_error() {
    let folder = filled();
    for args in [
        &["push"][..],
        &["push", "in"],
        &["push", "in", "p"],
        &["push", "in", "p/r/../x"],
        &["pull", "p"],
        &["pull", "p/r/../x", "x"],
        &["push", "in", "p/r/x", "-j", "0"],
        &["push", "in", "p/r/x", "--block-size", "1"],
        &["push", "in", "p/r/x", "--server", "nowhere"],
        &[
            "push",
            "in",
            "p/r/x",
            "--server",
            "http://me:secret@nowhere",
        ],
        &["ls", "a b"],
        &["sync", "in", "p/r/x", "--down", "--delete"],
    ] {
        let ran = run(&folder, "http://127.0.0.1:1", args);
        ran.assert_code(2);
        assert!(!ran.err().contains("secret"), "{}", ran.err());
    }
    // No server is named.
    let ran = folder.run(&["push", "in", "p/r/x"]);
    assert!(ran.assert_code(2).err().contains("--server"));
    let mut command = client(
        &folder,
        "http://127.0.0.1:1",
        &["ls", "p", "--retries", "0"],
    );
    let ran = Ran::of(command.output().expect("the binary runs"));
    assert!(ran.assert_code(1).err().contains("127.0.0.1:1"));
}
