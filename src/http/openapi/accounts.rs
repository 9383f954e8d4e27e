//! Projects, repositories, users, and what stands for their passwords.

use serde_json::{Value, json};

use super::operation::Operation;
use super::parameters::{Kind, Parameter, query};
use super::refusals as refused;
use super::shape::{count, flag, list, named, nothing, object, one_of, text, told};

/// Every operation.
pub fn operations() -> Vec<Operation> {
    let mut all = projects();
    all.extend(repositories());
    all.extend(users());
    all.extend(grants());
    all.extend(credentials());
    all
}

fn projects() -> Vec<Operation> {
    let new = |route, id, summary| Operation::new("projects", route, id, summary);
    let create = |route, id| {
        new(route, id, "Make a project")
            .says("Administrators may. Answers with its name.")
            .json(object(
                [("name", text())],
                [("displayName", text()), ("description", text())],
            ))
            .data(text())
            .refuses(refused::JSON)
            .refuses(refused::PROJECT_EXISTS)
            .refuses(refused::CHANGE)
    };
    let names = query("names", Kind::Text, "Only these, separated by commas.");
    vec![
        create("POST /repository/api/project", "postProject"),
        create("POST /repository/api/project/create", "createProject"),
        new(
            "GET /repository/api/project/list",
            "listProjects",
            "Projects that one has to do with",
        )
        .takes(&[names])
        .data(list(named("Project"))),
        new(
            "GET /repository/api/project/exist/{project}",
            "existsProject",
            "Whether a project is there",
        )
        .says("To who has nothing to do with it, it is not.")
        .data(flag())
        .refuses(refused::NAMED),
        new(
            "GET /repository/api/project/info/{project}",
            "getProject",
            "About a project",
        )
        .data(named("Project"))
        .refuses(refused::IN_PROJECT),
        new(
            "DELETE /repository/api/project/delete/{project}",
            "deleteProject",
            "Delete a project without repositories",
        )
        .data(nothing())
        .refuses(refused::IN_PROJECT)
        .refuses(refused::IN_USE)
        .refuses(refused::CHANGE),
    ]
}

fn new_repository() -> Value {
    object(
        [
            ("projectId", text()),
            ("name", text()),
            ("type", one_of(&["GENERIC"])),
        ],
        [
            ("category", one_of(&["LOCAL", "COMPOSITE"])),
            ("public", told(flag(), "Whether everybody may read it.")),
            ("description", text()),
            ("quota", told(count(), "Bytes that it may hold.")),
        ],
    )
}

fn repositories() -> Vec<Operation> {
    let mut all = asking_about_repositories();
    all.extend(changing_repositories());
    all
}

fn repository(route: &'static str, id: &'static str, summary: &'static str) -> Operation {
    Operation::new("repositories", route, id, summary)
}

fn page_of_repositories() -> Value {
    object(
        [
            ("pageNumber", count()),
            ("pageSize", count()),
            ("totalRecords", count()),
            ("totalPages", count()),
            ("count", count()),
            ("page", count()),
            ("records", list(named("Repository"))),
        ],
        [],
    )
}

fn asking_about_repositories() -> Vec<Operation> {
    let info = |route, id| {
        repository(route, id, "About a repository")
            .or_public()
            .data(named("Repository"))
            .refuses(refused::IN_REPO)
    };
    let which: &[Parameter] = &[
        query("name", Kind::Text, "How names begin."),
        query("type", Kind::Text, "Anything but `GENERIC` finds none."),
    ];
    let listed = |route, id, summary| {
        repository(route, id, summary)
            .takes(which)
            .refuses(refused::IN_PROJECT)
    };
    vec![
        info(
            "GET /repository/api/repo/info/{project}/{repo}",
            "getRepository",
        ),
        info(
            "GET /repository/api/repo/info/{project}/{repo}/{type}",
            "getRepositoryOfType",
        ),
        repository(
            "GET /repository/api/repo/exist/{project}/{repo}",
            "existsRepository",
            "Whether a repository is there",
        )
        .or_public()
        .says("To who has nothing to do with it, it is not.")
        .data(flag())
        .refuses(refused::NAMED),
        listed(
            "GET /repository/api/repo/list/{project}",
            "listRepositories",
            "Repositories that one may read",
        )
        .data(list(named("Repository"))),
        listed(
            "GET /repository/api/repo/page/{project}/{number}/{size}",
            "pageRepositories",
            "A page of them",
        )
        .data(page_of_repositories()),
    ]
}

fn changing_repositories() -> Vec<Operation> {
    let create = |route, id| {
        repository(route, id, "Make a repository")
            .says("Needs `MANAGE` in the project.")
            .json(new_repository())
            .data(named("Repository"))
            .refuses(refused::JSON)
            .refuses(refused::IN_PROJECT)
            .refuses(refused::REPO_EXISTS)
            .refuses(refused::CHANGE)
    };
    let change = |route, id, summary| {
        repository(route, id, summary)
            .data(nothing())
            .refuses(refused::IN_REPO)
            .refuses(refused::CHANGE)
    };
    let quota = told(
        json!({"type": "integer"}),
        "Bytes that it may hold; a negative number takes the quota away.",
    );
    let changed = object(
        [],
        [
            ("public", flag()),
            ("description", text()),
            ("quota", quota),
        ],
    );
    vec![
        create("POST /repository/api/repo", "postRepository"),
        create("POST /repository/api/repo/create", "createRepository"),
        change(
            "POST /repository/api/repo/update/{project}/{repo}",
            "updateRepository",
            "Change a repository",
        )
        .says("What is missing stays. Needs `MANAGE`.")
        .json(changed)
        .refuses(refused::JSON),
        change(
            "DELETE /repository/api/repo/delete/{project}/{repo}",
            "deleteRepository",
            "Delete a repository",
        )
        .says("Needs `MANAGE`.")
        .takes(&[query(
            "forced",
            Kind::Flag,
            "With the files that are in it.",
        )])
        .refuses(refused::IN_USE),
    ]
}

fn user_in<const N: usize>(place: [&str; N]) -> Value {
    let mut user = object(
        [("userId", text()), ("pwd", told(text(), "The password."))],
        [("admin", flag())],
    );
    for name in place {
        user["properties"][name] = text();
        if let Some(required) = user["required"].as_array_mut() {
            required.push(json!(name));
        }
    }
    user
}

fn users() -> Vec<Operation> {
    let new =
        |route, id, summary| Operation::new("users", route, id, summary).refuses(refused::NAMED);
    let create = |route, id, summary, body| {
        new(route, id, summary)
            .json(body)
            .data(json!({"const": true}))
            .refuses(refused::JSON)
            .refuses(refused::IN_REPO)
            .refuses(refused::IN_PROJECT)
            .refuses(refused::USER_EXISTS)
            .refuses(refused::CHANGE)
    };
    let info = |route, id| {
        new(route, id, "About a user")
            .data(named("User"))
            .refuses(refused::USER)
    };
    vec![
        create(
            "POST /auth/api/user/create",
            "createUser",
            "Make a user",
            user_in([]),
        ),
        create(
            "POST /auth/api/user/create/project",
            "createProjectUser",
            "Make a user, if there is none, who may do everything in a project",
            user_in(["projectId"]),
        ),
        create(
            "POST /auth/api/user/create/repo",
            "createRepositoryUser",
            "Make a user, if there is none, who may do everything in a repository",
            user_in(["projectId", "repoName"]),
        ),
        new("GET /auth/api/user/list", "listUsers", "All users").data(list(named("User"))),
        info("GET /auth/api/user/detail/{user}", "getUserDetail"),
        info("GET /auth/api/user/{user}", "getUser"),
        new("PUT /auth/api/user/{user}", "updateUser", "Change a user")
            .says("What is missing stays. Of oneself the password only.")
            .json(object([], [("pwd", text()), ("admin", flag())]))
            .data(json!({"const": true}))
            .refuses(refused::JSON)
            .refuses(refused::USER)
            .refuses(refused::CHANGE),
        new(
            "DELETE /auth/api/user/{user}",
            "deleteUser",
            "Delete a user",
        )
        .says("With what was granted, and the tokens and keys.")
        .data(json!({"const": true}))
        .refuses(refused::USER)
        .refuses(refused::CHANGE),
    ]
}

fn grants() -> Vec<Operation> {
    let new = |route, id, summary| Operation::new("users", route, id, summary);
    let roles = ["PACKAGE_VIEWER", "PACKAGE_MANAGER"];
    let role = object([("userId", text()), ("role", one_of(&roles))], []);
    let wanted = [&roles[..], &[""]].concat();
    let grant = object(
        [("userId", text())],
        [
            ("projectId", text()),
            (
                "repoName",
                told(text(), "Everywhere in the project if missing."),
            ),
            (
                "actions",
                told(
                    list(one_of(&["READ", "WRITE", "DELETE", "MANAGE"])),
                    "None takes all away.",
                ),
            ),
            (
                "role",
                told(
                    one_of(&wanted),
                    "Among the software packages, instead of the rest; empty takes it away.",
                ),
            ),
        ],
    );
    let listed = json!({"anyOf": [list(named("Grant")), list(role)]});
    vec![
        new(
            "GET /packhold/grants",
            "listGrants",
            "What was granted in a project",
        )
        .takes(&[
            query(
                "projectId",
                Kind::Text,
                "The project; needed without `role`.",
            ),
            query(
                "role",
                Kind::Flag,
                "The roles among the software packages instead.",
            ),
        ])
        .data(listed)
        .refuses(refused::JSON)
        .refuses(refused::IN_PROJECT),
        new("PUT /packhold/grants", "grant", "Set what a user may do")
            .json(grant)
            .data(nothing())
            .refuses(refused::JSON)
            .refuses(refused::IN_PROJECT)
            .refuses(refused::IN_REPO)
            .refuses(refused::USER)
            .refuses(refused::CHANGE),
    ]
}

fn credentials() -> Vec<Operation> {
    let new = |route, id, summary| Operation::new("credentials", route, id, summary);
    let key = |operation: Operation| operation.refuses(refused::PARAMETER).refuses(refused::USER);
    vec![
        key(new(
            "GET /auth/api/user/list/token/{user}",
            "listAccessTokens",
            "A user's access tokens",
        ))
        .data(list(named("AccessToken")))
        .refuses(refused::NAMED),
        key(new(
            "POST /auth/api/user/token/{user}/{name}",
            "createAccessToken",
            "Make an access token",
        ))
        .takes(&[query(
            "expiredAt",
            Kind::Text,
            "When it expires: ISO, with an offset or in the server's zone.",
        )])
        .data(named("AccessToken"))
        .refuses(refused::NAMED)
        .refuses(refused::MANY)
        .refuses(refused::ACCESS_TOKEN_EXISTS)
        .refuses(refused::CHANGE),
        key(new(
            "DELETE /auth/api/user/token/{user}/{name}",
            "deleteAccessToken",
            "Take an access token away",
        ))
        .data(json!({"const": true}))
        .refuses(refused::NAMED)
        .refuses(refused::ACCESS_TOKEN)
        .refuses(refused::CHANGE),
        key(new(
            "GET /packhold/keys",
            "listAccessKeys",
            "A user's pairs of access keys",
        ))
        .takes(&[query("userId", Kind::Text, "The user; oneself if missing.")])
        .data(list(named("AccessKey"))),
        key(new(
            "POST /packhold/keys",
            "createAccessKey",
            "Make a pair of access keys",
        ))
        .json(object(
            [],
            [("userId", told(text(), "The user; oneself if missing."))],
        ))
        .data(named("AccessKey"))
        .refuses(refused::JSON)
        .refuses(refused::MANY)
        .refuses(refused::CHANGE),
        new(
            "DELETE /packhold/keys/{accessKey}",
            "deleteAccessKey",
            "Take a pair of access keys away",
        )
        .data(json!({"const": true}))
        .refuses(refused::NAMED)
        .refuses(refused::ACCESS_KEY)
        .refuses(refused::CHANGE),
    ]
}
