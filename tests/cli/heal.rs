//! `packhold verify --sample`, `--rate`, `--from`.

use std::io::{Read, Write};
use std::net::TcpListener;

use crate::damage::damage;
use crate::noise::noise;
use crate::process::Folder;

fn filled() -> Folder {
    let folder = Folder::new();
    let server = folder.serve();
    server.put("good", &noise(1, 50_000));
    server.put("bad", &noise(2, 200_000));
    server.stop();
    folder
}

fn broken() -> Folder {
    let folder = filled();
    damage(&folder, &noise(2, 200_000)[20_000..20_032]);
    damage(&folder, &noise(2, 200_000)[150_000..150_032]);
    folder
}

#[test]
fn a_sample_says_what_it_covers_and_how_to_repeat_it() {
    let folder = broken();
    let report = folder.run(&["verify", "--sample", "50%", "--json"]).json();
    let seed = report["seed"].as_u64().expect("a seed").to_string();
    let again = [
        "verify", "--sample", "50%", "--rate", "50MB/s", "--seed", &seed,
    ];
    let ran = folder.run(&again);
    let clean = report["clean"] == true;
    ran.assert_code(if clean { 0 } else { 3 });
    let checked = report["checked_bytes"].as_u64().expect("a number");
    for told in [format!("({checked} bytes) of"), format!("--seed {seed}")] {
        assert!(ran.out().contains(&told), "{told}: {}", ran.out());
    }
    for bad in [
        &["--sample", "0%"][..],
        &["--sample", "200%"],
        &["--sample", "NaN%"],
        &["--rate", "0"],
        &["--rate", "fast"],
        &["--seed", "1"],
        &["--from", "x"],
        &["--repair", "--sample", "5%", "--from", "x"],
    ] {
        folder.run(&[&["verify"], bad].concat()).assert_code(2);
    }
}

#[test]
fn a_closed_store_is_mended_from_a_pack_and_from_a_server() {
    let (backup, source) = (filled(), filled());
    let pack = backup.pack().display().to_string();
    let folder = broken();
    folder.run(&["verify", "--repair"]).assert_code(3);
    // A source that is not there is named; nothing is lost by it.
    let ran = folder.run(&["verify", "--repair", "--from", "missing.pack"]);
    assert!(ran.assert_code(1).err().contains("missing.pack"));
    let ran = folder.run(&["verify", "--repair", "--from", &pack]);
    assert!(ran.assert_code(0).out().contains("fetched 2 chunks"));
    let before = std::fs::read(backup.pack()).expect("the source");
    folder.run(&["verify"]).assert_code(0);
    assert!(before == std::fs::read(backup.pack()).expect("the source"));

    let folder = broken();
    let server = source.serve();
    let url = format!("http://{}", server.address);
    let all = [
        "verify",
        "--repair",
        "--from",
        "http://127.0.0.1:1",
        "--from",
        &url,
    ];
    folder.run(&all).assert_code(0);
    server.stop();
    folder.run(&["verify"]).assert_code(0);
    let server = folder.serve();
    assert!(server.get("bad") == Some(noise(2, 200_000)));
    server.stop();
}

#[test]
fn a_server_is_mended_by_who_asks_it_to_verify() {
    let (source, folder) = (filled(), broken());
    let pack = source.pack().display().to_string();
    let server = folder.serve();
    let url = format!("http://{}", server.address);
    let ask = |from: &str| {
        folder.run(&[
            "verify", "--repair", "--server", &url, "--from", from, "--json",
        ])
    };
    let empty = Folder::new();
    empty.serve().stop();
    let report = ask(&empty.pack().display().to_string());
    let report = report.assert_code(3).json();
    assert_eq!(report["damaged_files"][0]["path"], "/bad");
    assert_eq!(report["lacking_chunks"].as_array().map(Vec::len), Some(2));
    let report = ask(&pack).assert_code(0).json();
    assert_eq!(
        (&report["clean"], &report["fetched_chunks"]),
        (&true.into(), &2.into())
    );
    assert!(server.get("bad") == Some(noise(2, 200_000)));
    server.stop();
    folder.run(&["verify"]).assert_code(0);
}

/// Answers everything with the same wrong bytes.
fn liar() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = listener.local_addr().expect("an address");
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.expect("a connection");
            let mut head = [0; 4096];
            let _read = stream.read(&mut head);
            let _sent = stream.write_all(
                b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nConnection: close\r\n\r\nwrong",
            );
        }
    });
    format!("http://{address}")
}

#[test]
fn wrong_bytes_are_named_and_refused() {
    let folder = broken();
    let liar = liar();
    let ran = folder.run(&["verify", "--repair", "--from", &liar]);
    let told = ran.assert_code(3).err();
    assert!(
        told.contains(&liar) && told.contains("are not those of chunk"),
        "{told}"
    );
    assert!(ran.out().contains("project/repo/bad"), "{}", ran.out());
    // The next source is asked all the same.
    let pack = filled();
    let path = pack.pack().display().to_string();
    let ran = folder.run(&["verify", "--repair", "--from", &liar, "--from", &path]);
    ran.assert_code(0);
}

// A leaf of a manifest is damaged: the content is fetched as a whole. The damaged record stays until it
// is given back; nothing needs it.
#[test]
fn a_damaged_manifest_is_mended_from_a_pack() {
    let folder = Folder::new();
    let server = folder.serve();
    let body = noise(3, 2_000_000);
    server.put("large", &body);
    server.stop();
    let copy = folder.file("copy.pack").display().to_string();
    folder.run(&["backup", &copy]).assert_code(0);
    let mut pack = std::fs::read(folder.pack()).expect("the pack");
    let magic = [0x70, 0x68, 0x52, 0xf1, 2];
    let leaf = pack.windows(5).position(|window| window == magic);
    pack[leaf.expect("a leaf") + 72 + 100] ^= 1;

    std::fs::write(folder.pack(), pack).expect("written");
    folder.run(&["verify", "--repair"]).assert_code(3);
    let ran = folder.run(&["verify", "--repair", "--from", &copy]);
    assert!(!ran.out().contains("damaged file"), "{}", ran.out());
    folder.run(&["gc"]).assert_code(0);
    folder.run(&["verify"]).assert_code(0);
    let server = folder.serve();
    assert!(server.get("large") == Some(body));
    server.stop();
}

#[test]
fn a_period_is_one() {
    let folder = Folder::new();
    for bad in ["0d", "1s", "never", "-1d", "99999d"] {
        folder.run(&["serve", "--scrub-every", bad]).assert_code(2);
    }
    let server = folder.serve_with(&["--no-auth", "--scrub-every", "1h"]);
    server.put("f", &noise(1, 10_000));
    server.stop();
    assert!(folder.file("packhold.pack.scrub").exists());
    std::fs::remove_file(folder.file("packhold.pack.scrub")).expect("removed");
    let server = folder.serve_with(&["--no-auth", "--scrub-every", "off"]);
    server.put("g", &noise(1, 10_000));
    server.stop();
    assert!(!folder.file("packhold.pack.scrub").exists());
}
