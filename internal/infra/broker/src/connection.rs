//! A connection: frames in, answers out, one after another.

use std::collections::BTreeMap;
use std::io::{self, Read};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::thread;
use std::time::Duration;

use bytes::Bytes;
use tracing::{debug, warn};

use crate::answer::{self, Call};
use crate::room::Pool;
use crate::settings::BrokerSettings;
use crate::state::{State, locked};
use crate::wire::{Frame, FrameError};

/// The stack of a connection's thread; requests do not recurse.
const STACK: usize = 512 << 10;

/// How long a client may be silent between requests.
const IDLE_MAX: Duration = Duration::from_mins(10);

/// How long a client may take for the bytes of a request or an answer.
const TRANSFER_MAX: Duration = Duration::from_mins(1);

/// The connections that are open, and the bytes of their requests.
#[derive(Debug)]
pub(crate) struct Connections {
    open: Mutex<BTreeMap<u64, TcpStream>>,
    none_left: Condvar,
    open_max: usize,
    room: Arc<Pool>,
    request_max: usize,
}

impl Connections {
    pub(crate) fn new(settings: &BrokerSettings) -> Self {
        Self {
            open: Mutex::new(BTreeMap::new()),
            none_left: Condvar::new(),
            open_max: settings.connections_max,
            room: Pool::new(settings.requests_bytes_max.max(settings.request_bytes_max)),
            request_max: settings.request_bytes_max,
        }
    }

    fn add(&self, stream: &TcpStream) -> io::Result<u64> {
        let mut open = locked(&self.open);
        if open.len() >= self.open_max {
            return Err(io::Error::other(format!(
                "{} connections are open, as many as are allowed",
                open.len()
            )));
        }
        let id = open.last_key_value().map_or(0, |(id, _)| id + 1);
        open.insert(id, stream.try_clone()?);
        Ok(id)
    }

    fn remove(&self, id: u64) {
        locked(&self.open).remove(&id);
        self.none_left.notify_all();
    }

    pub(crate) fn close_all(&self) {
        for stream in locked(&self.open).values() {
            let _ = stream.shutdown(Shutdown::Both);
        }
    }

    pub(crate) fn wait_until_none_is_left(&self) {
        let open = locked(&self.open);
        let wait = self.none_left.wait_timeout_while(open, Duration::from_secs(5), |open| !open.is_empty());
        let left = wait.unwrap_or_else(PoisonError::into_inner).0.len();
        if left > 0 {
            warn!(left, "some connections did not end in time");
        }
    }
}

/// Serves a connection on a thread of its own.
pub(crate) fn serve(
    stream: TcpStream,
    peer: SocketAddr,
    state: &Arc<State>,
    connections: &Arc<Connections>,
) -> io::Result<()> {
    stream.set_nodelay(true)?;
    stream.set_write_timeout(Some(TRANSFER_MAX))?;
    let advertised = stream.local_addr()?;
    let id = connections.add(&stream)?;
    let registered = Registered { id, connections: Arc::clone(connections) };
    let state = Arc::clone(state);
    let work = move || {
        let ended = converse(stream, peer, advertised, &state, &registered.connections);
        match ended {
            Ok(()) => debug!(%peer, "a connection was closed"),
            Err(error) if error.kind() == io::ErrorKind::InvalidData => {
                warn!(%peer, %error, "closing a connection");
            }
            Err(error) => debug!(%peer, %error, "a connection broke"),
        }
    };
    thread::Builder::new().name("broker-client".to_owned()).stack_size(STACK).spawn(work)?;
    Ok(())
}

/// A place among the connections; given up also when the thread panics.
struct Registered {
    id: u64,
    connections: Arc<Connections>,
}

impl Drop for Registered {
    fn drop(&mut self) {
        self.connections.remove(self.id);
    }
}

fn invalid(error: FrameError) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, error)
}

/// Answers requests until the client goes.
fn converse(
    mut stream: TcpStream,
    peer: SocketAddr,
    advertised: SocketAddr,
    state: &Arc<State>,
    connections: &Arc<Connections>,
) -> io::Result<()> {
    while !state.is_stopping() {
        stream.set_read_timeout(Some(IDLE_MAX))?;
        let mut length = [0; 4];
        match stream.read_exact(&mut length) {
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Ok(()),
            other => other?,
        }
        let announced = i32::from_be_bytes(length);
        let size = usize::try_from(announced).ok().filter(|size| *size <= connections.request_max);
        let size = size.ok_or_else(|| invalid(FrameError::Size(announced.into())))?;
        let _room = connections.room.take(size);
        stream.set_read_timeout(Some(TRANSFER_MAX))?;
        let mut bytes = vec![0; size];
        stream.read_exact(&mut bytes)?;
        let frame = Frame::decode(Bytes::from(bytes)).map_err(invalid)?;
        let call = Call { state, peer, advertised, frame: &frame };
        if let Some(answer) = answer::answer(&call)? {
            answer.send(&mut stream)?;
        }
    }
    Ok(())
}
