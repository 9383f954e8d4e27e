//! One operation: what a method of a route takes and answers.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::parameters::{Parameter, path_parameters};
use super::refusals::{LOGIN, Refusal};
use super::shape::{named, object};
use crate::http::ocp;

/// What operations are about.
pub const TAGS: [(&str, &str); 11] = [
    (
        "files",
        "Upload, download, delete; several at once as a zip.",
    ),
    (
        "blocks",
        "Uploads in blocks, which go by offsets (`separate`) or by numbers (`block`).",
    ),
    (
        "links",
        "Temporary links and tokens, which carry their own right.",
    ),
    (
        "nodes",
        "Files and folders: ask, search, move, copy, delete; metadata.",
    ),
    ("projects", "Projects."),
    ("repositories", "Repositories."),
    ("users", "Users, and what they may do."),
    ("credentials", "Access tokens, and pairs of access keys."),
    ("packages", "Software packages, in OCP's dialect."),
    ("operations", "Health, statistics, verification, space."),
    ("web", "The web page, and who is logged in there."),
];

/// Who may ask.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Access {
    /// Who says who they are.
    Login,
    /// They, and everybody where what it is about is public.
    LoginOrPublic,
    /// Who has a link.
    Link,
    /// Everybody.
    Everybody,
}

/// What a method of a route takes and answers.
#[derive(Debug, Clone)]
pub struct Operation {
    route: &'static str,
    id: &'static str,
    summary: &'static str,
    description: &'static str,
    tag: &'static str,
    access: Access,
    parameters: Vec<Parameter>,
    body: Option<Value>,
    answers: Vec<(&'static str, Value)>,
    refusals: Vec<Refusal>,
    has_head: bool,
}

impl Operation {
    /// The operation of a route, a method and a pattern of `api`; it needs a login.
    pub fn new(
        tag: &'static str,
        route: &'static str,
        id: &'static str,
        summary: &'static str,
    ) -> Self {
        Self {
            route,
            id,
            summary,
            description: "",
            tag,
            access: Access::Login,
            parameters: Vec::new(),
            body: None,
            answers: Vec::new(),
            refusals: Vec::new(),
            has_head: false,
        }
    }

    /// Says more than the summary.
    pub fn says(self, description: &'static str) -> Self {
        Self {
            description,
            ..self
        }
    }

    /// Everybody may ask about what is public.
    pub fn or_public(self) -> Self {
        Self {
            access: Access::LoginOrPublic,
            ..self
        }
    }

    /// The token in the query gives the right.
    pub fn by_link(self) -> Self {
        Self {
            access: Access::Link,
            ..self
        }
    }

    /// Everybody may ask.
    pub fn by_everybody(self) -> Self {
        Self {
            access: Access::Everybody,
            ..self
        }
    }

    /// Takes these headers and parameters of the query.
    pub fn takes(mut self, parameters: &[Parameter]) -> Self {
        self.parameters.extend(parameters);
        self
    }

    /// Takes a JSON document.
    #[expect(
        clippy::needless_pass_by_value,
        reason = "schemas are made where they are used"
    )]
    pub fn json(self, schema: Value) -> Self {
        let body = json!({"required": true, "content": {"application/json": {"schema": schema}}});
        Self {
            body: Some(body),
            ..self
        }
    }

    /// Takes bytes, whatever their type.
    pub fn bytes(self) -> Self {
        let body = json!({"required": true, "content": {"application/octet-stream": {}}});
        Self {
            body: Some(body),
            ..self
        }
    }

    /// Takes a form with a file.
    pub fn form(self) -> Self {
        let file = json!({"type": "string", "contentMediaType": "application/octet-stream"});
        let schema = object([("file", file)], []);
        let body =
            json!({"required": true, "content": {"multipart/form-data": {"schema": schema}}});
        Self {
            body: Some(body),
            ..self
        }
    }

    /// Answers with this in the envelope of its dialect.
    pub fn data(self, data: Value) -> Self {
        let envelope = match ocp::speaks(self.pattern()) {
            true => "PackageEnvelope",
            false => "Envelope",
        };
        let data = object([("data", data)], []);
        self.document(json!({"allOf": [named(envelope), data]}))
    }

    /// Answers with an envelope of OCP's that has no data.
    pub fn nothing(self) -> Self {
        self.document(named("PackageEnvelope"))
    }

    /// Answers with a JSON document.
    pub fn document(self, schema: Value) -> Self {
        self.content("application/json", schema)
    }

    /// Answers with content of this type.
    #[expect(
        clippy::needless_pass_by_value,
        reason = "schemas are made where they are used"
    )]
    pub fn content(self, media_type: &'static str, schema: Value) -> Self {
        let media = match schema.is_null() {
            true => json!({}),
            false => json!({"schema": schema}),
        };
        self.answer(
            "200",
            json!({"description": "Done", "content": {media_type: media}}),
        )
    }

    /// Answers with this.
    pub fn answer(mut self, status: &'static str, response: Value) -> Self {
        self.answers.push((status, response));
        self
    }

    /// Refuses with these, too.
    pub fn refuses(mut self, refusals: &[Refusal]) -> Self {
        self.refusals.extend(refusals);
        self
    }

    /// `HEAD` is answered likewise, without the body.
    pub fn and_head(self) -> Self {
        Self {
            has_head: true,
            ..self
        }
    }

    fn pattern(&self) -> &'static str {
        self.route.split(' ').nth(1).unwrap_or_default()
    }

    /// Its path, as OpenAPI writes them: a name stands for one segment or more.
    pub fn template(&self) -> String {
        self.pattern().replace("/{more..}", "").replace("..}", "}")
    }

    /// Its methods, in lower case, with their descriptions; its refusals go to `responses`.
    pub fn describe(&self, responses: &mut BTreeMap<String, Value>) -> Vec<(&'static str, Value)> {
        let method = match self.route.split(' ').next() {
            Some("GET") => "get",
            Some("PUT") => "put",
            Some("DELETE") => "delete",
            _ => "post",
        };
        let mut all = vec![(method, self.method(self.id, responses, false))];
        if self.has_head {
            let id = format!("{}Head", self.id);
            all.push(("head", self.method(&id, responses, true)));
        }
        all
    }

    fn method(&self, id: &str, responses: &mut BTreeMap<String, Value>, is_head: bool) -> Value {
        let mut answers: BTreeMap<&str, Value> = BTreeMap::new();
        for (status, response) in &self.answers {
            let mut response = response.clone();
            if let (true, Some(response)) = (is_head, response.as_object_mut()) {
                response.remove("content");
            }
            answers.insert(status, response);
        }
        let refusals = self.all_refusals();
        for (status, refusals) in &refusals {
            let (name, response) = refusal(ocp::speaks(self.pattern()), refusals, is_head);
            answers.insert(
                status,
                json!({"$ref": format!("#/components/responses/{name}")}),
            );
            responses.insert(name, response);
        }
        let parameters = path_parameters(self.pattern());
        let parameters = parameters.iter().chain(&self.parameters);
        let mut operation = json!({
            "operationId": id,
            "summary": self.summary,
            "tags": [self.tag],
            "security": self.security(),
            "parameters": parameters.map(Parameter::describe).collect::<Vec<_>>(),
            "responses": answers,
        });
        if !self.description.is_empty() {
            operation["description"] = json!(self.description);
        }
        if let Some(body) = &self.body {
            operation["requestBody"] = body.clone();
        }
        operation
    }

    /// By status.
    fn all_refusals(&self) -> BTreeMap<&'static str, Vec<Refusal>> {
        let shared: &[Refusal] = match self.access {
            Access::Everybody => &[],
            Access::Login | Access::LoginOrPublic | Access::Link => LOGIN,
        };
        let mut all: BTreeMap<&str, Vec<Refusal>> = BTreeMap::new();
        // What OCP's dialect calls by other codes it says itself.
        let shared = shared.iter().filter(|_| !ocp::speaks(self.pattern()));
        for refusal in shared.chain(&self.refusals) {
            let found = all.entry(refusal.status).or_default();
            if found.iter().all(|known| known.code != refusal.code) {
                found.push(*refusal);
            }
        }
        for refusals in all.values_mut() {
            refusals.sort_by_key(|refusal| refusal.code);
        }
        all
    }

    fn security(&self) -> Value {
        let login = [
            json!({"basic": []}),
            json!({"bearer": []}),
            json!({"platform": []}),
            json!({"signature": []}),
            json!({"session": []}),
        ];
        match self.access {
            Access::Login => json!(login),
            Access::LoginOrPublic => json!([&login[..], &[json!({})]].concat()),
            Access::Link => json!([{"link": []}]),
            Access::Everybody => json!([]),
        }
    }
}

/// A name for what is refused with one status, and what that answer is.
fn refusal(is_ocp: bool, refusals: &[Refusal], is_head: bool) -> (String, Value) {
    let codes: Vec<&str> = refusals.iter().map(|refusal| refusal.code).collect();
    let status = refusals.first().map_or("", |refusal| refusal.status);
    let head = if is_head { "head-" } else { "" };
    let name = format!("{head}{status}-{}", codes.join("-"));
    let lines = refusals
        .iter()
        .map(|refusal| format!("`{}`: {}", refusal.code, refusal.why));
    let description = lines.collect::<Vec<_>>().join("; ");
    let schema = match is_ocp {
        true => {
            let code = object([("code", json!({"enum": codes}))], []);
            json!({"allOf": [named("PackageError"), object([("error", code)], [])]})
        }
        false => {
            let codes: Vec<u32> = codes.iter().filter_map(|code| code.parse().ok()).collect();
            json!({"allOf": [named("Error"), object([("code", json!({"enum": codes}))], [])]})
        }
    };
    let response = match is_head {
        true => json!({"description": description}),
        false => json!({
            "description": description,
            "content": {"application/json": {"schema": schema}},
        }),
    };
    (name, response)
}

/// How one says who one is.
pub fn security_schemes() -> Value {
    let in_header = |description: &str| json!({"type": "apiKey", "in": "header", "name": "Authorization", "description": description});
    json!({
        "basic": {
            "type": "http",
            "scheme": "basic",
            "description": "A user with the password, or with an access token in its place.",
        },
        "bearer": {"type": "http", "scheme": "bearer", "description": "An access token."},
        "platform": in_header(
            "`Platform ` and the Base64 of `accessKey:secretKey`. With the keys of an administrator \
             `X-BKREPO-UID` names the user that is spoken for.",
        ),
        "signature": in_header(
            "`OCP-ACCESS-KEY-HMACSHA1 accessKey:` and OCP's signature of the request. Its body is 8 MiB at \
             most (413), its `Date` within 15 minutes.",
        ),
        "session": {
            "type": "apiKey",
            "in": "cookie",
            "name": "packhold-session",
            "description": "A session of the web page; over https its name begins with `__Host-`. What changes \
                something needs `X-PACKHOLD-CSRF`, too.",
        },
        "link": {
            "type": "apiKey",
            "in": "query",
            "name": "token",
            "description": "The token of a temporary link. One for certain users needs `X-BKREPO-UID` or a \
                login, too.",
        },
    })
}
