//! Asking about nodes: detail, page, size.

use std::sync::Arc;

use serde::Serialize;
use warp::reply::Response;

use super::super::app::{App, blocking, in_turn};
use super::super::auth::{authenticate, authorize};
use super::super::error::ApiError;
use super::super::node_view::{NodeInfo, Place, blob_of, root_node};
use super::super::params;
use super::super::request::Request;
use super::super::view::success;
use super::asked;
use super::records::{Answer, MAX_PAGE, Paging};
use super::rules;
use crate::domain::auth::Action;
use crate::domain::nodes::{self, Found, Listing, Search};
use crate::domain::{self, Address, DomainError, Entry};

/// A node by itself; the root of a repository is a folder without a name.
///
/// # Errors
/// [`ApiError`]; a node that is not there is 400/251010.
pub async fn detail(
    app: Arc<App>,
    request: Request,
    address: Address,
) -> Result<Response, ApiError> {
    let principal = authenticate(&app, &request).await?;
    blocking(move || {
        let rows = app.store.rows()?;
        let repo = authorize(&rows, &principal, Action::Read, &address)?;
        let found = domain::entry(&rows, &address, app.store.now_ms()).map_err(asked)?;
        let node = match (found, repo) {
            (Entry::Node(_, node), _) => node,
            (Entry::Root(_), Some(repo)) => root_node(&repo),
            (Entry::Root(_), None) => return Err(ApiError::Internal("a root without repository")),
        };
        let blob = blob_of(&rows, &node)?;
        let path = address.path.to_string();
        let place = Place {
            project: &address.project,
            repo: &address.repo,
            path: &path,
        };
        let info = NodeInfo::new(place, &node, blob.as_ref(), &app.config.zone);
        Ok(success(&request.trace, Some(info.detail())))
    })
    .await
}

/// A page of a folder.
///
/// # Errors
/// [`ApiError`]; 400/250105 for what is no number, or a sorted page too far behind.
pub async fn page(app: Arc<App>, request: Request, address: Address) -> Result<Response, ApiError> {
    let principal = authenticate(&app, &request).await?;
    let turns = Arc::clone(&app.listing);
    in_turn(&turns, move || {
        let query = request.query.as_str();
        let paging = Paging::of_query(query)?;
        let flag = |name| params::query_flag(query, name);
        let folders =
            params::query_value(query, "includeFolder").is_none() || flag("includeFolder");
        let listing = Listing {
            deep: flag("deep"),
            folders,
            metadata: flag("includeMetadata"),
            skip: paging.skip(),
            limit: paging.size,
        };
        let rows = app.store.rows()?;
        let repo = authorize(&rows, &principal, Action::Read, &address)?;
        let now_ms = app.store.now_ms();
        let sort = match flag("sort") {
            true => rules::sort_of_query(query)?,
            false => Vec::new(),
        };
        let (total, found): (u64, Vec<Found>) = match (repo, sort.is_empty()) {
            (Some(repo), false) => {
                let slash = if address.path.is_root() { "" } else { "/" };
                let path = format!("{}{slash}", address.path);
                let search = Search {
                    rule: nodes::listing_rule(&path, listing.deep, folders),
                    sort,
                    metadata: listing.metadata,
                    skip: listing.skip,
                    limit: listing.limit,
                };
                let hits = nodes::search(&rows, &[repo], &search, now_ms)?;
                (
                    hits.total,
                    hits.hits.into_iter().map(|hit| hit.found).collect(),
                )
            }
            _ => nodes::page(&rows, &address, listing, now_ms)?,
        };
        let mut records = Vec::with_capacity(found.len().min(MAX_PAGE));
        let blobs = found.iter().map(|found| blob_of(&rows, &found.node));
        let blobs = blobs.collect::<Result<Vec<_>, _>>()?;
        for (found, blob) in found.iter().zip(&blobs) {
            let place = Place {
                project: &address.project,
                repo: &address.repo,
                path: &found.path,
            };
            let zone = &app.config.zone;
            records.push(NodeInfo::new(place, &found.node, blob.as_ref(), zone));
        }
        Ok(success(
            &request.trace,
            Some(Answer::new(paging, total, records)),
        ))
    })
    .await
}

/// How much is below a node.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Below {
    sub_node_count: u64,
    sub_node_without_folder_count: u64,
    size: u64,
}

/// How much is below a folder; a file has its own size, and nothing below it.
///
/// # Errors
/// [`ApiError`]; a node that is not there is 400/251010.
pub async fn size(app: Arc<App>, request: Request, address: Address) -> Result<Response, ApiError> {
    let principal = authenticate(&app, &request).await?;
    blocking(move || {
        let rows = app.store.rows()?;
        authorize(&rows, &principal, Action::Read, &address)?;
        let now_ms = app.store.now_ms();
        let sum = nodes::measure(&rows, &address, now_ms).map_err(asked)?;
        let is_file = match domain::folder(&rows, &address, now_ms) {
            Ok(_) => false,
            Err(DomainError::NotFound(_)) => true,
            Err(error) => return Err(error.into()),
        };
        let files = if is_file { 0 } else { sum.files };
        let below = Below {
            sub_node_count: sum.folders + files,
            sub_node_without_folder_count: files,
            size: sum.bytes,
        };
        Ok(success(&request.trace, Some(below)))
    })
    .await
}
