use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use axum::body::{Body, Bytes};
use axum::http::{HeaderName, StatusCode, header};
use axum::response::{IntoResponse, Response};
use millstream_model::{Column, Type};
use millstream_rule_engine::{Answer, Flow};
use millstream_sql::pieces;
use tokio::sync::OwnedSemaphorePermit;
use tokio::sync::mpsc::Sender;

use crate::desk::Desk;
use crate::names::Layout;
use crate::problem::Problem;
use crate::request::StatementRequest;
use crate::rows::Page;
use crate::stream::piped;

/// How long it takes to see that a query shall end.
const LOOK_AGAIN: Duration = Duration::from_millis(100);

/// The header that tells a query's id, by which it can be closed.
const QUERY_ID: &str = "query-id";

/// Answers a query's rows, or a topic's records: at once, or as they come.
pub(crate) fn told(desk: &Desk, request: &StatementRequest, layout: Layout) -> Result<Response, Problem> {
    let pieces = pieces(&request.ksql);
    let [piece] = pieces.as_slice() else {
        return Err(Problem::request("a request asks one query"));
    };
    desk.await_earlier(request)?;
    let statement = format!("{};", piece.text);
    let answer = desk.statements.run(&mut request.session(), &piece.text);
    let answer = answer.map_err(|fault| Problem::statement(&statement, &fault))?;
    let (id, end) = desk.opened();
    match answer {
        Answer::Rows { columns, rows } => {
            desk.closed(&id);
            let page = Page::new(layout, columns, id.clone());
            let body = rows.iter().fold(page.head(), |body, row| body + &page.row(row));
            Ok(typed(layout, &id, Body::from(body + &page.tail(None))))
        }
        Answer::Flow { columns, flow } => {
            following(desk, Page::new(layout, columns, id.clone()).live(), flow, (id.clone(), end))
                .map(|body| typed(layout, &id, body))
        }
        Answer::Printing(flow) => {
            let column = Column::new("RECORD", Type::String);
            let page = Page::new(Layout::Text, vec![column], id.clone()).live();
            following(desk, page, flow, (id.clone(), end)).map(|body| typed(Layout::Text, &id, body))
        }
        _ => {
            desk.closed(&id);
            Err(Problem::endpoint(&statement, "the statement is no query; /ksql takes it"))
        }
    }
}

/// The query's id stands before the body too: not every layout has a place for it.
fn typed(layout: Layout, id: &str, body: Body) -> Response {
    let of = HeaderName::from_static(QUERY_ID);
    ([(header::CONTENT_TYPE, layout.media()), (of, id)], body).into_response()
}

/// A query that is followed for as long as somebody reads.
struct Following {
    desk: Desk,
    id: String,
    end: Arc<AtomicBool>,
    page: Page,
    out: Sender<Bytes>,
    _place: OwnedSemaphorePermit,
}

fn following(
    desk: &Desk,
    page: Page,
    flow: Box<dyn Flow>,
    (id, end): (String, Arc<AtomicBool>),
) -> Result<Body, Problem> {
    let full = |_| {
        desk.closed(&id);
        let said = "as many queries are followed as this server allows; end one first";
        Problem::new(StatusCode::TOO_MANY_REQUESTS, 0, said)
    };
    let place = desk.flows.clone().try_acquire_owned().map_err(full)?;
    let (out, body) = piped();
    let following = Following { desk: desk.clone(), id: id.clone(), end, page, out, _place: place };
    let started = thread::Builder::new().name("query".to_owned()).spawn(move || following.run(flow));
    let failed = |error| {
        Problem::new(StatusCode::INTERNAL_SERVER_ERROR, 0, format!("could not start a thread: {error}"))
    };
    started.map_err(failed)?;
    Ok(body)
}

impl Following {
    fn run(self, mut flow: Box<dyn Flow>) {
        let mut said = self.page.head();
        loop {
            if self.out.is_closed()
                || (!said.is_empty() && self.out.blocking_send(std::mem::take(&mut said).into()).is_err())
            {
                break;
            }
            if self.end.load(Ordering::Acquire) {
                let _ = self.out.blocking_send(self.page.tail(Some("Query Completed")).into());
                break;
            }
            match flow.next(LOOK_AGAIN) {
                Ok(Some(rows)) => said = rows.iter().map(|row| self.page.row(row)).collect(),
                Ok(None) => {
                    let _ = self.out.blocking_send(self.page.tail(Some("Limit Reached")).into());
                    break;
                }
                Err(fault) => {
                    let body = Problem::statement("", &fault).body();
                    let _ = self.out.blocking_send(self.page.error(&body).into());
                    break;
                }
            }
        }
        self.desk.closed(&self.id);
    }
}
