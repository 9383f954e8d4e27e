//! The client in the binary, against a real server: `push`, `pull`, `ls`, `rm`, `sync`, `package`,
//! `import`, `export`.

mod broken;
mod files;
mod hostile;
mod local;
mod packages;
mod refused;

use std::collections::BTreeMap;
use std::path::Path;
use std::process::Command;

use crate::process::{Folder, Ran};

/// A client with this URL as its server.
fn client(folder: &Folder, url: &str, args: &[&str]) -> Command {
    let mut command = folder.command(args);
    command.env("PACKHOLD_SERVER", url);
    command
}

/// Runs it to its end.
fn run(folder: &Folder, url: &str, args: &[&str]) -> Ran {
    let output = client(folder, url, args).output();
    Ran::of(output.expect("the binary runs"))
}

/// Makes files, folders too.
fn write(folder: &Folder, name: &str, bytes: &[u8]) {
    let path = folder.file(name);
    std::fs::create_dir_all(path.parent().expect("a folder")).expect("a folder");
    std::fs::write(path, bytes).expect("a file");
}

/// All files below a folder, by their names there; links are none.
fn tree(top: &Path) -> BTreeMap<String, Vec<u8>> {
    let mut found = BTreeMap::new();
    let mut left = vec![top.to_owned()];
    while let Some(folder) = left.pop() {
        for entry in std::fs::read_dir(folder).expect("a folder") {
            let entry = entry.expect("an entry");
            let (path, kind) = (entry.path(), entry.file_type().expect("a type"));
            if kind.is_dir() {
                left.push(path);
                continue;
            }
            if kind.is_symlink() {
                continue;
            }
            let name = path.strip_prefix(top).expect("it is below");
            let bytes = std::fs::read(&path).expect("a file");
            found.insert(name.to_string_lossy().into_owned(), bytes);
        }
    }
    found
}
