use axum::Router;
use axum::http::HeaderName;
use axum::http::header::{
    CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, REFERRER_POLICY, X_CONTENT_TYPE_OPTIONS,
    X_FRAME_OPTIONS,
};
use axum::routing::get;

const HTML: &str = "text/html; charset=utf-8";
const STYLE: &str = "text/css; charset=utf-8";
const SCRIPT: &str = "text/javascript; charset=utf-8";

/// Nothing but this server's own scripts and styles runs, and nobody else frames the page.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src data:; \
                      base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

/// The page, built in: where it is, what it is, and its text.
const FILES: [(&str, &str, &str); 10] = [
    ("/", HTML, include_str!("page/index.html")),
    ("/console/style.css", STYLE, include_str!("page/style.css")),
    ("/console/app.js", SCRIPT, include_str!("page/app.js")),
    ("/console/ask.js", SCRIPT, include_str!("page/ask.js")),
    ("/console/dom.js", SCRIPT, include_str!("page/dom.js")),
    ("/console/flow.js", SCRIPT, include_str!("page/flow.js")),
    ("/console/groups.js", SCRIPT, include_str!("page/groups.js")),
    ("/console/letters.js", SCRIPT, include_str!("page/letters.js")),
    ("/console/rules.js", SCRIPT, include_str!("page/rules.js")),
    ("/console/table.js", SCRIPT, include_str!("page/table.js")),
];

/// The page itself, which tells nothing and is given to anyone: it asks for a token where one is needed.
pub(crate) fn router() -> Router {
    FILES.iter().fold(Router::new(), |router, &(path, media, text)| {
        router.route(path, get(move || async move { (headers(media), text) }))
    })
}

fn headers(media: &'static str) -> [(HeaderName, &'static str); 6] {
    [
        (CONTENT_TYPE, media),
        (CACHE_CONTROL, "no-cache"),
        (CONTENT_SECURITY_POLICY, POLICY),
        (X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (X_FRAME_OPTIONS, "DENY"),
        (REFERRER_POLICY, "no-referrer"),
    ]
}
