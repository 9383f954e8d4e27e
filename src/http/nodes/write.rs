//! Changing nodes: mkdir, rename, move, copy, update.

use std::sync::Arc;

use serde_json::Value;
use warp::reply::Response;

use super::super::app::App;
use super::super::auth::{admit, authenticate, require_somebody};
use super::super::error::ApiError;
use super::super::json::{Fields, wrong};
use super::super::params;
use super::super::quota::within;
use super::super::request::{Body, Request};
use super::super::view::success;
use super::change;
use crate::domain::auth::{Action, Principal};
use crate::domain::nodes::{self, Transfer, Way};
use crate::domain::path::NodePath;
use crate::domain::{Address, DomainError, MayCreate};

/// The answer of what has nothing to say.
fn done(request: &Request) -> Response {
    success(&request.trace, None::<()>)
}

/// Who is asking, if they may write at an address, or, where only the body says what it is about,
/// anywhere at all: nobody may without a login.
async fn writer(
    app: &Arc<App>,
    request: &Request,
    address: Option<&Address>,
) -> Result<Principal, ApiError> {
    match address {
        Some(address) => admit(app, request, Action::Write, address).await,
        None => {
            let principal = authenticate(app, request).await?;
            require_somebody(&principal)?;
            Ok(principal)
        }
    }
}

/// The address that a document names by three of its fields.
fn named(fields: &Fields, names: [&'static str; 3]) -> Result<Address, ApiError> {
    let [project, repo, path] = names;
    let path = fields.required(path)?;
    Ok(Address::new(
        fields.required(project)?,
        fields.required(repo)?,
        path,
    )?)
}

const NAMES: [&str; 3] = ["projectId", "repoName", "fullPath"];

/// Makes a folder and those above it; one that is there is as good.
///
/// # Errors
/// [`ApiError`]; a file at the path is 251012, one on the way 251013.
pub async fn make_folder(
    app: Arc<App>,
    request: Request,
    address: Address,
) -> Result<Response, ApiError> {
    let principal = authenticate(&app, &request).await?;
    let by = principal.name().to_owned();
    let actions = vec![(Action::Write, address.clone())];
    change(&app, principal, actions, move |store, may_create, done| {
        nodes::make_folder(store, address, by, may_create, done);
    })
    .await?;
    Ok(done(&request))
}

/// Gives a node another path in its repository.
///
/// # Errors
/// [`ApiError`]; 251012 when something is there.
pub async fn rename(
    app: Arc<App>,
    request: Request,
    address: Option<Address>,
    body: &mut Body,
) -> Result<Response, ApiError> {
    let principal = writer(&app, &request, address.as_ref()).await?;
    let (from, to) = match address {
        Some(from) => {
            let to = params::query_value(&request.query, "newFullPath");
            (from, to.ok_or(ApiError::Missing("newFullPath"))?)
        }
        None => {
            let fields = Fields::read(body).await?;
            let to = fields.required("newFullPath")?.to_owned();
            (named(&fields, NAMES)?, to)
        }
    };
    request.note.subjects([from.to_string(), to.clone()]);
    let to = NodePath::parse(&to).map_err(DomainError::from)?;
    let by = principal.name().to_owned();
    let actions = vec![(Action::Write, from.clone())];
    change(&app, principal, actions, move |store, _, done| {
        nodes::rename(store, from, to, by, done);
    })
    .await?;
    Ok(done(&request))
}

/// Moves or copies, across repositories, too.
///
/// # Errors
/// [`ApiError`].
pub async fn transfer(
    app: Arc<App>,
    request: Request,
    body: &mut Body,
    way: Way,
) -> Result<Response, ApiError> {
    let principal = writer(&app, &request, None).await?;
    let fields = Fields::read(body).await?;
    let from = named(&fields, ["srcProjectId", "srcRepoName", "srcFullPath"])?;
    let to_project = fields.text("destProjectId")?;
    let to_repo = fields.text("destRepoName")?;
    let to = Address::new(
        to_project.unwrap_or(&from.project),
        to_repo.unwrap_or(&from.repo),
        fields.required("destFullPath")?,
    )?;
    request.note.subjects([&from, &to]);
    let source = match way {
        Way::Move => Action::Delete,
        Way::Copy => Action::Read,
    };
    let actions = vec![(source, from.clone()), (Action::Write, to.clone())];
    let transfer = Transfer {
        from,
        to,
        overwrite: fields.flag("overwrite")?.unwrap_or(false),
        way,
        by: principal.name().to_owned(),
        may_create: MayCreate::Nothing,
    };
    within(&app, &transfer.to, || {
        let (mut transfer, usage) = (transfer.clone(), app.usage.clone());
        let (principal, actions) = (principal.clone(), actions.clone());
        change(&app, principal, actions, move |store, may_create, done| {
            transfer.may_create = may_create;
            nodes::transfer(store, &usage, transfer, done);
        })
    })
    .await?;
    if way == Way::Move {
        // A folder that was merged into another leaves what nobody sees any more.
        app.to_sweep.notify_one();
    }
    Ok(done(&request))
}

/// Sets when a file expires, in days from now; 0 = never.
///
/// # Errors
/// [`ApiError`]; 250105 for a folder.
pub async fn update(
    app: Arc<App>,
    request: Request,
    address: Option<Address>,
    body: &mut Body,
) -> Result<Response, ApiError> {
    let principal = writer(&app, &request, address.as_ref()).await?;
    let fields = Fields::read(body).await?;
    let address = match address {
        Some(address) => address,
        None => named(&fields, NAMES)?,
    };
    request.note.subject(&address);
    let days = match fields.get("expires") {
        None => return Err(ApiError::Missing("expires")),
        Some(Value::Number(days)) => days.as_u64(),
        Some(Value::String(days)) => days.trim().parse().ok(),
        Some(_) => None,
    };
    let days = days.ok_or_else(|| wrong("expires", "a whole number of days from 0 on"))?;
    let by = principal.name().to_owned();
    let actions = vec![(Action::Write, address.clone())];
    change(&app, principal, actions, move |store, _, done| {
        nodes::set_expiry(store, address, days, by, done);
    })
    .await?;
    Ok(done(&request))
}
