//! The table: every route that goes by who asks. Those that go by a link are in `links`.

mod accounts;
pub mod blocks;
mod nodes;
mod web;

use serde_json::json;

use super::principals::Need::{Admin, ChangePackages, Delete, Read, SeePackages, Somebody, Write};
use super::row::{Row, at, row};
use super::spots::Place::{NoProject, Private, Public};
use super::spots::{PACKAGES, Spot, World, package_file, package_form, with_json};
use crate::wire::Call;

/// Every row.
pub fn rows() -> Vec<Row> {
    let mut all = files();
    all.extend(blocks::rows());
    all.extend(nodes::rows());
    all.extend(accounts::rows());
    all.extend(packages());
    all.extend(operations());
    all.extend(web::rows());
    all
}

/// Puts `f` back.
fn file_back(world: &World, spot: &Spot) {
    world.put(&format!("/generic{}", spot.tail("f")));
}

/// Takes away what was made.
fn away(world: &World, spot: &Spot) {
    if matches!(spot.place, Private | Public) {
        return world.remove(spot, spot.path);
    }
    // Who may make repositories made one.
    let target = format!(
        "/repository/api/repo/delete/{}/{}?forced=true",
        spot.project, spot.repo
    );
    world
        .service
        .send(&crate::auth::admin(Call::new("DELETE", target)));
    let target = format!("/repository/api/project/delete/{}", spot.project);
    if spot.place == NoProject {
        world
            .service
            .send(&crate::auth::admin(Call::new("DELETE", target)));
    }
}

fn body(_: &World, _: &Spot, call: Call) -> Call {
    call.body("x")
}

fn files() -> Vec<Row> {
    let get = |path| Row {
        absent: Some("404/251010"),
        ..at(path, "GET /generic/{project}/{repo}/{path..}", &[Read])
    };
    let batch = |route| Row {
        dress: |_, spot, call| with_json(call, &json!({"paths": [spot.path]})),
        absent: Some("404/251010"),
        ..at("f", route, &[Read])
    };
    let link = |route| Row {
        dress: |_, spot, call| {
            let wish = json!({"fullPathSet": [spot.path], "type": "DOWNLOAD"});
            with_json(call, &spot.named(&wish))
        },
        ..at("f", route, &[Write])
    };
    vec![
        get("f"),
        get("d"),
        Row {
            query: "download=true",
            ..get("d")
        },
        Row {
            absent: Some("404"),
            nowhere: "404",
            ..at("f", "HEAD /generic/{project}/{repo}/{path..}", &[Read])
        },
        Row {
            dress: body,
            nowhere: "200",
            undo: away,
            ..at("new", "PUT /generic/{project}/{repo}/{path..}", &[Write])
        },
        Row {
            undo: file_back,
            absent: Some("404/251010"),
            ..at("f", "DELETE /generic/{project}/{repo}/{path..}", &[Delete])
        },
        batch("GET /generic/batch/{project}/{repo}"),
        batch("POST /generic/batch/{project}/{repo}"),
        link("POST /generic/temporary/url/create"),
        link("POST /generic/temporary/token/create"),
        Row {
            dress: |_, _, call| with_json(call, &json!({})),
            absent: Some("404/251010"),
            ..at(
                "f",
                "POST /repository/api/share/{project}/{repo}/{path..}",
                &[Write],
            )
        },
    ]
}

fn packages() -> Vec<Row> {
    fn form(_: &World, _: &Spot, call: Call) -> Call {
        let form = package_form(PACKAGES[1]);
        call.header("Content-Type", form.content_type())
            .body(form.bytes())
    }
    fn undo(world: &World, _: &Spot) {
        let id = world.package(PACKAGES[1]).expect("it was taken in");
        world.done(Call::new(
            "DELETE",
            format!("/api/v2/software-packages/{id}"),
        ));
    }
    let upload = |route| Row {
        dress: form,
        undo,
        ..row(route, &[ChangePackages])
    };
    let the_id = |world: &World| world.package(PACKAGES[0]).unwrap_or_default().to_string();
    let file = |route| Row {
        word: |_| package_file(PACKAGES[0]),
        ..row(route, &[SeePackages])
    };
    let missing = |_: &World| "123456".to_owned();
    vec![
        row("GET /api/v2/software-packages", &[SeePackages]),
        upload("POST /api/v2/software-packages"),
        upload("POST /api/v2/files/uploadFile"),
        Row {
            word: the_id,
            ..row("GET /api/v2/software-packages/{id}", &[SeePackages])
        },
        Row {
            word: missing,
            ok: "404/PKG10014",
            ..row("GET /api/v2/software-packages/{id}", &[SeePackages])
        },
        Row {
            word: the_id,
            undo: |world, _| world.add_package(PACKAGES[0]),
            ..row("DELETE /api/v2/software-packages/{id}", &[ChangePackages])
        },
        Row {
            word: missing,
            ok: "404/PKG10014",
            ..row("DELETE /api/v2/software-packages/{id}", &[ChangePackages])
        },
        file("GET /api/v2/files/sys-package/{name}/{more..}"),
        file("HEAD /api/v2/files/sys-package/{name}/{more..}"),
        Row {
            word: missing,
            ok: "404/PKG10000",
            ..row(
                "GET /api/v2/files/sys-package/{name}/{more..}",
                &[SeePackages],
            )
        },
        row("GET /api/v2/info", &[Somebody]),
        row("HEAD /api/v2/info", &[Somebody]),
        row("GET /api/v2/time", &[]),
        row("HEAD /api/v2/time", &[]),
        row("GET /api/status", &[]),
        row("HEAD /api/status", &[]),
    ]
}

fn operations() -> Vec<Row> {
    let unknown = |route| Row {
        word: |_| "ab".repeat(32),
        ok: "404/251010",
        ..row(route, &[Admin])
    };
    vec![
        row("GET /repository/actuator/info", &[]),
        row("HEAD /repository/actuator/info", &[]),
        row("GET /repository/actuator/health", &[]),
        row("HEAD /repository/actuator/health", &[]),
        row("GET /packhold/openapi.json", &[]),
        row("HEAD /packhold/openapi.json", &[]),
        row("GET /healthz", &[]),
        row("HEAD /healthz", &[]),
        row("GET /readyz", &[]),
        row("HEAD /readyz", &[]),
        row("GET /packhold/stats", &[Admin]),
        row("GET /packhold/pack", &[Admin]),
        row("POST /packhold/verify", &[Admin]),
        row("POST /packhold/gc", &[Admin]),
        Row {
            // It goes on to the store, which is none in whose place another pack could be put.
            ok: "400/250105",
            ..row("POST /packhold/compact", &[Admin])
        },
        row(
            "GET /packhold/would-free/{project}/{repo}/{path..}",
            &[Admin],
        ),
        Row {
            word: |_| "ab".repeat(32),
            ..row("GET /packhold/explain/{sha256}", &[Admin])
        },
        row("GET /packhold/damage", &[Admin]),
        unknown("GET /packhold/chunks/{sha256}"),
        unknown("GET /packhold/contents/{sha256}"),
        unknown("PUT /packhold/contents/{sha256}"),
        Row {
            dress: body,
            ok: "400/251003",
            ..unknown("PUT /packhold/chunks/{sha256}")
        },
        row("GET /metrics", &[Admin]),
    ]
}
