//! Real names: those of a list, and those of packages in a folder that a developer names.

use std::path::Path;
use std::{env, fs};

use super::super::{Fields, PackageError, uploaded_name};
use super::{built, read, read_in_all_pieces};

const LIST: &str = include_str!("../../../../tests/fixtures/ocp_filenames.csv");

/// The rows of the list: file name, name, version, build number, system, architecture, suffix, type.
fn rows() -> impl Iterator<Item = [&'static str; 8]> {
    let columns = |line: &'static str| line.split(',').collect::<Vec<_>>().try_into().ok();
    let rows = LIST.lines().skip(1).map(columns);
    rows.map(|row| row.expect("eight columns"))
}

/// The release that a row's file has in its header.
fn release([file_name, name, version, _, _, arch, ..]: [&'static str; 8]) -> &'static str {
    let release = file_name.strip_prefix(&format!("{name}-{version}-"));
    let release = release.and_then(|rest| rest.strip_suffix(&format!(".{arch}.rpm")));
    release.expect("a name of its parts")
}

#[test]
fn packages_of_the_list_have_the_fields_of_the_list() {
    assert!(rows().count() > 50);
    for row in rows() {
        let [file_name, name, version, build, system, arch, _, kind] = row;
        let file = built(name, version, release(row), arch);
        for piece_bytes in [1, 7, 4096] {
            let header = read(&file, piece_bytes).expect(file_name);
            let fields = Fields::of(&header, uploaded_name(file_name).expect(file_name)).unwrap();
            assert_eq!(fields.name, name, "{file_name}");
            assert_eq!(fields.version, version, "{file_name}");
            assert_eq!(fields.build_number, build, "{file_name}");
            assert_eq!(fields.operating_system, system, "{file_name}");
            assert_eq!(fields.architecture, arch, "{file_name}");
            assert_eq!(fields.file_name, file_name);
            let kind = if kind.is_empty() { "OTHERS_RPM" } else { kind };
            assert_eq!(fields.kind.name(), kind, "{file_name}");
        }
    }
}

/// The uploaded name is not asked what the header tells; without the system in the header, it is.
#[test]
fn the_header_decides_and_the_name_fills_up() {
    for row in rows() {
        let [file_name, name, version, build, system, arch, ..] = row;
        let header = read(&built(name, version, release(row), arch), 4096).unwrap();
        let fields = Fields::of(&header, "download.rpm").unwrap();
        assert_eq!(fields.file_name, file_name);
        let header = read(&built(name, version, build, arch), 4096).unwrap();
        let fields = Fields::of(&header, file_name).unwrap();
        assert_eq!(fields.operating_system, system, "{file_name}");
        let os = if system.is_empty() {
            ""
        } else {
            &format!(".{system}")
        };
        assert_eq!(
            fields.file_name,
            format!("{name}-{version}-{build}{os}.{arch}.rpm")
        );
    }
}

/// Packages of the developer's own, each under its canonical name: `PACKHOLD_RPMS` is their folder.
#[test]
fn packages_in_the_named_folder_are_called_what_they_are() {
    let Some(folder) = env::var_os("PACKHOLD_RPMS") else {
        return;
    };
    let mut seen = 0;
    for entry in fs::read_dir(Path::new(&folder)).expect("PACKHOLD_RPMS is a folder") {
        let path = entry.expect("the folder can be read").path();
        let file = fs::read(&path).expect("the file can be read");
        let on_disk = path.file_name().unwrap_or_default().to_string_lossy();
        let Ok(uploaded) = uploaded_name(&on_disk) else {
            continue;
        };
        seen += 1;
        let header = read_in_all_pieces(&file).expect(uploaded);
        let fields = Fields::of(&header, uploaded);
        println!("{uploaded}: {fields:?}");
        if uploaded.ends_with(".src.rpm") {
            assert_eq!(fields, Err(PackageError::Source), "{uploaded}");
            continue;
        }
        // Some are stored with a mark before their name.
        let file_name = fields.expect(uploaded).file_name;
        assert!(uploaded.ends_with(&file_name), "{uploaded} is {file_name}");
        assert!(
            read(&file[..file.len() / 2], 4096).is_err() || !tells_size(&file),
            "{uploaded}"
        );
    }
    assert!(seen > 0, "PACKHOLD_RPMS has no packages");
}

/// Whether the signature of a good file has an entry SIZE or LONGSIZE.
fn tells_size(file: &[u8]) -> bool {
    let entries = u32::from_be_bytes(file[104..108].try_into().expect("four bytes"));
    let index = file[112..].chunks(16).take(entries as usize);
    let mut tags = index.map(|entry| &entry[..4]);
    tags.any(|tag| tag == 1000_u32.to_be_bytes() || tag == 270_u32.to_be_bytes())
}
