//! Folders: the HTML index and the zip.

use std::io::{Cursor, Read};

use crate::noise::noise;
use crate::service::{Service, get, put};

fn text(service: &Service, path: &str) -> String {
    let answer = service.get(path);
    assert_eq!(answer.status, 200, "{path}: {answer:?}");
    assert_eq!(
        answer.header("Content-Type"),
        Some("text/html; charset=utf-8")
    );
    String::from_utf8(answer.body).expect("UTF-8")
}

/// Names, contents and whether deflated, as another zip reader sees them.
pub fn unzip(body: Vec<u8>) -> Vec<(String, Vec<u8>, bool)> {
    let mut archive = zip::ZipArchive::new(Cursor::new(body)).expect("a zip");
    let mut entries = Vec::new();
    for i in 0..archive.len() {
        let mut entry = archive.by_index(i).expect("an entry");
        let mut bytes = Vec::new();
        entry
            .read_to_end(&mut bytes)
            .expect("bytes that fit their CRC");
        let deflated = entry.compression() == zip::CompressionMethod::Deflated;
        entries.push((entry.name().expect("a name").into_owned(), bytes, deflated));
    }
    entries
}

#[test]
fn an_index_links_everything_absolutely() {
    let service = Service::open();
    service.store("/dir/sub/f", "x");
    service.store("/dir/a%20%23%3F.txt", "four");
    service.store("/dir/%E6%96%87", "y");
    let html = text(&service, "/dir");
    assert!(
        html.contains("<title>Index of /project/repo/dir/</title>"),
        "{html}"
    );
    for link in [
        "<a href=\"/generic/project/repo/\">../</a>",
        "<a href=\"/generic/project/repo/dir/sub/\">sub/</a>",
        "<a href=\"/generic/project/repo/dir/a%20%23%3F.txt\">a #?.txt</a>",
        "<a href=\"/generic/project/repo/dir/%E6%96%87\">文</a>",
    ] {
        assert!(html.contains(link), "{link} in {html}");
    }
    assert!(
        html.contains("<td>2020-07-27T16:02:31.394</td><td>4</td>"),
        "{html}"
    );
    assert_eq!(
        text(&service, "/dir/"),
        html,
        "a trailing slash does not matter"
    );
    let root = text(&service, "/");
    assert!(
        root.contains("Index of /project/repo/<") && !root.contains("../"),
        "{root}"
    );
}

// A file is named like markup. Whoever looks at the folder must see the name, not run it: the page
// stands on the server's own origin.
// The name is escaped, and the page may not run scripts anyway.
#[test]
fn names_cannot_act() {
    let service = Service::open();
    service.store("/d/%3Cscript%3Ealert(1)%3C%2Fscript%3E", "x");
    service.store("/d/%22onload=%22x", "x");
    let answer = service.get("/d");
    let policy = answer.header("Content-Security-Policy").expect("a policy");
    assert!(policy.starts_with("sandbox") && policy.contains("default-src 'none'"));
    assert_eq!(answer.header("X-Content-Type-Options"), Some("nosniff"));
    let html = String::from_utf8(answer.body).expect("UTF-8");
    assert!(
        !html.contains("<script") && html.contains("&lt;script&gt;"),
        "{html}"
    );
    assert!(!html.contains("\"onload"), "{html}");
}

#[test]
fn an_index_of_many_files_comes_in_pages_and_whole() {
    let service = Service::open();
    for i in 0..1203 {
        service.store(&format!("/many/{i:04}"), "same");
    }
    let html = text(&service, "/many");
    assert_eq!(
        html.matches("<tr><td><a href").count(),
        1203 + 1,
        "and the parent"
    );
    for i in 0..1203 {
        assert!(html.contains(&format!(">{i:04}</a>")), "{i}");
    }
    assert!(html.ends_with("</html>\n"));
}

#[test]
fn expired_files_are_in_no_index_and_no_zip() {
    let service = Service::open();
    service.store("/d/stays", "x");
    let brief = put("/d/goes").header("X-BKREPO-EXPIRES", "1").body("y");
    assert_eq!(service.send(&brief).status, 200);
    service.pass_ms(24 * 60 * 60 * 1000);
    assert!(!text(&service, "/d").contains("goes"));
    let names: Vec<String> = unzip(service.get("/d?download=true").body)
        .into_iter()
        .map(|(name, ..)| name)
        .collect();
    assert_eq!(names, ["stays"]);
}

#[test]
fn a_folder_as_a_zip() {
    let service = Service::open();
    let large = noise(7, 3_000_000);
    let zeros = vec![0; 2_000_000];
    service.store("/top/dir/large.bin", &large);
    service.store("/top/dir/sub/zeros", &zeros);
    service.store("/top/dir/sub/packed.whl", &zeros);
    service.store("/top/dir/empty", "");
    service.store("/top/dir/%E6%96%87/%F0%9F%93%A6", "deep");
    service.store("/top/outside", "not in it");
    let answer = service.get("/top/dir?download=true");
    assert_eq!(answer.status, 200);
    assert_eq!(answer.header("Content-Type"), Some("application/zip"));
    assert_eq!(
        answer.header("Content-Disposition"),
        Some("attachment;filename=\"dir.zip\";filename*=UTF-8''dir.zip")
    );
    assert_eq!(answer.header("Cache-Control"), Some("no-cache"));
    assert_eq!(answer.header("Content-Length"), None);
    assert!(
        answer.body.len() < large.len() + zeros.len() + 1_000_000,
        "deflated"
    );
    let expected = [
        ("sub/packed.whl", zeros.clone(), false),
        ("sub/zeros", zeros, true),
        ("文/📦", b"deep".to_vec(), true),
        ("empty", Vec::new(), true),
        ("large.bin", large, true),
    ];
    let entries = unzip(answer.body);
    assert_eq!(entries.len(), expected.len());
    for ((name, bytes, deflated), (their_name, their_bytes, theirs)) in
        expected.into_iter().zip(entries)
    {
        assert_eq!((name, deflated), (their_name.as_str(), theirs));
        assert!(bytes == their_bytes, "{name}");
    }
    let root = service.get("/?download=true");
    let disposition = root.header("Content-Disposition").expect("a name");
    assert!(
        disposition.contains("\"project-repo.zip\""),
        "{disposition}"
    );
    assert_eq!(unzip(root.body).len(), 6);
}

// A chunk of one file is damaged, and the folder is downloaded as a zip. A zip that ends well with
// wrong bytes in it, or without the file, would be believed.
// The connection breaks before the archive's directory is written.
#[test]
fn a_zip_of_a_damaged_file_breaks_off() {
    let service = Service::open();
    let bytes = noise(9, 200_000);
    service.store("/d/a", "first");
    service.store("/d/b", &bytes);
    let mut pack = std::fs::read(service.pack()).expect("the pack");
    let at = pack.windows(64).position(|w| w == &bytes[100_000..100_064]);
    pack[at.expect("its payload")] ^= 1;
    std::fs::write(service.pack(), pack).expect("the pack");
    let broken = get("/d?download=true").try_send(service.address);
    match broken {
        Err(_) => {}
        Ok(answer) => assert!(
            zip::ZipArchive::new(Cursor::new(answer.body)).is_err(),
            "a zip that looks whole"
        ),
    }
    service.assert_file("/d/a", b"first");
}

#[test]
fn nobody_lists_what_they_may_not_read() {
    let service = Service::with(|_| {});
    for path in ["/", "/?download=true", "/missing"] {
        assert_eq!(service.get(path).verdict(), (401, 250_114), "{path}");
    }
}
