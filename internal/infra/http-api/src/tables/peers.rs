use std::time::Duration;

use axum::http::StatusCode;
use axum::http::header::AUTHORIZATION;
use reqwest::{Certificate, Client, Url};
use serde_json::Value;

use crate::access::Access;
use crate::problem::Problem;

/// Marks a request that another instance has passed on: it is answered here or not at all.
pub(crate) const PASSED_ON: &str = "x-millstream-passed-on";

/// How long another instance may take beyond what the asker waits for.
const ANSWER_WAIT: Duration = Duration::from_secs(15);

/// How long a connection to it may take.
const CONTACT_WAIT: Duration = Duration::from_secs(3);

/// Asks the other instances of a group, which have the same token.
#[derive(Clone)]
pub struct Peers {
    client: Client,
    access: Access,
}

impl Peers {
    /// For instances that are all served by the same `access`: its token is sent to them, and its certificate trusted
    /// beside those of the system.
    ///
    /// # Errors
    /// When the HTTP client can't be set up.
    pub fn new(access: &Access) -> Result<Self, String> {
        let certificates = access.tls.iter().flat_map(|setup| Certificate::from_pem_bundle(&setup.chain));
        let certificates: Vec<_> = certificates.flatten().collect();
        let client = Client::builder().no_proxy().connect_timeout(CONTACT_WAIT).tls_certs_merge(certificates);
        let client = client.build().map_err(|error| error.to_string())?;
        Ok(Self { client, access: access.clone() })
    }

    /// Asks the instance at `address` for `path` with these parameters.
    pub(crate) async fn ask(
        &self,
        address: &str,
        path: &[&str],
        parameters: &[(String, String)],
        patience: Duration,
    ) -> Result<(StatusCode, Value), Problem> {
        let unreachable = |why: String| {
            Problem::unavailable("owner_unreachable", format!("the owner at {address} can't be asked: {why}"))
        };
        let mut url = Url::parse(address).map_err(|error| unreachable(error.to_string()))?;
        url.path_segments_mut()
            .map_err(|()| unreachable("it is no base of addresses".to_owned()))?
            .pop_if_empty()
            .extend(path);
        if !parameters.is_empty() {
            url.query_pairs_mut().extend_pairs(parameters);
        }
        let mut request = self.client.get(url).timeout(patience + ANSWER_WAIT).header(PASSED_ON, "1");
        if let Some(token) = self.access.token.as_ref().and_then(crate::access::Token::header) {
            request = request.header(AUTHORIZATION, token);
        }
        let answer = request.send().await.map_err(|error| unreachable(error.without_url().to_string()))?;
        let status = answer.status();
        let body = answer.bytes().await.map_err(|error| unreachable(error.without_url().to_string()))?;
        let body =
            serde_json::from_slice(&body).map_err(|_| unreachable("its answer is no JSON".to_owned()))?;
        Ok((status, body))
    }
}
