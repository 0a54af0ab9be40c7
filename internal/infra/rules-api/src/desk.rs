use std::collections::BTreeMap;
use std::hash::{BuildHasher, RandomState};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use millstream_rule_engine::{Statements, Told};
use tokio::sync::Semaphore;

use crate::auth::Access;
use crate::problem::Problem;
use crate::request::StatementRequest;

/// Statements whose end can still be asked for.
const TOLD_MAX: usize = 1000;

/// What all requests share.
#[derive(Clone)]
pub(crate) struct Desk {
    pub(crate) statements: Arc<dyn Statements>,
    pub(crate) access: Access,
    pub(crate) body_bytes_max: usize,
    /// Where the server is found.
    pub(crate) address: String,
    /// Requests that are worked on at once.
    pub(crate) turns: Arc<Semaphore>,
    /// Queries whose rows are told at once.
    pub(crate) flows: Arc<Semaphore>,
    open: Arc<Mutex<BTreeMap<String, Arc<AtomicBool>>>>,
    told: Arc<Mutex<Vec<(String, Told)>>>,
    count: Arc<AtomicU64>,
}

impl Desk {
    pub(crate) fn new(
        statements: Arc<dyn Statements>,
        access: Access,
        address: String,
        (requests_max, flows_max, body_bytes_max): (usize, usize, usize),
    ) -> Self {
        Self {
            statements,
            access,
            body_bytes_max,
            address,
            turns: Arc::new(Semaphore::new(requests_max)),
            flows: Arc::new(Semaphore::new(flows_max)),
            open: Arc::default(),
            told: Arc::default(),
            count: Arc::default(),
        }
    }

    /// An id for a query, and whether it shall end.
    pub(crate) fn opened(&self) -> (String, Arc<AtomicBool>) {
        let number = self.count.fetch_add(1, Ordering::Relaxed);
        let id = format!("transient_{number}_{:016x}", RandomState::new().hash_one(number));
        let end = Arc::new(AtomicBool::new(false));
        self.open.lock().unwrap_or_else(PoisonError::into_inner).insert(id.clone(), end.clone());
        (id, end)
    }

    /// Waits until the statement that a request comes after is carried out here.
    pub(crate) fn await_earlier(&self, request: &StatementRequest) -> Result<(), Problem> {
        let place = request.after.filter(|place| *place >= 0);
        place
            .map_or(Ok(()), |place| self.statements.await_statement(place))
            .map_err(|fault| Problem::late(&fault))
    }

    /// A query has ended.
    pub(crate) fn closed(&self, id: &str) {
        self.open.lock().unwrap_or_else(PoisonError::into_inner).remove(id);
    }

    /// Ends a query; whether there is one of this id.
    pub(crate) fn close(&self, id: &str) -> bool {
        let found = self.open.lock().unwrap_or_else(PoisonError::into_inner).remove(id);
        found.is_some_and(|end| {
            end.store(true, Ordering::Release);
            true
        })
    }

    /// Keeps what a statement came to.
    pub(crate) fn keep(&self, told: &Told) {
        let Some(subject) = told.subject.clone() else { return };
        let mut all = self.told.lock().unwrap_or_else(PoisonError::into_inner);
        if all.len() >= TOLD_MAX {
            all.remove(0);
        }
        all.push((subject, told.clone()));
    }

    /// What statements have come to, the newest last.
    pub(crate) fn kept(&self) -> Vec<(String, Told)> {
        self.told.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}
