//! What a header and a file's name say of a package.

use std::path::Path;

use super::answers::{assert_refused, data};
use super::{add, assert_file, rows, text, upload};
use crate::rpms::rpm;
use crate::service::Service;

/// Names of packages that there are, and what they must be taken for.
const TABLE: &str = include_str!("../../fixtures/ocp_filenames.csv");

/// The fields of a row, as the table's first line names them.
fn table() -> Vec<[&'static str; 8]> {
    let rows = TABLE.lines().skip(1).map(|line| {
        let fields: Vec<&str> = line.split(',').collect();
        fields.try_into().expect("eight fields")
    });
    rows.collect()
}

/// The release in a canonical file name.
fn release<'n>(file_name: &'n str, name: &str, version: &str, arch: &str) -> &'n str {
    let release = file_name.strip_prefix(&format!("{name}-{version}-"));
    let release = release.and_then(|rest| rest.strip_suffix(&format!(".{arch}.rpm")));
    release.expect("name, version, release, architecture")
}

#[test]
fn names_of_packages_that_there_are() {
    let service = Service::open();
    assert!(table().len() > 50);
    for [file, name, version, build, system, arch, extension, kind] in table() {
        let bytes = rpm(name, version, release(file, name, version, arch), arch);
        for uploaded in ["x.rpm", file] {
            let package = add(&service, uploaded, &bytes);
            for (key, value) in [
                ("fileName", file),
                ("name", name),
                ("version", version),
                ("buildNumber", build),
                ("operatingSystem", system),
                ("architecture", arch),
                ("extension", extension),
                ("type", if kind.is_empty() { "OTHERS_RPM" } else { kind }),
            ] {
                assert_eq!(text(&package, key), value, "{key} of {file}");
            }
            let row = &rows(&service, &format!("keyword={file}"))[0];
            assert_eq!(row["id"], package["id"], "{file}");
            let deleted = super::delete(&service, super::id(&package));
            assert_eq!(deleted.status, 200, "{file}");
        }
    }
}

#[test]
fn releases() {
    let service = Service::open();
    for (release, build, system) in [
        ("1", "1", ""),
        ("1.2.3", "1", ""),
        ("b09.el7", "b09", "el7"),
        ("20230510140123.el7.alios7", "20230510140123", "alios7"),
        ("4.2.alios7", "4.2", "alios7"),
        ("2.1511.el7.centos.2.10", "2.1511", "el7"),
        ("1.el7.2.el8.3", "1", "el8"),
        ("1.2.3.4.fc39", "1.2.3.4", "fc39"),
        ("1.al8", "1", "al8"),
        ("1.an23", "1", "an23"),
        ("1.oe2203", "1", "oe2203"),
        ("1.ky10", "1", "ky10"),
        ("1.amzn2", "1", "amzn2"),
        ("1.uos20", "1", "uos20"),
        ("1.el", "1", ""),
        ("1.7el", "1", ""),
        ("1.xel7", "1", ""),
        ("1.git20200101", "1", ""),
    ] {
        let bytes = rpm("name", "1", release, "noarch");
        let package = add(&service, "x.rpm", &bytes);
        assert_eq!(text(&package, "buildNumber"), build, "{release}");
        assert_eq!(text(&package, "operatingSystem"), system, "{release}");
        let expected = format!("name-1-{release}.noarch.rpm");
        assert_eq!(text(&package, "fileName"), expected);
    }
}

/// The vendor of obd once named a file after a system that its header does not know.
#[test]
fn a_system_that_only_the_file_name_has() {
    let service = Service::open();
    let bytes = rpm("grafana", "7.5.17", "1", "x86_64");
    for (uploaded, file, system) in [
        (
            "grafana-7.5.17-1.el7.x86_64.rpm",
            "grafana-7.5.17-1.el7.x86_64.rpm",
            "el7",
        ),
        (
            "grafana-7.5.17-1.alios7.x86_64.rpm",
            "grafana-7.5.17-1.alios7.x86_64.rpm",
            "alios7",
        ),
        (
            "grafana-7.5.17-1.x86_64.rpm",
            "grafana-7.5.17-1.x86_64.rpm",
            "",
        ),
    ] {
        let package = add(&service, uploaded, &bytes);
        assert_eq!(text(&package, "fileName"), file);
        assert_eq!(text(&package, "operatingSystem"), system);
        assert_eq!(text(&package, "buildNumber"), "1");
        assert_file(&service, &package, &bytes);
    }
    // Where the header knows one, the name does not count.
    let bytes = rpm("grafana", "8.0", "1.el8", "x86_64");
    let package = add(&service, "grafana-8.0-1.el7.x86_64.rpm", &bytes);
    assert_eq!(text(&package, "operatingSystem"), "el8");
    assert_eq!(text(&package, "fileName"), "grafana-8.0-1.el8.x86_64.rpm");
}

/// Exact names, and no beginnings of names.
#[test]
fn types() {
    let service = Service::open();
    for (kind, names) in [
        (
            "OB_SERVER_INSTALL_PACKAGE",
            &["oceanbase", "oceanbase-ce", "oceanbase-standalone"][..],
        ),
        (
            "OCP_AGENT_INSTALL_PACKAGE",
            &["t-oceanbase-ocp-agent", "ocp-agent", "ocp-agent-ce"],
        ),
        ("OBPROXY_INSTALL_PACKAGE", &["obproxy", "obproxy-ce"]),
        (
            "OB_BACKUP_AGENT_INSTALL_PACKAGE",
            &["oceanbase-data-maintain"],
        ),
        ("OB_AGENT_INSTALL_PACKAGE", &["t-oceanbase-ob-agent"]),
        (
            "OTHERS_RPM",
            &[
                "oceanbase-ce-libs",
                "oceanbase-ce-utils",
                "oceanbase-libs",
                "oceanbase-standalone-utils",
                "oceanbase-diagnostic-tool",
                "OceanBase",
                "obproxy-ce2",
                "obagent",
                "ob-deploy",
                "ocp-agent-ce-x",
                "x-ocp-agent",
                "grafana",
            ],
        ),
    ] {
        for name in names {
            let package = add(&service, "x.rpm", &rpm(name, "1", "1.el7", "x86_64"));
            assert_eq!(text(&package, "type"), kind, "{name}");
        }
    }
}

/// Packages that others built, where they are at hand: file, what it is called, its fields.
const BUILT_ELSEWHERE: [(&str, &str, &str, &str, &str); 9] = [
    ("Archer-3.4.5-6.x86_64.rpm", "", "3.4.5", "6", ""),
    ("centos-release-3.1-1.i386.rpm", "", "3.1", "1", ""),
    (
        "centos-release-7-2.1511.el7.centos.2.10.x86_64.rpm",
        "",
        "7",
        "2.1511",
        "el7",
    ),
    ("epel-release-7-5.noarch.rpm", "", "7", "5", ""),
    ("rpm-basic-2.3.4-5.el9.noarch.rpm", "", "2.3.4", "5", "el9"),
    ("rpm-empty-0-0.x86_64.rpm", "", "0", "0", ""),
    ("rpm-i18n-1.0-1.noarch.rpm", "", "1.0", "1", ""),
    (
        "v6-signed-rpm-basic-2.3.4-5.el9.noarch.rpm",
        "rpm-basic-2.3.4-5.el9.noarch.rpm",
        "2.3.4",
        "5",
        "el9",
    ),
    (
        "v6-zstd-rpm-basic-2.3.4-5.el9.noarch.rpm",
        "rpm-basic-2.3.4-5.el9.noarch.rpm",
        "2.3.4",
        "5",
        "el9",
    ),
];

/// Old and new, signed and not: `PACKHOLD_RPMS` is their folder.
#[test]
fn packages_that_others_built() {
    let Some(folder) = std::env::var_os("PACKHOLD_RPMS") else {
        println!("PACKHOLD_RPMS names no folder with packages");
        return;
    };
    let folder = Path::new(&folder);
    for (file, canonical, version, build, system) in BUILT_ELSEWHERE {
        let Ok(bytes) = std::fs::read(folder.join(file)) else {
            println!("{file} is not at hand");
            continue;
        };
        let service = Service::open();
        let package = data(&upload(&service, file, &bytes));
        let canonical = if canonical.is_empty() {
            file
        } else {
            canonical
        };
        for (key, value) in [
            ("fileName", canonical),
            ("version", version),
            ("buildNumber", build),
            ("operatingSystem", system),
            ("type", "OTHERS_RPM"),
        ] {
            assert_eq!(text(&package, key), value, "{key} of {file}");
        }
        assert_file(&service, &package, &bytes);
    }
    let sources = "rpm-basic-2.3.4-5.el9.src.rpm";
    if let Ok(bytes) = std::fs::read(folder.join(sources)) {
        let answer = upload(&Service::open(), sources, &bytes);
        assert_refused(&answer, 400, "PKG10013");
    }
}
