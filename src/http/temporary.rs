//! `/generic/temporary/*` and `/repository/api/share`: links that carry their own right.
//! Source: the generic contract, observed page §5.

use std::collections::BTreeSet;
use std::sync::Arc;

use serde::Serialize;
use warp::reply::Response;

use super::app::{App, blocking, commit};
use super::auth::{admit, authenticate, authorize_existing, require_somebody};
use super::error::ApiError;
use super::json::Fields;
use super::request::{Body, Request};
use super::view::{local_time, success};
use super::{blocks, generic, links, params};
use crate::domain::auth::{Action, Bearer, Principal};
use crate::domain::token::{self, Issued, Wish};
use crate::domain::{self, Address, DomainError};
use crate::format::meta::{Dialect, Mutation, TokenUse};
use crate::index::Rows;

/// Tokens last a day unless a request says otherwise.
const DAY_S: i64 = 86_400;
/// Paths that one request may name.
const MAX_PATHS: usize = 1000;

/// Bytes that the names of users and addresses in all tokens of a request may take: every token has
/// its own copy.
const MAX_NAMED_BYTES: usize = 8 << 20;

/// What a request wants tokens as.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// Links.
    Url,
    /// Bare secrets.
    Token,
}

/// A token as the API shows it to who made it.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct TokenView {
    project_id: String,
    repo_name: String,
    full_path: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    url: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    token: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    share_url: Option<String>,
    authorized_user_list: Vec<String>,
    authorized_ip_list: Vec<String>,
    expire_date: Option<String>,
    permits: Option<u32>,
    #[serde(rename = "type")]
    good_for: &'static str,
    created_by: String,
    created_date: String,
}

impl TokenView {
    /// Without the secret, in any form.
    fn of(app: &App, issued: Issued) -> Self {
        let (token, zone) = (issued.token, &app.config.zone);
        Self {
            project_id: token.project,
            repo_name: token.repo,
            full_path: token.path,
            url: None,
            token: None,
            share_url: None,
            authorized_user_list: token.users,
            authorized_ip_list: token.addresses,
            expire_date: token.expires_ms.map(|at| local_time(at, zone)),
            permits: token.permits,
            good_for: match token.good_for {
                TokenUse::Download => "DOWNLOAD",
                TokenUse::Upload => "UPLOAD",
                TokenUse::All => "ALL",
            },
            created_by: token.created_by,
            created_date: local_time(token.created_ms, zone),
        }
    }
}

/// `POST /generic/temporary/{url|token}/create`: tokens for some paths of a repository, all or none.
///
/// # Errors
/// [`ApiError`]; who may not write gets none, not even for reading (observed §4).
pub async fn create(
    app: Arc<App>,
    request: Request,
    body: &mut Body,
    form: Form,
) -> Result<Response, ApiError> {
    let principal = authenticate(&app, &request).await?;
    require_somebody(&principal)?;
    let fields = Fields::read(body).await?;
    let addresses = addresses(&fields)?;
    request.note.subjects(addresses.iter());
    let good_for = match (fields.required("type")?, form) {
        ("DOWNLOAD", _) => TokenUse::Download,
        ("UPLOAD", _) => TokenUse::Upload,
        ("ALL", Form::Token) => TokenUse::All,
        _ => return Err(ApiError::Parameter("type")),
    };
    let permits = match fields.number("permits")? {
        None => None,
        Some(permits) => {
            let permits = u32::try_from(permits).map_err(|_| ApiError::Parameter("permits"))?;
            Some(permits)
        }
    };
    let wish = Wish {
        good_for,
        users: fields.texts("authorizedUserSet")?.unwrap_or_default(),
        addresses: fields.texts("authorizedIpSet")?.unwrap_or_default(),
        permits,
        expire_seconds: fields.number("expireSeconds")?.unwrap_or(DAY_S),
    };
    let base = match (form, fields.text("host")?.filter(|host| !host.is_empty())) {
        (Form::Token, _) => String::new(),
        (Form::Url, Some(host)) => links::wished(&app, &request, host)?,
        (Form::Url, None) => links::base(&app, &request)?,
    };
    let issued = issue(&app, principal, addresses, wish).await?;
    let views = issued.into_iter().map(|(address, issued)| {
        let secret = issued.secret.clone();
        let mut view = TokenView::of(&app, issued);
        match form {
            Form::Url => view.url = Some(link(&base, &address, good_for, &secret)),
            Form::Token => view.token = Some(secret),
        }
        view
    });
    Ok(success(&request.trace, Some(views.collect::<Vec<_>>())))
}

/// `POST /repository/api/share/{project}/{repo}/{path}`: a link to a file or folder that is there.
///
/// # Errors
/// [`ApiError`].
pub async fn share(app: Arc<App>, request: Request, body: &mut Body) -> Result<Response, ApiError> {
    let address = request.place()?;
    let principal = admit(&app, &request, Action::Write, &address).await?;
    let fields = Fields::read(body).await?;
    let wish = Wish {
        good_for: TokenUse::Download,
        users: fields.texts("authorizedUserList")?.unwrap_or_default(),
        addresses: fields.texts("authorizedIpList")?.unwrap_or_default(),
        permits: None,
        expire_seconds: fields.number("expireSeconds")?.unwrap_or(0),
    };
    let base = links::base(&app, &request)?;
    {
        let (app, address, principal) = (Arc::clone(&app), address.clone(), principal.clone());
        blocking(move || {
            let rows = app.store.rows()?;
            authorize_existing(&rows, &principal, Action::Write, &address)?;
            domain::entry(&rows, &address, app.store.now_ms())?;
            Ok(())
        })
        .await?;
    }
    let issued = issue(&app, principal, vec![address], wish).await?;
    let view = issued.into_iter().next().map(|(address, issued)| {
        let link = link(&base, &address, TokenUse::Download, &issued.secret);
        let mut view = TokenView::of(&app, issued);
        view.share_url = Some(link);
        view
    });
    Ok(success(&request.trace, view))
}

/// The addresses that a request names, each once, in its order.
fn addresses(fields: &Fields) -> Result<Vec<Address>, ApiError> {
    let (project, repo) = (fields.required("projectId")?, fields.required("repoName")?);
    let paths = fields.texts("fullPathSet")?;
    let paths = paths.ok_or(ApiError::Missing("fullPathSet"))?;
    if paths.is_empty() {
        return Err(ApiError::Empty("fullPathSet"));
    }
    if paths.len() > MAX_PATHS {
        return Err(DomainError::Invalid {
            what: "fullPathSet",
            why: format!("at most {MAX_PATHS} paths are possible"),
        }
        .into());
    }
    let (mut seen, mut addresses) = (BTreeSet::new(), Vec::new());
    for path in paths {
        let address = Address::new(project, repo, &path)?;
        if seen.insert(address.path.clone()) {
            addresses.push(address);
        }
    }
    Ok(addresses)
}

/// Makes tokens, all in one commit.
async fn issue(
    app: &Arc<App>,
    principal: Principal,
    addresses: Vec<Address>,
    wish: Wish,
) -> Result<Vec<(Address, Issued)>, ApiError> {
    wish.check()?;
    if addresses.len().saturating_mul(wish.named_bytes()) > MAX_NAMED_BYTES {
        return Err(DomainError::Invalid {
            what: "fullPathSet",
            why: "so many paths are not possible for so many users and addresses".to_owned(),
        }
        .into());
    }
    let now_ms = app.store.now_ms();
    let issued = {
        let app = Arc::clone(app);
        blocking(move || {
            let rows = app.store.rows()?;
            let mut issued = Vec::new();
            for address in addresses {
                authorize_existing(&rows, &principal, Action::Write, &address)?;
                let token = wish.issue(&address, principal.name(), now_ms)?;
                issued.push((address, token));
            }
            Ok(issued)
        })
        .await?
    };
    let issued: Arc<Vec<(Address, Issued)>> = Arc::new(issued);
    let wanted = Arc::clone(&issued);
    commit(app, move |rows, _| {
        let mut mutations = Vec::new();
        for (address, issued) in wanted.iter() {
            // It may have been deleted in between, and with it the tokens that it had.
            domain::repository(rows, address)?;
            mutations.push(Mutation::TokenPut(issued.token.clone()));
        }
        Ok((mutations, ()))
    })
    .await?;
    Ok(Arc::unwrap_or_clone(issued))
}

fn link(base: &str, address: &Address, good_for: TokenUse, secret: &str) -> String {
    let way = match good_for {
        TokenUse::Upload => "upload",
        TokenUse::Download | TokenUse::All => "download",
    };
    let path = links::path(address);
    format!("{base}/generic/temporary/{way}{path}?token={secret}")
}

/// Who comes with the token in the query, and where to. What the token is good for is judged by
/// [`authorize`](super::auth::authorize), like every other right.
///
/// # Errors
/// [`DomainError::TokenInvalid`], [`DomainError::TokenExpired`]; [`ApiError`] for bad addresses.
async fn enter(app: &Arc<App>, request: &Request) -> Result<(Principal, Address), ApiError> {
    request.note.with_token(None);
    let address = request.place()?;
    let secret = params::query_value(&request.query, "token").unwrap_or_default();
    if secret.trim().is_empty() {
        return Err(invalid("it is missing"));
    }
    let bearer = {
        let app = Arc::clone(app);
        blocking(move || {
            let rows = app.store.rows()?;
            let token = token::find(&rows, secret.trim(), app.store.now_ms())?;
            let creator = match rows.user(&token.created_by).map_err(DomainError::from)? {
                _ if app.config.no_auth => Principal::admin(),
                Some(user) => user.into(),
                None => return Err(invalid("who made it is gone")),
            };
            Ok(Bearer { token, creator })
        })
        .await?
    };
    if !token::reaches(&bearer.token, &address) {
        let why = format!("it does not open {}", address.path);
        return Err(DomainError::TokenInvalid(why).into());
    }
    if !token::admits_address(&bearer.token, request.peer) {
        return Err(invalid("it may not be used from this address"));
    }
    let admitted = admit_user(app, request, &bearer).await;
    request.note.with_token(Some(&bearer.creator));
    admitted?;
    Ok((Principal::Token(Box::new(bearer)), address))
}

/// A token for certain users is for who names one of them (`X-BKREPO-UID`), or logs in as one.
async fn admit_user(app: &Arc<App>, request: &Request, bearer: &Bearer) -> Result<(), ApiError> {
    if bearer.token.users.is_empty() {
        return Ok(());
    }
    let named = request.headers.get("x-bkrepo-uid");
    let named = named.map(|value| String::from_utf8_lossy(value.as_bytes()));
    if named.is_some_and(|name| token::admits_user(&bearer.token, name.trim())) {
        return Ok(());
    }
    if request.headers.contains_key("authorization") {
        let user = authenticate(app, request).await?;
        if token::admits_user(&bearer.token, user.name()) {
            return Ok(());
        }
    }
    Err(invalid("it is for other users"))
}

fn invalid(why: &str) -> ApiError {
    DomainError::TokenInvalid(why.to_owned()).into()
}

/// `GET|HEAD /generic/temporary/download/...` and `/repository/api/share/...`: exactly as without a
/// token.
///
/// # Errors
/// [`ApiError`].
pub async fn download(app: Arc<App>, request: Request) -> Result<Response, ApiError> {
    let (principal, address) = enter(&app, &request).await?;
    generic::get_as(app, request, principal, address).await
}

/// `PUT /generic/temporary/upload/...`: exactly as without a token.
///
/// # Errors
/// [`ApiError`].
pub async fn upload(
    app: Arc<App>,
    request: Request,
    body: &mut Body,
) -> Result<Response, ApiError> {
    let (principal, address) = enter(&app, &request).await?;
    generic::put_as(app, request, body, principal, address).await
}

/// `/generic/temporary/{separate,block}/...`: exactly as without a token.
///
/// # Errors
/// [`ApiError`].
pub async fn session(
    app: Arc<App>,
    request: Request,
    dialect: Dialect,
) -> Result<Response, ApiError> {
    let at = enter(&app, &request).await?;
    blocks::session_as(app, request, at, dialect).await
}
