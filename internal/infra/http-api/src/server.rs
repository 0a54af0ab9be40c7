use std::io;
use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::thread::{self, JoinHandle};
use std::time::Duration;

use axum::extract::State;
use axum::http::StatusCode;
use axum::routing::get;
use axum::{Router, middleware};
use thiserror::Error;
use tokio::sync::oneshot;

use crate::access::{self, Access, TlsAccept};
use crate::console::{self, Console};
use crate::tables::{self, Tables};

/// Answers whether all is well, or says what is not.
type Check = Arc<dyn Fn() -> Result<(), String> + Send + Sync>;

/// What the server tells. Each is asked anew for each request, and must not block for long.
#[derive(Clone)]
pub struct Routes {
    /// The figures, in Prometheus' text format.
    pub metrics: Arc<dyn Fn() -> String + Send + Sync>,
    /// Whether the program does its work at all; a failure calls for a restart.
    pub healthy: Check,
    /// Whether it can be counted on now.
    pub ready: Check,
}

/// What a server answers, and whom.
pub struct Site {
    routes: Routes,
    access: Access,
    open: Router,
    guarded: Router,
}

impl Site {
    /// Metrics, health and readiness.
    pub fn new(routes: Routes) -> Self {
        Self { routes, access: Access::default(), open: Router::new(), guarded: Router::new() }
    }

    /// Says who may ask.
    #[must_use]
    pub fn access(mut self, access: Access) -> Self {
        self.access = access;
        self
    }

    /// Answers for tables too.
    #[must_use]
    pub fn tables(self, tables: &Tables) -> Self {
        self.guarded(tables::router(tables.clone()))
    }

    /// Serves the console's page at `/`, and what it is drawn from.
    #[must_use]
    pub fn console(self, console: &Console) -> Self {
        self.open(console::assets()).guarded(console::router(console.clone()))
    }

    /// Answers more, to those who may ask.
    #[must_use]
    pub fn guarded(mut self, router: Router) -> Self {
        self.guarded = self.guarded.merge(router);
        self
    }

    /// Answers more, to anyone: nothing that tells of data.
    #[must_use]
    pub fn open(mut self, router: Router) -> Self {
        self.open = self.open.merge(router);
        self
    }

    /// Figures are no secret on a server that asks for no token: who scrapes them knows it by whatever name.
    fn router(self) -> Router {
        let Self { routes, access, open, guarded } = self;
        let metrics = Router::new()
            .route("/metrics", get(|State(routes): State<Routes>| async move { (routes.metrics)() }))
            .with_state(routes.clone());
        let has_token = access.token.is_some();
        let guarded = if has_token { guarded.merge(metrics.clone()) } else { guarded };
        let open = if has_token { open } else { open.merge(metrics) };
        let all = probes(routes).merge(open);
        if !guarded.has_routes() {
            return all;
        }
        all.merge(guarded.route_layer(middleware::from_fn_with_state(access, access::guard)))
    }
}

/// Why the server can't be had.
#[derive(Debug, Error)]
pub enum HttpError {
    /// The address is taken or not this machine's.
    #[error("can't listen on {address}; choose another address")]
    Listen {
        /// The address.
        address: String,
        /// What the system says.
        source: io::Error,
    },
    /// The system gives no thread.
    #[error("can't start the HTTP server: {0}")]
    Thread(io::Error),
}

/// How long requests in hand may go on once the server ends: rows that are told as they come have no end of their own.
const LAST_WORDS: Duration = Duration::from_secs(2);

/// A server at work on a thread of its own. Dropping it ends it, after the requests in hand; one that goes on for longer than
/// two seconds is cut off.
pub struct Server {
    address: SocketAddr,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Server {
    /// Listens on `address`, such as `127.0.0.1:9101`; port 0 takes a free one.
    ///
    /// # Errors
    /// When the address can't be listened on, or the system gives no thread.
    pub fn start(address: &str, routes: Routes) -> Result<Self, HttpError> {
        Self::open(address, Site::new(routes))
    }

    /// A server of a program that is well for as long as it answers, and has only figures to tell: where `address` names a
    /// place for it, and otherwise none.
    ///
    /// # Errors
    /// As [`Server::start`].
    pub fn of_figures(
        address: Option<&str>,
        metrics: impl Fn() -> String + Send + Sync + 'static,
    ) -> Result<Option<Self>, HttpError> {
        let fine = || Arc::new(|| Ok(()));
        let routes = Routes { metrics: Arc::new(metrics), healthy: fine(), ready: fine() };
        address.map(|address| Self::start(address, routes)).transpose()
    }

    /// As [`Server::start`], with more to answer.
    ///
    /// # Errors
    /// As [`Server::start`].
    pub fn open(address: &str, site: Site) -> Result<Self, HttpError> {
        Self::listen(address)?.answer(site)
    }

    /// Takes `address`, so that it is known before there is anything to answer.
    ///
    /// # Errors
    /// When the address can't be listened on.
    pub fn listen(address: &str) -> Result<Listening, HttpError> {
        let listen = |source| HttpError::Listen { address: address.to_owned(), source };
        let listener = TcpListener::bind(address).map_err(listen)?;
        listener.set_nonblocking(true).map_err(listen)?;
        let bound = listener.local_addr().map_err(listen)?;
        Ok(Listening { listener, address: bound })
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }
}

/// An address that is taken; connections wait until [`Listening::answer`].
pub struct Listening {
    listener: TcpListener,
    address: SocketAddr,
}

impl Listening {
    /// Where.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Begins to answer.
    ///
    /// # Errors
    /// When the system gives no thread.
    pub fn answer(self, site: Site) -> Result<Server, HttpError> {
        let Self { listener, address } = self;
        let runtime =
            tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(HttpError::Thread)?;
        let (stop, stopped) = oneshot::channel();
        let body = move || {
            if let Err(error) = runtime.block_on(serve(listener, site, stopped)) {
                tracing::error!(%error, "the HTTP server ended");
            }
            // What still works for a connection that was cut off sees that nobody listens.
            runtime.shutdown_background();
        };
        let thread = thread::Builder::new().name("http".to_owned()).spawn(body).map_err(HttpError::Thread)?;
        Ok(Server { address, stop: Some(stop), thread: Some(thread) })
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        if let Some(stop) = self.stop.take() {
            // The server may have ended by itself; nobody is told then.
            let _ = stop.send(());
        }
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

async fn serve(listener: TcpListener, site: Site, stopped: oneshot::Receiver<()>) -> io::Result<()> {
    let listener = tokio::net::TcpListener::from_std(listener)?;
    let (told, ending) = oneshot::channel();
    let until = async move {
        let _ = stopped.await;
        let _ = told.send(());
    };
    let too_long = async move {
        let _ = ending.await;
        tokio::time::sleep(LAST_WORDS).await;
    };
    let tls = site.access.tls.clone();
    let router = site.router();
    let served = async move {
        match tls {
            None => axum::serve(listener, router).with_graceful_shutdown(until).await,
            Some(setup) => {
                axum::serve(TlsAccept::over(listener, &setup)?, router).with_graceful_shutdown(until).await
            }
        }
    };
    tokio::select! {
        served = served => served,
        () = too_long => Ok(()),
    }
}

fn probes(routes: Routes) -> Router {
    Router::new()
        .route("/healthz", get(|State(routes): State<Routes>| async move { answer((routes.healthy)()) }))
        .route("/readyz", get(|State(routes): State<Routes>| async move { answer((routes.ready)()) }))
        .with_state(routes)
}

fn answer(state: Result<(), String>) -> (StatusCode, String) {
    match state {
        Ok(()) => (StatusCode::OK, "ok\n".to_owned()),
        Err(reason) => (StatusCode::SERVICE_UNAVAILABLE, format!("{reason}\n")),
    }
}

#[cfg(test)]
mod tests {
    use std::io::{Read, Write};
    use std::net::TcpStream;
    use std::sync::atomic::{AtomicBool, Ordering};

    use super::*;

    fn ask(server: &Server, path: &str) -> String {
        let mut stream = TcpStream::connect(server.address()).unwrap();
        write!(stream, "GET {path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n").unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        answer
    }

    fn routes(ready: &Arc<AtomicBool>) -> Routes {
        let ready = ready.clone();
        Routes {
            metrics: Arc::new(|| "figures 1\n".to_owned()),
            healthy: Arc::new(|| Ok(())),
            ready: Arc::new(move || {
                if ready.load(Ordering::SeqCst) {
                    Ok(())
                } else {
                    Err("3 partitions are recovering".to_owned())
                }
            }),
        }
    }

    #[test]
    fn readiness_changes_with_the_program_and_health_does_not() {
        let ready = Arc::new(AtomicBool::new(false));
        let server = Server::start("127.0.0.1:0", routes(&ready)).unwrap();
        let answer = ask(&server, "/readyz");
        assert!(
            answer.starts_with("HTTP/1.1 503") && answer.ends_with("3 partitions are recovering\n"),
            "{answer}"
        );
        ready.store(true, Ordering::SeqCst);
        assert!(ask(&server, "/readyz").starts_with("HTTP/1.1 200"));
        assert!(ask(&server, "/healthz").starts_with("HTTP/1.1 200"));
        assert!(ask(&server, "/metrics").ends_with("figures 1\n"));
        assert!(ask(&server, "/nothing").starts_with("HTTP/1.1 404"));
    }

    #[test]
    fn a_taken_address_is_named() {
        let ready = Arc::default();
        let server = Server::start("127.0.0.1:0", routes(&ready)).unwrap();
        let address = server.address().to_string();
        let error = Server::start(&address, routes(&ready)).err().unwrap().to_string();
        assert!(error.contains(&address) && error.contains("choose another"), "{error}");
        drop(server);
        assert!(Server::start(&address, routes(&ready)).is_ok(), "a dropped server frees its address");
    }
}
