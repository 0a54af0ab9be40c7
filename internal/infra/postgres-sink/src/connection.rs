use std::str::FromStr;
use std::time::Duration;

use millstream_ports::PortError;
use native_tls::TlsConnector;
use postgres::config::SslMode;
use postgres::{Client, Config, NoTls};
use postgres_native_tls::MakeTlsConnector;

use crate::failure::port_error;

/// How long a server that does not answer is waited for, before it counts as gone.
const ANSWER_WAIT: Duration = Duration::from_secs(10);

/// Where a database is, and how to get in. `Debug` is not implemented: it holds a password.
#[derive(Clone)]
pub struct Database {
    config: Config,
    place: String,
}

impl Database {
    /// The database at `dsn`, such as `postgres://user:password@host:5432/name?sslmode=require`.
    ///
    /// # Errors
    /// When that is no address of a database.
    pub fn at(dsn: &str) -> Result<Self, PortError> {
        let mut config = Config::from_str(dsn).map_err(|error| {
            PortError::stop("the database's address can't be read").because(error.to_string())
        })?;
        config.connect_timeout(ANSWER_WAIT).keepalives_idle(ANSWER_WAIT).tcp_user_timeout(ANSWER_WAIT * 3);
        if config.get_application_name().is_none() {
            config.application_name("millstream sink");
        }
        let hosts: Vec<_> = config.get_hosts().iter().map(host).collect();
        let place =
            format!("database '{}' at {}", config.get_dbname().unwrap_or("postgres"), hosts.join(","));
        Ok(Self { config, place })
    }

    /// Its hosts, ports and name, as the address has them; no user and no password.
    pub fn identity(&self) -> String {
        let ports: Vec<_> = self.config.get_ports().iter().map(ToString::to_string).collect();
        format!("{} ports {}", self.place, ports.join(","))
    }

    /// The database's name.
    pub fn name(&self) -> &str {
        self.config.get_dbname().unwrap_or("postgres")
    }

    /// How messages call it.
    pub(crate) fn place(&self) -> &str {
        &self.place
    }

    pub(crate) fn connect(&self) -> Result<Client, PortError> {
        let attempt = format!("could not connect to {}", self.place);
        let made = if self.config.get_ssl_mode() == SslMode::Disable {
            self.config.connect(NoTls)
        } else {
            let tls = TlsConnector::new()
                .map_err(|error| PortError::stop("TLS can't be set up").because(error.to_string()))?;
            self.config.connect(MakeTlsConnector::new(tls))
        };
        made.map_err(|error| port_error(&attempt, &error))
    }
}

fn host(host: &postgres::config::Host) -> String {
    match host {
        postgres::config::Host::Tcp(name) => name.clone(),
        postgres::config::Host::Unix(path) => path.display().to_string(),
    }
}
