//! `packhold selftest`.

use crate::process::Folder;

#[test]
fn it_kills_and_compares_and_leaves_nothing_behind() {
    let folder = Folder::new();
    let args = ["selftest", "--crash", "4", "--seed", "9", "--json"];
    let report = folder.run(&args).assert_code(0).json();
    assert_eq!(
        (&report["clean"], &report["seed"]),
        (&true.into(), &9.into())
    );
    assert_eq!(
        (&report["crashes"], &report["power_failures"]),
        (&4.into(), &4.into())
    );
    assert_eq!(report["losses"], serde_json::json!([]));
    let number = |field: &str| report[field].as_u64().expect("a number");
    assert!(number("acknowledged_changes") >= 4, "{report}");
    // Every name after every crash and every power failure.
    assert_eq!(number("compared_files"), 8 * 24, "{report}");
    assert_eq!(number("verifications"), 8, "{report}");
    let left = std::fs::read_dir(folder.file(""))
        .expect("a folder")
        .count();
    assert_eq!(left, 0, "it was to clean up");
}

#[test]
fn it_tells_people_what_it_tried() {
    let folder = Folder::new();
    let out = folder
        .run(&["selftest", "--crash", "1"])
        .assert_code(0)
        .out();
    assert!(out.starts_with("seed "), "{out}");
    assert!(out.trim_end().ends_with("losses: 0"), "{out}");
    folder
        .run(&["selftest", "--crash", "1", "--dir", "missing"])
        .assert_code(1);
    folder.run(&["selftest", "--crash", "some"]).assert_code(2);
}
