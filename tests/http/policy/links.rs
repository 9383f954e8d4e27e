//! Routes that go by the token of a link, and by nothing else.

use std::collections::BTreeMap;

use serde_json::json;

use super::row::{Row, at};
use super::rows::blocks;
use super::spots::{Place, Spot, World, with_json};
use crate::auth::{admin, login};
use crate::wire::Call;

/// What a token is good for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Good {
    Download,
    Upload,
}

/// A kind of token, and what who comes with it hears; `None`: what the row says.
type Kind = (&'static str, Option<&'static str>);

const KINDS: [Kind; 12] = [
    ("none", Some("400/251021")),
    ("unknown", Some("400/251021")),
    ("of another path", Some("400/251021")),
    ("of another repository", Some("400/251021")),
    ("of the wrong use", Some("400/251021")),
    ("expired", Some("400/251022")),
    ("of another user", Some("400/251021")),
    ("of another address", Some("400/251021")),
    ("of a user who may no more", Some("403/250113")),
    ("of a user who is gone", Some("400/251021")),
    ("of the folder", None),
    ("of the path", None),
];

/// The routes, by what a token must be good for.
pub fn rows() -> Vec<(Good, Row)> {
    let mut all = vec![(
        Good::Upload,
        Row {
            dress: |_, _, call| call.body("x"),
            undo: |world, spot| world.remove(spot, spot.path),
            ..at(
                "d/new",
                "PUT /generic/temporary/upload/{project}/{repo}/{path..}",
                &[],
            )
        },
    )];
    for route in [
        "GET /generic/temporary/download/{project}/{repo}/{path..}",
        "HEAD /generic/temporary/download/{project}/{repo}/{path..}",
        "GET /repository/api/share/{project}/{repo}/{path..}",
        "HEAD /repository/api/share/{project}/{repo}/{path..}",
    ] {
        all.push((Good::Download, at("d/g", route, &[])));
    }
    all.extend(blocks::links().into_iter().map(|row| (Good::Upload, row)));
    all
}

/// Makes the token of a kind.
fn token(world: &World, kind: &str, good: Good, spot: &Spot) -> String {
    let uses = match (good, kind == "of the wrong use") {
        (Good::Download, false) | (Good::Upload, true) => "DOWNLOAD",
        (Good::Upload, false) | (Good::Download, true) => "UPLOAD",
    };
    let path = match kind {
        "of another path" => "d/other",
        "of the folder" => "d",
        _ => spot.path,
    };
    let mut wish = spot.named(&json!({"fullPathSet": [path], "type": uses}));
    match kind {
        "none" => return String::new(),
        "unknown" => return "0123456789abcdef".repeat(4),
        "of another repository" => wish["repoName"] = json!("other"),
        "expired" => wish["expireSeconds"] = json!(1),
        "of another user" => wish["authorizedUserSet"] = json!(["somebody"]),
        "of another address" => wish["authorizedIpSet"] = json!(["192.0.2.1"]),
        _ => {}
    }
    let call = with_json(Call::new("POST", "/generic/temporary/token/create"), &wish);
    let call = match kind {
        "of a user who may no more" => login(call, "former", "former"),
        "of a user who is gone" => login(call, "gone", "gone"),
        _ => admin(call),
    };
    let made = world.service.send(&call);
    let token = made.json()["data"][0]["token"].as_str().map(str::to_owned);
    token.unwrap_or_else(|| panic!("{kind}: {made:?}"))
}

/// Makes every kind of token for every row, and lets happen what becomes of some.
fn tokens(world: &World, rows: &[(Good, Row)], place: Place) -> BTreeMap<String, String> {
    let mut made = BTreeMap::new();
    let here = Spot::new(place, "");
    world.ask(
        "POST",
        "/repository/api/repo/create",
        &json!({
            "projectId": here.project, "name": "other", "type": "GENERIC",
        }),
    );
    let user = json!({"userId": "gone", "name": "gone", "pwd": "gone"});
    world.ask("POST", "/auth/api/user/create", &user);
    for name in ["former", "gone"] {
        world.grant(name, here.project, here.repo, &["MANAGE"]);
    }
    for (good, row) in rows {
        for (kind, _) in KINDS {
            let key = format!("{kind} {good:?} {}", row.path);
            let spot = Spot::new(place, row.path);
            made.entry(key)
                .or_insert_with(|| token(world, kind, *good, &spot));
        }
    }
    world.done(Call::new("DELETE", "/auth/api/user/gone"));
    world.grant("former", here.project, here.repo, &[]);
    made
}

/// Holds every route of links against every kind of token.
pub fn judge(world: &World) -> Vec<String> {
    let (rows, mut faults) = (rows(), Vec::new());
    for place in [Place::Private, Place::Public] {
        let tokens = tokens(world, &rows, place);
        world.service.pass_ms(2000);
        for (good, row) in &rows {
            let spot = Spot::new(place, row.path);
            for (kind, refusal) in KINDS {
                let token = &tokens[&format!("{kind} {good:?} {}", row.path)];
                // What is public everybody may read.
                let everybody = (place, *good) == (Place::Public, Good::Download);
                let refusal = refusal.filter(|_| !(everybody && kind.contains("may no more")));
                // A link is no login, and a login no link.
                for logged_in in [false, true] {
                    let call = row.call_with(world, &spot, &format!("token={token}"));
                    let call = if logged_in { admin(call) } else { call };
                    let answer = world.service.send(&call);
                    let (came, expected) = (row.verdict(&answer), refusal.unwrap_or(row.ok));
                    if came != row.told(expected) {
                        let with = if logged_in { " and a login" } else { "" };
                        faults.push(format!(
                            "{} at {place:?} with a token {kind}{with}: {came}, not {expected}",
                            row.route
                        ));
                    }
                    if answer.status == 200 {
                        (row.undo)(world, &spot);
                    }
                }
            }
        }
    }
    faults
}
