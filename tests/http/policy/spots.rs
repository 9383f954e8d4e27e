//! Where requests of the table go, and what they go by there.

use std::cell::RefCell;
use std::collections::HashMap;

use packhold::domain::DomainError;
use packhold::domain::auth::{Limits, put_admin};
use packhold::format::meta::{AccessToken, Mutation};
use packhold::index::Rows;
use packhold::store::Ids;
use serde_json::{Value, json};

use crate::auth::{self, admin};
use crate::multipart::Form;
use crate::rpms::rpm;
use crate::service::{START_MS, Service};
use crate::wire::{Answer, Call};

/// A repository, or none.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Place {
    Private,
    Public,
    NoRepo,
    NoProject,
}

impl Place {
    pub const ALL: [Self; 4] = [Self::Private, Self::Public, Self::NoRepo, Self::NoProject];

    /// Its project and repository.
    pub fn names(self) -> (&'static str, &'static str) {
        match self {
            Self::Private => ("acme", "vault"),
            Self::Public => ("forum", "plaza"),
            Self::NoRepo => ("acme", "nowhere"),
            Self::NoProject => ("ghost", "phantom"),
        }
    }
}

/// A place, and a path there.
#[derive(Debug, Clone, Copy)]
pub struct Spot {
    pub place: Place,
    pub project: &'static str,
    pub repo: &'static str,
    pub path: &'static str,
}

impl Spot {
    pub fn new(place: Place, path: &'static str) -> Self {
        let (project, repo) = place.names();
        Self {
            place,
            project,
            repo,
            path,
        }
    }

    /// `/project/repo/path`.
    pub fn tail(&self, path: &str) -> String {
        format!("/{}/{}/{path}", self.project, self.repo)
    }

    /// The fields that name the repository in JSON, and more.
    pub fn named(&self, more: &Value) -> Value {
        let mut body = json!({"projectId": self.project, "repoName": self.repo});
        for (key, value) in more.as_object().expect("an object") {
            body[key] = value.clone();
        }
        body
    }
}

/// A request with a JSON body.
pub fn with_json(call: Call, body: &Value) -> Call {
    let call = call.header("Content-Type", "application/json");
    call.body(body.to_string())
}

/// The package that is there, and the one that is not.
pub const PACKAGES: [&str; 2] = ["1", "2"];

pub fn package_file(version: &str) -> String {
    format!("name-{version}-1.el7.noarch.rpm")
}

pub fn package_form(version: &str) -> Form {
    Form::of("x.rpm", rpm("name", version, "1.el7", "noarch"))
}

/// A service that does not slow down who guesses: every wrong password here is one that is asked for.
fn service() -> Service {
    let none = Limits {
        per_address: u32::MAX,
        per_user: u32::MAX,
    };
    let service = Service::with(|config| config.failed_logins = none);
    put_admin(&service.store, auth::PASSWORD).expect("a password");
    service
}

/// A service with everything that the table asks for, and what has to be looked up there.
pub struct World {
    pub service: Service,
    sessions: RefCell<HashMap<(String, &'static str), String>>,
}

impl World {
    /// One with passwords.
    pub fn new() -> Self {
        Self::on(service())
    }

    /// All of it, in a service that has nothing yet.
    pub fn on(service: Service) -> Self {
        let world = Self {
            service,
            sessions: RefCell::default(),
        };
        for name in [
            "reader", "writer", "deleter", "manager", "owner", "stranger", "viewer", "packager",
            "nobody", "somebody", "former",
        ] {
            let body = json!({"userId": name, "name": name, "pwd": name});
            world.ask("POST", "/auth/api/user/create", &body);
        }
        for (name, role) in [
            ("viewer", "PACKAGE_VIEWER"),
            ("packager", "PACKAGE_MANAGER"),
        ] {
            world.ask(
                "PUT",
                "/packhold/grants",
                &json!({"userId": name, "role": role}),
            );
        }
        for project in ["acme", "forum", "abroad", "empty"] {
            world.ask(
                "POST",
                "/repository/api/project/create",
                &json!({"name": project}),
            );
        }
        world.furnish(&Spot::new(Place::Private, ""));
        world.furnish(&Spot::new(Place::Public, ""));
        for project in ["acme", "forum"] {
            world.grant("owner", project, "", &["MANAGE"]);
        }
        world.grant("stranger", "abroad", "", &["MANAGE"]);
        world.put("/generic/abroad/port/f");
        world.add_package(PACKAGES[0]);
        world.add_token("pht_reader", None);
        world.add_token("pht_expired", Some(START_MS - 1));
        world
    }

    /// An access token of the reader's whose secret is known beforehand.
    fn add_token(&self, secret: &'static str, expires_ms: Option<u64>) {
        let token = AccessToken {
            secret_sha256: packhold::digest::sha256(secret.as_bytes()),
            user: "reader".to_owned(),
            name: secret.to_owned(),
            created_ms: START_MS - 2,
            expires_ms,
        };
        let change = move |_: &dyn Rows, _: &mut Ids| {
            Ok::<_, DomainError>((vec![Mutation::AccessTokenPut(token.clone())], ()))
        };
        let added = self.service.store.commit(change).expect("a commit");
        added.expect("it is not refused");
    }

    /// Makes a repository with its files and the rights in it.
    pub fn furnish(&self, spot: &Spot) {
        let body = json!({
            "projectId": spot.project, "name": spot.repo, "type": "GENERIC",
            "public": spot.place == Place::Public,
        });
        self.ask("POST", "/repository/api/repo/create", &body);
        for (user, action) in [
            ("reader", "READ"),
            ("writer", "WRITE"),
            ("deleter", "DELETE"),
            ("manager", "MANAGE"),
        ] {
            self.grant(user, spot.project, spot.repo, &[action]);
        }
        for path in ["f", "d/g"] {
            self.put(&format!("/generic{}", spot.tail(path)));
        }
        // Sessions went with the repository that was here before.
        self.sessions.borrow_mut().clear();
    }

    /// Makes sure that a repository is there, whatever became of it.
    pub fn furnish_again(&self, spot: &Spot) {
        let (project, repo) = (spot.project, spot.repo);
        let gone = format!("/repository/api/repo/delete/{project}/{repo}?forced=true");
        self.service.send(&admin(Call::new("DELETE", gone)));
        for user in ["reader", "writer", "deleter", "manager"] {
            let user = json!({"userId": user, "name": user, "pwd": user});
            let call = Call::new("POST", "/auth/api/user/create");
            self.service.send(&admin(with_json(call, &user)));
        }
        self.furnish(spot);
    }

    pub fn grant(&self, user: &str, project: &str, repo: &str, actions: &[&str]) {
        let body = json!({
            "userId": user, "projectId": project, "repoName": repo, "actions": actions,
        });
        self.ask("PUT", "/packhold/grants", &body);
    }

    /// What the administrator is answered, which is no refusal.
    #[track_caller]
    pub fn done(&self, call: Call) -> Answer {
        let answer = self.service.send(&admin(call));
        assert_eq!(answer.status, 200, "{answer:?}");
        answer
    }

    #[track_caller]
    pub fn ask(&self, method: &str, target: &str, body: &Value) -> Value {
        let answer = self.done(with_json(Call::new(method, target), body));
        answer.json()["data"].clone()
    }

    /// Uploads a file, whatever is there.
    #[track_caller]
    pub fn put(&self, target: &str) {
        let call = Call::new("PUT", target).header("X-BKREPO-OVERWRITE", "true");
        self.done(call.body("x"));
    }

    /// Deletes a node, if it is there.
    #[track_caller]
    pub fn remove(&self, spot: &Spot, path: &str) {
        let target = format!("/repository/api/node/delete{}", spot.tail(path));
        self.done(Call::new("DELETE", target));
    }

    /// The id of an upload that has its one block, at a path of its own.
    pub fn session(&self, spot: &Spot, dialect: &'static str) -> String {
        let spot = match spot.place {
            // There is none: one of another repository is as good.
            Place::NoRepo | Place::NoProject => Spot::new(Place::Private, spot.path),
            _ => *spot,
        };
        let key = (spot.tail(spot.path), dialect);
        let known = self.sessions.borrow().get(&key).cloned();
        if let Some(id) = known {
            return id;
        }
        let target = format!("/generic/{dialect}{}", spot.tail(spot.path));
        let begun = self.done(Call::new("POST", target)).json();
        let id = begun["data"]["uploadId"]
            .as_str()
            .expect("an id")
            .to_owned();
        let block = Call::new("PUT", format!("/generic{}", spot.tail(spot.path)));
        self.done(block_headers(block, &id, dialect).body("x"));
        self.sessions.borrow_mut().insert(key, id.clone());
        id
    }

    /// Forgets the uploads in blocks, and the file that one became.
    pub fn forget_sessions(&self, spot: &Spot) {
        self.sessions.borrow_mut().clear();
        self.remove(spot, spot.path);
    }

    pub fn add_package(&self, version: &str) {
        self.done(package_form(version).post("/api/v2/software-packages"));
    }

    /// The id of the package of a version, if it is there.
    pub fn package(&self, version: &str) -> Option<u64> {
        let target = format!("/api/v2/software-packages?version={version}");
        let found = self.done(Call::new("GET", target)).json();
        found["data"]["contents"][0]["id"].as_u64()
    }
}

/// The headers of the one block of an upload.
pub fn block_headers(call: Call, id: &str, dialect: &str) -> Call {
    let call = call.header("X-BKREPO-UPLOAD-ID", id);
    match dialect {
        "separate" => {
            let call = call.header("UPLOAD-TYPE", "SEPARATE-UPLOAD");
            call.header("X-BKREPO-OFFSET", "0")
        }
        _ => call.header("X-BKREPO-SEQUENCE", "1"),
    }
}
