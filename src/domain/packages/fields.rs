//! From the header of an RPM, and the name it was uploaded under, to the fields of a software package.
//!
//! The rules are those of the software-package contract: the header decides, and the uploaded name
//! says only what the header lacks. A distribution tag is a component of the release (components are
//! between dots) like `el7`, `alios7` or `oe2203sp3`; the first component never is one.

use super::{PackageError, RpmHeader};
use crate::format::meta::PackageKind;

/// The longest name of a file, in bytes.
const MAX_NAME_BYTES: usize = 255;

/// What the tag of a distribution begins with. Digits follow.
const DISTRIBUTIONS: [&str; 15] = [
    "al", "alios", "amzn", "an", "el", "fc", "ky", "lp", "oe", "sles", "suse", "tl", "uel", "uelc",
    "uos",
];

/// What may stand between the digits of a tag, at most once: `el7_9`, `oe2203sp3`.
const MINOR_MARKS: [&str; 2] = ["_", "sp"];

/// What an RPM says of itself, cut into fields.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fields {
    /// Name.
    pub name: String,
    /// Version.
    pub version: String,
    /// The release, without the operating system.
    pub build_number: String,
    /// The operating system, a distribution tag; empty if neither header nor file name tells.
    pub operating_system: String,
    /// The architecture.
    pub architecture: String,
    /// What it is for.
    pub kind: PackageKind,
    /// `{name}-{version}-{release}.{architecture}.rpm`, with the operating system behind the release
    /// if only the uploaded name had it.
    pub file_name: String,
}

impl Fields {
    /// Cuts `header` into fields. `uploaded` is what [`uploaded_name`] gave.
    ///
    /// # Errors
    /// [`PackageError::Source`]; [`PackageError::Name`], when a field has other characters than
    /// `[A-Za-z0-9._+~^-]`, is empty, or makes the file name longer than 255 bytes, and when there is no
    /// architecture in the header nor in the name.
    pub fn of(header: &RpmHeader, uploaded: &str) -> Result<Self, PackageError> {
        if header.source {
            return Err(PackageError::Source);
        }
        let RpmHeader {
            name,
            version,
            release,
            ..
        } = header;
        let architecture = match header.arch.as_str() {
            "" => architecture_of(uploaded).ok_or_else(|| PackageError::name(uploaded))?,
            arch => arch,
        };
        let build_number = build_number_of(release);
        for field in [name, version, build_number, release, architecture] {
            check_field(field)?;
        }
        let told = last_tag(release);
        let named = told.is_none().then(|| last_tag(tail(uploaded))).flatten();
        let release_and_os = match named {
            Some(tag) => format!("{release}.{tag}"),
            None => release.clone(),
        };
        let file_name = format!("{name}-{version}-{release_and_os}.{architecture}.rpm");
        if file_name.len() > MAX_NAME_BYTES {
            return Err(PackageError::name(&file_name));
        }
        Ok(Self {
            name: name.clone(),
            version: version.clone(),
            build_number: build_number.to_owned(),
            operating_system: told.or(named).unwrap_or_default().to_owned(),
            architecture: architecture.to_owned(),
            kind: kind_of(name),
            file_name,
        })
    }
}

/// Cuts the name of an uploaded file to its last component, and checks it.
///
/// The suffix is judged first: what is no `*.rpm` is no RPM with a bad name. Blanks around the suffix
/// are a fault of the name, though.
///
/// # Errors
/// [`PackageError::Suffix`] when it does not end with `.rpm`, in any case; [`PackageError::Name`] when
/// it is empty, has nothing but dots before the suffix, has whitespace or control characters, or has
/// more than 255 bytes.
pub fn uploaded_name(raw: &str) -> Result<&str, PackageError> {
    let name = raw.rsplit(['/', '\\']).next().unwrap_or_default();
    let is_blank = |c: char| c.is_whitespace() || c.is_control();
    if name.trim_matches(is_blank).is_empty() {
        return Err(PackageError::name(name));
    }
    let (stem, suffix) = name.rsplit_once('.').unwrap_or((name, ""));
    if !suffix.trim_matches(is_blank).eq_ignore_ascii_case("rpm") {
        return Err(PackageError::suffix(suffix));
    }
    let nameless = stem.chars().all(|c| c == '.');
    if nameless || name.contains(is_blank) || name.len() > MAX_NAME_BYTES {
        return Err(PackageError::name(name));
    }
    Ok(name)
}

/// Names are matched whole: `oceanbase-ce-libs` is no server.
fn kind_of(name: &str) -> PackageKind {
    match name {
        "oceanbase" | "oceanbase-ce" | "oceanbase-standalone" => PackageKind::Server,
        "t-oceanbase-ocp-agent" | "ocp-agent" | "ocp-agent-ce" => PackageKind::OcpAgent,
        "obproxy" | "obproxy-ce" => PackageKind::Proxy,
        "oceanbase-data-maintain" => PackageKind::BackupAgent,
        "t-oceanbase-ob-agent" => PackageKind::Agent,
        _ => PackageKind::Other,
    }
}

fn check_field(field: &str) -> Result<(), PackageError> {
    let fits = |byte: u8| byte.is_ascii_alphanumeric() || b"._+~^-".contains(&byte);
    match !field.is_empty() && field.bytes().all(fits) {
        true => Ok(()),
        false => Err(PackageError::name(field)),
    }
}

/// The release up to its first tag, else up to its first dot.
fn build_number_of(release: &str) -> &str {
    let dots = || release.match_indices('.').map(|(at, _)| at);
    let tagged = dots().find(|at| {
        let behind = release.get(at + 1..).unwrap_or_default();
        is_tag(behind.split('.').next().unwrap_or_default())
    });
    let end = tagged.or(dots().next()).unwrap_or(release.len());
    release.get(..end).unwrap_or_default()
}

fn last_tag(release: &str) -> Option<&str> {
    let tags = release.split('.').skip(1).filter(|part| is_tag(part));
    tags.last()
}

fn is_tag(part: &str) -> bool {
    let digits = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    let versions = |text: &str| {
        let cut = |mark| text.split_once(mark);
        let minor = MINOR_MARKS.into_iter().find_map(cut);
        minor.map_or(digits(text), |(major, minor)| {
            digits(major) && digits(minor)
        })
    };
    let rests = DISTRIBUTIONS
        .iter()
        .filter_map(|name| part.strip_prefix(name));
    rests.into_iter().any(versions)
}

/// `{release}.{architecture}` of a file name that is cut as RPMs are.
fn tail(uploaded: &str) -> &str {
    let (stem, _) = uploaded.rsplit_once('.').unwrap_or((uploaded, ""));
    stem.rsplit('-').next().unwrap_or_default()
}

fn architecture_of(uploaded: &str) -> Option<&str> {
    let (_, last) = tail(uploaded).rsplit_once('.')?;
    let is_name = last.starts_with(|c: char| c.is_ascii_alphabetic()) && !is_tag(last);
    is_name.then_some(last)
}

#[cfg(test)]
mod tests {
    use super::super::{PackageError, RpmHeader};
    use super::{Fields, build_number_of, last_tag, uploaded_name};
    use crate::format::meta::PackageKind;

    fn header(name: &str, version: &str, release: &str, arch: &str) -> RpmHeader {
        RpmHeader {
            name: name.to_owned(),
            version: version.to_owned(),
            release: release.to_owned(),
            arch: arch.to_owned(),
            source: false,
        }
    }

    #[test]
    fn a_release_is_cut_at_its_first_tag_and_named_by_its_last() {
        for (release, build_number, system) in [
            ("20230510140123.el7.alios7", "20230510140123", "alios7"),
            ("4.2.alios7", "4.2", "alios7"),
            ("2.1511.el7.centos.2.10", "2.1511", "el7"),
            ("1.fc38", "1", "fc38"),
            ("p01.ky10", "p01", "ky10"),
            ("3.oe2203sp3", "3", "oe2203sp3"),
            ("1.el7_9", "1", "el7_9"),
            ("1.amzn2023", "1", "amzn2023"),
            ("1.uelc20", "1", "uelc20"),
            ("1.el9.2", "1", "el9"),
            ("b09.el7", "b09", "el7"),
            // The first component never is a tag.
            ("el7", "el7", ""),
            ("el7.1", "el7", ""),
            ("el7.el8", "el7", "el8"),
            // No tag: up to the first dot.
            ("1", "1", ""),
            ("4.2", "4", ""),
            ("1.el", "1", ""),
            ("1.7el", "1", ""),
            ("1.el7x", "1", ""),
            ("1.EL7", "1", ""),
            ("1.el_7", "1", ""),
            ("1.el7_", "1", ""),
            ("1.el7_9_1", "1", ""),
            ("1.module+el8", "1", ""),
            ("1..el7", "1.", "el7"),
            ("", "", ""),
            (".", "", ""),
            (".el7", "", "el7"),
        ] {
            assert_eq!(build_number_of(release), build_number, "{release}");
            assert_eq!(last_tag(release).unwrap_or_default(), system, "{release}");
        }
    }

    #[test]
    fn an_operating_system_that_only_the_name_has_goes_into_the_file_name() {
        for (release, uploaded, system, file_name) in [
            (
                "1",
                "grafana-7.5.17-1.el7.x86_64.rpm",
                "el7",
                "g-7-1.el7.x86_64.rpm",
            ),
            ("1", "grafana-7.5.17-1.x86_64.rpm", "", "g-7-1.x86_64.rpm"),
            ("1", "g-7-1.el7.RPM", "el7", "g-7-1.el7.x86_64.rpm"),
            (
                "4.2",
                "g-7-4.2.an8.x86_64.rpm",
                "an8",
                "g-7-4.2.an8.x86_64.rpm",
            ),
            ("1", "g.el7.rpm", "el7", "g-7-1.el7.x86_64.rpm"),
            ("1", "el7.rpm", "", "g-7-1.x86_64.rpm"),
            ("1", "g.el7-7-1.x86_64.rpm", "", "g-7-1.x86_64.rpm"),
            // The header decides.
            (
                "1.el8",
                "g-7-1.el7.x86_64.rpm",
                "el8",
                "g-7-1.el8.x86_64.rpm",
            ),
        ] {
            let fields = Fields::of(&header("g", "7", release, "x86_64"), uploaded).unwrap();
            assert_eq!(fields.operating_system, system, "{uploaded}");
            assert_eq!(fields.file_name, file_name, "{uploaded}");
        }
    }

    #[test]
    fn an_architecture_that_the_header_lacks_is_taken_from_the_name() {
        let of = |uploaded| Fields::of(&header("a", "1", "2", ""), uploaded);
        assert_eq!(
            of("a-1-2.noarch.rpm").unwrap().file_name,
            "a-1-2.noarch.rpm"
        );
        let fields = of("a-1-2.el7.aarch64.rpm").unwrap();
        assert_eq!(fields.architecture, "aarch64");
        assert_eq!(fields.file_name, "a-1-2.el7.aarch64.rpm");
        for uploaded in [
            "a.rpm",
            "a-1-2.rpm",
            "a-1-2.3.rpm",
            "a-1-2.el7.rpm",
            "x86_64.rpm",
        ] {
            let unnamed = matches!(of(uploaded), Err(PackageError::Name(_)));
            assert!(unnamed, "{uploaded}");
        }
        assert!(matches!(of("a-1-2.ü.rpm"), Err(PackageError::Name(_))));
        assert_eq!(of("a-1-2.xü.rpm"), Err(PackageError::Name("xü".to_owned())));
    }

    #[test]
    fn fields_with_other_characters_are_refused() {
        let refused = |header: &RpmHeader, what: &str| {
            let fault = Fields::of(header, "a.rpm").unwrap_err();
            assert_eq!(fault, PackageError::Name(what.to_owned()));
        };
        for bad in [
            "",
            " ",
            "a b",
            "a/b",
            "a\\b",
            "ä",
            "a\u{fffd}",
            "%41",
            "a:b",
            "a(1)",
        ] {
            refused(&header(bad, "1", "1", "noarch"), bad);
            refused(&header("a", bad, "1", "noarch"), bad);
            refused(&header("a", "1", bad, "noarch"), bad);
        }
        refused(&header("a", "1", "1", "x\n"), "x\u{fffd}");
        refused(&header("a", "1", ".el7", "noarch"), "");
        refused(&header("a", "1", "1. ", "noarch"), "1. ");
        let good = header("A-z0", "1~rc1^git+b", "1_2.el7", "x86_64");
        let fields = Fields::of(&good, "a.rpm").unwrap();
        assert_eq!(fields.file_name, "A-z0-1~rc1^git+b-1_2.el7.x86_64.rpm");
    }

    #[test]
    fn a_file_name_has_at_most_255_bytes() {
        let of = |len: usize| Fields::of(&header(&"n".repeat(len), "1", "1", "noarch"), "a.rpm");
        let rest = "-1-1.noarch.rpm".len();
        assert_eq!(of(255 - rest).unwrap().file_name.len(), 255);
        assert!(matches!(of(256 - rest), Err(PackageError::Name(_))));
    }

    #[test]
    fn source_packages_are_refused_whatever_else_they_lack() {
        let mut source = header("a b", "", "", "");
        source.source = true;
        assert_eq!(Fields::of(&source, "a.rpm"), Err(PackageError::Source));
    }

    #[test]
    fn uploaded_names_are_cut_to_their_last_component() {
        let long = format!("{}.rpm", "n".repeat(251));
        for (raw, name) in [
            ("a.rpm", "a.rpm"),
            ("A.RPM", "A.RPM"),
            ("a.Rpm", "a.Rpm"),
            ("/tmp/a.rpm", "a.rpm"),
            ("C:\\my files\\a.rpm", "a.rpm"),
            ("../../a.rpm", "a.rpm"),
            ("..a.rpm", "..a.rpm"),
            ("a.txt.rpm", "a.txt.rpm"),
            ("ä.rpm", "ä.rpm"),
            (&long, &long),
        ] {
            assert_eq!(uploaded_name(raw), Ok(name));
        }
    }

    #[test]
    fn the_suffix_is_judged_before_the_name() {
        for (raw, suffix) in [
            ("a.txt", "txt"),
            ("my notes.txt", "txt"),
            ("a.rpm.gz", "gz"),
            ("a", ""),
            ("a.", ""),
            ("..", ""),
            ("rpm", ""),
            ("arpm", ""),
            ("a.rpm/b", ""),
            ("a.rp m", "rp m"),
        ] {
            let fault = PackageError::Suffix(suffix.to_owned());
            assert_eq!(uploaded_name(raw), Err(fault), "{raw}");
        }
        let long = uploaded_name(&format!("a.{}", "x".repeat(9999))).unwrap_err();
        assert!(long.to_string().len() < 600, "{long}");
    }

    #[test]
    fn names_with_blanks_or_nothing_in_them_are_refused() {
        for raw in [
            "",
            " ",
            "a/",
            "a.rpm/",
            ".rpm",
            "..rpm",
            "...RPM",
            "a b.rpm",
            " a.rpm",
            "a.rpm ",
            "a.rpm\n",
            "a. rpm",
            "a\t.rpm",
            "a\0.rpm",
            "a.rpm\0",
            "a\u{a0}b.rpm",
            "a\u{3000}b.rpm",
            "a\u{7f}.rpm",
        ] {
            let fault = uploaded_name(raw).unwrap_err();
            assert!(matches!(fault, PackageError::Name(_)), "{raw:?}: {fault}");
        }
        let long = uploaded_name(&format!("{}.rpm", "n".repeat(252))).unwrap_err();
        assert!(matches!(long, PackageError::Name(_)), "{long}");
    }

    #[test]
    fn a_kind_goes_by_the_whole_name() {
        let kind = |name| {
            let fields = Fields::of(&header(name, "1", "1", "noarch"), "a.rpm");
            fields.unwrap().kind
        };
        assert_eq!(kind("oceanbase-standalone"), PackageKind::Server);
        assert_eq!(kind("ocp-agent"), PackageKind::OcpAgent);
        assert_eq!(kind("obproxy"), PackageKind::Proxy);
        assert_eq!(kind("oceanbase-data-maintain"), PackageKind::BackupAgent);
        assert_eq!(kind("t-oceanbase-ob-agent"), PackageKind::Agent);
        for other in [
            "oceanbase-ce-libs",
            "oceanbase-ce-utils",
            "OBPROXY",
            "obproxy2",
            "obagent",
        ] {
            assert_eq!(kind(other), PackageKind::Other, "{other}");
        }
    }
}
