use std::net::SocketAddr;
use std::sync::{Arc, OnceLock};

use millstream_http_api::{HttpError, Listening, Peers, Routes, Server, Site, Tables};
use millstream_ports::{Meter, Sample};
use millstream_runtime::{Running, Status};
use millstream_telemetry::Exporter;

use crate::say;
use crate::settings::{HttpAddress, StreamSettings};

/// What the program tells over HTTP: it is there from the start, and has figures once the processor runs.
#[derive(Clone, Default)]
pub(crate) struct Health(Arc<OnceLock<Arc<Status>>>);

impl Health {
    /// From now on it tells of this processor.
    pub(crate) fn tells_of(&self, running: &Running) {
        let _ = self.0.set(running.status());
    }

    /// Serves metrics, health, readiness and tables, unless the settings say not to.
    pub(crate) fn serve(&self, settings: &StreamSettings) -> anyhow::Result<Option<Face>> {
        let Some(listening) = listen(&settings.http)? else { return Ok(None) };
        let address = listening.address();
        let url = url(settings, address);
        let tables = Tables::new(Peers::new(&settings.access).map_err(anyhow::Error::msg)?);
        let site = Site::new(self.routes()).access(settings.access.clone()).tables(&tables);
        let server = listening.answer(site)?;
        let scheme = if settings.access.is_tls() { "https" } else { "http" };
        say(&format!("metrics and health are on {scheme}://{address}"));
        Ok(Some(Face { tables, url, _server: server }))
    }

    fn routes(&self) -> Routes {
        let exporter = Exporter::new(vec![Arc::new(self.clone())]);
        let (healthy, ready) = (self.clone(), self.clone());
        Routes {
            metrics: Arc::new(move || exporter.render()),
            healthy: Arc::new(move || healthy.healthy()),
            ready: Arc::new(move || ready.ready()),
        }
    }

    fn healthy(&self) -> Result<(), String> {
        let failure = self.0.get().and_then(|status| status.snapshot().failure);
        failure.map_or(Ok(()), Err)
    }

    fn ready(&self) -> Result<(), String> {
        let starting = || Err("starting: topics are checked and the filter is read".to_owned());
        self.0.get().map_or_else(starting, |status| status.ready())
    }
}

/// The server, and what can be added to it once the processor runs. Dropping it ends the server.
pub(crate) struct Face {
    pub(crate) tables: Tables,
    /// Where others reach it; empty when that is not known.
    pub(crate) url: String,
    _server: Server,
}

fn listen(http: &HttpAddress) -> Result<Option<Listening>, HttpError> {
    match http {
        HttpAddress::Off => Ok(None),
        HttpAddress::Given(address) => Server::listen(address).map(Some),
        // A second instance on one machine works without being told of another address.
        HttpAddress::Default(address) => {
            let free = |taken| {
                tracing::info!(%taken, "taking a free address");
                Server::listen("127.0.0.1:0")
            };
            Server::listen(address).or_else(free).map(Some)
        }
    }
}

fn url(settings: &StreamSettings, address: SocketAddr) -> String {
    let scheme = if settings.access.is_tls() { "https" } else { "http" };
    match &settings.advertised_url {
        Some(url) => url.clone(),
        None if !address.ip().is_unspecified() => format!("{scheme}://{address}"),
        None => {
            tracing::warn!(%address, "other instances can't ask this one for its keys; set STREAM_ADVERTISED_URL");
            String::new()
        }
    }
}

impl Meter for Health {
    fn samples(&self, out: &mut Vec<Sample>) {
        if let Some(status) = self.0.get() {
            status.samples(out);
        }
    }
}
