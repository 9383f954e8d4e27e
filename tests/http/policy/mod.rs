//! Every route against every kind of principal: nothing is allowed by omission.
//!
//! `rows` and `links` have a row for every route that the service has, `principals` every kind of
//! principal. A route without a row fails here, and so does a row without a route.

mod broken;
mod hostile;
mod links;
mod principals;
mod row;
mod rows;
mod spots;

use std::collections::BTreeSet;

use principals::{ALL, Known, Need, Who};
use row::Row;
use spots::{Place, Spot, World};

use crate::acting::assert_inert;
use crate::auth;
use crate::wire::{Answer, Call};

#[test]
fn every_route_has_its_rows() {
    let routes = packhold::http::endpoints();
    let routes: BTreeSet<String> = routes
        .map(|(method, path)| format!("{method} {path}"))
        .collect();
    let rows = rows::rows().into_iter();
    let links = links::rows().into_iter().map(|(_, row)| row);
    let rows: BTreeSet<String> = rows.chain(links).map(|row| row.route.to_owned()).collect();
    let unheld: Vec<_> = routes.difference(&rows).collect();
    assert!(unheld.is_empty(), "routes without a row: {unheld:#?}");
    let strange: Vec<_> = rows.difference(&routes).collect();
    assert!(strange.is_empty(), "rows without a route: {strange:#?}");
}

#[test]
fn every_principal_gets_the_one_right_answer() {
    let _turn = auth::turn();
    let (world, mut faults) = (World::new(), Vec::new());
    for row in rows::rows() {
        for place in row.places {
            faults.extend(judge(&world, &row, *place, true));
        }
        if row.absent.is_some() {
            faults.extend(judge(&world, &row, Place::Private, false));
        }
    }
    assert!(
        faults.is_empty(),
        "{} faults:\n{}",
        faults.len(),
        faults.join("\n")
    );
}

#[test]
fn every_token_opens_what_it_is_for() {
    let _turn = auth::turn();
    let faults = links::judge(&World::new());
    assert!(
        faults.is_empty(),
        "{} faults:\n{}",
        faults.len(),
        faults.join("\n")
    );
}

/// Asks as everybody, at a path where something is or is not.
fn judge(world: &World, row: &Row, place: Place, there: bool) -> Vec<String> {
    let path = if there { row.path } else { "missing" };
    let (spot, mut faults) = (Spot::new(place, path), Vec::new());
    // A password that is wrong costs a hash, each time: once for every row will do.
    let first = there && place == row.places[0];
    for who in ALL.iter().filter(|who| first || !who.costs_a_hash()) {
        let answer = world.service.send(&who.say(row.call(world, &spot)));
        let (came, expected) = (row.verdict(&answer), row.expected(who, place, there));
        if came != row.told(expected) {
            let at = if there {
                ""
            } else {
                ", at a path where nothing is,"
            };
            faults.push(format!(
                "{}?{} at {place:?}{at} as {}: {came}, not {expected}",
                row.route, row.query, who.name
            ));
        }
        // The one page that acts; `web::assets` holds its policy.
        if row.pattern() != "/" {
            assert_inert(&answer, row.route);
        }
        let challenge = answer.header("Www-Authenticate");
        if challenge.is_some() != (answer.status == 401) {
            faults.push(format!("{} as {}: {challenge:?}", row.route, who.name));
        }
        if answer.status == 200 {
            (row.undo)(world, &spot);
        }
    }
    faults
}

/// An answer without what differs between any two: trace, time, and the names that were asked for.
fn told(answer: &Answer, spot: &Spot) -> String {
    let mut headers: Vec<String> = Vec::new();
    for (name, value) in &answer.headers {
        if !["Date", "X-Bkrepo-Rid", "Content-Length"].contains(&name.as_str()) {
            headers.push(format!("{name}: {value}"));
        }
    }
    let mut body = String::from_utf8_lossy(&answer.body).into_owned();
    if let Some(at) = body.find("\"traceId\"") {
        body.truncate(at);
    }
    let path = format!("/{}", spot.path);
    for (name, blank) in [(spot.project, "_"), (spot.repo, "_"), (path.as_str(), "/_")] {
        body = body.replace(name, blank);
    }
    format!("{} {headers:?} {body}", answer.status)
}

/// Whether a principal may not know what is in the project.
fn is_stranger(who: &Who) -> bool {
    !who.can(Need::Member, Place::Private) && who.known != Known::Refused
}

/// What is there, what is not, and where not even a repository or project is: all the same to who
/// may not know.
#[test]
fn strangers_learn_nothing() {
    let _turn = auth::turn();
    let (world, mut faults) = (World::new(), Vec::new());
    for row in rows::rows() {
        if row.places.len() < 2 || row.places == [Place::Private, Place::Public] {
            continue;
        }
        for who in ALL.iter().filter(|who| is_stranger(who)) {
            let hears = |spot: &Spot| {
                let answer = world.service.send(&who.say(row.call(&world, spot)));
                told(&answer, spot)
            };
            let known = hears(&Spot::new(Place::Private, row.path));
            for spot in [
                Spot::new(Place::Private, "missing"),
                Spot::new(Place::NoRepo, row.path),
                Spot::new(Place::NoProject, row.path),
            ] {
                let heard = hears(&spot);
                if heard != known {
                    let route = row.route;
                    faults.push(format!(
                        "{route} as {} at {spot:?}:\n{known}\n{heard}",
                        who.name
                    ));
                }
            }
        }
    }
    assert!(
        faults.is_empty(),
        "{} faults:\n{}",
        faults.len(),
        faults.join("\n")
    );
}

/// These say in their body what they are about, and may be about what is public.
const BODY_FIRST: [&str; 2] = [
    "POST /repository/api/node/search",
    "POST /repository/api/node/query",
];

/// Whoever may not is told so before a body is looked at, or waited for.
#[test]
fn refusals_come_before_the_body() {
    let _turn = auth::turn();
    let (world, mut faults) = (World::new(), Vec::new());
    for row in rows::rows() {
        if row.needs.is_empty() || BODY_FIRST.contains(&row.route) {
            continue;
        }
        let names_repo = row.pattern().contains("{repo}");
        for who in ALL.iter().filter(|who| match who.name {
            "anonymous" => true,
            "nobody" => names_repo || row.needs == [Need::ChangePackages],
            _ => false,
        }) {
            let spot = Spot::new(Place::Private, row.path);
            let call = who.say(row.bare(&world, &spot));
            let call = call.header("Expect", "100-continue");
            let mut wire = world.service.connect();
            let head = call.header("Content-Length", "1000").head();
            wire.write(&head).expect("the server reads");
            let answer = wire.answer(row.method()).expect("an answer at once");
            let (came, expected) = (row.verdict(&answer), row.expected(who, spot.place, true));
            if came != row.told(expected) && expected != row.ok {
                let (route, name) = (row.route, who.name);
                faults.push(format!("{route} as {name}: {came}, not {expected}"));
            }
        }
    }
    assert!(
        faults.is_empty(),
        "{} faults:\n{}",
        faults.len(),
        faults.join("\n")
    );
}

/// Gateways stand before three services: the same rights there, and no other way in.
#[test]
fn what_gateways_put_in_front_opens_nothing() {
    let _turn = auth::turn();
    let world = World::new();
    let ask = |target: &str| {
        let answer = world.service.send(&Call::new("GET", target));
        answer.verdict()
    };
    for front in [
        "/api",
        "/web",
        "/bkrepo/api/service",
        "/bkrepo/api/build",
        "/bkrepo/api/user",
    ] {
        for target in [
            "/generic/acme/vault/f",
            "/repository/api/node/detail/acme/vault/f",
            "/auth/api/user/list",
        ] {
            let target = format!("{front}{target}");
            assert_eq!(ask(&target), (401, 250_114), "{target}");
        }
        for target in [
            "/packhold/stats",
            "/metrics",
            "/healthz",
            "/web/generic/acme/vault/f",
        ] {
            let target = format!("{front}{target}");
            assert_eq!(ask(&target), (404, 250_130), "{target}");
        }
    }
}
