//! The web page: what it is made of, and its sessions.

mod assets;
mod csrf;
mod sessions;

use packhold::domain::auth::put_admin;
use packhold::http::Config;
use serde_json::{Value, json};

use crate::accounts::{data, post};
use crate::auth::PASSWORD;
use crate::service::Service;
use crate::wire::{Answer, Call};

/// What a browser keeps of a login.
#[derive(Debug, Clone)]
pub struct Browser {
    pub cookie: String,
    pub csrf: String,
}

impl Browser {
    /// A request with the cookie alone, as any page can have one made.
    pub fn visit(&self, call: Call) -> Call {
        call.header("Cookie", &self.cookie)
    }

    /// A request as the page makes it.
    pub fn ask(&self, call: Call) -> Call {
        self.visit(call).header("X-PACKHOLD-CSRF", &self.csrf)
    }
}

/// A service with passwords, and what `change` does to that.
fn service(change: impl FnOnce(&mut Config)) -> Service {
    let service = Service::with(change);
    put_admin(&service.store, PASSWORD).expect("a password");
    service
}

fn attempt(name: &str, password: &str) -> Call {
    let body = json!({"userId": name, "pwd": password});
    post("/packhold/session", &body).header("X-PACKHOLD-CSRF", "page")
}

/// The pair in `Set-Cookie`.
fn cookie_of(answer: &Answer) -> String {
    let line = answer.header("Set-Cookie").expect("a cookie");
    line.split(';').next().expect("a pair").to_owned()
}

fn browser_of(answer: &Answer) -> Browser {
    let made = data(answer);
    Browser {
        cookie: cookie_of(answer),
        csrf: made["csrf"].as_str().expect("a proof").to_owned(),
    }
}

fn log_in_as(service: &Service, name: &str, password: &str) -> Browser {
    browser_of(&service.send(&attempt(name, password)))
}

fn log_in(service: &Service) -> Browser {
    log_in_as(service, "admin", PASSWORD)
}

/// Who the page works for.
fn who(service: &Service, browser: &Browser) -> Value {
    data(&service.send(&browser.visit(Call::new("GET", "/packhold/session"))))["userId"].clone()
}
