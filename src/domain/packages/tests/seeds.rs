//! What the fuzzer of this parser (`fuzz/fuzz_targets/rpm.rs`) begins with: small files, in which its
//! changes hit something. `PACKHOLD_BLESS=1 cargo test --lib seeds` writes them anew.

use std::collections::BTreeSet;
use std::path::Path;
use std::{env, fs};

use super::{ARCH, BIN, I18N, INT16, INT32, INT64, NAME, RELEASE, SOURCERPM, STRINGS, VERSION};
use super::{laid_out, lead, mute, read_in_all_pieces, section, signature, with};

const FOLDER: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/fuzz/seeds/rpm");

/// A header as real ones are: its first entry covers all others, and the data ends with its trailer.
fn with_region() -> Vec<u8> {
    let data = b"n\0v\x001.el7\0a\0n-v.src.rpm\0";
    let tags = [(1000, 0), (1001, 2), (1002, 4), (1022, 10), (1044, 12)];
    let mut entries = vec![[63, BIN, 24, 16]];
    entries.extend(tags.map(|(tag, offset)| [tag, 6, offset, 1]));
    let back = 16_u32 * 6;
    let trailer = [63, BIN, back.wrapping_neg(), 16].map(u32::to_be_bytes);
    section(&entries, &[&data[..], trailer.as_flattened()].concat())
}

/// Name of the seed, name of the uploaded file, and the file; and whether it is to be accepted.
fn seeds() -> Vec<(&'static str, &'static str, Vec<u8>, bool)> {
    let of = |signature: Vec<u8>, header: Vec<u8>| [lead(0), signature, header].concat();
    let size = |bytes: u32| signature(&[(1000, INT32, 1, &bytes.to_be_bytes())]);
    let region = with_region();
    let region_bytes = u32::try_from(region.len()).expect("it is small");
    let long = u64::from(region_bytes).to_be_bytes();
    let without_arch = laid_out(&[NAME, VERSION, RELEASE, SOURCERPM]);
    let old_source = laid_out(&[NAME, VERSION, RELEASE, ARCH, (1118, STRINGS, 1, b"\0")]);
    let kinds = with(&[
        (1118, STRINGS, 2, b"/a/\0/b/\0"),
        (5000, INT16, 2, b"abcd"),
        (5001, INT64, 1, b"12345678"),
        (5002, I18N, 2, b"x\0y\0"),
    ]);
    vec![
        (
            "region",
            "x.rpm",
            of(size(region_bytes), region.clone()),
            true,
        ),
        (
            "short",
            "x.rpm",
            of(size(region_bytes + 1), region.clone()),
            false,
        ),
        (
            "long-size",
            "x.rpm",
            of(signature(&[(270, INT64, 1, &long)]), region),
            true,
        ),
        (
            "named",
            "n-v-1.el7.x86_64.rpm",
            of(mute(), without_arch),
            true,
        ),
        (
            "source",
            "x.src.rpm",
            [lead(1), with(&[])[96..].to_vec()].concat(),
            true,
        ),
        ("old-source", "x.rpm", of(mute(), old_source), true),
        ("kinds", "/a/b.rpm", kinds, true),
        ("nothing", "", Vec::new(), false),
    ]
}

#[test]
fn the_seeds_are_what_they_are_said_to_be() {
    let mut names = BTreeSet::new();
    for (name, uploaded, file, good) in seeds() {
        let read = read_in_all_pieces(&file);
        assert_eq!(read.is_ok(), good, "{name}: {read:?}");
        let len = u8::try_from(uploaded.len()).expect("a short name");
        let seed = [&[7, len], uploaded.as_bytes(), &file].concat();
        let path = Path::new(FOLDER).join(name);
        if env::var_os("PACKHOLD_BLESS").is_some() {
            fs::write(&path, &seed).expect("a seed can be written");
        }
        assert!(fs::read(&path).is_ok_and(|bytes| bytes == seed), "{name}");
        names.insert(name.to_owned());
    }
    let listed = fs::read_dir(FOLDER).expect("the folder of the seeds");
    let listed = listed.map(|entry| entry.expect("an entry").file_name());
    let listed: BTreeSet<String> = listed.filter_map(|name| name.into_string().ok()).collect();
    assert_eq!(listed, names);
}
