use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use axum::serve::Listener;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;
use tokio::time::timeout;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::crypto::ring::default_provider;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::server::TlsStream;

/// How long a client may take to agree on keys.
const HANDSHAKE_WAIT: Duration = Duration::from_secs(10);

/// Connections that wait to be served.
const WAITING_MAX: usize = 64;

/// A certificate and its key.
pub(crate) struct TlsSetup {
    config: Arc<ServerConfig>,
    /// The chain in PEM, which other instances of the group are trusted by too.
    pub(crate) chain: Vec<u8>,
}

impl fmt::Debug for TlsSetup {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("TlsSetup")
    }
}

impl TlsSetup {
    pub(crate) fn read(certificates: &Path, key: &Path) -> io::Result<Self> {
        let at = |path: &Path, why: &dyn fmt::Display| io::Error::other(format!("{}: {why}", path.display()));
        let chain = std::fs::read(certificates).map_err(|error| at(certificates, &error))?;
        let listed = CertificateDer::pem_slice_iter(&chain).collect::<Result<Vec<_>, _>>();
        let listed = listed.map_err(|error| at(certificates, &error))?;
        if listed.is_empty() {
            return Err(at(certificates, &"it holds no certificate in PEM"));
        }
        let private = PrivateKeyDer::from_pem_file(key).map_err(|error| at(key, &error))?;
        let config = ServerConfig::builder_with_provider(Arc::new(default_provider()))
            .with_safe_default_protocol_versions()
            .and_then(|builder| builder.with_no_client_auth().with_single_cert(listed, private))
            .map_err(|error| at(key, &error))?;
        Ok(Self { config: Arc::new(config), chain })
    }
}

/// Takes in connections, and hands them over once both sides have agreed on keys. One that takes its time, or speaks no
/// TLS, holds no other up.
pub(crate) struct TlsAccept {
    agreed: mpsc::Receiver<(TlsStream<TcpStream>, SocketAddr)>,
    address: SocketAddr,
}

impl TlsAccept {
    pub(crate) fn over(listener: TcpListener, setup: &TlsSetup) -> io::Result<Self> {
        let address = listener.local_addr()?;
        let (send, agreed) = mpsc::channel(WAITING_MAX);
        tokio::spawn(take_in(listener, TlsAcceptor::from(setup.config.clone()), send));
        Ok(Self { agreed, address })
    }
}

async fn take_in(
    mut listener: TcpListener,
    acceptor: TlsAcceptor,
    send: mpsc::Sender<(TlsStream<TcpStream>, SocketAddr)>,
) {
    loop {
        let (stream, from) = tokio::select! {
            () = send.closed() => return,
            taken = Listener::accept(&mut listener) => taken,
        };
        let (acceptor, send) = (acceptor.clone(), send.clone());
        tokio::spawn(async move {
            match timeout(HANDSHAKE_WAIT, acceptor.accept(stream)).await {
                Ok(Ok(stream)) => drop(send.send((stream, from)).await),
                Ok(Err(error)) => tracing::debug!(%from, %error, "no TLS was agreed on"),
                Err(_) => tracing::debug!(%from, "a client took too long to agree on TLS"),
            }
        });
    }
}

impl Listener for TlsAccept {
    type Io = TlsStream<TcpStream>;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> (Self::Io, Self::Addr) {
        match self.agreed.recv().await {
            Some(taken) => taken,
            // Nobody takes connections in any more; the server is being ended.
            None => std::future::pending().await,
        }
    }

    fn local_addr(&self) -> io::Result<SocketAddr> {
        Ok(self.address)
    }
}
