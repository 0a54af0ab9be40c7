//! `rules serve`: a server of statements with ksqlDB's REST API.

use std::collections::BTreeSet;
use std::io::{Write, stdout};
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use anyhow::Context as _;
use millstream_http_api::{
    Access as HttpAccess, Console, Peers, Routes, RuleList, Server as HttpServer, ShownRule, Site, Tables,
    Token, WatchedGroup,
};
use millstream_ports::Meter;
use millstream_rule_engine::Server;
use millstream_rules_api::{Access, ApiSettings, RulesApi};
use millstream_runtime::Stop;
use millstream_telemetry::{Exporter, StateDisk};

use crate::kept;
use crate::settings::RuleSettings;
use crate::shown;
use crate::wiring::{self, RuleWorld};

/// A server and its API, until it is dropped: first nobody is answered any more, then the rules commit and stop.
pub(crate) struct Serving {
    pub(crate) api: RulesApi,
    server: Arc<Server<RuleWorld>>,
}

pub(crate) fn start(settings: &RuleSettings, listen: &str) -> anyhow::Result<Serving> {
    let formats = wiring::formats(settings)?;
    let server = Server::start(wiring::world(settings)?, formats, wiring::server(settings)?)?;
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
    let mut page = Page::open(settings, &serving.server)?;
    let stop = Stop::new();
    let asked = stop.clone();
    ctrlc::set_handler(move || asked.set())?;
    writeln!(stdout(), "statements are taken on http://{}", serving.api.address())?;
    while !stop.is_set() {
        serving.server.health().map_err(anyhow::Error::msg)?;
        if let Some(page) = &mut page {
            page.follow(&serving.server);
        }
        thread::sleep(Duration::from_millis(50));
    }
    Ok(())
}

/// Figures, health and the console, whose rules are those of the server.
struct Page {
    _http: HttpServer,
    console: Console,
    tables: Tables,
    shown: BTreeSet<String>,
    kept: BTreeSet<String>,
}

impl Page {
    fn open(settings: &RuleSettings, server: &Arc<Server<RuleWorld>>) -> anyhow::Result<Option<Self>> {
        let Some(address) = &settings.http_address else { return Ok(None) };
        let access = access(settings)?;
        let peers = Peers::new(&access).map_err(anyhow::Error::msg)?;
        let (tables, console) = (Tables::new(peers.clone()), Console::new("rules", peers));
        console.rules(Arc::new(Queries(server.clone())));
        console.browse_tables();
        // The site's own guard stands before the API, so that it asks for nothing itself.
        let is_open = settings.server.is_open || access.asks();
        let api = ApiSettings { address: address.clone(), is_open, ..ApiSettings::default() };
        let site = Site::new(routes(settings, server)).access(access).tables(&tables).console(&console);
        let site = match RulesApi::router(server.clone(), &api) {
            Ok(router) => site.guarded(router),
            Err(reason) => {
                tracing::warn!(%reason, "the console shows no rules");
                site
            }
        };
        let http = HttpServer::open(address, site)?;
        writeln!(
            stdout(),
            "metrics and health are on http://{0}\nthe console is on http://{0}/",
            http.address()
        )?;
        let (shown, kept) = (BTreeSet::new(), BTreeSet::new());
        Ok(Some(Self { _http: http, console, tables, shown, kept }))
    }

    /// Shows what runs now, and no more what has ended.
    fn follow(&mut self, server: &Server<RuleWorld>) {
        let running = server.statuses();
        let now: BTreeSet<_> = running.iter().map(|status| status.group().to_owned()).collect();
        self.shown.difference(&now).for_each(|gone| self.console.forget(gone));
        for status in running {
            self.console.watch(WatchedGroup { status, owners: None });
        }
        self.shown = now;
        self.follow_tables(server);
    }

    fn follow_tables(&mut self, server: &Server<RuleWorld>) {
        let tables: Vec<_> = server.watches().iter().filter_map(kept::table).collect();
        let now: BTreeSet<_> = tables.iter().map(|table| table.name.clone()).collect();
        for gone in self.kept.difference(&now) {
            self.tables.withdraw(gone);
        }
        tables.into_iter().for_each(|table| self.tables.serve_local(table));
        self.kept = now;
    }
}

/// The queries of a server, for the console; what each does is told by EXPLAIN.
struct Queries(Arc<Server<RuleWorld>>);

impl RuleList for Queries {
    fn list(&self) -> Vec<ShownRule> {
        self.0.rules().iter().map(|rule| shown(rule, String::new())).collect()
    }
}

/// What lets in on the server's own address lets in here too; figures ask for `rules.http_token` alone.
fn access(settings: &RuleSettings) -> anyhow::Result<HttpAccess> {
    let chosen = &settings.server;
    let mut access = settings.http_access.clone();
    if let Some(text) = &chosen.bearer_token {
        let token = Token::new(text.trim());
        access = access
            .or_token(token.context("RULES_BEARER_TOKEN: a token is one word of printable characters")?);
    }
    Ok(chosen.basic_auth.iter().fold(access, |access, basic| access.or_basic(basic)))
}

fn routes(settings: &RuleSettings, server: &Arc<Server<RuleWorld>>) -> Routes {
    let (spans, state) = (settings.spans.clone(), settings.state_dir.clone());
    let (metrics, healthy, ready) = (server.clone(), server.clone(), server.clone());
    Routes {
        metrics: Arc::new(move || {
            let statuses = metrics.statuses();
            let groups = statuses.iter().map(|status| status.group().to_owned()).collect();
            let disk = Arc::new(StateDisk::new(&state, groups)) as Arc<dyn Meter>;
            let meters = statuses.into_iter().map(|status| status as Arc<dyn Meter>);
            let rules = metrics.rules().into_iter().map(|rule| Arc::new(rule) as Arc<dyn Meter>);
            let spans = spans.iter().map(|spans| spans.clone() as Arc<dyn Meter>);
            Exporter::new(meters.chain(rules).chain(spans).chain([disk]).collect()).render()
        }),
        healthy: Arc::new(move || healthy.health()),
        ready: Arc::new(move || {
            ready.health()?;
            ready.statuses().iter().try_for_each(|status| {
                status.snapshot().failure.map_or(Ok(()), |why| Err(format!("{}: {why}", status.group())))
            })
        }),
    }
}
