//! The API on one page, and what dispatch goes by: there is no other way to a handler.
//!
//! The first row whose pattern fits a path decides (see `route`), so that words win over projects
//! of the same names. `/generic`, `/repository` and `/auth` are also answered under what gateways
//! put in front: `/api`, `/web` and `/bkrepo/api/{service,build,user}`. OCP's API is
//! below `/api/v2`, with `/api/status`; it has an envelope of its own.
//!
//! Every handler asks for its rights itself: `tests/http/policy` holds each row of this table against
//! every kind of principal, and fails for a row that it does not know. `tests/http/openapi` does so for
//! one that `openapi` does not describe.

use super::nodes::{metadata, read, remove, search, write};
use super::ocp::{packages, service, upload};
use super::params::decode_path;
use super::request::service_path;
use super::route::{Answering, Route, pattern_of};
use super::temporary::{self, Form};
use super::users::{self, Place};
use super::{
    access, batch, blocks, compact, gc, generic, heal, measure, openapi, ops, pack, projects,
    repos, verify, web,
};
use crate::domain::nodes::Way;
use crate::format::meta::Dialect;

/// Rows of `path "pattern" { METHOD | METHOD => answer; }`; the answer is made from the names in front.
macro_rules! table {
    (
        |$app:ident, $request:ident, $body:ident|
        $( $kind:ident $pattern:literal { $( $($method:ident)|+ => $answer:expr; )* } )*
    ) => {
        &[$(Route::$kind($pattern, &[$($((
            stringify!($method),
            |$app, $request, $body| {
                // Not every handler needs all of them.
                let _given = (&$app, &$request, &$body);
                Box::pin(async move { $answer }) as Answering<'_>
            },
        )),+),*])),*]
    };
}

/// Every route.
pub const ROUTES: &[Route] = table! {
    |app, request, body|

    // Files. A `PUT` with `X-BKREPO-UPLOAD-ID` brings a block.
    path "/generic/batch/{project}/{repo}" {
        GET | POST => batch::download(app, request, body).await;
    }
    path "/generic/separate/{project}/{repo}/{path..}" {
        GET | POST | PUT | DELETE => blocks::session(app, request, Dialect::Offset).await;
    }
    path "/generic/block/{project}/{repo}/{path..}" {
        GET | POST | PUT | DELETE => blocks::session(app, request, Dialect::Sequence).await;
    }
    path "/generic/detail/{project}/{repo}/{path..}" {
        GET => { let at = request.place()?; read::detail(app, request, at).await };
    }

    // Links that carry their own right.
    path "/generic/temporary/url/create" {
        POST => temporary::create(app, request, body, Form::Url).await;
    }
    path "/generic/temporary/token/create" {
        POST => temporary::create(app, request, body, Form::Token).await;
    }
    path "/generic/temporary/download/{project}/{repo}/{path..}" {
        GET | HEAD => temporary::download(app, request).await;
    }
    path "/generic/temporary/upload/{project}/{repo}/{path..}" {
        PUT => temporary::upload(app, request, body).await;
    }
    path "/generic/temporary/separate/{project}/{repo}/{path..}" {
        GET | POST | PUT | DELETE => temporary::session(app, request, Dialect::Offset).await;
    }
    path "/generic/temporary/block/{project}/{repo}/{path..}" {
        GET | POST | PUT | DELETE => temporary::session(app, request, Dialect::Sequence).await;
    }
    path "/repository/api/share/{project}/{repo}/{path..}" {
        POST => temporary::share(app, request, body).await;
        GET | HEAD => temporary::download(app, request).await;
    }

    // Files, behind all words that could be projects.
    path "/generic/separate/{path..}" {}
    path "/generic/block/{path..}" {}
    path "/generic/temporary/{path..}" {}
    shared "/generic/{project}/{repo}/search" {
        POST => {
            let repo = request.repo()?;
            search::search(app, request, body, Some(repo)).await
        };
    }
    path "/generic/{project}/{repo}/{path..}" {
        GET | HEAD => generic::get(app, request).await;
        PUT => generic::put(app, request, body).await;
        DELETE => generic::delete(app, request).await;
    }

    // Nodes. One that is missing is a 400 here, not a 404: clients know that from upstream.
    path "/repository/api/node/detail/{project}/{repo}/{path..}" {
        GET => { let at = request.place()?; read::detail(app, request, at).await };
    }
    path "/repository/api/node/page/{project}/{repo}/{path..}" {
        GET => { let at = request.place()?; read::page(app, request, at).await };
    }
    path "/repository/api/node/size/{project}/{repo}/{path..}" {
        GET => { let at = request.place()?; read::size(app, request, at).await };
    }
    path "/repository/api/node/search" {
        POST => search::search(app, request, body, None).await;
    }
    path "/repository/api/node/query" {
        POST => search::search(app, request, body, None).await;
    }
    path "/repository/api/node/mkdir/{project}/{repo}/{path..}" {
        POST => { let at = request.place()?; write::make_folder(app, request, at).await };
    }
    path "/repository/api/node/rename/{project}/{repo}/{path..}" {
        POST => { let at = request.place()?; write::rename(app, request, Some(at), body).await };
    }
    path "/repository/api/node/rename" {
        POST => write::rename(app, request, None, body).await;
    }
    path "/repository/api/node/move" {
        POST => write::transfer(app, request, body, Way::Move).await;
    }
    path "/repository/api/node/copy" {
        POST => write::transfer(app, request, body, Way::Copy).await;
    }
    path "/repository/api/node/update/{project}/{repo}/{path..}" {
        POST => { let at = request.place()?; write::update(app, request, Some(at), body).await };
    }
    path "/repository/api/node/update" {
        POST => write::update(app, request, None, body).await;
    }
    path "/repository/api/node/delete/{project}/{repo}/{path..}" {
        DELETE => { let at = request.place()?; remove::one(app, request, at).await };
    }
    path "/repository/api/node/batch/{project}/{repo}" {
        POST => { let repo = request.repo()?; remove::count(app, request, repo, body).await };
        DELETE => { let repo = request.repo()?; remove::several(app, request, repo, body).await };
    }
    path "/repository/api/node/{project}/{repo}/{path..}" {
        GET => { let at = request.place()?; read::detail(app, request, at).await };
        POST => { let at = request.place()?; write::make_folder(app, request, at).await };
        DELETE => { let at = request.place()?; remove::one(app, request, at).await };
    }
    path "/repository/api/metadata/{project}/{repo}/{path..}" {
        GET => { let at = request.place()?; metadata::get(app, request, at).await };
        POST => { let at = request.place()?; metadata::save(app, request, at, body).await };
        DELETE => { let at = request.place()?; metadata::delete(app, request, at, body).await };
    }

    // Projects.
    path "/repository/api/project" {
        POST => projects::create(app, request, body).await;
    }
    path "/repository/api/project/create" {
        POST => projects::create(app, request, body).await;
    }
    path "/repository/api/project/list" {
        GET => projects::list(app, request).await;
    }
    path "/repository/api/project/exist/{project}" {
        GET => { let name = request.word(0); projects::exists(app, request, name).await };
    }
    path "/repository/api/project/info/{project}" {
        GET => { let name = request.word(0); projects::info(app, request, name).await };
    }
    path "/repository/api/project/delete/{project}" {
        DELETE => { let name = request.word(0); projects::delete(app, request, name).await };
    }

    // Repositories.
    path "/repository/api/repo" {
        POST => repos::create(app, request, body).await;
    }
    path "/repository/api/repo/create" {
        POST => repos::create(app, request, body).await;
    }
    path "/repository/api/repo/info/{project}/{repo}" {
        GET => { let repo = request.repo()?; repos::info(app, request, repo).await };
    }
    path "/repository/api/repo/info/{project}/{repo}/{type}" {
        GET => { let repo = request.repo()?; repos::info(app, request, repo).await };
    }
    path "/repository/api/repo/exist/{project}/{repo}" {
        GET => { let repo = request.repo()?; repos::exists(app, request, repo).await };
    }
    path "/repository/api/repo/list/{project}" {
        GET => { let project = request.word(0); repos::list(app, request, project).await };
    }
    path "/repository/api/repo/page/{project}/{number}/{size}" {
        GET => { let project = request.word(0); repos::page(app, request, project).await };
    }
    path "/repository/api/repo/update/{project}/{repo}" {
        POST => { let repo = request.repo()?; repos::update(app, request, body, repo).await };
    }
    path "/repository/api/repo/delete/{project}/{repo}" {
        DELETE => { let repo = request.repo()?; repos::delete(app, request, repo).await };
    }

    // Users, and what they may do.
    shared "/auth/api/user/create" {
        POST => users::create(app, request, body, Place::Nowhere).await;
    }
    path "/auth/api/user/create/project" {
        POST => users::create(app, request, body, Place::Project).await;
    }
    path "/auth/api/user/create/repo" {
        POST => users::create(app, request, body, Place::Repo).await;
    }
    shared "/auth/api/user/list" {
        GET => users::list(app, request).await;
    }
    path "/auth/api/user/detail/{user}" {
        GET => { let name = request.word(0); users::info(app, request, name).await };
    }
    path "/auth/api/user/list/token/{user}" {
        GET => { let user = request.word(0); access::tokens(app, request, user).await };
    }
    path "/auth/api/user/token/{user}/{name}" {
        POST => {
            let (user, name) = (request.word(0), request.word(1));
            access::add_token(app, request, user, name).await
        };
        DELETE => {
            let (user, name) = (request.word(0), request.word(1));
            access::delete_token(app, request, user, name).await
        };
    }
    path "/auth/api/user/{user}" {
        GET => { let name = request.word(0); users::info(app, request, name).await };
        PUT => { let name = request.word(0); users::update(app, request, body, name).await };
        DELETE => { let name = request.word(0); users::delete(app, request, name).await };
    }
    path "/packhold/grants" {
        GET => users::grants(app, request).await;
        PUT => users::grant(app, request, body).await;
    }
    path "/packhold/keys" {
        GET => access::keys(app, request).await;
        POST => access::add_key(app, request, body).await;
    }
    path "/packhold/keys/{accessKey}" {
        DELETE => { let key = request.word(0); access::delete_key(app, request, key).await };
    }

    // Software packages, and what their clients ask first.
    path "/api/v2/software-packages" {
        GET => packages::list(app, request).await;
        POST => upload::upload(app, request, body).await;
    }
    path "/api/v2/software-packages/{id}" {
        GET => { let id = request.word(0); packages::info(app, request, &id).await };
        DELETE => { let id = request.word(0); packages::delete(app, request, &id).await };
    }
    path "/api/v2/files/uploadFile" {
        POST => upload::upload(app, request, body).await;
    }
    // No name has a slash, but one that was escaped is a name that is not found.
    path "/api/v2/files/sys-package/{name}/{more..}" {
        GET | HEAD => { let name = request.bound.join("/"); packages::download(app, request, name).await };
    }
    path "/api/v2/time" {
        GET | HEAD => Ok(service::time(&app));
    }
    path "/api/v2/info" {
        GET | HEAD => service::info(app, request).await;
    }
    path "/api/status" {
        GET | HEAD => service::status(&app);
    }

    // The web page, and who logged in there.
    path "/" {
        GET | HEAD => web::page(&request);
    }
    path "/packhold/web/{asset..}" {
        GET | HEAD => web::asset(&request);
    }
    path "/packhold/session" {
        GET => web::session::info(app, request).await;
        POST => web::session::login(app, request, body).await;
        DELETE => web::session::logout(app, request).await;
    }

    // Operations.
    path "/repository/actuator/info" {
        GET | HEAD => Ok(ops::info(&request));
    }
    path "/repository/actuator/health" {
        GET | HEAD => ops::health(&app, &request);
    }
    path "/packhold/openapi.json" {
        GET | HEAD => Ok(openapi::serve(&request));
    }
    path "/packhold/stats" {
        GET => ops::stats(app, request).await;
    }
    path "/packhold/pack" {
        GET => pack::lacking(app, request).await;
    }
    path "/packhold/verify" {
        POST => verify::verify(app, request).await;
    }
    path "/packhold/damage" {
        GET => heal::damage(app, request).await;
    }
    path "/packhold/chunks/{sha256}" {
        GET => { let digest = request.word(0); heal::chunk(app, request, &digest).await };
        PUT => { let digest = request.word(0); heal::mend_chunk(app, request, body, &digest).await };
    }
    path "/packhold/contents/{sha256}" {
        GET => { let digest = request.word(0); heal::content(app, request, &digest).await };
        PUT => { let digest = request.word(0); heal::mend_content(app, request, body, &digest).await };
    }
    path "/packhold/gc" {
        POST => gc::run(app, request).await;
    }
    path "/packhold/compact" {
        POST => compact::run(app, request).await;
    }
    path "/packhold/explain/{sha256}" {
        GET => { let digest = request.word(0); gc::explain(app, request, &digest).await };
    }
    path "/packhold/would-free/{project}/{repo}/{path..}" {
        GET => { let at = request.place()?; gc::would_free(app, request, at).await };
    }
    path "/metrics" {
        GET => measure::metrics(app, request).await;
    }
    path "/healthz" {
        GET | HEAD => Ok(ops::healthy());
    }
    path "/readyz" {
        GET | HEAD => ops::ready(&app);
    }
};

/// Every route, as method and pattern: what a test of all of them goes by.
pub fn endpoints() -> impl Iterator<Item = (&'static str, &'static str)> {
    ROUTES.iter().flat_map(|route| {
        let methods = route.methods.iter();
        methods.map(|(method, _)| (*method, route.pattern))
    })
}

/// The pattern of the route that answers a method of a path as it comes, if there is one.
pub fn endpoint(method: &str, raw_path: &str) -> Option<&'static str> {
    let path = decode_path(raw_path).ok()?;
    let segments = path.split('/').filter(|segment| !segment.is_empty());
    let segments: Vec<String> = segments.map(str::to_owned).collect();
    pattern_of(ROUTES, method, service_path(&segments))
}
