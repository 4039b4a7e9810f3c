//! The description of the API: what the domains say of their routes, and what is true of all of them.

use contract::problem;
use utoipa::openapi::path::Operation;
use utoipa::openapi::response::ResponseBuilder;
use utoipa::openapi::schema::{Object, SchemaType, Type};
use utoipa::openapi::security::{ApiKey, ApiKeyValue, HttpAuthScheme, HttpBuilder, SecurityScheme};
use utoipa::openapi::{Content, HeaderBuilder, Info, OpenApi, PathItem, Ref, RefOr, Response};

/// Why somebody may be refused whatever he asks for.
const UNAVAILABLE: &str = "Not right now: try again after `Retry-After`. A request that carries an \
                           `Idempotency-Key` may be sent again as it is.";
const UNKNOWN: &str = "Nobody is logged in, or the session is over.";

/// The API of all domains in one document.
pub(crate) fn document() -> OpenApi {
    let mut api = users::http::openapi();
    api.merge(inventory::http::openapi());
    api.merge(orders::http::openapi());
    api.info = Info::new("Stagecraft Supply", "1");
    if let Some(components) = &mut api.components {
        let token = HttpBuilder::new().scheme(HttpAuthScheme::Bearer).build();
        let token = SecurityScheme::Http(token);
        components.add_security_scheme("token", token);
        let cookie = ApiKey::Cookie(ApiKeyValue::new(runtime::auth::COOKIE_NAME));
        components.add_security_scheme("cookie", SecurityScheme::ApiKey(cookie));
    }
    for operation in api.paths.paths.values_mut().flat_map(operations) {
        describe(operation);
    }
    api
}

fn operations(path: &mut PathItem) -> impl Iterator<Item = &mut Operation> {
    let PathItem {
        get,
        put,
        post,
        patch,
        delete,
        ..
    } = path;
    [get, put, post, patch, delete].into_iter().flatten()
}

fn describe(operation: &mut Operation) {
    let described = &mut operation.responses.responses;
    if operation.security.is_some() {
        described
            .entry("401".to_owned())
            .or_insert_with(|| a_problem(UNKNOWN).build().into());
    }
    let seconds = HeaderBuilder::new()
        .schema(Some(Object::with_type(SchemaType::Type(Type::Integer))))
        .description(Some("Seconds after which it makes sense to try again"))
        .build();
    let unavailable = a_problem(UNAVAILABLE).header("Retry-After", seconds);
    described.insert("503".to_owned(), unavailable.build().into());
    for (status, response) in described {
        let RefOr::T(Response {
            content,
            description,
            ..
        }) = response
        else {
            continue;
        };
        if description.is_empty() {
            meaning(status).clone_into(description);
        }
        // Errors have a media type of their own (RFC 9457).
        if status.starts_with(['4', '5'])
            && let Some(body) = content.shift_remove("application/json")
        {
            content.insert(problem::CONTENT_TYPE.to_owned(), body);
        }
    }
}

/// What a status says wherever it comes from here: the problem's `type` says which of its reasons it is.
fn meaning(status: &str) -> &'static str {
    match status {
        "200" => "As asked.",
        "201" => "It is there now.",
        "204" => "Done; there is nothing to say.",
        "400" => "The request cannot be understood: a header or a parameter is malformed.",
        "401" => "E-mail and password do not match.",
        "403" => "For staff only.",
        "404" => "There is no such thing, or it is somebody else's.",
        "409" => "It cannot be done as things are.",
        "422" => "It can be read, and something in it cannot be: `errors` names the fields.",
        "429" => "Too often: try again after `Retry-After`.",
        _ => "",
    }
}

fn a_problem(description: &str) -> ResponseBuilder {
    let body = Content::new(Some(Ref::from_schema_name("Problem")));
    ResponseBuilder::new()
        .description(description)
        .content(problem::CONTENT_TYPE, body)
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

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
        let products = &api["paths"]["/api/v1/products"]["get"];
        assert_eq!(products["security"], Value::Null);
        assert_eq!(products["responses"]["401"], Value::Null);
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
