//! Who is asking: the `Authorization` header.

use base64::Engine;
use base64::alphabet;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use std::sync::Arc;

use super::app::{App, blocking};
use super::error::ApiError;
use super::request::Request;
use crate::domain::auth::{Action, Principal};
use crate::domain::{Address, DomainError};
use crate::format::meta::Repo;
use crate::index::Rows;

/// Standard Base64, padded or not: some clients leave the padding out.
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &alphabet::STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// Finds out who is asking.
///
/// # Errors
/// [`ApiError::Unauthenticated`] for credentials that are wrong; none are those of nobody.
pub async fn authenticate(app: &Arc<App>, request: &Request) -> Result<Principal, ApiError> {
    if app.config.no_auth {
        return Ok(Principal::admin());
    }
    let Some(header) = request.headers.get("authorization") else {
        return Ok(Principal::Anonymous);
    };
    let (name, password) = basic(header.as_bytes()).ok_or(ApiError::Unauthenticated(
        "Authorization value is not understood",
    ))?;
    let now_ms = app.store.now_ms();
    let (known, name, password) = {
        let app = Arc::clone(app);
        blocking(move || {
            let rows = app.store.rows()?;
            let known = app.passwords.remembered(&rows, &name, &password, now_ms)?;
            Ok((known, name, password))
        })
        .await?
    };
    if let Some(known) = known {
        return Ok(known);
    }
    // Each hash takes memory and time on purpose: strangers must not have many at once.
    let permit = Arc::clone(&app.hashes).acquire_owned().await;
    let app = Arc::clone(app);
    let found = blocking(move || {
        let _permit = permit;
        let rows = app.store.rows()?;
        Ok(app.passwords.verify(&rows, &name, &password, now_ms)?)
    })
    .await?;
    found.ok_or(ApiError::Unauthenticated(
        "Authorization value check failed",
    ))
}

/// Name and password of a `Basic` header (RFC 7617); the name has no colon.
fn basic(header: &[u8]) -> Option<(String, String)> {
    let text = std::str::from_utf8(header).ok()?;
    let (scheme, value) = text.split_once(' ')?;
    if !scheme.eq_ignore_ascii_case("basic") {
        return None;
    }
    let decoded = String::from_utf8(BASE64.decode(value.trim()).ok()?).ok()?;
    let (name, password) = decoded.split_once(':')?;
    Some((name.to_owned(), password.to_owned()))
}

/// The repository of an address, if `principal` may do `action` there. Who may not is not told
/// whether it exists.
///
/// # Errors
/// [`ApiError::Unauthenticated`] for nobody, [`ApiError::Forbidden`] for somebody; a missing
/// repository is `None` for those who may know.
pub fn authorize(
    rows: &dyn Rows,
    principal: &Principal,
    action: Action,
    address: &Address,
) -> Result<Option<Repo>, ApiError> {
    let repo = rows
        .repo(&address.project, &address.repo)
        .map_err(DomainError::from)?;
    if principal.may(action, repo.as_ref()) {
        return Ok(repo);
    }
    Err(match principal {
        Principal::Anonymous => ApiError::Unauthenticated("credentials are needed"),
        Principal::User { name, .. } => ApiError::Forbidden(format!(
            "user[{name}] does not have [{action:?}] permission in project[{}] repo[{}]",
            address.project, address.repo
        )),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn basic_headers() {
        let some = |n: &str, p: &str| Some((n.to_owned(), p.to_owned()));
        assert_eq!(
            basic(b"Basic YWRtaW46cGFzczp3b3Jk"),
            some("admin", "pass:word")
        );
        assert_eq!(basic(b"basic YTpiYw=="), some("a", "bc"));
        assert_eq!(basic(b"Basic YTpiYw"), some("a", "bc"), "unpadded");
        assert_eq!(basic(b"Basic ****"), None);
        assert_eq!(basic(b"Bearer YTpiYw=="), None);
        assert_eq!(basic(b"Basic YWJj"), None, "no colon");
    }
}
