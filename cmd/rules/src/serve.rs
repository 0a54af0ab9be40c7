//! `rules serve`: a server of statements with ksqlDB's REST API.

use std::io::{Write, stdout};
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use millstream_http_api::{Routes, Server as HttpServer};
use millstream_ports::Meter;
use millstream_rule_engine::Server;
use millstream_rules_api::{Access, ApiSettings, RulesApi};
use millstream_runtime::Stop;
use millstream_telemetry::Exporter;

use crate::settings::RuleSettings;
use crate::wiring::{self, RuleWorld};

/// A server and its API, until it is dropped: first nobody is answered any more, then the rules commit and stop.
pub(crate) struct Serving {
    pub(crate) api: RulesApi,
    server: Arc<Server<RuleWorld>>,
}

pub(crate) fn start(settings: &RuleSettings, listen: &str) -> anyhow::Result<Serving> {
    let formats = wiring::formats(settings)?;
    let server = Server::start(wiring::world(settings)?, formats, wiring::server(settings))?;
    for broken in server.broken() {
        tracing::warn!(
            statement = broken.text,
            reason = broken.reason,
            "a statement is not carried out any more"
        );
    }
    let server = Arc::new(server);
    let chosen = &settings.server;
    let access = Access { basic: chosen.basic_auth.clone(), bearer: chosen.bearer_token.clone() };
    let api =
        ApiSettings { address: listen.to_owned(), is_open: chosen.is_open, access, ..ApiSettings::default() };
    let api = RulesApi::start(server.clone(), &api)?;
    Ok(Serving { api, server })
}

/// Serves until a signal comes, or the statements can't be read any more.
pub(crate) fn run(settings: &RuleSettings) -> anyhow::Result<()> {
    let serving = start(settings, &settings.server.listen)?;
    let _figures = figures(settings, &serving.server)?;
    let stop = Stop::new();
    let asked = stop.clone();
    ctrlc::set_handler(move || asked.set())?;
    writeln!(stdout(), "statements are taken on http://{}", serving.api.address())?;
    while !stop.is_set() {
        serving.server.health().map_err(anyhow::Error::msg)?;
        thread::sleep(Duration::from_millis(50));
    }
    Ok(())
}

fn figures(settings: &RuleSettings, server: &Arc<Server<RuleWorld>>) -> anyhow::Result<Option<HttpServer>> {
    let Some(address) = &settings.http_address else { return Ok(None) };
    let (metrics, healthy, ready) = (server.clone(), server.clone(), server.clone());
    let routes = Routes {
        metrics: Arc::new(move || {
            let meters = metrics.statuses().into_iter().map(|status| status as Arc<dyn Meter>).collect();
            Exporter::new(meters).render()
        }),
        healthy: Arc::new(move || healthy.health()),
        ready: Arc::new(move || {
            ready.health()?;
            ready.statuses().iter().try_for_each(|status| {
                status.snapshot().failure.map_or(Ok(()), |why| Err(format!("{}: {why}", status.group())))
            })
        }),
    };
    let server = HttpServer::start(address, routes)?;
    writeln!(stdout(), "metrics and health are on http://{}", server.address())?;
    Ok(Some(server))
}
