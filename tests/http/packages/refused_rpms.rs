//! Files that are no packages, or none of those that are wanted.

use super::answers::{data, refusal};
use super::refusals::{Witness, small};
use super::{PACKAGES, assert_file, rows, text, upload};
use crate::multipart::Form;
use crate::noise::noise;
use crate::rpms::{Raw, Size, Value, rpm, rpm_with, tag};
use crate::service::Service;

/// Asserts that a file is refused, and leaves nothing behind.
#[track_caller]
fn assert_refused(witness: &Witness, bytes: &[u8], code: &str) {
    let call = Form::of("x.rpm", bytes).post(PACKAGES);
    witness.assert_refused(&call, 400, code);
}

#[test]
fn what_does_not_begin_as_packages_do() {
    let witness = Witness::open();
    let mut almost = small();
    almost[3] ^= 1;
    for bytes in [
        &b""[..],
        b"\xED",
        b"\xED\xAB\xEE",
        b"\xDB\xEE\xAB\xED",
        b"PK\x03\x04 a zip",
        b"!<arch>\ndebian-binary",
        b"no package at all",
        &almost,
        &[b"\n", &small()[..]].concat(),
        &noise(1, 100_000),
        &vec![0; 100_000],
    ] {
        assert_refused(&witness, bytes, "PKG10004");
    }
}

/// Cut anywhere in lead, signature or header, and at every byte of their beginnings.
#[test]
fn a_header_that_is_cut() {
    let witness = Witness::open();
    let whole = small();
    let read = rpm::PackageMetadata::parse(&mut &whole[..]).expect("a package");
    let offsets = read.get_package_segment_offsets();
    let payload = usize::try_from(offsets.payload).expect("a small file");
    let header = usize::try_from(offsets.header).expect("a small file");
    let cuts = (4..140)
        .chain((140..payload).step_by(61))
        .chain(header - 10..header + 40)
        .chain(payload - 20..payload);
    for cut in cuts {
        println!("{cut} of {}", whole.len());
        assert_refused(&witness, &whole[..cut], "PKG10006");
    }
}

#[test]
fn a_file_that_is_shorter_than_its_signature_says() {
    let witness = Witness::open();
    let whole = rpm_with("name", "1", "1", "noarch", &noise(2, 200_000));
    for missing in [1, 2, 1000, 150_000] {
        assert_refused(&witness, &whole[..whole.len() - missing], "PKG10006");
    }
    let mut raw = Raw::new("name", "1", "1", "noarch");
    for size in [Size::Short, Size::Long] {
        raw.size = size;
        for (told, sent) in [(1, 0), (1001, 1000), (4_000_000_000, 10)] {
            let bytes = [raw.head(told), vec![7; sent]].concat();
            assert_refused(&witness, &bytes, "PKG10006");
        }
    }
    raw.size = Size::Long;
    for told in [1 << 40, 1 << 62] {
        assert_refused(&witness, &raw.head(told), "PKG10006");
    }
}

/// A signature that tells no size tells nothing that could be missing.
#[test]
fn a_file_whose_signature_says_nothing_may_be_of_any_length() {
    let service = Service::open();
    let mut raw = Raw::new("name", "1", "1", "noarch");
    raw.size = Size::Absent;
    let bytes = raw.head(1000);
    let package = data(&upload(&service, "x.rpm", &bytes));
    assert_eq!(text(&package, "fileName"), "name-1-1.noarch.rpm");
    assert_file(&service, &package, &bytes);
}

#[test]
fn magics_and_counts_inside() {
    let witness = Witness::open();
    let whole = small();
    let read = rpm::PackageMetadata::parse(&mut &whole[..]).expect("a package");
    let header = usize::try_from(read.get_package_segment_offsets().header).expect("small");
    for start in [96, header] {
        for at in start..start + 4 {
            let mut bytes = whole.clone();
            bytes[at] ^= 0x41;
            assert_refused(&witness, &bytes, "PKG10006");
        }
        // How many entries there are, and how long their data is.
        for at in [start + 8, start + 12] {
            for count in [u32::MAX, 1 << 31, (1 << 31) - 1, 1 << 28, 1 << 24] {
                let mut bytes = whole.clone();
                bytes[at..at + 4].copy_from_slice(&count.to_be_bytes());
                assert_refused(&witness, &bytes, "PKG10006");
            }
        }
    }
}

/// Every field of the index of the header's first entries, at its extremes.
#[test]
fn entries_that_point_nowhere() {
    let service = Service::open();
    let whole = small();
    let read = rpm::PackageMetadata::parse(&mut &whole[..]).expect("a package");
    let header = usize::try_from(read.get_package_segment_offsets().header).expect("small");
    for entry in 0..8 {
        for field in 0..4 {
            for value in [
                0,
                1,
                255,
                1 << 24,
                i32::MAX.cast_unsigned(),
                1 << 31,
                u32::MAX,
            ] {
                let at = header + 16 + entry * 16 + field * 4;
                let mut bytes = whole.clone();
                bytes[at..at + 4].copy_from_slice(&value.to_be_bytes());
                let answer = upload(&service, "x.rpm", &bytes);
                let place = format!("entry {entry}, field {field}, {value}");
                if answer.status == 200 {
                    // Nobody needs that entry.
                    let package = data(&answer);
                    assert_file(&service, &package, &bytes);
                    let gone = super::delete(&service, super::id(&package));
                    assert_eq!(gone.status, 200, "{place}");
                    continue;
                }
                let (status, code) = refusal(&answer);
                assert_eq!(status, 400, "{place}");
                let expected = ["PKG10006", "PKG10013", "PKG10016"];
                assert!(expected.contains(&&*code), "{place}: {code}");
            }
        }
    }
    assert_eq!(super::total(&service), 0);
    super::add(&service, "x.rpm", &whole);
}

#[test]
fn sources() {
    let witness = Witness::open();
    let binary = Raw::new("name", "1", "1.el7", "x86_64");
    let mut marked = binary
        .clone()
        .without(tag::SOURCE_RPM)
        .with(tag::SOURCE_PACKAGE, Value::Number(1));
    assert_refused(&witness, &marked.bytes(b"payload"), "PKG10013");
    marked.lead_kind = 1;
    assert_refused(&witness, &marked.bytes(b"payload"), "PKG10013");
    // Before there was a mark: no package of sources that it was made of, and no folders.
    let mut unmarked = binary
        .without(tag::SOURCE_RPM)
        .with(tag::DIRECTORY_NAMES, Value::Texts(vec![String::new()]));
    unmarked.lead_kind = 1;
    assert_refused(&witness, &unmarked.bytes(b"payload"), "PKG10013");
}

/// What becomes of a file's name must be a name wherever it is downloaded to.
#[test]
fn fields_that_no_name_can_be_made_of() {
    let witness = Witness::open();
    let good = Raw::new("name", "1", "1", "noarch");
    for field in [tag::NAME, tag::VERSION, tag::RELEASE, tag::ARCH] {
        for text in [
            "", "a b", "a/b", "../a", "a\\b", "a\nb", "a\tb", "a:b", "a%b", "{a}", "a\"b", "a<b>",
            "文", "a\u{7f}", "a?b", "a#b", "a,b", "a=b", "a@b", "a*",
        ] {
            println!("{field}: {text:?}");
            let bytes = good.clone().text(field, text).bytes(b"payload");
            assert_refused(&witness, &bytes, "PKG10016");
        }
    }
    // The crate builds these itself.
    for bytes in [
        rpm("name{x}", "1", "1", "noarch"),
        rpm("name", "1%2", "1", "noarch"),
        rpm("name", "1", "{1}", "noarch"),
    ] {
        assert_refused(&witness, &bytes, "PKG10016");
    }
}

#[test]
fn fields_that_are_missing() {
    let witness = Witness::open();
    let good = Raw::new("name", "1", "1", "noarch");
    for field in [tag::NAME, tag::VERSION, tag::RELEASE, tag::ARCH] {
        let bytes = good.clone().without(field).bytes(b"payload");
        let answer = upload(&witness.service, "x.rpm", &bytes);
        let (status, code) = refusal(&answer);
        assert_eq!(status, 400, "{field}");
        assert!(
            ["PKG10006", "PKG10016"].contains(&&*code),
            "{field}: {code}"
        );
        witness.assert_untouched();
    }
}

#[test]
fn every_character_that_is_allowed() {
    let service = Service::open();
    let (name, version) = ("Az09._+-x", "1.2_3+4~5^6");
    let bytes = Raw::new(name, version, "7~8^9_0+1", "x86_64").bytes(b"payload");
    let package = data(&upload(&service, "x.rpm", &bytes));
    let expected = format!("{name}-{version}-7~8^9_0+1.x86_64.rpm");
    assert_eq!(text(&package, "fileName"), expected);
    assert_file(&service, &package, &bytes);
    assert_eq!(text(&rows(&service, "")[0], "fileName"), expected);
}
