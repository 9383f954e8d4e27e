//! `packhold user`.

use std::process::ExitCode;

use serde_json::{Value, json};

use super::args::{ActionWord, At, RoleWord, UserCommand};
use super::password::new_password;
use super::{Place, call, commit, local_time, segment, table, text};
use crate::cli::CliError;
use crate::cli::remote::Method;
use crate::domain::auth::{self, Action};
use crate::domain::users::{self, Scope};
use crate::domain::{Address, DomainError};
use crate::format::meta::User;
use crate::index::Rows;

/// Runs the command.
pub fn run(command: &UserCommand) -> Result<ExitCode, CliError> {
    match command {
        UserCommand::Add { name, admin, at } => add(at, name, *admin),
        UserCommand::List { at } => list(at),
        UserCommand::Passwd { name, at } => passwd(at, name),
        UserCommand::Del { name, at } => del(at, name),
        UserCommand::Grant {
            name,
            scope,
            actions,
            at,
        } => grant(at, name, scope, actions),
        UserCommand::Role { name, role, at } => set_role(at, name, *role),
    }
}

fn path(name: &str) -> String {
    format!("/auth/api/user/{}", segment(name))
}

fn add(at: &At, name: &str, admin: bool) -> Result<ExitCode, CliError> {
    users::check_name(name)?;
    let place = at.writable()?;
    let password = new_password(name)?;
    match place {
        Place::Server(at, server) => {
            let body = json!({"userId": name, "name": name, "pwd": password, "admin": admin});
            call(
                at,
                server,
                Method::Post,
                "/auth/api/user/create",
                Some(&body),
            )?;
        }
        Place::Store(store) => {
            let user = User {
                name: name.to_owned(),
                password_phc: auth::hash(&password)?,
                admin,
                created_ms: store.now_ms(),
            };
            commit(&store, move |rows| users::create(rows, &user))?;
        }
    }
    let made = json!({"userId": name, "admin": admin});
    Ok(at.print(&made, |_| println!("user {name} was made")))
}

fn list(at: &At) -> Result<ExitCode, CliError> {
    let users = match at.readable()? {
        Place::Server(at, server) => call(at, server, Method::Get, "/auth/api/user/list", None)?,
        Place::Store(store) => {
            let found = store.rows()?.users(None, usize::MAX);
            let found = found.map_err(DomainError::from)?;
            found.iter().map(view).collect()
        }
    };
    Ok(at.print(&users, |users| {
        table(users, |user| {
            let admin = user["admin"] == true;
            let rank = if admin { "admin" } else { "user" };
            format!(
                "{}\t{rank}\t{}",
                text(user, "userId"),
                text(user, "createdDate")
            )
        });
    }))
}

/// A user as the API shows it.
fn view(user: &User) -> Value {
    json!({
        "userId": user.name, "name": user.name, "admin": user.admin, "locked": false,
        "createdDate": local_time(user.created_ms),
    })
}

fn passwd(at: &At, name: &str) -> Result<ExitCode, CliError> {
    let place = at.writable()?;
    let password = new_password(name)?;
    match place {
        Place::Server(at, server) => {
            let body = json!({"pwd": password});
            call(at, server, Method::Put, &path(name), Some(&body))?;
        }
        Place::Store(store) => {
            let (phc, name) = (auth::hash(&password)?, name.to_owned());
            commit(&store, move |rows| {
                users::update(rows, &name, Some(&phc), None)
            })?;
        }
    }
    let changed = json!({"userId": name});
    Ok(at.print(&changed, |_| println!("user {name} has a new password")))
}

fn del(at: &At, name: &str) -> Result<ExitCode, CliError> {
    match at.writable()? {
        Place::Server(at, server) => {
            call(at, server, Method::Delete, &path(name), None)?;
        }
        Place::Store(store) => {
            let name = name.to_owned();
            commit(&store, move |rows| users::delete(rows, &name))?;
        }
    }
    let gone = json!({"userId": name});
    Ok(at.print(&gone, |_| println!("user {name} is gone")))
}

fn grant(at: &At, name: &str, scope: &str, words: &[ActionWord]) -> Result<ExitCode, CliError> {
    let (project, repo) = match scope.split_once('/') {
        Some((project, repo)) => (project, Some(repo)),
        None => (scope, None),
    };
    let mut actions: Vec<Action> = words.iter().copied().map(action).collect();
    actions.dedup();
    let names: Vec<String> = words
        .iter()
        .map(|word| format!("{word:?}").to_uppercase())
        .collect();
    let set = json!({
        "userId": name, "projectId": project, "repoName": repo, "actions": names,
    });
    match at.writable()? {
        Place::Server(at, server) => {
            call(at, server, Method::Put, "/packhold/grants", Some(&set))?;
        }
        Place::Store(store) => {
            let scope = match repo {
                Some(repo) => Scope::Repo(Address::new(project, repo, "")?),
                None => Scope::Project(project.to_owned()),
            };
            let name = name.to_owned();
            commit(&store, move |rows| {
                users::grant(rows, &name, &scope, &actions)
            })?;
        }
    }
    Ok(at.print(&set, |_| match names.is_empty() {
        true => println!("user {name} has no grant in {scope}"),
        false => println!("user {name} has {} in {scope}", names.join(", ")),
    }))
}

fn action(word: ActionWord) -> Action {
    match word {
        ActionWord::Read => Action::Read,
        ActionWord::Write => Action::Write,
        ActionWord::Delete => Action::Delete,
        ActionWord::Manage => Action::Manage,
    }
}

fn set_role(at: &At, name: &str, word: RoleWord) -> Result<ExitCode, CliError> {
    let (role, actions) = match word {
        RoleWord::Viewer => ("PACKAGE_VIEWER", vec![Action::Read]),
        RoleWord::Manager => ("PACKAGE_MANAGER", vec![Action::Manage]),
        RoleWord::None => ("", Vec::new()),
    };
    let set = json!({"userId": name, "role": role});
    match at.writable()? {
        Place::Server(at, server) => {
            call(at, server, Method::Put, "/packhold/grants", Some(&set))?;
        }
        Place::Store(store) => {
            let name = name.to_owned();
            commit(&store, move |rows| {
                users::grant(rows, &name, &Scope::Packages, &actions)
            })?;
        }
    }
    Ok(at.print(&set, |_| match role {
        "" => println!("user {name} has no role"),
        role => println!("user {name} has the role {role}"),
    }))
}
