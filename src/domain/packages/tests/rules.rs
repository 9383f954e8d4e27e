//! One rule after the other, on RPMs made by hand.

use super::super::{HeaderReader, PackageError, RpmHeader};
use super::{
    ARCH, BIN, I18N, INT16, INT32, INT64, NAME, RELEASE, SOURCERPM, STRING, STRINGS, VERSION,
    is_unreadable, judge, laid_out, lead, mute, number, read, read_in_all_pieces, section,
    signature, with,
};

fn refused(what: &str, file: &[u8]) {
    let read = read_in_all_pieces(file);
    assert!(is_unreadable(&read), "{what}: {read:?}");
    assert!(!judge::accepts(file), "{what}");
}

fn accepted(what: &str, file: &[u8]) -> RpmHeader {
    assert!(judge::accepts(file), "{what}");
    read_in_all_pieces(file).expect(what)
}

#[test]
fn a_package_without_regions_is_read() {
    let header = accepted("old", &with(&[]));
    let [name, version, release, arch] = ["n", "v", "r", "a"].map(str::to_owned);
    let expected = RpmHeader {
        name,
        version,
        release,
        arch,
        source: false,
    };
    assert_eq!(header, expected);
}

#[test]
fn the_header_is_there_as_soon_as_it_has_passed() {
    let file = with(&[(1004, I18N, 2, b"a\0b\0")]);
    let mut reader = HeaderReader::default();
    for (at, byte) in file.iter().enumerate() {
        assert_eq!(reader.header(), None, "after {at} of {} bytes", file.len());
        reader.push(&[*byte]).unwrap();
    }
    assert!(reader.header().is_some());
    reader.push(b"").unwrap();
    reader.push(b"payload").unwrap();
    assert_eq!(reader.finish().unwrap().name, "n");
}

#[test]
fn what_does_not_begin_as_an_rpm_is_refused_by_its_first_bytes() {
    let not_it: &[&[u8]] = &[
        b"",
        &[0xed, 0xab, 0xee],
        b"PK\x03\x04",
        b"x",
        &[0xed, 0xab, 0xee, 0xda],
    ];
    for file in not_it {
        assert_eq!(
            read_in_all_pieces(file),
            Err(PackageError::Magic),
            "{file:?}"
        );
    }
    refused("a lead's beginning", &[0xed, 0xab, 0xee, 0xdb]);
}

#[test]
fn a_lead_has_format_3_or_4_and_a_header_for_signature() {
    let good = with(&[]);
    for (at, value, fine) in [
        (4, 2, false),
        (4, 3, true),
        (4, 4, true),
        (4, 5, false),
        (5, 255, true),
        (6, 1, false),
        (7, 2, false),
        (9, 255, true),
        (78, 1, false),
        (79, 0, false),
        (79, 1, false),
        (79, 6, false),
        (95, 255, true),
    ] {
        let mut file = good.clone();
        file[at] = value;
        let read = read_in_all_pieces(&file);
        assert_eq!(read.is_ok(), fine, "{value} at {at}: {read:?}");
        assert_eq!(is_unreadable(&read), !fine, "{value} at {at}: {read:?}");
    }
}

#[test]
fn a_source_package_is_known_by_lead_tags_or_its_only_folder() {
    let values = [NAME, VERSION, RELEASE];
    let source = |lead_type: u8, more: &[(u32, u32, u32, &[u8])]| {
        let header = laid_out(&[&values, more].concat());
        accepted("source", &[lead(lead_type), mute(), header].concat()).source
    };
    let mark = (1106, INT32, 1, &[0, 0, 0, 1][..]);
    let no_folder = (1118, STRINGS, 1, &b"\0"[..]);
    assert!(source(1, &[SOURCERPM]));
    assert!(source(0, &[SOURCERPM, mark]));
    assert!(source(0, &[mark]));
    assert!(source(0, &[no_folder]));
    assert!(!source(0, &[SOURCERPM, no_folder]));
    assert!(!source(0, &[]));
    assert!(!source(0, &[(1118, STRINGS, 1, b"/usr/\0")]));
    assert!(!source(0, &[(1118, STRINGS, 2, b"\0/usr/\0")]));
    let deep = [[b'd'; 5000].as_slice(), b"\0"].concat();
    assert!(!source(0, &[(1118, STRINGS, 1, &deep)]));
}

#[test]
fn name_version_and_release_are_needed_and_the_architecture_is_not() {
    let without = |tag: u32| {
        let values = [NAME, VERSION, RELEASE, ARCH, SOURCERPM];
        let kept: Vec<_> = values.into_iter().filter(|value| value.0 != tag).collect();
        [lead(0), mute(), laid_out(&kept)].concat()
    };
    for tag in [1000, 1001, 1002] {
        refused("a tag too few", &without(tag));
    }
    assert_eq!(accepted("no architecture", &without(1022)).arch, "");
}

/// Which of two names counts is up to the reader: librpm and the `rpm` package differ.
#[test]
fn a_wanted_tag_is_there_once_and_has_its_type() {
    for twice in [NAME, VERSION, RELEASE, ARCH, SOURCERPM] {
        refused("twice", &with(&[twice]));
    }
    for (kind, count, data) in [
        (STRINGS, 1, &b"n\0"[..]),
        (BIN, 2, b"n\0"),
        (I18N, 1, b"n\0"),
    ] {
        let values = [(1000, kind, count, data), VERSION, RELEASE, ARCH];
        refused("other type", &[lead(0), mute(), laid_out(&values)].concat());
    }
    let size = (1000, INT32, 1, &[0; 4][..]);
    for values in [
        &[size, size][..],
        &[(1000, INT64, 1, &[0; 8])],
        &[(270, INT32, 1, &[0; 4])],
    ] {
        let header = laid_out(&[NAME, VERSION, RELEASE, ARCH]);
        refused("size", &[lead(0), signature(values), header].concat());
    }
    accepted(
        "others may be there twice",
        &with(&[(5000, BIN, 1, b"x"), (5000, BIN, 1, b"x")]),
    );
}

#[test]
fn a_value_has_at_most_255_bytes() {
    let of = |len: usize| {
        let name = [vec![b'n'; len], vec![0]].concat();
        let values = [
            (1000, STRING, 1, &name[..]),
            VERSION,
            RELEASE,
            ARCH,
            SOURCERPM,
        ];
        read_in_all_pieces(&[lead(0), mute(), laid_out(&values)].concat())
    };
    assert_eq!(of(0).unwrap().name, "");
    assert_eq!(of(255).unwrap().name, "n".repeat(255));
    for len in [256, 300, 100_000] {
        let Err(PackageError::Name(name)) = of(len) else {
            panic!("a name of {len} bytes");
        };
        assert!(name.starts_with("nnn") && name.len() < 300);
    }
}

#[test]
fn a_file_is_at_least_as_long_as_its_signature_tells() {
    let header = laid_out(&[NAME, VERSION, RELEASE, ARCH, SOURCERPM]);
    let len = header.len() as u64;
    let short = |size: u64| {
        let size = u32::try_from(size).unwrap().to_be_bytes();
        signature(&[(1000, INT32, 1, &size)])
    };
    // Its data is of odd length, so there is padding.
    let long = |size: u64| {
        signature(&[
            (270, INT64, 1, &size.to_be_bytes()),
            (300, STRING, 1, b"\0"),
        ])
    };
    let payload = b"payload";
    for (told, there, fine) in [
        (0, 0, true),
        (7, 7, true),
        (7, 6, false),
        (6, 7, true),
        (8, 7, false),
    ] {
        for signature in [short(len + told), long(len + told)] {
            let file = [
                lead(0),
                signature,
                header.clone(),
                payload[..there].to_vec(),
            ]
            .concat();
            let read = read_in_all_pieces(&file);
            assert_eq!(read.is_ok(), fine, "{there} of {told}: {read:?}");
            assert!(fine || is_unreadable(&read));
        }
    }
    accepted("size 0", &[lead(0), short(0), header.clone()].concat());
    for size in [u64::MAX, 1 << 63, 1 << 40] {
        refused(
            "no file is that long",
            &[lead(0), long(size), header.clone()].concat(),
        );
    }
    let both = signature(&[
        (270, INT64, 1, &9999_u64.to_be_bytes()),
        (1000, INT32, 1, &[0; 4]),
    ]);
    refused(
        "the larger counts",
        &[lead(0), both, header.clone()].concat(),
    );
}

#[test]
fn every_type_has_its_length_and_alignment() {
    let file = |kind: u32, offset: u32, count: u32, data: &[u8]| {
        let data = [b"n\0v\0r\0a\0", data].concat();
        let texts = [1000, 1001, 1002, 1022].into_iter().zip((0..).step_by(2));
        let mut entries: Vec<_> = texts
            .map(|(tag, offset)| [tag, STRING, offset, 1])
            .collect();
        entries.push([5000, kind, offset, count]);
        [lead(0), mute(), section(&entries, &data)].concat()
    };
    for (kind, offset, count, data) in [
        (1, 8, 3, &b"abc"[..]),
        (2, 9, 1, b"abc"),
        (INT16, 10, 1, b"..ab"),
        (INT32, 12, 1, b"....abcd"),
        (INT64, 8, 2, b"abcdefghabcdefgh"),
        (STRING, 8, 1, b"abc\0"),
        (BIN, 9, 2, b"abc"),
        (STRINGS, 8, 3, b"a\0\0c\0"),
        (I18N, 8, 2, b"a\0b\0rest"),
    ] {
        accepted("good", &file(kind, offset, count, data));
    }
    for (what, kind, offset, count, data) in [
        ("no data", 0, 8, 1, &b"abc"[..]),
        ("unknown type", 10, 8, 1, b"abc"),
        ("unknown type", u32::MAX, 8, 1, b"abc"),
        ("no item", BIN, 8, 0, b"abc"),
        ("too many", BIN, 8, 4, b"abc"),
        ("too many", BIN, 8, u32::MAX, b"abc"),
        ("unaligned", INT16, 9, 1, b"abcd"),
        ("unaligned", INT32, 10, 1, b"abcdefgh"),
        ("unaligned", INT64, 12, 1, b"abcdefghabcdefgh"),
        ("too long", INT16, 8, 2, b"abc"),
        ("too long", INT32, 8, 1, b"abc"),
        ("too long", INT64, 8, 0x2000_0001, b"abcdefgh"),
        ("two of a string", STRING, 8, 2, b"a\0b\0"),
        ("no end", STRING, 8, 1, b"abc"),
        ("no end", STRINGS, 8, 2, b"a\0b"),
        ("no end", I18N, 8, 3, b"a\0b\0"),
        ("at the end", STRING, 12, 1, b"abc\0"),
        ("behind the end", BIN, 13, 1, b"abc\0"),
        ("negative", BIN, u32::MAX, 1, b"abc\0"),
        ("overlap", BIN, 7, 1, b"abc\0"),
        ("backwards", BIN, 0, 1, b"abc\0"),
    ] {
        refused(what, &file(kind, offset, count, data));
    }
}

/// A region's entry comes first, and its trailer behind the data of the region. What was added to the
/// header later (dribbles) has its entries and data behind both.
#[test]
fn a_region_has_a_trailer_with_dribbles_behind_it() {
    let trailer = |tag: u32, kind: u32, back: i32, count: u32| {
        let fields = [tag, kind, back.cast_unsigned(), count];
        fields.map(u32::to_be_bytes).concat()
    };
    let good = trailer(63, BIN, -80, 16);
    let file = |region: [u32; 4], trailer: &[u8]| {
        let data = [b"n\0v\0r\0a\0", trailer, b"more\0"].concat();
        let entries = [
            region,
            [1000, STRING, 0, 1],
            [1001, STRING, 2, 1],
            [1002, STRING, 4, 1],
            [1022, STRING, 6, 1],
            [1044, STRING, 24, 1],
        ];
        [lead(0), mute(), section(&entries, &data)].concat()
    };
    let region = [63, BIN, 8, 16];
    assert_eq!(accepted("dribbles", &file(region, &good)).arch, "a");
    accepted("covers all", &file(region, &trailer(63, BIN, -96, 16)));
    accepted("covers none", &file(region, &trailer(63, BIN, 0, 16)));
    accepted(
        "other region",
        &file([62, BIN, 8, 16], &trailer(61, BIN, -80, 16)),
    );
    refused(
        "covers too much",
        &file(region, &trailer(63, BIN, -112, 16)),
    );
    refused("covers a part", &file(region, &trailer(63, BIN, -81, 16)));
    refused("leads forwards", &file(region, &trailer(63, BIN, 80, 16)));
    refused(
        "leads nowhere",
        &file(region, &trailer(63, BIN, i32::MIN, 16)),
    );
    refused("no region", &file(region, &trailer(64, BIN, -80, 16)));
    refused("other type", &file(region, &trailer(63, STRING, -80, 16)));
    refused("other length", &file(region, &trailer(63, BIN, -80, 15)));
    refused("overlaps the region", &file([63, BIN, 7, 16], &good));
    refused("overlaps a dribble", &file([63, BIN, 9, 16], &good));
    refused("behind the end", &file([63, BIN, 14, 16], &good));
    refused("too short", &file([63, BIN, 8, 15], &good));
    refused("other type", &file([63, 1, 8, 16], &good));
    refused("low tag", &file([64, BIN, 8, 16], &good));
    for tag in [0, 61, 62, 63, 99, 0x8000_0000, u32::MAX] {
        refused("low tag", &with(&[(tag, BIN, 16, &good)]));
    }
    accepted("the lowest", &with(&[(100, BIN, 16, &good)]));
    accepted("the highest", &with(&[(0x7fff_ffff, BIN, 16, &good)]));
}

#[test]
fn a_header_has_at_least_one_entry_and_at_most_8192() {
    let of = |count: usize| {
        let texts = [1000, 1001, 1002].into_iter().zip((0..).step_by(2));
        let mut entries: Vec<_> = texts
            .map(|(tag, offset)| [tag, STRING, offset, 1])
            .collect();
        entries.extend((entries.len()..count).map(|n| [5000, BIN, number(n) + 3, 1]));
        let data = [b"n\0v\0r\0", vec![1; count].as_slice()].concat();
        [lead(0), mute(), section(&entries, &data)].concat()
    };
    assert_eq!(read(&of(8192), 4096).unwrap().name, "n");
    assert!(is_unreadable(&read(&of(8193), 4096)));
    refused(
        "no entries",
        &[lead(0), mute(), section(&[], b"n\0")].concat(),
    );
    refused(
        "no signature",
        &[
            lead(0),
            section(&[], b""),
            laid_out(&[NAME, VERSION, RELEASE]),
        ]
        .concat(),
    );
}

/// The reader goes on in steps that each take bytes; so many of them that a hostile header cannot make
/// it look at any byte twice.
#[test]
fn huge_counts_cost_no_more_than_the_bytes_that_are_there() {
    const DATA_BYTES: usize = 1 << 20;
    for kind in [STRINGS, I18N, BIN] {
        for offsets_step in [0, 1, 2] {
            let entry = |n: u32| [5000, kind, n * offsets_step, number(DATA_BYTES) - 2 * 8192];
            let entries: Vec<_> = (0..8192).map(entry).collect();
            let header = section(&entries, &vec![0; DATA_BYTES]);
            let file = [lead(0), mute(), header].concat();
            let mut reader = HeaderReader::default();
            assert!(is_unreadable(&reader.push(&file).map(|()| unreachable!())));
            // It was refused when the index had passed.
            assert!(reader.held_bytes() <= super::MAX_HELD_BYTES);
        }
    }
    // Apart from each other, as many strings as there can be.
    let entries: Vec<_> = (0..8192).map(|n| [5000, STRINGS, n * 128, 128]).collect();
    let file = [lead(0), mute(), section(&entries, &vec![0; DATA_BYTES])].concat();
    let mut reader = HeaderReader::default();
    let (last, most) = file.split_last().unwrap();
    let steps = reader.push_counting(most).unwrap();
    // One for each entry's record and one for its data, and a few for lead, signature and intro.
    assert!((2 * 8192..2 * 8192 + 20).contains(&steps), "{steps} steps");
    assert!(is_unreadable(
        &reader.push(&[*last]).map(|()| unreachable!())
    ));
}
