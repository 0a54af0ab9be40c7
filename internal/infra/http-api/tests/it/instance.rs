use std::sync::{Arc, LazyLock};
use std::thread;
use std::time::{Duration, Instant};

use axum::Router;
use millstream_http_api::{
    Access, Console, KeyForm, LocalTable, Peers, Routes, ServedTable, Server, Site, Tables, WatchedGroup,
};
use millstream_ports::{Delivery, Utf8};
use millstream_runtime::{GroupGraph, Owners, Processor, Running, Settings, Table};
use millstream_sim::Sim;
use serde_json::Value;

pub static CLIENT: LazyLock<reqwest::blocking::Client> = LazyLock::new(reqwest::blocking::Client::new);

const WAIT: Duration = Duration::from_mins(1);

/// Calls `done` until it says so.
pub fn until(what: &str, mut done: impl FnMut() -> bool) {
    let deadline = Instant::now() + WAIT;
    while !done() {
        assert!(Instant::now() < deadline, "never came to pass: {what}");
        thread::sleep(Duration::from_millis(5));
    }
}

/// One instance of group `keeper`, which keeps each key's last value; one whose value is `stop` makes it fail.
pub struct Instance {
    pub server: Server,
    pub running: Option<Running>,
    _owners: Arc<Owners>,
    access: Access,
}

pub fn routes() -> Routes {
    let fine = || Arc::new(|| Ok(()));
    Routes { metrics: Arc::new(|| "figures 1\n".to_owned()), healthy: fine(), ready: fine() }
}

impl Instance {
    pub fn start(sim: &Sim, delivery: Delivery, access: Access) -> Self {
        Self::start_with(sim, delivery, access, |_| Router::new())
    }

    /// With more on its console, and more that it answers.
    pub fn start_with(
        sim: &Sim,
        delivery: Delivery,
        access: Access,
        more: impl FnOnce(&Console) -> Router,
    ) -> Self {
        let table = Table::new(Utf8);
        let kept = table.clone();
        let graph = GroupGraph::define("keeper")
            .input("facts", Utf8, Utf8, move |context, _: &str, value: &str| match value {
                "stop" => Err("told to stop".into()),
                value => Ok(context.set(&kept, &value)?),
            })
            .persist(&table)
            .build()
            .unwrap();
        let spec = graph.spec().clone();
        let settings = Settings {
            workers: 2,
            delivery,
            commit_interval: Some(Duration::from_millis(50)),
            ..Settings::default()
        };
        let running = Processor::new(sim.clone(), graph).settings(settings).start().unwrap();
        let listening = Server::listen("127.0.0.1:0").unwrap();
        let scheme = if access.is_tls() { "https" } else { "http" };
        let url = format!("{scheme}://localhost:{}", listening.address().port());
        let owners = Arc::new(Owners::open(sim, &spec, running.status(), &url).unwrap());
        let tables = Tables::new(Peers::new(&access).unwrap());
        tables.serve(ServedTable {
            name: "keeper-table".to_owned(),
            client: running.table(),
            owners: owners.clone(),
            partitioner: millstream_topology::Partitioner::default(),
            key: KeyForm::Text,
            value: Arc::new(|bytes| Ok(Value::String(String::from_utf8_lossy(bytes).into_owned()))),
        });
        tables.serve_local(LocalTable {
            name: "own-part".to_owned(),
            client: running.table(),
            status: running.status(),
            label: Arc::new(|key| format!("key {}", String::from_utf8_lossy(key))),
            value: Arc::new(|bytes| Ok(Value::String(String::from_utf8_lossy(bytes).into_owned()))),
        });
        let console = Console::new("keeper", Peers::new(&access).unwrap());
        console.watch(WatchedGroup { status: running.status(), owners: Some(owners.clone()) });
        let more = more(&console);
        let site = Site::new(routes()).access(access.clone()).tables(&tables).console(&console).guarded(more);
        let server = listening.answer(site).unwrap();
        Self { server, running: Some(running), _owners: owners, access }
    }

    /// Status and body of a GET.
    pub fn get(&self, path: &str) -> (u16, Value) {
        let scheme = if self.access.is_tls() { "https" } else { "http" };
        let url = format!("{scheme}://localhost:{}{path}", self.server.address().port());
        let answer = CLIENT.get(url).send().unwrap();
        let status = answer.status().as_u16();
        (status, answer.json().unwrap_or(Value::Null))
    }

    pub fn partitions(&self) -> usize {
        let now = self.running.as_ref().unwrap().status().snapshot();
        now.partitions.iter().filter(|partition| partition.is_running).count()
    }
}

/// Waits until all instances together run `count` partitions, and each knows an owner of each.
pub fn settled(instances: &[Instance], count: usize) {
    until("all partitions are run and announced", || {
        let addresses: Vec<_> =
            instances.iter().map(|each| format!(":{}", each.server.address().port())).collect();
        instances.iter().map(Instance::partitions).sum::<usize>() == count
            && instances.iter().all(|each| each.partitions() > 0)
            && instances.iter().all(|each| {
                let owners = each.get("/v1/tables").1["tables"][0]["owners"].clone();
                let owners: Vec<_> = owners.as_object().unwrap().values().cloned().collect();
                let counted = |address: &String| {
                    owners.iter().filter(|owner| owner.as_str().unwrap().ends_with(address.as_str())).count()
                };
                owners.len() == count
                    && addresses
                        .iter()
                        .zip(instances)
                        .all(|(address, each)| counted(address) == each.partitions())
            })
    });
}
