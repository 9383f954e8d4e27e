//! Searching nodes by rules.

use std::collections::BTreeSet;
use std::sync::Arc;

use serde_json::Value as Json;
use warp::reply::Response;

use super::super::app::{App, in_turn};
use super::super::auth::{admit, authenticate, authorize};
use super::super::error::ApiError;
use super::super::json::Fields;
use super::super::node_view::{NodeInfo, Place, blob_of};
use super::super::request::{Body, Request};
use super::super::view::success;
use super::records::{Answer, Paging};
use super::rules::{self, Reader};
use crate::domain::auth::{Action, Principal};
use crate::domain::nodes::{self, Field, Hit, Op, Rule, Search, Test, Value};
use crate::domain::{Address, DomainError};
use crate::format::meta::Repo;
use crate::index::Rows;

/// Repositories read at once.
const PAGE: usize = 500;
/// Repositories that one search may go through.
const MAX_REPOS: usize = 10_000;
/// Fields that every record has, whatever is selected.
const BASE: [&str; 6] = [
    "projectId",
    "repoName",
    "path",
    "name",
    "fullPath",
    "folder",
];

/// Answers a search; `repo` is the repository that it is bound to by its address, if it is.
///
/// # Errors
/// [`ApiError`]; 250103 when no project is named.
pub async fn search(
    app: Arc<App>,
    request: Request,
    body: &mut Body,
    repo: Option<Address>,
) -> Result<Response, ApiError> {
    let principal = match &repo {
        Some(repo) => admit(&app, &request, Action::Read, repo).await?,
        // What it is about is in the body, and may be public.
        None => authenticate(&app, &request).await?,
    };
    let model = Fields::read(body).await?;
    let turns = Arc::clone(&app.searching);
    in_turn(&turns, move || {
        let select = model.texts("select")?.filter(|fields| !fields.is_empty());
        let paging = Paging::of_fields(&model.object("page")?)?;
        let mut rule = match model.get("rule") {
            Some(rule) => Reader::new(&app.config.zone).rule(rule, 1)?,
            None if repo.is_some() => Rule::All(Vec::new()),
            None => return Err(ApiError::Missing("rule")),
        };
        if let Some(repo) = &repo {
            rule = Rule::All(vec![
                is(Field::Project, &repo.project),
                is(Field::Repo, &repo.repo),
                rule,
            ]);
        }
        let rows = app.store.rows()?;
        let repos = repositories(&rows, &principal, &rule)?;
        let is_wanted = |select: &Vec<String>| select.iter().any(|f| needs_metadata(f));
        let search = Search {
            rule,
            sort: rules::sort_of_fields(&model.object("sort")?)?,
            metadata: select.as_ref().is_none_or(is_wanted),
            skip: paging.skip(),
            limit: paging.size,
        };
        let found = nodes::search(&rows, &repos, &search, app.store.now_ms())?;
        let mut records = Vec::with_capacity(found.hits.len());
        for hit in &found.hits {
            records.push(record(&app, &rows, &repos, hit, select.as_deref())?);
        }
        let page = Answer::new(paging, found.total, records);
        Ok(success(&request.trace, Some(page)))
    })
    .await
}

fn is(field: Field, text: &str) -> Rule {
    let op = Op::In([Value::Text(text.to_owned())].into());
    Rule::Test(Test { field, op })
}

fn needs_metadata(field: &str) -> bool {
    field == "nodeMetadata" || field.split('.').next() == Some("metadata")
}

/// The repositories that a rule is about: of those that it names, the ones that exist and are
/// readable, and one must; of a project, the readable ones, so that nobody learns of others.
fn repositories(
    rows: &dyn Rows,
    principal: &Principal,
    rule: &Rule,
) -> Result<Vec<Repo>, ApiError> {
    let projects = rule.named(&Field::Project);
    let projects = projects.ok_or(ApiError::Missing("projectId"))?;
    let names = rule.named(&Field::Repo);
    let mut found = Vec::new();
    let mut refusal = None;
    for project in &projects {
        let names = match &names {
            Some(names) => names.clone(),
            None => every_name(rows, project)?,
        };
        for name in names {
            let address = Address::new(project, &name, "")?;
            match authorize(rows, principal, Action::Read, &address) {
                Ok(Some(repo)) => found.push(repo),
                Ok(None) => {
                    let (project, repo) = (address.project, address.repo);
                    refusal = Some(DomainError::NoRepository { project, repo }.into());
                }
                Err(ApiError::Domain(DomainError::Store(error))) => return Err(error.into()),
                Err(error) => refusal = Some(error),
            }
            if found.len() > MAX_REPOS {
                return Err(DomainError::TooMany {
                    what: "repositories to search",
                    limit: MAX_REPOS,
                }
                .into());
            }
        }
    }
    match refusal {
        Some(refusal) if found.is_empty() && names.is_some() => Err(refusal),
        _ => Ok(found),
    }
}

/// The names of the repositories of a project.
fn every_name(rows: &dyn Rows, project: &str) -> Result<BTreeSet<String>, ApiError> {
    let mut names = BTreeSet::new();
    let mut after: Option<String> = None;
    loop {
        let page = rows.repos(project, after.as_deref(), PAGE);
        let page = page.map_err(DomainError::from)?;
        let Some(last) = page.last() else {
            return Ok(names);
        };
        after = Some(last.name.clone());
        names.extend(page.into_iter().map(|repo| repo.name));
    }
}

/// One record, with the fields that are selected.
fn record(
    app: &App,
    rows: &dyn Rows,
    repos: &[Repo],
    hit: &Hit,
    select: Option<&[String]>,
) -> Result<Json, ApiError> {
    let repo = &repos[hit.repo];
    let place = Place {
        project: &repo.project,
        repo: &repo.name,
        path: &hit.found.path,
    };
    let blob = blob_of(rows, &hit.found.node)?;
    let info = NodeInfo::new(place, &hit.found.node, blob.as_ref(), &app.config.zone);
    let json = serde_json::to_value(info).map_err(|_| ApiError::Internal("writing a record"))?;
    let (Some(select), Json::Object(mut record)) = (select, json.clone()) else {
        return Ok(json);
    };
    let keys: Vec<&str> = select
        .iter()
        .filter_map(|field| field.strip_prefix("metadata."))
        .collect();
    let has = |field: &str| select.iter().any(|selected| selected == field);
    if !keys.is_empty()
        && !has("metadata")
        && let Some(Json::Object(metadata)) = record.get_mut("metadata")
    {
        metadata.retain(|key, _| keys.contains(&key.as_str()));
    }
    let shows_metadata = has("metadata") || !keys.is_empty();
    record.retain(|field, _| {
        BASE.contains(&field.as_str()) || has(field) || (field == "metadata" && shows_metadata)
    });
    Ok(Json::Object(record))
}
