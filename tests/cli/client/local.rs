//! Files into and out of a closed store.

use super::{run, tree, write};
use crate::damage::damage;
use crate::noise::noise;
use crate::process::Folder;

#[test]
fn folders_go_into_a_closed_store_and_out_again() {
    let folder = Folder::new();
    write(&folder, "in/a.bin", &noise(1, 3_000_000));
    write(&folder, "in/deep/er/b", b"b");
    write(&folder, "in/empty", b"");
    let import = ["import", "in", "p/r/x", "--json"];
    let made = folder.run(&import).assert_code(0).json();
    assert_eq!((&made["moved"], &made["present"]), (&3.into(), &0.into()));
    let again = folder.run(&import).assert_code(0).json();
    assert_eq!((&again["moved"], &again["present"]), (&0.into(), &3.into()));
    folder.run(&["verify"]).assert_code(0);
    for (place, below) in [("p/r/x", "in"), ("p/r", "")] {
        let dest = format!("out{below}");
        folder.run(&["export", place, &dest]).assert_code(0);
        let dest = match below {
            "" => folder.file(&dest).join("x"),
            _ => folder.file(&dest),
        };
        assert!(tree(&dest) == tree(&folder.file("in")), "{place}");
    }
    write(&folder, "in/empty", b"no more");
    let ran = folder.run(&import);
    assert!(ran.assert_code(4).err().contains("p/r/x/empty"));
    let ran = folder.run(&["export", "p/r/x", "in"]);
    assert!(ran.assert_code(4).err().contains("in/empty"));
    folder
        .run(&[&import[..], &["--overwrite"]].concat())
        .assert_code(0);
    folder
        .run(&["export", "p/r/x", "outin", "--overwrite"])
        .assert_code(0);
    assert!(tree(&folder.file("outin")) == tree(&folder.file("in")));
    folder.run(&["export", "p/r/none", "x"]).assert_code(1);
    folder.run(&["import", "none", "p/r"]).assert_code(2);
    // What a server serves is the same.
    let server = folder.serve();
    let url = format!("http://{}", server.address);
    let ran = run(&folder, &url, &["push", "in", "p/r/x", "--json"]);
    assert_eq!(ran.assert_code(0).json()["present"], 3);
    // It is in use.
    folder.run(&import).assert_code(1);
    server.stop();
}

#[test]
fn damage_is_told_by_the_exit_status_and_never_exported() {
    let folder = Folder::new();
    let bytes = noise(1, 300_000);
    write(&folder, "in/bad", &bytes);
    write(&folder, "in/good", b"good");
    folder.run(&["import", "in", "p/r"]).assert_code(0);
    damage(&folder, &bytes[1000..1032]);
    folder.run(&["export", "p/r", "out"]).assert_code(3);
    assert_eq!(
        tree(&folder.file("out")).get("good").map(Vec::as_slice),
        Some(&b"good"[..])
    );
    assert!(!folder.file("out/bad").exists());
}
