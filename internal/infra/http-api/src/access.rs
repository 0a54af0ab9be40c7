//! Who may ask, and how the connection is kept private.

mod tls;

use std::fmt;
use std::hint::black_box;
use std::io;
use std::net::IpAddr;
use std::path::Path;
use std::sync::Arc;

use axum::extract::{Request, State};
use axum::http::header::{AUTHORIZATION, HOST, ORIGIN, WWW_AUTHENTICATE};
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use crate::problem::Problem;

pub(crate) use tls::{TlsAccept, TlsSetup};

/// A bearer token. It is shown by nothing, and compared in a time that does not depend on what was guessed.
#[derive(Clone)]
pub struct Token(Arc<str>);

impl Token {
    /// Takes `text` as the token; `None` where it is empty or can't be sent in a header.
    pub fn new(text: &str) -> Option<Self> {
        let sent = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_graphic());
        sent.then(|| Self(text.into()))
    }

    pub(crate) fn header(&self) -> Option<HeaderValue> {
        let mut value = HeaderValue::from_str(&format!("Bearer {}", self.0)).ok()?;
        value.set_sensitive(true);
        Some(value)
    }

    /// Whether `guess` is the token: each byte of the guess is looked at, whatever the ones before it were.
    fn is(&self, guess: &[u8]) -> bool {
        let own = self.0.as_bytes();
        let pairs = guess.iter().zip(own.iter().cycle());
        let differing = pairs
            .fold(own.len() ^ guess.len(), |seen, (one, other)| black_box(seen | usize::from(one ^ other)));
        differing == 0
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}

/// Who may ask what of a server.
///
/// Health and readiness are told to anyone, since probes bear no token. With a token all else is told to its bearer alone.
/// Without one, tables and the console answer only under an address, `localhost` or a name of [`Access::named`]: a web
/// site that gives its own name this machine's address learns nothing. And no page of another site can write.
#[derive(Clone, Debug, Default)]
pub struct Access {
    pub(crate) token: Option<Token>,
    pub(crate) tls: Option<Arc<TlsSetup>>,
    /// What else lets in, as whole values of `Authorization` behind their scheme.
    others: Vec<(&'static str, Token)>,
    names: Vec<String>,
}

impl Access {
    /// Asks for a token.
    #[must_use]
    pub fn by_token(mut self, token: Token) -> Self {
        self.token = Some(token);
        self
    }

    /// Lets in who shows this token too. Figures stay open where no other is asked for by [`Access::by_token`].
    #[must_use]
    pub fn or_token(mut self, token: Token) -> Self {
        self.others.push(("bearer ", token));
        self
    }

    /// Lets in who shows this name and password too, which a colon divides (RFC 7617). Figures stay open as by
    /// [`Access::or_token`].
    #[must_use]
    pub fn or_basic(mut self, name_and_password: &str) -> Self {
        let encoded = STANDARD.encode(name_and_password);
        self.others.push(("basic ", Token(encoded.into())));
        self
    }

    /// Whether anything must be shown.
    pub fn asks(&self) -> bool {
        self.token.is_some() || !self.others.is_empty()
    }

    /// Serves TLS 1.2 and 1.3 with this certificate chain and its key, both in PEM.
    ///
    /// # Errors
    /// When a file can't be read, or holds no certificate or key that fits.
    pub fn by_tls(mut self, certificates: &Path, key: &Path) -> io::Result<Self> {
        self.tls = Some(Arc::new(TlsSetup::read(certificates, key)?));
        Ok(self)
    }

    /// Answers under the host name of `url` too, such as one that other machines use.
    #[must_use]
    pub fn named(mut self, url: &str) -> Self {
        let host = url.split_once("://").map_or(url, |(_, rest)| rest);
        self.names.push(without_port(host.trim_end_matches('/')).to_ascii_lowercase());
        self
    }

    /// Whether connections are private.
    pub fn is_tls(&self) -> bool {
        self.tls.is_some()
    }

    fn check(&self, headers: &HeaderMap, method: &Method) -> Result<(), Problem> {
        match self.asks() {
            true if !self.is_shown(headers) => return Err(Problem::unauthorized()),
            false if !self.knows_host(headers) => return Err(Problem::foreign_host()),
            _ => {}
        }
        let reads = method == Method::GET || method == Method::HEAD;
        if reads || comes_from_here(headers) { Ok(()) } else { Err(Problem::foreign_page()) }
    }

    fn is_shown(&self, headers: &HeaderMap) -> bool {
        let own = self.token.iter().map(|token| ("bearer ", token));
        let others = self.others.iter().map(|(scheme, token)| (*scheme, token));
        // All are compared, whichever fits.
        own.chain(others).fold(false, |found, (scheme, token)| bears(scheme, token, headers) | found)
    }

    fn knows_host(&self, headers: &HeaderMap) -> bool {
        let Some(host) = headers.get(HOST).and_then(|host| host.to_str().ok()) else { return true };
        let name = without_port(host).to_ascii_lowercase();
        name == "localhost" || name.parse::<IpAddr>().is_ok() || self.names.contains(&name)
    }
}

fn bears(scheme: &str, token: &Token, headers: &HeaderMap) -> bool {
    let given = headers.get(AUTHORIZATION).map(HeaderValue::as_bytes).unwrap_or_default();
    let (named, guess) = given.split_at_checked(scheme.len()).unwrap_or_default();
    named.eq_ignore_ascii_case(scheme.as_bytes()) && token.is(guess)
}

/// The host of `host:port`, with the brackets of an IPv6 address taken off.
fn without_port(host: &str) -> &str {
    if let Some(inside) = host.strip_prefix('[') {
        return inside.split(']').next().unwrap_or_default();
    }
    host.rsplit_once(':').map_or(host, |(name, _)| name)
}

/// Whether a browser says that a page of this very server asks, or no browser does. Browsers tell it by `Sec-Fetch-Site`
/// (Fetch Metadata), older ones by `Origin` on each request that may write.
fn comes_from_here(headers: &HeaderMap) -> bool {
    let text = |value: Option<&HeaderValue>| value.map(|value| value.to_str().unwrap_or("?").to_owned());
    if let Some(site) = text(headers.get("sec-fetch-site")) {
        return site == "same-origin" || site == "none";
    }
    match (text(headers.get(ORIGIN)), text(headers.get(HOST))) {
        (None, _) => true,
        (Some(origin), Some(host)) => origin.split_once("://").is_some_and(|(_, name)| name == host),
        (Some(_), None) => false,
    }
}

/// Lets through who may ask.
pub(crate) async fn guard(State(access): State<Access>, request: Request, next: Next) -> Response {
    match access.check(request.headers(), request.method()) {
        Ok(()) => next.run(request).await,
        Err(problem) => refuse(problem),
    }
}

fn refuse(problem: Problem) -> Response {
    let mut response = problem.into_response();
    if response.status() == StatusCode::UNAUTHORIZED {
        response.headers_mut().insert(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
    }
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(pairs: &[(&'static str, &str)]) -> HeaderMap {
        pairs
            .iter()
            .map(|(name, value)| (name.parse().unwrap(), HeaderValue::from_str(value).unwrap()))
            .collect()
    }

    #[test]
    fn a_token_is_itself_and_nothing_else() {
        let token = Token::new("s3cret").unwrap();
        for (guess, is) in
            [("s3cret", true), ("s3crex", false), ("s3cre", false), ("s3crets3cret", false), ("", false)]
        {
            assert_eq!(token.is(guess.as_bytes()), is, "{guess}");
        }
        assert_eq!(
            format!("{token:?} {:?}", Access::default().by_token(token.clone()).token),
            "*** Some(***)"
        );
        assert!(Token::new("").is_none() && Token::new("a b").is_none() && Token::new("a\nb").is_none());
    }

    #[test]
    fn who_may_ask_is_told_by_token_host_and_page() {
        let open = Access::default().named("https://stream-1.example:9101/");
        let closed = Access::default().by_token(Token::new("t").unwrap());
        let either = Access::default().or_token(Token::new("u").unwrap()).or_basic("me:secret");
        let (get, post) = (Method::GET, Method::POST);
        for (access, method, given, status) in [
            (&open, &get, &[("host", "127.0.0.1:9101")][..], None),
            (&open, &get, &[("host", "[::1]:9101")], None),
            (&open, &get, &[("host", "LOCALHOST")], None),
            (&open, &get, &[("host", "stream-1.example:9101")], None),
            (&open, &get, &[("host", "evil.example:9101")], Some(421)),
            (&open, &post, &[("host", "localhost:1"), ("origin", "http://localhost:1")], None),
            (&open, &post, &[("host", "localhost:1"), ("origin", "http://localhost:2")], Some(403)),
            (&open, &post, &[("host", "localhost:1"), ("origin", "null")], Some(403)),
            (&open, &post, &[("host", "localhost:1"), ("sec-fetch-site", "cross-site")], Some(403)),
            (&open, &post, &[("host", "localhost:1"), ("sec-fetch-site", "same-site")], Some(403)),
            (&open, &post, &[("host", "localhost:1"), ("sec-fetch-site", "same-origin")], None),
            (&open, &post, &[("host", "localhost:1")], None),
            (&either, &get, &[("host", "localhost:1")], Some(401)),
            (&either, &get, &[("authorization", "Bearer u"), ("host", "rules.svc")], None),
            (&either, &get, &[("authorization", "basic bWU6c2VjcmV0")], None),
            (&either, &get, &[("authorization", "Bearer bWU6c2VjcmV0")], Some(401)),
            (&either, &get, &[("authorization", "Basic bWU6c2VjcmV1")], Some(401)),
            (&closed, &get, &[("host", "localhost:1")], Some(401)),
            (&closed, &get, &[("authorization", "Bearer u")], Some(401)),
            (&closed, &get, &[("authorization", "Basic t")], Some(401)),
            (&closed, &get, &[("authorization", "bearer t"), ("host", "stream.svc")], None),
            (
                &closed,
                &post,
                &[("authorization", "Bearer t"), ("origin", "http://x"), ("host", "y")],
                Some(403),
            ),
        ] {
            let said = access.check(&headers(given), method).err().map(|problem| problem.status.as_u16());
            assert_eq!(said, status, "{method} {given:?}");
        }
    }
}
