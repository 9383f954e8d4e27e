//! A row of the table: a route, what it needs, and what it answers who has that.
//!
//! Verdicts are written as `200`, or as `404/251010` with the code of the API's dialect.

use super::principals::{Known, Need, Who};
use super::spots::{Place, Spot, World};
use crate::wire::{Answer, Call};

pub struct Row {
    /// Method and pattern.
    pub route: &'static str,
    pub needs: &'static [Need],
    pub places: &'static [Place],
    pub path: &'static str,
    pub query: &'static str,
    /// Puts headers and a body on a request.
    pub dress: fn(&World, &Spot, Call) -> Call,
    /// What stands for the names of the pattern that are no project, repository or path.
    pub word: fn(&World) -> String,
    /// Done, there; where nothing is at the path, if that is another answer; in no repository.
    pub ok: &'static str,
    pub absent: Option<&'static str>,
    pub nowhere: &'static str,
    /// What the administrator hears in no project, if that is something else.
    pub nowhere_to_admin: Option<&'static str>,
    /// Undoes what a request did.
    pub undo: fn(&World, &Spot),
}

/// A route that has nothing to do with repositories.
pub fn row(route: &'static str, needs: &'static [Need]) -> Row {
    Row {
        route,
        needs,
        places: &[Place::Private],
        path: "f",
        query: "",
        dress: |_, _, call| call,
        word: |_| String::new(),
        ok: "200",
        absent: None,
        nowhere: "404/251006",
        nowhere_to_admin: None,
        undo: |_, _| {},
    }
}

/// A route in a repository.
pub fn at(path: &'static str, route: &'static str, needs: &'static [Need]) -> Row {
    Row {
        path,
        places: &Place::ALL,
        ..row(route, needs)
    }
}

impl Row {
    pub fn method(&self) -> &'static str {
        self.route.split(' ').next().unwrap_or_default()
    }

    pub fn pattern(&self) -> &'static str {
        self.route.split(' ').nth(1).unwrap_or_default()
    }

    fn target(&self, world: &World, spot: &Spot, query: &str) -> String {
        let part = |part: &str| match part {
            "{project}" => spot.project.to_owned(),
            "{repo}" => spot.repo.to_owned(),
            "{path..}" => spot.path.to_owned(),
            "{type}" => "GENERIC".to_owned(),
            "{name}" if self.pattern().contains("/token/") => "ci".to_owned(),
            "{number}" => "1".to_owned(),
            "{size}" => "10".to_owned(),
            "{more..}" => String::new(),
            name if name.starts_with('{') => (self.word)(world),
            word => word.to_owned(),
        };
        let parts: Vec<String> = self.pattern().split('/').map(part).collect();
        let query = query.replace("PROJECT", spot.project);
        let mark = if query.is_empty() { "" } else { "?" };
        format!("{}{mark}{query}", parts.join("/"))
    }

    /// The request, without credentials.
    pub fn call(&self, world: &World, spot: &Spot) -> Call {
        self.call_with(world, spot, self.query)
    }

    /// The request without what is put on it.
    pub fn bare(&self, world: &World, spot: &Spot) -> Call {
        Call::new(self.method(), self.target(world, spot, ""))
    }

    /// The request with this query.
    pub fn call_with(&self, world: &World, spot: &Spot, query: &str) -> Call {
        let call = Call::new(self.method(), self.target(world, spot, query));
        (self.dress)(world, spot, call)
    }

    /// The one right answer. `there` says whether something is at the path.
    pub fn expected(&self, who: &Who, place: Place, there: bool) -> &'static str {
        let (unauthenticated, forbidden) = match self.speaks_ocp() {
            true => ("401/IAM10000", "403/IAM11000"),
            false => ("401/250114", "403/250113"),
        };
        let can = self.needs.iter().all(|need| who.can(*need, place));
        match place {
            // Nobody is asked for credentials.
            _ if self.needs.is_empty() => self.ok,
            _ if who.known == Known::Refused => unauthenticated,
            Place::Private | Place::Public if can && there => self.ok,
            Place::Private | Place::Public if can => self.absent.unwrap_or(self.ok),
            Place::NoProject if can && who.name == "admin" => {
                self.nowhere_to_admin.unwrap_or(self.nowhere)
            }
            Place::NoRepo | Place::NoProject if can => self.nowhere,
            _ if who.known == Known::Anonymous => unauthenticated,
            // Who has to do with a project may know what is in it.
            Place::NoRepo if who.can(Need::Member, place) => "404/251006",
            _ => forbidden,
        }
    }

    pub fn speaks_ocp(&self) -> bool {
        ["/api/v2", "/api/status"]
            .iter()
            .any(|base| self.pattern().starts_with(base))
    }

    /// What is left of a verdict in an answer without a body.
    pub fn told<'v>(&self, verdict: &'v str) -> &'v str {
        match self.method() {
            "HEAD" => verdict.split('/').next().unwrap_or_default(),
            _ => verdict,
        }
    }

    /// What came, in the words of the table.
    pub fn verdict(&self, answer: &Answer) -> String {
        let status = answer.status;
        if status < 400 || self.method() == "HEAD" {
            return status.to_string();
        }
        let json = answer.json();
        let code = match self.speaks_ocp() {
            true => json["error"]["code"].as_str().map(str::to_owned),
            false => json["code"].as_u64().map(|code| code.to_string()),
        };
        format!("{status}/{}", code.expect("the envelope has a code"))
    }
}
