use std::net::SocketAddr;
use std::sync::{Arc, OnceLock, Weak};

use millstream_http_api::{
    Console, FilterControl, HttpError, Listening, Peers, Routes, Server, Site, Tables, WatchedGroup,
};
use millstream_ports::{Meter, Sample};
use millstream_runtime::{Running, Status};
use millstream_telemetry::{Exporter, StateDisk};

use crate::say;
use crate::settings::{HttpAddress, StreamSettings};
use crate::wiring::Stream;

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
        let peers = Peers::new(&settings.access).map_err(anyhow::Error::msg)?;
        let tables = Tables::new(peers.clone());
        let console = Console::new("stream", peers);
        let site = Site::new(self.routes(settings))
            .access(settings.access.clone())
            .tables(&tables)
            .console(&console);
        let server = listening.answer(site)?;
        let scheme = if settings.access.is_tls() { "https" } else { "http" };
        say(&format!("metrics and health are on {scheme}://{address}"));
        say(&format!("the console is on {scheme}://{address}/"));
        Ok(Some(Face { tables, console, url, _server: server }))
    }

    fn routes(&self, settings: &StreamSettings) -> Routes {
        let spans = settings.spans.iter().map(|spans| spans.clone() as Arc<dyn Meter>);
        let disk = StateDisk::new(&settings.state_dir, vec![settings.group.clone()]);
        let own = [Arc::new(self.clone()) as Arc<dyn Meter>, Arc::new(disk)];
        let exporter = Exporter::new(spans.chain(own).collect());
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
    tables: Tables,
    console: Console,
    /// Where others reach it; empty when that is not known.
    url: String,
    _server: Server,
}

impl Face {
    /// Answers for this stream's table from now on, and shows what it does.
    pub(crate) fn shows(&self, stream: &Arc<Stream>) -> anyhow::Result<()> {
        let owners = stream.owners(&self.url)?;
        let status = stream.running.status();
        self.tables.serve(stream.served_table(owners.clone()));
        self.console.watch(WatchedGroup { status, owners: Some(owners) });
        self.console.browse_tables();
        if let Some(letters) = stream.dead_letters() {
            self.console.dead_letters(Arc::new(letters));
        }
        self.console.filter(Arc::new(Filter(Arc::downgrade(stream))));
        Ok(())
    }
}

/// The stream's filter, as long as there is a stream.
struct Filter(Weak<Stream>);

impl Filter {
    fn of<T>(&self, act: impl FnOnce(&Stream) -> anyhow::Result<T>) -> Result<T, String> {
        let stream = self.0.upgrade().ok_or_else(|| "the stream is ending".to_owned())?;
        act(&stream).map_err(|error| format!("{error:#}"))
    }
}

impl FilterControl for Filter {
    fn read(&self) -> Result<String, String> {
        self.of(|stream| Ok(stream.filter()?))
    }

    fn set(&self, text: &str) -> Result<(), String> {
        self.of(|stream| stream.set_filter(text.trim()))
    }
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
