//! Software packages.

use super::{run, write};
use crate::process::Folder;
use crate::rpms::rpm;

#[test]
fn packages_are_sent_once_listed_and_deleted() {
    let folder = Folder::new();
    let server = folder.serve();
    let url = format!("http://{}", server.address);
    let mut push = vec!["package", "push", "--json", "-j1"];
    let names: Vec<String> = (0..3)
        .map(|i| format!("tool-1.{i}-1.el7.x86_64.rpm"))
        .collect();
    for (i, name) in names.iter().enumerate() {
        write(
            &folder,
            name,
            &rpm("tool", &format!("1.{i}"), "1.el7", "x86_64"),
        );
        push.push(name);
    }
    let sent = run(&folder, &url, &push).assert_code(0).json();
    assert_eq!((&sent["moved"], &sent["present"]), (&3.into(), &0.into()));
    let again = run(&folder, &url, &push).assert_code(0).json();
    assert_eq!((&again["moved"], &again["present"]), (&0.into(), &3.into()));
    assert_eq!(again["moved_bytes"], 0);
    let list = |args: &[&str]| {
        let args = [&["package", "ls", "--json"], args].concat();
        let listed = run(&folder, &url, &args).assert_code(0).json();
        let names = listed.as_array().expect("a list").iter();
        names
            .map(|row| row["fileName"].as_str().expect("a name").to_owned())
            .collect::<Vec<_>>()
    };
    assert_eq!(list(&[]), names);
    assert_eq!(list(&["1.2"]), names[2..]);
    assert_eq!(list(&["--package-version", "1.0,1.1"]), names[..2]);
    assert_eq!(list(&["--os", "el8"]), [""; 0]);
    assert!(
        run(&folder, &url, &["package", "ls"])
            .out()
            .contains(&names[0])
    );
    // Another one of that name.
    write(
        &folder,
        &names[0],
        &rpm("tool", "1.0", "1.el7", "x86_64").repeat(2),
    );
    let ran = run(&folder, &url, &["package", "push", &names[0]]);
    assert!(ran.assert_code(1).err().contains("with other bytes"));
    write(&folder, "none.rpm", b"none");
    let ran = run(&folder, &url, &["package", "push", "none.rpm", &names[1]]);
    assert!(
        ran.assert_code(4).err().contains("none.rpm"),
        "{}",
        ran.err()
    );
    let rm = ["package", "rm", &names[0], "77"];
    run(&folder, &url, &rm).assert_code(4);
    run(&folder, &url, &["package", "rm", "-f", "77", "x.rpm"]).assert_code(0);
    assert_eq!(list(&[]), names[1..]);
    server.stop();
}
