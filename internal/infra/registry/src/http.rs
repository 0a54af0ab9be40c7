//! Confluent's REST API: paths, bodies and codes, over the journal.

mod answer;
mod call;
mod compatibility;
mod config;
mod desk;
mod mode;
mod request;
mod schemas;
mod server_info;
mod subjects;
mod told;
mod versions;

use std::sync::Arc;

use axum::Router;
use axum::extract::{Request, State};
use axum::http::StatusCode;
use axum::response::Response;
use axum::routing::{MethodFilter, on};
use serde_json::Value;

use crate::Settings;
use crate::journal::Journal;
use answer::{Media, Problem};
use call::Call;
use desk::Desk;
pub(crate) use desk::REQUESTS_MAX;

/// What a request does: reads or writes the journal, and answers JSON.
type Deed = fn(&Journal, &Call) -> Result<Value, Problem>;

/// The API. What answers a schema's bare text answers it as a JSON string, which is told unquoted.
const ROUTES: &[(MethodFilter, &str, Deed)] = &[
    (MethodFilter::GET, "/", server_info::root),
    (MethodFilter::GET, "/v1/metadata/id", server_info::id),
    (MethodFilter::GET, "/v1/metadata/version", server_info::version),
    (MethodFilter::GET, "/contexts", server_info::contexts),
    (MethodFilter::GET, "/subjects", subjects::list),
    (MethodFilter::POST, "/subjects/{subject}", subjects::look_up),
    (MethodFilter::DELETE, "/subjects/{subject}", subjects::erase),
    (MethodFilter::GET, "/subjects/{subject}/metadata", subjects::with_metadata),
    (MethodFilter::GET, "/subjects/{subject}/versions", versions::list),
    (MethodFilter::POST, "/subjects/{subject}/versions", versions::register),
    (MethodFilter::GET, "/subjects/{subject}/versions/{version}", versions::one),
    (MethodFilter::DELETE, "/subjects/{subject}/versions/{version}", versions::erase),
    (MethodFilter::GET, "/subjects/{subject}/versions/{version}/schema", versions::text),
    (MethodFilter::GET, "/subjects/{subject}/versions/{version}/referencedby", versions::referrers),
    (MethodFilter::GET, "/schemas", schemas::list),
    (MethodFilter::GET, "/schemas/types", schemas::languages),
    (MethodFilter::GET, "/schemas/ids/{id}", schemas::by_id),
    (MethodFilter::GET, "/schemas/ids/{id}/schema", schemas::text),
    (MethodFilter::GET, "/schemas/ids/{id}/subjects", schemas::subjects),
    (MethodFilter::GET, "/schemas/ids/{id}/versions", schemas::versions),
    (MethodFilter::POST, "/compatibility/subjects/{subject}/versions", compatibility::with_all),
    (MethodFilter::POST, "/compatibility/subjects/{subject}/versions/{version}", compatibility::with_one),
    (MethodFilter::GET, "/config", config::get),
    (MethodFilter::PUT, "/config", config::set),
    (MethodFilter::DELETE, "/config", config::unset),
    (MethodFilter::GET, "/config/{subject}", config::get),
    (MethodFilter::PUT, "/config/{subject}", config::set),
    (MethodFilter::DELETE, "/config/{subject}", config::unset),
    (MethodFilter::GET, "/mode", mode::get),
    (MethodFilter::PUT, "/mode", mode::set),
    (MethodFilter::DELETE, "/mode", mode::unset),
    (MethodFilter::GET, "/mode/{subject}", mode::get),
    (MethodFilter::PUT, "/mode/{subject}", mode::set),
    (MethodFilter::DELETE, "/mode/{subject}", mode::unset),
];

/// The whole API.
pub(crate) fn router(journal: Arc<Journal>, settings: &Settings) -> Router {
    let mut router = Router::new();
    for (method, path, deed) in ROUTES {
        let handler = move |State(desk): State<Desk>, request: Request| desk.answer(*deed, request);
        router = router.route(path, on(*method, handler));
        // Clients with a slash at the end of their addresses ask with one at the end of paths.
        if *path != "/" {
            router = router.route(&format!("{path}/"), on(*method, handler));
        }
    }
    let nowhere = |request: Request| async move { refused(StatusCode::NOT_FOUND, &request) };
    let not_so = |request: Request| async move { refused(StatusCode::METHOD_NOT_ALLOWED, &request) };
    router.fallback(nowhere).method_not_allowed_fallback(not_so).with_state(Desk::new(journal, settings))
}

fn refused(status: StatusCode, request: &Request) -> Response {
    Problem::plain(status).told(Media::asked_for(request.headers()))
}
