//! The metadata of files and folders: keys and texts.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::Value;
use warp::reply::Response;

use super::super::app::{App, blocking};
use super::super::auth::{admit, authenticate, authorize};
use super::super::error::ApiError;
use super::super::json::{Fields, wrong};
use super::super::params;
use super::super::request::{Body, Request};
use super::super::view::success;
use super::change;
use crate::domain::auth::{Action, Principal};
use crate::domain::nodes::{self, MetadataChange};
use crate::domain::{self, Address, DomainError, Entry};

/// Keys and values; none where nothing is.
///
/// # Errors
/// [`ApiError`].
pub async fn get(app: Arc<App>, request: Request, address: Address) -> Result<Response, ApiError> {
    let principal = authenticate(&app, &request).await?;
    blocking(move || {
        let rows = app.store.rows()?;
        authorize(&rows, &principal, Action::Read, &address)?;
        let pairs = match domain::entry(&rows, &address, app.store.now_ms()) {
            Ok(Entry::Node(_, node)) => node.metadata,
            Ok(Entry::Root(_)) | Err(DomainError::NotFound(_)) => Vec::new(),
            Err(error) => return Err(error.into()),
        };
        let pairs: BTreeMap<String, String> = pairs.into_iter().collect();
        Ok(success(&request.trace, Some(pairs)))
    })
    .await
}

/// Sets keys; others stay.
///
/// # Errors
/// [`ApiError`]; 251504 for a key that is the server's own, 250105 for too much.
pub async fn save(
    app: Arc<App>,
    request: Request,
    address: Address,
    body: &mut Body,
) -> Result<Response, ApiError> {
    let principal = admit(&app, &request, Action::Write, &address).await?;
    let pairs = pairs(&Fields::read(body).await?)?;
    apply(&app, principal, address, MetadataChange::Merge(pairs)).await?;
    Ok(success(&request.trace, None::<()>))
}

/// Takes keys away.
///
/// # Errors
/// [`ApiError`].
pub async fn delete(
    app: Arc<App>,
    request: Request,
    address: Address,
    body: &mut Body,
) -> Result<Response, ApiError> {
    let principal = admit(&app, &request, Action::Write, &address).await?;
    let fields = Fields::read(body).await?;
    let keys = fields.texts("keyList")?;
    let keys = keys.ok_or(ApiError::Missing("keyList"))?;
    keys.iter()
        .try_for_each(|key| params::refuse_reserved(key))?;
    let keys = keys.into_iter().collect();
    apply(&app, principal, address, MetadataChange::Remove(keys)).await?;
    Ok(success(&request.trace, None::<()>))
}

async fn apply(
    app: &Arc<App>,
    principal: Principal,
    address: Address,
    new: MetadataChange,
) -> Result<(), ApiError> {
    let actions = vec![(Action::Write, address.clone())];
    change(app, principal, actions, move |store, _, done| {
        nodes::change_metadata(store, address, new, done);
    })
    .await
}

/// The pairs of `metadata`, an object, and of `nodeMetadata`, a list, which wins.
fn pairs(fields: &Fields) -> Result<BTreeMap<String, String>, ApiError> {
    if fields.get("metadata").is_none() && fields.get("nodeMetadata").is_none() {
        return Err(ApiError::Missing("metadata"));
    }
    let mut pairs = BTreeMap::new();
    for (key, value) in fields.object("metadata")?.into_map() {
        pairs.insert(key, text(&value));
    }
    for pair in fields.list("nodeMetadata")? {
        let Value::Object(pair) = pair else {
            return Err(wrong("nodeMetadata", "a list of objects"));
        };
        let key = pair.get("key").and_then(Value::as_str);
        let key = key.ok_or_else(|| wrong("nodeMetadata.key", "a text"))?;
        let value = pair
            .get("value")
            .ok_or(ApiError::Missing("nodeMetadata.value"))?;
        pairs.insert(key.to_owned(), text(value));
    }
    for key in pairs.keys() {
        if key.trim().is_empty() {
            return Err(ApiError::Empty("metadata key"));
        }
        params::refuse_reserved(key)?;
    }
    Ok(pairs)
}

/// A value as a text: metadata are texts, whatever JSON they come as.
fn text(value: &Value) -> String {
    match value {
        Value::Null => String::new(),
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}
