use std::sync::{Arc, OnceLock};

use millstream_http_api::{HttpError, Routes, Server};
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

    /// Serves metrics, health and readiness, unless the settings say not to.
    pub(crate) fn serve(&self, settings: &StreamSettings) -> Result<Option<Server>, HttpError> {
        let server = match &settings.http {
            HttpAddress::Off => return Ok(None),
            HttpAddress::Given(address) => Server::start(address, self.routes())?,
            // A second instance on one machine works without being told of another address.
            HttpAddress::Default(address) => Server::start(address, self.routes()).or_else(|taken| {
                tracing::info!(%taken, "taking a free address");
                Server::start("127.0.0.1:0", self.routes())
            })?,
        };
        say(&format!("metrics and health are on http://{}", server.address()));
        Ok(Some(server))
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

impl Meter for Health {
    fn samples(&self, out: &mut Vec<Sample>) {
        if let Some(status) = self.0.get() {
            status.samples(out);
        }
    }
}
