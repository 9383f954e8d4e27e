//! The rows of `/repository/api/{node,metadata}`, and what else asks about nodes.

use serde_json::json;

use super::{away, file_back};
use crate::policy::principals::Need::{Anyone, Delete, Elsewhere, Read, Write};
use crate::policy::row::{Row, at};
use crate::policy::spots::Place::{Private, Public};
use crate::policy::spots::{Spot, World, with_json};
use crate::wire::Call;

pub fn rows() -> Vec<Row> {
    let mut all = asking_about_nodes();
    all.extend(changing_nodes());
    all
}

fn asking_about_nodes() -> Vec<Row> {
    let detail = |route| Row {
        absent: Some("400/251010"),
        ..at("f", route, &[Read])
    };
    let search = |route| Row {
        dress: |_, spot, call| {
            let is = |field, value| json!({"field": field, "value": value, "operation": "EQ"});
            let rules = [is("projectId", spot.project), is("repoName", spot.repo)];
            with_json(call, &json!({"rule": {"rules": rules, "relation": "AND"}}))
        },
        ..at("f", route, &[Read])
    };
    // Whoever asks about all of a project hears of what they may read in it, be it nothing.
    let search_all = |route| Row {
        dress: |_, spot, call| {
            let rule = json!({"field": "projectId", "value": spot.project, "operation": "EQ"});
            with_json(call, &json!({"rule": {"rules": [rule], "relation": "AND"}}))
        },
        nowhere: "200",
        ..at("f", route, &[Anyone])
    };
    vec![
        detail("GET /generic/detail/{project}/{repo}/{path..}"),
        detail("GET /repository/api/node/detail/{project}/{repo}/{path..}"),
        detail("GET /repository/api/node/{project}/{repo}/{path..}"),
        detail("GET /repository/api/node/size/{project}/{repo}/{path..}"),
        at(
            "d",
            "GET /repository/api/node/page/{project}/{repo}/{path..}",
            &[Read],
        ),
        at(
            "f",
            "GET /repository/api/metadata/{project}/{repo}/{path..}",
            &[Read],
        ),
        search("POST /repository/api/node/search"),
        search("POST /repository/api/node/query"),
        search_all("POST /repository/api/node/search"),
        search_all("POST /repository/api/node/query"),
        Row {
            dress: |_, _, call| with_json(call, &json!({})),
            ..at("f", "POST /generic/{project}/{repo}/search", &[Read])
        },
    ]
}

fn changing_nodes() -> Vec<Row> {
    let mut all = moving_nodes();
    let make = |route| Row {
        nowhere: "200",
        undo: away,
        ..at("new", route, &[Write])
    };
    let delete = |route| Row {
        undo: file_back,
        ..at("f", route, &[Delete])
    };
    let list = |_: &World, spot: &Spot, call: Call| with_json(call, &json!([spot.path]));
    all.extend([
        make("POST /repository/api/node/mkdir/{project}/{repo}/{path..}"),
        make("POST /repository/api/node/{project}/{repo}/{path..}"),
        Row {
            dress: |_, _, call| with_json(call, &json!({"expires": 0})),
            absent: Some("400/251010"),
            ..at(
                "f",
                "POST /repository/api/node/update/{project}/{repo}/{path..}",
                &[Write],
            )
        },
        Row {
            dress: |_, spot, call| {
                let change = json!({"fullPath": spot.path, "expires": 0});
                with_json(call, &spot.named(&change))
            },
            absent: Some("400/251010"),
            ..at("f", "POST /repository/api/node/update", &[Write])
        },
        delete("DELETE /repository/api/node/delete/{project}/{repo}/{path..}"),
        delete("DELETE /repository/api/node/{project}/{repo}/{path..}"),
        Row {
            dress: list,
            ..delete("DELETE /repository/api/node/batch/{project}/{repo}")
        },
        Row {
            dress: list,
            ..at(
                "f",
                "POST /repository/api/node/batch/{project}/{repo}",
                &[Delete],
            )
        },
        Row {
            dress: |_, _, call| with_json(call, &json!({"metadata": {"a": "b"}})),
            absent: Some("400/251010"),
            ..at(
                "f",
                "POST /repository/api/metadata/{project}/{repo}/{path..}",
                &[Write],
            )
        },
        Row {
            dress: |_, _, call| with_json(call, &json!({"keyList": ["a"]})),
            absent: Some("400/251010"),
            ..at(
                "f",
                "DELETE /repository/api/metadata/{project}/{repo}/{path..}",
                &[Write],
            )
        },
    ]);
    all
}

/// Moves and copies from the spot; `to` names another repository, if it is one.
fn transfer(spot: &Spot, call: Call, to: Option<[&str; 2]>) -> Call {
    let mut body = json!({
        "srcProjectId": spot.project, "srcRepoName": spot.repo, "srcFullPath": spot.path,
        "destFullPath": "/moved",
    });
    if let Some([project, repo]) = to {
        body["destProjectId"] = json!(project);
        body["destRepoName"] = json!(repo);
    }
    with_json(call, &body)
}

fn moving_nodes() -> Vec<Row> {
    const MOVE: &str = "POST /repository/api/node/move";
    const COPY: &str = "POST /repository/api/node/copy";
    const RENAME: &str = "POST /repository/api/node/rename/{project}/{repo}/{path..}";
    let row = |route, needs| Row {
        absent: Some("400/251010"),
        undo: |world, spot| {
            world.remove(spot, "moved");
            file_back(world, spot);
        },
        ..at("f", route, needs)
    };
    let across = |route, needs| Row {
        dress: |_, spot, call| transfer(spot, call, Some(["abroad", "port"])),
        places: &[Private, Public],
        undo: |world, spot| {
            let moved = "/repository/api/node/delete/abroad/port/moved";
            world.done(Call::new("DELETE", moved));
            file_back(world, spot);
        },
        ..row(route, needs)
    };
    let into = |route| Row {
        dress: |_, spot, call| {
            let body = json!({
                "srcProjectId": "abroad", "srcRepoName": "port", "srcFullPath": "/f",
                "destProjectId": spot.project, "destRepoName": spot.repo, "destFullPath": "/moved",
            });
            with_json(call, &body)
        },
        places: &[Private, Public],
        absent: None,
        undo: |world, spot| {
            world.remove(spot, "moved");
            world.put("/generic/abroad/port/f");
        },
        ..row(route, &[Elsewhere, Write])
    };
    vec![
        Row {
            query: "newFullPath=/moved",
            ..row(RENAME, &[Write])
        },
        Row {
            dress: |_, spot, call| {
                let names = json!({"fullPath": spot.path, "newFullPath": "/moved"});
                with_json(call, &spot.named(&names))
            },
            ..row("POST /repository/api/node/rename", &[Write])
        },
        Row {
            dress: |_, spot, call| transfer(spot, call, None),
            ..row(MOVE, &[Delete, Write])
        },
        Row {
            dress: |_, spot, call| transfer(spot, call, None),
            ..row(COPY, &[Read, Write])
        },
        across(MOVE, &[Delete, Elsewhere]),
        across(COPY, &[Read, Elsewhere]),
        into(MOVE),
        into(COPY),
    ]
}
