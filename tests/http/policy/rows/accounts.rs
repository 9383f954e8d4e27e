//! The rows of projects, repositories, users and grants.

use serde_json::json;

use crate::auth::admin;
use crate::policy::principals::Need::{
    Admin, Ask, Be, Manage, ManageProject, Member, Read, Somebody,
};
use crate::policy::row::{Row, at, row};
use crate::policy::spots::Place::{self, NoProject, Private};
use crate::policy::spots::{Spot, World, with_json};
use crate::wire::Call;

pub fn rows() -> Vec<Row> {
    let mut all = projects();
    all.extend(repos());
    all.extend(users());
    all.extend(grants());
    all.extend(credentials());
    all
}

/// Access tokens and keys: everybody has their own, and the administrator everybody's.
fn credentials() -> Vec<Row> {
    const TOKEN: &str = "/auth/api/user/token/reader/ci";
    const KEYS: &str = "/packhold/keys";
    let about = |route, needs, word| Row {
        word,
        ..row(route, needs)
    };
    let oneself = |_: &World| "reader".to_owned();
    vec![
        about(
            "GET /auth/api/user/list/token/{user}",
            &[Be("reader")],
            oneself,
        ),
        Row {
            undo: |world, _| {
                world.done(Call::new("DELETE", TOKEN));
            },
            ..about(
                "POST /auth/api/user/token/{user}/{name}",
                &[Be("reader")],
                oneself,
            )
        },
        Row {
            // It is there again for everybody.
            dress: |world, _, call| {
                let made = admin(Call::new("POST", TOKEN));
                let _there = world.service.send(&made);
                call
            },
            ..about(
                "DELETE /auth/api/user/token/{user}/{name}",
                &[Be("reader")],
                oneself,
            )
        },
        row("GET /packhold/keys", &[Somebody]),
        Row {
            query: "userId=somebody",
            ..row("GET /packhold/keys", &[Admin])
        },
        Row {
            dress: |_, _, call| with_json(call, &json!({"userId": "somebody"})),
            ..row("POST /packhold/keys", &[Admin])
        },
        about("DELETE /packhold/keys/{accessKey}", &[Admin], |world| {
            let call = with_json(Call::new("POST", KEYS), &json!({"userId": "somebody"}));
            let made = world.service.send(&admin(call)).json();
            made["data"]["accessKey"]
                .as_str()
                .expect("a key")
                .to_owned()
        }),
    ]
}

fn projects() -> Vec<Row> {
    let create = |route| Row {
        dress: |_, _, call| with_json(call, &json!({"name": "fresh"})),
        undo: |world, _| {
            world.done(Call::new("DELETE", "/repository/api/project/delete/fresh"));
        },
        ..row(route, &[Admin])
    };
    let of = |route, needs| Row {
        places: &[Private, NoProject],
        nowhere: "404/251004",
        ..row(route, needs)
    };
    vec![
        create("POST /repository/api/project"),
        create("POST /repository/api/project/create"),
        row("GET /repository/api/project/list", &[Somebody]),
        Row {
            nowhere: "200",
            ..of("GET /repository/api/project/exist/{project}", &[Somebody])
        },
        of("GET /repository/api/project/info/{project}", &[Member]),
        Row {
            // It has a repository; that is what who may hears.
            ok: "400/251008",
            ..of("DELETE /repository/api/project/delete/{project}", &[Admin])
        },
    ]
}

fn repos() -> Vec<Row> {
    let create = |route| Row {
        places: &[Private, NoProject],
        dress: |_, spot, call| {
            let body = json!({"projectId": spot.project, "name": "fresh", "type": "GENERIC"});
            with_json(call, &body)
        },
        nowhere: "404/251004",
        undo: |world, spot| {
            let target = format!("/repository/api/repo/delete/{}/fresh", spot.project);
            world.done(Call::new("DELETE", target));
        },
        ..row(route, &[ManageProject])
    };
    let list = |route| Row {
        places: &[Private, NoProject],
        nowhere: "200",
        nowhere_to_admin: Some("404/251004"),
        ..row(route, &[Somebody])
    };
    vec![
        create("POST /repository/api/repo"),
        create("POST /repository/api/repo/create"),
        at(
            "",
            "GET /repository/api/repo/info/{project}/{repo}",
            &[Read],
        ),
        at(
            "",
            "GET /repository/api/repo/info/{project}/{repo}/{type}",
            &[Read],
        ),
        Row {
            nowhere: "200",
            ..at(
                "",
                "GET /repository/api/repo/exist/{project}/{repo}",
                &[Ask],
            )
        },
        list("GET /repository/api/repo/list/{project}"),
        list("GET /repository/api/repo/page/{project}/{number}/{size}"),
        Row {
            dress: |_, _, call| with_json(call, &json!({"description": "new"})),
            ..at(
                "",
                "POST /repository/api/repo/update/{project}/{repo}",
                &[Manage],
            )
        },
        Row {
            query: "forced=true",
            undo: World::furnish,
            ..at(
                "",
                "DELETE /repository/api/repo/delete/{project}/{repo}",
                &[Manage],
            )
        },
    ]
}

fn users() -> Vec<Row> {
    fn fresh(_: &World, spot: &Spot, call: Call) -> Call {
        let body = json!({"userId": "fresh", "name": "fresh", "pwd": "fresh"});
        with_json(call, &spot.named(&body))
    }
    fn stale(world: &World, _: &Spot) {
        world.done(Call::new("DELETE", "/auth/api/user/fresh"));
    }
    let create = |route, needs, places| Row {
        dress: fresh,
        undo: stale,
        places,
        ..row(route, needs)
    };
    let about = |route, needs, word| Row {
        word,
        ..row(route, needs)
    };
    let another = |_: &World| "somebody".to_owned();
    let oneself = |_: &World| "reader".to_owned();
    vec![
        create("POST /auth/api/user/create", &[Admin], &[Private]),
        Row {
            nowhere: "404/251004",
            ..create(
                "POST /auth/api/user/create/project",
                &[ManageProject],
                &[Private, NoProject],
            )
        },
        create("POST /auth/api/user/create/repo", &[Manage], &Place::ALL),
        row("GET /auth/api/user/list", &[Admin]),
        about("GET /auth/api/user/detail/{user}", &[Admin], another),
        about("GET /auth/api/user/detail/{user}", &[Be("reader")], oneself),
        about("GET /auth/api/user/{user}", &[Admin], another),
        Row {
            ok: "400/250202",
            ..about("GET /auth/api/user/{user}", &[Admin], |_| {
                "missing".to_owned()
            })
        },
        about("GET /auth/api/user/{user}", &[Be("reader")], oneself),
        Row {
            dress: |_, _, call| with_json(call, &json!({"pwd": "changed"})),
            ..about("PUT /auth/api/user/{user}", &[Admin], another)
        },
        Row {
            dress: |_, _, call| with_json(call, &json!({"pwd": "reader"})),
            ..about("PUT /auth/api/user/{user}", &[Be("reader")], oneself)
        },
        Row {
            // Nobody makes oneself an administrator.
            dress: |_, _, call| with_json(call, &json!({"admin": true})),
            undo: |world, _| {
                world.ask("PUT", "/auth/api/user/reader", &json!({"admin": false}));
            },
            ..about("PUT /auth/api/user/{user}", &[Admin], oneself)
        },
        Row {
            undo: |world, _| {
                let body = json!({"userId": "somebody", "name": "somebody", "pwd": "x"});
                world.ask("POST", "/auth/api/user/create", &body);
            },
            ..about("DELETE /auth/api/user/{user}", &[Admin], another)
        },
    ]
}

fn grants() -> Vec<Row> {
    const SEE: &str = "GET /packhold/grants";
    const SET: &str = "PUT /packhold/grants";
    vec![
        Row {
            query: "projectId=PROJECT",
            places: &[Private, NoProject],
            nowhere: "404/251004",
            ..row(SEE, &[ManageProject])
        },
        Row {
            query: "role=true",
            ..row(SEE, &[Admin])
        },
        Row {
            dress: |_, spot, call| {
                let body = json!({
                    "userId": "somebody", "projectId": spot.project, "actions": ["READ"],
                });
                with_json(call, &body)
            },
            places: &[Private, NoProject],
            nowhere: "404/251004",
            ..row(SET, &[ManageProject])
        },
        Row {
            dress: |_, spot, call| {
                let body = json!({"userId": "somebody", "actions": ["READ"]});
                with_json(call, &spot.named(&body))
            },
            ..at("", SET, &[Manage])
        },
        Row {
            dress: |_, _, call| {
                with_json(
                    call,
                    &json!({"userId": "somebody", "role": "PACKAGE_VIEWER"}),
                )
            },
            ..row(SET, &[Admin])
        },
    ]
}
