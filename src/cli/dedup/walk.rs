//! What is to be read: releases, and the files of each.

use std::cmp::Ordering;
use std::path::{Path, PathBuf};

use super::super::CliError;

/// A file, or a folder with all that is below it.
pub struct Release {
    /// How it is called in the report.
    pub name: String,
    /// Where it is.
    pub path: PathBuf,
}

/// What there is below a path.
pub enum Found<'a> {
    /// A file and its length.
    File(&'a Path, u64),
    /// A symbolic link, a pipe, a device: nothing that would be uploaded.
    Other,
    /// It cannot be looked at.
    Unreadable(&'a Path, std::io::Error),
}

/// The releases that these paths stand for; each path must be there.
pub fn releases(paths: &[PathBuf]) -> Result<Vec<Release>, CliError> {
    if let [only] = paths
        && only.is_dir()
    {
        let read = list(only).map_err(CliError::io(format!("reading {}", only.display())))?;
        let mut releases: Vec<Release> = read.into_iter().map(release).collect();
        releases.sort_by(|a, b| by_numbers(&a.name, &b.name));
        return Ok(releases);
    }
    for path in paths {
        let found = std::fs::metadata(path);
        let found = found.map_err(CliError::io(format!("reading {}", path.display())))?;
        if !found.is_file() && !found.is_dir() {
            let path = path.display();
            return Err(CliError::Usage(format!(
                "{path}: neither a file nor a folder"
            )));
        }
    }
    // Links that are named are meant.
    let named = paths.iter().map(|path| Release {
        name: path.to_string_lossy().into_owned(),
        path: std::fs::canonicalize(path).unwrap_or_else(|_| path.clone()),
    });
    Ok(named.collect())
}

fn release(path: PathBuf) -> Release {
    let name = path.file_name().unwrap_or_default();
    Release {
        name: name.to_string_lossy().into_owned(),
        path,
    }
}

/// What is in a folder, sorted.
fn list(dir: &Path) -> std::io::Result<Vec<PathBuf>> {
    let entries = std::fs::read_dir(dir)?;
    let mut paths = entries
        .map(|entry| entry.map(|entry| entry.path()))
        .collect::<Result<Vec<_>, _>>()?;
    paths.sort_unstable();
    Ok(paths)
}

/// Visits what is at a path and below it, in the order of names; links are not followed.
pub fn each_file(path: &Path, visit: &mut dyn FnMut(Found<'_>)) {
    let mut open = vec![path.to_owned()];
    while let Some(path) = open.pop() {
        let kind = std::fs::symlink_metadata(&path);
        match kind {
            Err(error) => visit(Found::Unreadable(&path, error)),
            Ok(found) if found.is_file() => visit(Found::File(&path, found.len())),
            Ok(found) if found.is_dir() => match list(&path) {
                Ok(mut inside) => {
                    inside.reverse();
                    open.append(&mut inside);
                }
                Err(error) => visit(Found::Unreadable(&path, error)),
            },
            Ok(_) => visit(Found::Other),
        }
    }
}

/// By letters, and where both have a number, by that: 2.9 before 2.10.
fn by_numbers(a: &str, b: &str) -> Ordering {
    let (mut left, mut right) = (a, b);
    loop {
        let (number, other) = (digits(left), digits(right));
        if !number.is_empty() && !other.is_empty() {
            let value = |text: &str| text.trim_start_matches('0').to_owned();
            let (x, y) = (value(number), value(other));
            let order = x.len().cmp(&y.len()).then_with(|| x.cmp(&y));
            if order.is_ne() {
                return order;
            }
            (left, right) = (&left[number.len()..], &right[other.len()..]);
            continue;
        }
        let (mut x, mut y) = (left.chars(), right.chars());
        match (x.next(), y.next()) {
            (Some(x), Some(y)) if x != y => return x.cmp(&y),
            (Some(_), Some(_)) => (left, right) = (x.as_str(), y.as_str()),
            // 1 and 01 are the same number, and not the same name.
            (None, None) => return a.cmp(b),
            (x, y) => return x.is_some().cmp(&y.is_some()),
        }
    }
}

fn digits(text: &str) -> &str {
    let end = text.find(|c: char| !c.is_ascii_digit());
    &text[..end.unwrap_or(text.len())]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_sorted_as_numbers() {
        let mut names = [
            "v2.10", "v2.9", "v10.1", "v2", "a", "", "v02.9", "é1", "v2.9a",
        ];
        names.sort_by(|a, b| by_numbers(a, b));
        let sorted = [
            "", "a", "v2", "v02.9", "v2.9", "v2.9a", "v2.10", "v10.1", "é1",
        ];
        assert_eq!(names, sorted);
        let long = "9".repeat(60);
        assert_eq!(by_numbers(&long, &format!("{long}0")), Ordering::Less);
    }
}
