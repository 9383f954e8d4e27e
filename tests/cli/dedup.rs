//! `packhold dedup`: how files would be stored.

use std::fs;
use std::path::Path;

use serde_json::Value;

use crate::noise::noise;
use crate::process::Folder;
use crate::wire::Call;

/// Three releases that share most of what they have, named so that letters sort them wrongly.
fn releases(folder: &Folder) -> Vec<u8> {
    let dir = folder.file("releases");
    fs::create_dir(&dir).expect("a folder");
    let mut bytes = noise(1, 600_000);
    for (n, name) in ["app-1.9.tar", "app-1.10.tar", "app-1.11.tar"]
        .iter()
        .enumerate()
    {
        let at = 100_000 + 150_000 * n;
        bytes.splice(at..at + 10, noise(2 + n as u64, 1_000));
        fs::write(dir.join(name), &bytes).expect("a file");
    }
    bytes
}

fn setting(report: &Value, avg_kib: u64) -> &Value {
    let settings = report["settings"].as_array().expect("settings");
    let found = settings.iter().find(|s| s["avg_bytes"] == avg_kib << 10);
    found.unwrap_or_else(|| panic!("{avg_kib} KiB: {report}"))
}

fn names(report: &Value) -> Vec<&str> {
    let releases = report["releases"].as_array().expect("releases");
    releases
        .iter()
        .map(|r| r["name"].as_str().expect("a name"))
        .collect()
}

#[test]
fn what_is_foretold_is_what_a_store_takes() {
    let folder = Folder::new();
    let last = releases(&folder);
    let told = folder.run(&["dedup", "--json", "releases"]);
    let told = told.assert_code(0).json();
    assert_eq!(
        names(&told),
        ["app-1.9.tar", "app-1.10.tar", "app-1.11.tar"]
    );
    assert_eq!(
        (&told["files"], &told["against_store"]),
        (&3.into(), &false.into())
    );
    assert_eq!(told["unreadable"], 0);
    assert_eq!(told["releases"][2]["bytes"], last.len());
    let default = told["default_setting"].as_u64().expect("a number");
    let own = &told["settings"][usize::try_from(default).expect("a small number")];
    assert_eq!(own, setting(&told, 16));
    for finer in [8, 16, 32, 64] {
        let [fine, coarse] = [finer, if finer == 64 { 256 } else { finer * 2 }]
            .map(|kib| setting(&told, kib)["chunks"].as_u64().expect("a number"));
        assert!(fine > coarse, "{finer}: {fine} {coarse}");
    }

    let server = folder.serve();
    for name in ["app-1.9.tar", "app-1.10.tar", "app-1.11.tar"] {
        let bytes = fs::read(folder.file("releases").join(name)).expect("a file");
        server.put(name, &bytes);
    }
    server.stop();
    let stats = folder.run(&["stats", "--json"]).assert_code(0).json();
    assert_eq!(stats["stored_bytes"], own["stored_bytes"]);
    assert_eq!(stats["chunks"], own["chunks"]);
}

#[test]
fn what_a_store_has_is_not_stored_again() {
    let folder = Folder::new();
    releases(&folder);
    let server = folder.serve();
    let first = fs::read(folder.file("releases/app-1.9.tar")).expect("a file");
    server.put("other/name", &first);
    server.stop();
    let before = fs::read(folder.pack()).expect("the pack");
    let alone = folder.run(&["dedup", "--json", "releases"]).json();
    let args = ["dedup", "--json", "--store", "packhold.pack", "releases"];
    let told = folder.run(&args).assert_code(0).json();
    assert_eq!(told["against_store"], true);
    assert_eq!(told["settings"].as_array().expect("a list").len(), 1);
    let (own, alone) = (&told["settings"][0], setting(&alone, 16));
    assert_eq!(own["new_bytes"][0], 0);
    assert_eq!(own["new_bytes"][1], alone["new_bytes"][1]);
    assert_eq!(own["known_bytes"], alone["new_bytes"][0]);
    assert_eq!(own["shared_bytes"], alone["shared_bytes"]);
    assert_eq!(
        before,
        fs::read(folder.pack()).expect("the pack"),
        "nothing is written"
    );
    // All of it is there: there is no ratio then, and no division by nothing.
    let args = [
        "dedup",
        "--json",
        "--store",
        "packhold.pack",
        "releases/app-1.9.tar",
    ];
    let told = folder.run(&args).assert_code(0).json();
    assert_eq!(
        (
            &told["settings"][0]["stored_bytes"],
            &told["settings"][0]["ratio"]
        ),
        (&0.into(), &Value::Null)
    );
}

#[test]
fn a_store_that_is_not_one_is_refused() {
    let folder = Folder::new();
    fs::write(folder.file("a"), b"bytes").expect("a file");
    for store in ["nowhere.pack", "a"] {
        let ran = folder.run(&["dedup", "--store", store, "a"]);
        assert_eq!(ran.out(), "");
        assert!(
            ran.code() != Some(0) && ran.err().contains(store),
            "{}",
            ran.err()
        );
    }
    assert!(!folder.file("nowhere.pack").exists());
}

#[test]
fn each_named_path_is_a_release_in_the_order_given() {
    let folder = Folder::new();
    releases(&folder);
    fs::write(folder.file("empty"), b"").expect("a file");
    fs::create_dir(folder.file("nothing")).expect("a folder");
    let paths = ["releases", "empty", "nothing", "releases/app-1.10.tar"];
    let told = folder.run(&[&["dedup", "--json"], paths.as_slice()].concat());
    let told = told.assert_code(0).json();
    assert_eq!(names(&told), paths);
    let files: Vec<_> = told["releases"]
        .as_array()
        .expect("a list")
        .iter()
        .map(|r| r["files"].clone())
        .collect();
    assert_eq!(files, [3, 1, 0, 1]);
    let own = setting(&told, 16);
    // The last came with the first already.
    assert_eq!(own["new_bytes"][3], 0);
    assert_eq!(own["shared_bytes"][3][3], own["shared_bytes"][3][0]);
    assert_eq!(own["shared_bytes"][1], serde_json::json!([0, 0, 0, 0]));
}

#[test]
fn nothing_at_all() {
    let folder = Folder::new();
    fs::create_dir(folder.file("nothing")).expect("a folder");
    let told = folder.run(&["dedup", "--json", "--html", "page.html", "nothing"]);
    let told = told.assert_code(0).json();
    assert_eq!((&told["files"], &told["bytes"]), (&0.into(), &0.into()));
    let page = fs::read_to_string(folder.file("page.html")).expect("a page");
    assert!(!page.contains("NaN") && page.ends_with("</html>\n"));
    folder.run(&["dedup", "nothing"]).assert_code(0);
    folder.run(&["dedup"]).assert_code(2);
    let ran = folder.run(&["dedup", "nothing", "lacking"]);
    assert!(ran.assert_code(1).err().contains("lacking"));
}

/// Links are not followed, pipes not waited for, and what cannot be read is named while the rest is told of.
#[test]
fn what_is_no_file_or_cannot_be_read() {
    use std::os::unix::fs::symlink;
    let folder = Folder::new();
    let dir = folder.file("dir");
    fs::create_dir(&dir).expect("a folder");
    fs::write(dir.join("good"), noise(1, 50_000)).expect("a file");
    symlink("/", dir.join("root")).expect("a link");
    symlink("nowhere", dir.join("broken")).expect("a link");
    let pipe = std::process::Command::new("mkfifo")
        .arg(dir.join("pipe"))
        .status();
    assert!(pipe.expect("mkfifo").success());
    let told = folder
        .run(&["dedup", "--json", "dir"])
        .assert_code(0)
        .json();
    assert_eq!(
        (&told["files"], &told["bytes"]),
        (&1.into(), &50_000.into())
    );
    assert_eq!(told["passed_over"], 3);
    // Reading it gives an error, to root as well.
    let unreadable = Path::new("/proc/self/mem");
    if unreadable.exists() {
        let ran = folder.run(&["dedup", "--json", "dir/good", "/proc/self/mem"]);
        let told = ran.assert_code(1).json();
        assert_eq!(
            (&told["unreadable"], &told["bytes"]),
            (&1.into(), &50_000.into())
        );
        assert!(ran.err().contains("/mem: "), "{}", ran.err());
    }
    assert!(
        folder
            .run(&["dedup", "dir/pipe"])
            .assert_code(2)
            .err()
            .contains("dir/pipe")
    );
}

#[test]
fn hostile_names_reach_neither_terminal_nor_page() {
    use std::os::unix::ffi::OsStrExt;
    let folder = Folder::new();
    let dir = folder.file("dir");
    fs::create_dir(&dir).expect("a folder");
    let names: [&[u8]; 4] = [
        b"\x1b[2J\x07\n",
        b"<script>alert(1)<",
        "\u{202e}gpj.exe".as_bytes(),
        b"\xff\xfe",
    ];
    for name in names {
        let path = dir.join(std::ffi::OsStr::from_bytes(name));
        fs::write(path, name).expect("a file");
    }
    let ran = folder.run(&["dedup", "--html", "page.html", "dir"]);
    let text = ran.assert_code(0).out();
    let page = fs::read_to_string(folder.file("page.html")).expect("a page");
    for shown in [&text, &page] {
        assert!(!shown.contains(['\u{1b}', '\u{7}', '\u{202e}']), "{shown}");
    }
    assert!(text.contains("\\u{1b}[2J"), "{text}");
    assert!(!page.contains("<script") && page.contains("&lt;script&gt;alert(1)&lt;"));
    let told = folder
        .run(&["dedup", "--json", "dir"])
        .assert_code(0)
        .json();
    assert_eq!(told["files"], 4);
}

#[test]
fn a_huge_number_of_releases() {
    let folder = Folder::new();
    let dir = folder.file("dir");
    fs::create_dir(&dir).expect("a folder");
    for n in 0..3_000 {
        fs::write(dir.join(n.to_string()), format!("{}", n % 1_500)).expect("a file");
    }
    let ran = folder.run(&["dedup", "--html", "page.html", "dir"]);
    let text = ran.assert_code(0).out();
    assert!(text.lines().count() < 120, "{text}");
    let told = folder
        .run(&["dedup", "--json", "dir"])
        .assert_code(0)
        .json();
    assert_eq!(told["files"], 3_000);
    let releases = told["releases"].as_array().expect("a list");
    assert_eq!(releases.len(), 1_000);
    assert_eq!(releases[999]["others"], 2_000);
    assert_eq!(setting(&told, 16)["chunks"], 1_500);
    assert_eq!(
        setting(&told, 16)["shared_bytes"]
            .as_array()
            .expect("a list")
            .len(),
        64
    );
    let page = fs::metadata(folder.file("page.html")).expect("a page");
    assert!(page.len() < 2 << 20, "{}", page.len());
}

#[test]
fn a_table_for_people() {
    let folder = Folder::new();
    releases(&folder);
    let ran = folder.run(&["dedup", "releases"]);
    let text = ran.assert_code(0).out();
    for word in [
        "dedup ratio",
        "app-1.10.tar",
        "4/16/64*",
        "64/256/1024",
        "of the chunks of a row",
    ] {
        assert!(text.contains(word), "{word}: {text}");
    }
    // A page that cannot be written is an error; what was found is told all the same.
    let ran = folder.run(&["dedup", "--html", "no/such/page.html", "releases"]);
    assert!(ran.assert_code(1).err().contains("no/such/page.html"));
    assert!(ran.out().contains("dedup ratio"));
}

/// The same figures of a store: what each repository holds, and what it alone has.
#[test]
fn a_store_tells_what_its_repositories_share() {
    let folder = Folder::new();
    let server = folder.serve();
    let (both, alone) = (noise(1, 400_000), noise(2, 100_000));
    server.put("file", &both);
    server.put("again", &both);
    for (name, body) in [("p/a/file", both.clone()), ("p/b/other", alone.clone())] {
        let call = Call::new("PUT", format!("/generic/{name}")).body(&body);
        assert_eq!(server.send(&call).verdict(), (200, 0));
    }
    let url = format!("http://{}", server.address);
    let page = folder.file("page.html");
    let page_name = page.to_str().expect("UTF-8");
    let asked = ["stats", "--server", &url, "--json", "--html", page_name];
    let served = folder.run(&asked).assert_code(0).json();
    let plain = folder.run(&["stats", "--server", &url, "--json"]).json();
    assert_eq!(plain["dedup"], Value::Null, "only who asks is told");
    let text = folder
        .run(&["stats", "--server", &url, "--dedup"])
        .assert_code(0)
        .out();
    server.stop();
    let closed = folder
        .run(&["stats", "--dedup", "--json"])
        .assert_code(0)
        .json();
    assert_eq!(served["dedup"], closed["dedup"]);
    let dedup = &closed["dedup"];
    assert_eq!(names(dedup), ["project/repo", "p/a", "p/b"]);
    assert_eq!(dedup["releases"][0]["files"], 2);
    assert_eq!(dedup["releases"][0]["bytes"], 800_000);
    // What two have neither has alone.
    assert_eq!(dedup["own_bytes"], serde_json::json!([0, 0, 100_000]));
    let own = &dedup["settings"][0];
    assert_eq!(own["stored_bytes"], closed["stored_bytes"]);
    assert_eq!(
        (&own["chunks"], &own["ratio"]),
        (&closed["chunks"], &closed["dedup_ratio"])
    );
    assert_eq!(
        own["shared_bytes"],
        serde_json::json!([
            [400_000, 400_000, 0],
            [400_000, 400_000, 0],
            [0, 0, 100_000]
        ])
    );
    let sizes = own["sizes"].as_array().expect("a histogram");
    let counted: u64 = sizes.iter().filter_map(|bin| bin["chunks"].as_u64()).sum();
    assert_eq!(counted, own["chunks"].as_u64().expect("a number"));
    for line in ["project/repo", "p/b", "alone", "chunks of up to"] {
        assert!(text.contains(line), "{line}: {text}");
    }
    let page = fs::read_to_string(page).expect("the page");
    assert!(page.contains("<h1>What this store holds</h1>") && page.contains("p/b"));
    assert_eq!(page.matches("<svg").count(), 3);
    assert!(!page.contains("<script") && !page.contains("NaN"));
}

#[test]
fn an_empty_store_shares_nothing() {
    let folder = Folder::new();
    folder.serve().stop();
    let told = folder
        .run(&["stats", "--dedup", "--json"])
        .assert_code(0)
        .json();
    assert_eq!(told["dedup"]["releases"], serde_json::json!([]));
    folder.run(&["stats", "--html", "page.html"]).assert_code(0);
    assert!(folder.file("page.html").exists());
}
