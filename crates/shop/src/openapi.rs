//! The description of the API: what the domains say of their routes, and what follows from what a route is.

use contract::problem;
use utoipa::openapi::path::Operation;
use utoipa::openapi::schema::{Object, SchemaType, Type};
use utoipa::openapi::security::{
    ApiKey, ApiKeyValue, HttpAuthScheme, HttpBuilder, SecurityRequirement, SecurityScheme,
};
use utoipa::openapi::{
    Content, Header, HeaderBuilder, Info, OpenApi, PathItem, Ref, RefOr, Response, ResponseBuilder,
};

/// The API of all domains in one document.
pub(crate) fn document() -> OpenApi {
    let mut api = users::http::openapi();
    api.merge(inventory::http::openapi());
    api.merge(orders::http::openapi());
    api.info = Info::new("Stagecraft Supply", "1");
    if let Some(components) = &mut api.components {
        let token = HttpBuilder::new().scheme(HttpAuthScheme::Bearer).build();
        components.add_security_scheme("token", SecurityScheme::Http(token));
        let cookie = ApiKey::Cookie(ApiKeyValue::new(runtime::auth::COOKIE_NAME));
        components.add_security_scheme("cookie", SecurityScheme::ApiKey(cookie));
    }
    for path in api.paths.paths.values_mut() {
        let PathItem {
            get,
            put,
            post,
            patch,
            delete,
            ..
        } = path;
        get.iter_mut().for_each(|read| describe(read, false));
        let changes = [put, post, patch, delete].into_iter().flatten();
        changes.for_each(|change| describe(change, true));
    }
    api
}

fn describe(operation: &mut Operation, is_change: bool) {
    let security = operation.security.as_deref().unwrap_or_default();
    let nobody = SecurityRequirement::default();
    let mut more = vec!["503", "default"];
    if !security.is_empty() && !security.contains(&nobody) {
        more.push("401");
    }
    if is_change {
        more.push("403");
    }
    if operation.parameters.as_ref().is_some_and(|p| !p.is_empty()) {
        more.push("400");
    }
    if operation.request_body.is_some() {
        more.extend(["400", "413", "415", "422"]);
    }
    let described = &mut operation.responses.responses;
    for status in more {
        let responses = described.entry(status.to_owned());
        responses.or_insert_with(|| a_problem().into());
    }
    let is_for_members = operation.security.is_some();
    for (status, response) in described {
        if let RefOr::T(response) = response {
            complete(response, status, is_for_members);
        }
    }
}

fn a_problem() -> Response {
    let body = Content::new(Some(Ref::from_schema_name("Problem")));
    let response = ResponseBuilder::new().content(problem::CONTENT_TYPE, body);
    response.build()
}

fn complete(response: &mut Response, status: &str, is_for_members: bool) {
    let meaning = meaning(status, is_for_members);
    meaning.clone_into(&mut response.description);
    // Errors have a media type of their own (RFC 9457).
    if status.starts_with(['4', '5'])
        && let Some(body) = response.content.shift_remove("application/json")
    {
        let kind = problem::CONTENT_TYPE.to_owned();
        response.content.insert(kind, body);
    }
    if matches!(status, "429" | "503") {
        let header = RefOr::T(seconds());
        response.headers.insert("Retry-After".to_owned(), header);
    }
}

fn seconds() -> Header {
    let integer = Object::with_type(SchemaType::Type(Type::Integer));
    HeaderBuilder::new()
        .schema(Some(integer))
        .description(Some("Seconds after which it makes sense to try again"))
        .build()
}

/// What a status says wherever it comes from here; the problem's `type` says which of its reasons it is.
fn meaning(status: &str, is_for_members: bool) -> &'static str {
    match status {
        "200" => "As asked.",
        "201" => "It is there now.",
        "204" => "Done; there is nothing to say.",
        "400" => "The request cannot be read: `errors` names the part that is malformed.",
        "401" if is_for_members => "Nobody is logged in, or the session is over.",
        "401" => "E-mail address and password do not match.",
        "403" => "For staff only, or a page of another site asked for it.",
        "404" => "There is no such thing, or it is somebody else's.",
        "409" => "It cannot be done as things are.",
        "413" => "The body is too large.",
        "415" => "The body must be `application/json`.",
        "422" => "It can be read, and it says something that cannot be.",
        "429" => "Too often.",
        "503" => {
            "Not right now. What reads, and what carries an `Idempotency-Key`, may be sent again as it is."
        }
        _ => "Anything else: the problem says what.",
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    #[test]
    fn what_a_route_is_tells_how_it_may_fail() {
        let api = as_json();
        for (path, method, expected) in [
            ("cart", "get", &["200", "401", "503", "default"][..]),
            (
                "products/{sku}",
                "get",
                &["200", "400", "404", "503", "default"],
            ),
            (
                "sessions",
                "post",
                &[
                    "201", "400", "401", "403", "413", "415", "422", "429", "503", "default",
                ],
            ),
            (
                "sessions",
                "delete",
                &["204", "401", "403", "503", "default"],
            ),
        ] {
            let responses = &api["paths"][format!("/api/v1/{path}")][method]["responses"];
            let statuses: Vec<_> = responses.as_object().unwrap().keys().collect();
            assert_eq!(statuses, expected, "{method} {path}");
        }
    }

    fn as_json() -> Value {
        serde_json::to_value(document()).unwrap()
    }

    #[test]
    fn who_must_be_logged_in_is_told_how_and_what_comes_if_he_is_not() {
        let cart = &as_json()["paths"]["/api/v1/cart"]["get"];
        assert_eq!(cart["security"], json!([{ "token": [] }, { "cookie": [] }]));
        let refused = &cart["responses"]["401"]["content"]["application/problem+json"];
        assert_eq!(refused["schema"]["$ref"], "#/components/schemas/Problem");
        let api = as_json();
        assert_eq!(
            api["components"]["securitySchemes"],
            json!({
                "cookie": { "type": "apiKey", "in": "cookie", "name": "session" },
                "token": { "type": "http", "scheme": "bearer" },
            })
        );
        for (path, method, expected) in [
            (
                "users/me",
                "get",
                "Nobody is logged in, or the session is over.",
            ),
            (
                "sessions",
                "post",
                "E-mail address and password do not match.",
            ),
        ] {
            let operation = &api["paths"][format!("/api/v1/{path}")][method];
            assert_eq!(operation["responses"]["401"]["description"], expected);
        }
        // With or without.
        let log_out = &api["paths"]["/api/v1/sessions/current"]["delete"];
        assert_eq!(log_out["security"].as_array().unwrap().len(), 3);
        let products = &api["paths"]["/api/v1/products"]["get"];
        assert_eq!(products["security"], Value::Null);
        for guest in [log_out, products] {
            assert_eq!(guest["responses"]["401"], Value::Null);
        }
    }

    #[test]
    fn each_operation_has_a_summary_and_may_be_unavailable() {
        let api = as_json();
        let paths = api["paths"].as_object().unwrap();
        for (path, method, operation) in paths.iter().flat_map(|(path, methods)| {
            let methods = methods.as_object().unwrap().iter();
            methods.map(move |(method, operation)| (path, method, operation))
        }) {
            assert!(operation["summary"].is_string(), "{method} {path}");
            let unavailable = &operation["responses"]["503"];
            assert!(
                unavailable["headers"]["Retry-After"].is_object(),
                "{method} {path}"
            );
            for (status, response) in operation["responses"].as_object().unwrap() {
                assert_ne!(response["description"], "", "{method} {path} {status}");
                let is_json = response["content"]["application/json"].is_object();
                assert!(
                    !is_json || status.starts_with('2'),
                    "{method} {path} {status}"
                );
            }
        }
    }

    #[test]
    fn all_that_is_referred_to_is_there() {
        let text = document().to_json().unwrap();
        let api = as_json();
        for name in text.split("#/components/schemas/").skip(1) {
            let name = name.split('"').next().unwrap();
            assert!(api["components"]["schemas"][name].is_object(), "{name}");
        }
    }
}
