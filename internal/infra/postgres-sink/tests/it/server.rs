use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use millstream_model::{Column, Offset, Partition, TopicName, Type, Value};
use millstream_ports::{Advance, Landed, PortError, Replica, WholeRow};
use millstream_postgres_sink::{Database, PostgresTable, Target};
use tempfile::TempDir;

/// A server of its own, stopped and removed with this.
pub struct Server {
    home: TempDir,
    port: u16,
    tables: AtomicUsize,
}

impl Server {
    pub fn up() -> Self {
        let home = TempDir::new().unwrap();
        // The server may run as another user than the test.
        std::fs::set_permissions(home.path(), std::fs::Permissions::from_mode(0o755)).unwrap();
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let server = Self { home, port, tables: AtomicUsize::new(0) };
        server.script("up");
        server
    }

    pub fn script(&self, deed: &str) {
        let done = self.command().arg(deed).status().unwrap();
        assert!(done.success(), "postgres.sh {deed}");
    }

    fn command(&self) -> Command {
        let repository = Path::new(env!("CARGO_MANIFEST_DIR")).ancestors().nth(3).unwrap();
        let mut command = Command::new(repository.join("docker/local/postgres.sh"));
        for name in ["POSTGRES_USER", "POSTGRES_PASSWORD", "POSTGRES_DB"] {
            command.env_remove(name);
        }
        command.env("MILLSTREAM_STACK_HOME", self.home.path()).env("POSTGRES_PORT", self.port.to_string());
        command
    }

    pub fn dsn(&self, password: &str) -> String {
        format!("postgres://millstream:{password}@127.0.0.1:{}/millstream", self.port)
    }

    /// A table that is not there yet.
    pub fn new_table(&self) -> String {
        format!("table{}", self.tables.fetch_add(1, Ordering::Relaxed))
    }

    pub fn replica(&self, table: &str) -> PostgresTable {
        let target = Target {
            topic: TopicName::new("things").unwrap(),
            schema: "public".to_owned(),
            table: table.to_owned(),
            key_column: "id".to_owned(),
        };
        PostgresTable::new(Database::at(&self.dsn("millstream")).unwrap(), target)
    }

    pub fn query(&self, query: &str) -> String {
        let output = self.command().args(["psql", "-v", "ON_ERROR_STOP=1", "-Atc", query]).output().unwrap();
        assert!(output.status.success(), "{query}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap().trim().to_owned()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.command().arg("down").status();
    }
}

pub fn key(text: &str) -> WholeRow {
    WholeRow { columns: [Column::new("", Type::String)].into(), values: vec![Value::text(text)] }
}

pub fn row(columns: &Arc<[Column]>, values: Vec<Value>) -> WholeRow {
    WholeRow { columns: columns.clone(), values }
}

/// Partition 0 from one offset to another.
pub fn advance(from: Option<i64>, to: i64) -> Advance {
    Advance { partition: Partition::new(0), from: from.map(Offset), to: Offset(to) }
}

pub fn land(replica: &mut impl Replica, from: Option<i64>, to: i64) {
    assert_eq!(commit(replica, &[advance(from, to)]).unwrap(), Landed::Yes);
}

/// Writes what is staged, and waits for it.
pub fn commit(replica: &mut impl Replica, advances: &[Advance]) -> Result<Landed, PortError> {
    replica.begin(advances.to_vec());
    replica.finish()
}
