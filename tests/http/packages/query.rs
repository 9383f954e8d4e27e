//! Asking for packages: every parameter, alone and with the others.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::answers::{data, keys};
use super::query_model::{FIELDS, Query, pick};
use super::{add, add_rpm, ids, list, rows, text, total};
use crate::multipart::Form;
use crate::noise::Noise;
use crate::rpms::{rpm, rpm_with};
use crate::service::Service;

/// File names and what is to be found.
const SOME: [(&str, &str, &str, &str); 8] = [
    ("oceanbase-ce", "4.2.1.0", "100.el7", "x86_64"),
    ("oceanbase-ce", "4.2.1.0", "100.el8", "aarch64"),
    ("oceanbase-ce-libs", "4.2.1.0", "100.el7", "x86_64"),
    ("obproxy-ce", "4.2.1", "11.el7", "x86_64"),
    ("t-oceanbase-ocp-agent", "2.4.2", "1898294.alios7", "x86_64"),
    ("t-oceanbase-ocp-agent", "2.4.0", "1884049.alios7", "x86_64"),
    ("ocp-server-ce", "4.2.1", "7.el7", "noarch"),
    ("grafana", "7.5.17", "1", "x86_64"),
];

fn service() -> Service {
    let service = Service::open();
    for (name, version, release, arch) in SOME {
        service.pass_ms(1000);
        add_rpm(&service, name, version, release, arch);
    }
    service
}

/// The places in [`SOME`] of what a query finds.
#[track_caller]
fn places(service: &Service, query: &str) -> BTreeSet<usize> {
    let found = rows(service, &format!("size=100&{query}"));
    let place = |row: &Value| {
        let is = |(name, version, release, arch): &(&str, &str, &str, &str)| {
            text(row, "fileName") == format!("{name}-{version}-{release}.{arch}.rpm")
        };
        SOME.iter().position(is).expect("one of them")
    };
    let places: BTreeSet<usize> = found.iter().map(place).collect();
    assert_eq!(places.len(), found.len(), "one twice: {query}");
    places
}

/// Seed 002: fifteen keys, and `md5` as the newer OCP has it.
#[test]
fn a_row_has_the_keys_of_the_sample() {
    let service = service();
    let expected = [
        "architecture",
        "buildNumber",
        "createTime",
        "deletable",
        "downloadUrl",
        "extension",
        "fileName",
        "id",
        "installationDataList",
        "md5",
        "name",
        "operatingSystem",
        "sha1",
        "size",
        "type",
        "version",
    ];
    for query in ["", "withInstallationData=true", "type=OTHERS_RPM"] {
        let found = rows(&service, query);
        assert!(!found.is_empty());
        for row in &found {
            assert_eq!(keys(row), expected, "{query}");
            assert_eq!(row["installationDataList"], json!([]));
            assert_eq!(row["deletable"], true);
            assert_eq!(row["extension"], "rpm");
        }
    }
    let without = expected.map(|key| Some(key).filter(|key| *key != "installationDataList"));
    let without: Vec<&str> = without.into_iter().flatten().collect();
    for row in rows(&service, "withInstallationData=false") {
        assert_eq!(keys(&row), without);
    }
}

/// The request of the sample, and its answer but for what depends on the files.
#[test]
fn the_sample() {
    let service = service();
    let query = "page=1&size=10&type=OCP_AGENT_INSTALL_PACKAGE";
    let found = data(&list(&service, query));
    assert_eq!(keys(&found), ["contents", "page"]);
    assert_eq!(
        found["page"],
        json!({"number": 1, "size": 10, "totalElements": 2, "totalPages": 1})
    );
    let names = ["2.4.0-1884049", "2.4.2-1898294"];
    let names = names.map(|n| format!("t-oceanbase-ocp-agent-{n}.alios7.x86_64.rpm"));
    let times = ["2020-07-27T16:02:37+00:00", "2020-07-27T16:02:36+00:00"];
    for (i, row) in rows(&service, query).iter().enumerate() {
        let url = format!("http://test/api/v2/files/sys-package/{}", names[i]);
        for (key, value) in [
            ("architecture", "x86_64"),
            ("buildNumber", &names[i][28..35]),
            ("createTime", times[i]),
            ("downloadUrl", &url),
            ("fileName", &names[i]),
            ("name", "t-oceanbase-ocp-agent"),
            ("operatingSystem", "alios7"),
            ("type", "OCP_AGENT_INSTALL_PACKAGE"),
            ("version", &names[i][22..27]),
        ] {
            assert_eq!(text(row, key), value, "{key}");
        }
    }
}

/// What an upload was answered with is what is listed.
#[test]
fn a_row_says_what_the_upload_said() {
    let service = Service::open();
    let bytes = rpm_with("obproxy", "1.8.3", "1913214.el7", "x86_64", b"payload");
    let package = add(&service, "x.rpm", &bytes);
    let row = &rows(&service, "")[0];
    for (key, value) in package.as_object().expect("an object") {
        assert_eq!(row[key], *value, "{key}");
    }
}

#[test]
fn keywords() {
    let service = service();
    for (keyword, expected) in [
        ("agent", &[4, 5][..]),
        ("AGENT", &[4, 5]),
        ("Ocp", &[4, 5, 6]),
        ("oceanbase", &[0, 1, 2, 4, 5]),
        ("grafana-7.5.17-1.x86_64.rpm", &[7]),
        ("1898294", &[4]),
        (".EL7.", &[0, 2, 3, 6]),
        ("-ce-4.2.1", &[0, 1, 3, 6]),
        ("noarch.rpm", &[6]),
        ("nothing", &[]),
        // No patterns: these are letters like all others.
        ("%25", &[]),
        ("*", &[]),
        ("ob.*ce", &[]),
        ("x86_64", &[0, 2, 3, 4, 5, 7]),
        ("x86.64", &[]),
        ("", &[0, 1, 2, 3, 4, 5, 6, 7]),
    ] {
        let expected: BTreeSet<usize> = expected.iter().copied().collect();
        let found = places(&service, &format!("keyword={keyword}"));
        assert_eq!(found, expected, "{keyword}");
    }
}

#[test]
fn filters() {
    let service = service();
    for (query, expected) in [
        ("type=OB_SERVER_INSTALL_PACKAGE", &[0, 1][..]),
        // The document's own example; nothing is of the second type.
        (
            "type=OB_SERVER_INSTALL_PACKAGE,OB_AGENT_INSTALL_PACKAGE",
            &[0, 1],
        ),
        ("type=OTHERS_RPM", &[2, 6, 7]),
        (
            "type=OBPROXY_INSTALL_PACKAGE&type=OTHERS_RPM",
            &[2, 3, 6, 7],
        ),
        ("type=OB_SERVER", &[]),
        ("type=NO_SUCH_TYPE", &[]),
        ("type=NO_SUCH_TYPE,OBPROXY_INSTALL_PACKAGE", &[3]),
        ("version=4.2.1.0", &[0, 1, 2]),
        ("version=4.2.1", &[3, 6]),
        ("version=4.2.1,2.4.0&version=7.5.17", &[3, 5, 6, 7]),
        ("version=4", &[]),
        ("operatingSystem=el7", &[0, 2, 3, 6]),
        ("operatingSystem=alios", &[4, 5]),
        ("operatingSystem=alios,el7", &[0, 2, 3, 4, 5, 6]),
        ("operatingSystem=alios%2Cel8", &[1, 4, 5]),
        ("operatingSystem=el", &[0, 1, 2, 3, 6]),
        ("operatingSystem=7", &[]),
        ("operatingSystem=windows", &[]),
        ("architecture=x86_64", &[0, 2, 3, 4, 5, 7]),
        ("architecture=x84_64,arm", &[]),
        ("architecture=aarch", &[1]),
        ("architecture=noarch&architecture=aarch64", &[1, 6]),
        ("operatingSystem=el7&architecture=x86_64", &[0, 2, 3]),
        ("operatingSystem=el7&version=4.2.1&type=OTHERS_RPM", &[6]),
        ("keyword=ce&operatingSystem=el8", &[1]),
        ("keyword=agent&version=2.4.2,4.2.1", &[4]),
        ("keyword=agent&operatingSystem=el7", &[]),
        ("unknownParameter=x", &[0, 1, 2, 3, 4, 5, 6, 7]),
    ] {
        let expected: BTreeSet<usize> = expected.iter().copied().collect();
        assert_eq!(places(&service, query), expected, "{query}");
    }
}

/// A form that a person leaves empty is no filter.
#[test]
fn empty_filters_are_none() {
    let service = service();
    for query in [
        "type=&version=&operatingSystem=&architecture=&keyword=",
        "type=,&version=,,",
        "type",
    ] {
        assert_eq!(places(&service, query).len(), SOME.len(), "{query}");
    }
    let found = places(&service, "operatingSystem=,el8,");
    assert_eq!(found, [1].into(), "an empty value matches nothing");
}

#[test]
fn parameters_of_an_upload_are_none_of_a_query() {
    let service = Service::open();
    let form = Form::of("x.rpm", rpm("name", "1", "1", "noarch"));
    let target = "/api/v2/software-packages?type=SCRIPT&keyword=nothing&page=9";
    let package = data(&service.send(&form.post(target)));
    assert_eq!(text(&package, "type"), "OTHERS_RPM");
    assert_eq!(total(&service), 1);
}

const NAMES: [&str; 10] = [
    "oceanbase",
    "oceanbase-ce",
    "oceanbase-ce-libs",
    "oceanbase-ce-utils",
    "oceanbase-data-maintain",
    "obproxy",
    "obproxy-ce",
    "ocp-agent-ce",
    "t-oceanbase-ob-agent",
    "Zlib",
];

/// A service with so many packages, some of them of the same millisecond.
fn many(noise: &mut Noise, count: u64) -> Service {
    let service = Service::open();
    while total(&service) < count {
        let name = pick(noise, &NAMES);
        let version = pick(noise, &["1.0", "1.0.1", "2.10", "2.9", "4.2.1.0"]);
        let system = pick(noise, &["", ".el7", ".el8", ".alios7", ".el7.alios7"]);
        let arch = pick(noise, &["x86_64", "aarch64", "noarch"]);
        let release = format!("{}{system}", noise.below(30));
        let len = pick(noise, &[0, 1000, 1000, 5000]);
        let payload = noise.bytes(len);
        let bytes = rpm_with(name, version, &release, arch, &payload);
        let name = format!("{name}-{version}-{release}.{arch}.rpm");
        let status = super::upload(&service, &name, &bytes).status;
        assert!([200, 409].contains(&status), "{name}: {status}");
        service.pass_ms(pick(noise, &[0, 1000, 2500]));
    }
    service
}

/// Whether packages that are equal have falling ids where a field is sorted downwards, which no
/// document says: either is right, if it is always so.
fn ties_turn(service: &Service) -> bool {
    let up = ids(service, "size=100&sort=extension,asc");
    assert!(up.is_sorted_by(|a, b| a < b), "{up:?}");
    let down = ids(service, "size=100&sort=extension,desc");
    let turned = down.is_sorted_by(|a, b| a > b);
    assert!(turned || down == up, "{down:?}");
    turned
}

/// Any question is answered as if every row had been looked at.
#[test]
fn random_questions() {
    let mut noise = Noise::new(11);
    let service = many(&mut noise, 60);
    let all = rows(&service, "size=2000");
    assert_eq!(all.len(), 60);
    let ties_turn = ties_turn(&service);
    let mut with_several = 0;
    for _ in 0..400 {
        let query = Query::random(&mut noise);
        let target = query.target(&mut noise);
        let found = data(&list(&service, &target));
        let (expected, total) = query.answer(&all, ties_turn);
        let contents = found["contents"].as_array().expect("an array");
        let ids: Vec<u64> = contents.iter().map(super::id).collect();
        assert_eq!(ids, expected, "{target}");
        let pages = total.div_ceil(query.size());
        assert_eq!(
            found["page"],
            json!({
                "number": query.page(), "size": query.size(),
                "totalElements": total, "totalPages": pages,
            }),
            "{target}"
        );
        with_several += usize::from(ids.len() > 1);
    }
    assert!(with_several > 100, "the questions are too narrow");
}

/// Every field, every direction, everything on one page.
#[test]
fn every_field_sorts() {
    let mut noise = Noise::new(12);
    let service = many(&mut noise, 40);
    let all = rows(&service, "size=2000");
    let ties_turn = ties_turn(&service);
    for field in FIELDS {
        for (direction, ascending) in [("", None), (",asc", Some(true)), (",desc", Some(false))] {
            let query = Query::sorted(field, ascending);
            for comma in [",", "%2C"] {
                let sort = format!("{field}{}", direction.replace(',', comma));
                let found = ids(&service, &format!("size=100&sort={sort}"));
                assert_eq!(found, query.answer(&all, ties_turn).0, "{sort}");
            }
        }
    }
    let newest_first = ids(&service, "size=100");
    assert!(newest_first.is_sorted_by(|a, b| a > b), "{newest_first:?}");
}
