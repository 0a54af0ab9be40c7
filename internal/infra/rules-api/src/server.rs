use std::io;
use std::net::{SocketAddr, TcpListener, ToSocketAddrs};
use std::sync::Arc;
use std::thread::{self, JoinHandle};

use axum::Router;
use millstream_rule_engine::Statements;
use thiserror::Error;
use tokio::sync::oneshot;

use crate::auth::Access;
use crate::desk::Desk;
use crate::http;

/// How the API is served.
#[derive(Clone, Debug)]
pub struct ApiSettings {
    /// Where, such as `127.0.0.1:8088`; port 0 takes a free one.
    pub address: String,
    /// Whether it may be an address that others than this machine reach, though everybody may ask.
    pub is_open: bool,
    /// Who may ask.
    pub access: Access,
    /// Requests that are worked on at once; others wait.
    pub requests_max: usize,
    /// Queries whose rows are told at once; others are refused.
    pub queries_max: usize,
    /// How long a request may be, in bytes.
    pub body_bytes_max: usize,
}

impl Default for ApiSettings {
    fn default() -> Self {
        Self {
            address: "127.0.0.1:8088".to_owned(),
            is_open: false,
            access: Access::default(),
            requests_max: 64,
            queries_max: 256,
            body_bytes_max: 16 << 20,
        }
    }
}

/// Why the API can't be served.
#[derive(Debug, Error)]
pub enum ApiError {
    /// The address is taken or not this machine's.
    #[error("can't listen on {address}: {source}; choose another address")]
    Listen {
        /// The address.
        address: String,
        /// What the system says.
        source: io::Error,
    },
    /// Others could reach it, and everybody might ask.
    #[error(
        "{0} can be reached from elsewhere, and everybody might run statements; set a password or a token, or allow it"
    )]
    Open(String),
    /// The system gives no thread.
    #[error("can't start the API: {0}")]
    Thread(io::Error),
}

/// The API, served on a thread of its own. Dropping it ends it, and the queries whose rows are being told.
pub struct RulesApi {
    address: SocketAddr,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl RulesApi {
    /// Serves `statements`.
    ///
    /// # Errors
    /// When the address can't be listened on, or others could reach it and everybody might ask, or the system gives no thread.
    pub fn start(statements: Arc<dyn Statements>, settings: &ApiSettings) -> Result<Self, ApiError> {
        let listener = listen(settings)?;
        let wrong = |source| ApiError::Listen { address: settings.address.clone(), source };
        let address = listener.local_addr().map_err(wrong)?;
        let limits = (settings.requests_max, settings.queries_max, settings.body_bytes_max);
        let desk = Desk::new(statements, settings.access.clone(), address.to_string(), limits);
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .max_blocking_threads(settings.requests_max + settings.queries_max)
            .build()
            .map_err(ApiError::Thread)?;
        let (stop, stopped) = oneshot::channel();
        let router = http::router(desk);
        let body = move || {
            let served = runtime.block_on(async move {
                tokio::select! {
                    served = serve(listener, router) => served,
                    _ = stopped => Ok(()),
                }
            });
            if let Err(error) = served {
                tracing::error!(%error, "the API ended");
            }
            // Queries whose rows are being told see by the closed connections that nobody listens.
            runtime.shutdown_background();
        };
        let thread =
            thread::Builder::new().name("rules-api".to_owned()).spawn(body).map_err(ApiError::Thread)?;
        Ok(Self { address, stop: Some(stop), thread: Some(thread) })
    }

    /// The same paths, for another server to answer at `settings.address` beside what is its own. `/` and what no path
    /// names stay with that server.
    ///
    /// # Errors
    /// When others could reach the address and everybody might ask.
    pub fn router(statements: Arc<dyn Statements>, settings: &ApiSettings) -> Result<Router, ApiError> {
        addresses(settings)?;
        let limits = (settings.requests_max, settings.queries_max, settings.body_bytes_max);
        Ok(http::paths(Desk::new(statements, settings.access.clone(), settings.address.clone(), limits)))
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }
}

impl Drop for RulesApi {
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

/// What the address stands for, where it may be served.
fn addresses(settings: &ApiSettings) -> Result<Vec<SocketAddr>, ApiError> {
    let wrong = |source| ApiError::Listen { address: settings.address.clone(), source };
    let addresses: Vec<_> = settings.address.to_socket_addrs().map_err(wrong)?.collect();
    let is_near = addresses.iter().all(|address| address.ip().is_loopback());
    if !is_near && !settings.is_open && settings.access.is_open() {
        return Err(ApiError::Open(settings.address.clone()));
    }
    Ok(addresses)
}

fn listen(settings: &ApiSettings) -> Result<TcpListener, ApiError> {
    let wrong = |source| ApiError::Listen { address: settings.address.clone(), source };
    let addresses = addresses(settings)?;
    let listener = TcpListener::bind(addresses.as_slice()).map_err(wrong)?;
    listener.set_nonblocking(true).map_err(wrong)?;
    Ok(listener)
}

async fn serve(listener: TcpListener, router: Router) -> io::Result<()> {
    let listener = tokio::net::TcpListener::from_std(listener)?;
    axum::serve(listener, router).await
}
