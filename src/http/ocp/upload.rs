//! Taking in software packages: the RPM's header is read as its bytes pass on their way into the store.

use std::pin::pin;
use std::sync::Arc;

use bytes::Bytes;
use futures_util::{StreamExt, stream};
use warp::reply::Response;

use super::view::{PackageView, success};
use crate::domain::auth::Action;
use crate::domain::packages::{self, Fields, HeaderReader};
use crate::format::meta::Package;
use crate::http::app::{App, blocking, waiting};
use crate::http::auth::{authenticate, authorize_packages};
use crate::http::body::receive;
use crate::http::error::ApiError;
use crate::http::links;
use crate::http::multipart::{Multipart, Part};
use crate::http::request::{Body, Request};
use crate::store::{Ingest, Ingested};

/// The part that has the package, and the parameter that is told to be at fault without it.
const FILE: &str = "file";

/// `POST /api/v2/software-packages`.
///
/// # Errors
/// [`ApiError`].
pub async fn upload(
    app: Arc<App>,
    request: Request,
    body: &mut Body,
) -> Result<Response, ApiError> {
    let principal = authenticate(&app, &request).await?;
    let by = principal.name().to_owned();
    {
        let app = Arc::clone(&app);
        blocking(move || authorize_packages(&app.store.rows()?, &principal, Action::Manage))
            .await?;
    }
    let limits = &app.config.limits;
    limits.admit(request.content_length())?;
    limits.cap(body, 0);
    let base = links::base(&app, &request)?;
    let package = take_in(&app, &request, body, by).await?;
    request.note.subject(&package.file_name);
    let view = PackageView::of(package, &base, &app.config.zone, false);
    Ok(success(&app, &request, Some(view)))
}

/// Takes in the one package of a body. Nothing is visible before the body has ended well.
async fn take_in(
    app: &Arc<App>,
    request: &Request,
    body: &mut Body,
    by: String,
) -> Result<Package, ApiError> {
    let mut multipart = Multipart::of(request.header("content-type"), body)?;
    let mut taken = None;
    while let Some(part) = multipart.next_part().await? {
        if part.name.as_deref() != Some(FILE) {
            continue;
        }
        if taken.is_some() {
            return Err(ApiError::Parameter(FILE));
        }
        request
            .note
            .subject(part.file_name.as_deref().unwrap_or_default());
        taken = Some(take_in_file(app, request.content_length(), part).await?);
    }
    let (fields, ingested) = taken.ok_or(ApiError::Parameter(FILE))?;
    let (done, outcome) = waiting();
    packages::finish(&app.store, fields, by, ingested, done);
    outcome.await
}

async fn take_in_file(
    app: &Arc<App>,
    body_bytes: Option<u64>,
    mut part: Part<'_>,
) -> Result<(Fields, Ingested), ApiError> {
    let named = part.file_name.take().filter(|name| !name.is_empty());
    let named = named.ok_or(ApiError::Parameter(FILE))?;
    let mut inspector = Inspector {
        app: Arc::clone(app),
        uploaded: packages::uploaded_name(&named)?.to_owned(),
        reader: HeaderReader::default(),
        fields: None,
    };
    let ingest = {
        let app = Arc::clone(app);
        blocking(move || Ok(packages::begin(&app.store, body_bytes)?)).await?
    };
    let ingested = {
        let state = (&mut part, &mut inspector);
        let inspected = stream::try_unfold(state, |(part, inspector)| async move {
            let Some(bytes) = part.next().await.transpose()? else {
                return Ok::<_, ApiError>(None);
            };
            inspector.look(&bytes).await?;
            Ok(Some((bytes, (part, inspector))))
        });
        let mut inspected = pin!(inspected);
        receive(&app.store, ingest, &mut inspected, Ingest::finish).await?
    };
    Ok((inspector.finish()?, ingested))
}

/// Reads what a package says of itself as it passes, and stops it early where it is refused for that.
struct Inspector {
    app: Arc<App>,
    /// The name that it was uploaded under.
    uploaded: String,
    reader: HeaderReader,
    /// Once the header has passed.
    fields: Option<Fields>,
}

impl Inspector {
    async fn look(&mut self, bytes: &Bytes) -> Result<(), ApiError> {
        self.reader.push(bytes)?;
        let Some(header) = self.reader.header().filter(|_| self.fields.is_none()) else {
            return Ok(());
        };
        let fields = Fields::of(header, &self.uploaded)?;
        let (app, checked) = (Arc::clone(&self.app), fields.clone());
        blocking(move || Ok(packages::check(&app.store.rows()?, &checked)?)).await?;
        self.fields = Some(fields);
        Ok(())
    }

    /// The file has ended.
    fn finish(self) -> Result<Fields, ApiError> {
        self.reader.finish()?;
        self.fields
            .ok_or(ApiError::Internal("a header that was read, and was not"))
    }
}
