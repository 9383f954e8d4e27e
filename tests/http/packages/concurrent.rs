//! Several clients at once.

use std::sync::Barrier;
use std::thread::ScopedJoinHandle;

use super::answers::{assert_refused, data};
use super::{PACKAGES, assert_file, id, rows, sha1, text, total};
use crate::multipart::Form;
use crate::noise::noise;
use crate::rpms::rpm_with;
use crate::service::Service;
use crate::wire::{Answer, Call};

/// Says all of this at once.
fn send_at_once(service: &Service, calls: &[Call]) -> Vec<Answer> {
    let barrier = Barrier::new(calls.len());
    std::thread::scope(|scope| {
        let send = |call| {
            let barrier = &barrier;
            scope.spawn(move || {
                barrier.wait();
                service.send(call)
            })
        };
        let threads: Vec<_> = calls.iter().map(send).collect();
        let joined = threads.into_iter().map(ScopedJoinHandle::join);
        joined.map(|answer| answer.expect("no panic")).collect()
    })
}

/// Uploads these files at once, all of them one package; gives the place of the one that won.
#[track_caller]
fn race(service: &Service, files: &[Vec<u8>]) -> usize {
    let forms = files.iter().map(|file| Form::of("x.rpm", file));
    let calls: Vec<Call> = forms.map(|form| form.post(PACKAGES)).collect();
    let answers = send_at_once(service, &calls);
    let mut winner = None;
    for (i, answer) in answers.iter().enumerate() {
        if answer.status == 200 {
            assert_eq!(winner.replace(i), None, "two won");
            assert_eq!(text(&data(answer), "sha1"), sha1(&files[i]));
        } else {
            assert_refused(answer, 409, "PKG10012");
        }
    }
    winner.expect("one wins")
}

#[test]
fn of_many_uploads_of_one_package_exactly_one_wins() {
    let service = Service::open();
    for (round, clients) in [2, 8, 2, 8, 2, 8].into_iter().enumerate() {
        let version = round.to_string();
        let file = rpm_with("name", &version, "1", "noarch", &noise(1, 50_000));
        race(&service, &vec![file.clone(); clients]);
        let found = rows(&service, &format!("version={version}"));
        assert_eq!(found.len(), 1);
        assert_file(&service, &found[0], &file);
        assert_eq!(total(&service), round as u64 + 1);
    }
    assert_eq!(service.store.stats().expect("stats").packages, 6);
}

/// One name, and everybody has other bytes: the row and the file are of one upload.
#[test]
fn of_different_files_of_one_name_one_wins_whole() {
    let service = Service::open();
    for round in 0..5 {
        let version = round.to_string();
        let file = |i| {
            let payload = noise(i, 20_000 * usize::try_from(i).expect("small"));
            rpm_with("name", &version, "1", "noarch", &payload)
        };
        let files: Vec<Vec<u8>> = (1..=8).map(file).collect();
        let winner = race(&service, &files);
        let found = rows(&service, &format!("version={version}"));
        assert_eq!(found.len(), 1);
        assert_eq!(text(&found[0], "sha1"), sha1(&files[winner]));
        assert_file(&service, &found[0], &files[winner]);
    }
    let stats = service.store.stats().expect("stats");
    assert_eq!((stats.packages, stats.blobs), (5, 5));
}

#[test]
fn different_packages_at_once_all_come_in() {
    let service = Service::open();
    let files: Vec<Vec<u8>> = (0..16)
        .map(|i| rpm_with("name", &i.to_string(), "1", "noarch", &noise(i % 3, 40_000)))
        .collect();
    let forms = files.iter().map(|file| Form::of("x.rpm", file));
    let calls: Vec<Call> = forms.map(|form| form.post(PACKAGES)).collect();
    let answers = send_at_once(&service, &calls);
    let mut ids = Vec::new();
    for (answer, file) in answers.iter().zip(&files) {
        let package = data(answer);
        assert_file(&service, &package, file);
        ids.push(id(&package));
    }
    ids.sort_unstable();
    ids.dedup();
    assert_eq!(ids.len(), 16, "an id was given twice");
    assert_eq!(total(&service), 16);
}

#[test]
fn of_many_deletions_exactly_one_is_done() {
    let service = Service::open();
    for round in 0..5 {
        let file = rpm_with("name", "1", "1", "noarch", &noise(round, 10_000));
        let package = super::add(&service, "x.rpm", &file);
        let target = format!("{PACKAGES}/{}", id(&package));
        let calls = vec![Call::new("DELETE", target); 8];
        let answers = send_at_once(&service, &calls);
        let done = answers.iter().filter(|answer| answer.status == 200);
        assert_eq!(done.count(), 1);
        for answer in answers.iter().filter(|answer| answer.status != 200) {
            assert_refused(answer, 404, "PKG10014");
        }
        assert_eq!(total(&service), 0);
    }
}

/// Whoever asks while others upload and delete is answered with whole packages.
#[test]
fn readers_see_whole_packages() {
    let service = Service::open();
    let files: Vec<Vec<u8>> = (0..4)
        .map(|i| rpm_with("name", &i.to_string(), "1", "noarch", &noise(i, 100_000)))
        .collect();
    std::thread::scope(|scope| {
        for file in &files {
            let service = &service;
            scope.spawn(move || {
                for _ in 0..20 {
                    let package = super::add(service, "x.rpm", file);
                    assert_file(service, &package, file);
                    let deleted = super::delete(service, id(&package));
                    assert_eq!(deleted.status, 200);
                }
            });
        }
        for _ in 0..100 {
            let found = rows(&service, "sort=version");
            let versions: Vec<&str> = found.iter().map(|row| text(row, "version")).collect();
            assert!(versions.is_sorted_by(|a, b| a < b), "{versions:?}");
            for row in &found {
                let version: usize = text(row, "version").parse().expect("a number");
                assert_eq!(text(row, "sha1"), sha1(&files[version]));
            }
        }
    });
    assert_eq!(total(&service), 0);
}
