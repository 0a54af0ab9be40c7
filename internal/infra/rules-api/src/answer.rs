use millstream_rule_engine::{Answer, Session};
use millstream_sql::pieces;
use serde_json::Value;

use crate::desk::Desk;
use crate::entity::entity;
use crate::problem::Problem;
use crate::request::StatementRequest;

/// Carries out statements one by one, and answers for each that there is something to say of. At the first that fails it
/// stops; those before it are done.
pub(crate) fn statements(desk: &Desk, request: &StatementRequest) -> Result<Vec<Value>, Problem> {
    desk.await_earlier(request)?;
    let mut session = request.session();
    let mut done = Vec::new();
    let pieces = pieces(&request.ksql);
    if pieces.is_empty() {
        return Err(Problem::request("there is no statement in the request"));
    }
    for piece in pieces {
        match one(desk, &mut session, &piece.text) {
            Ok(entity) => done.extend(entity),
            Err(problem) => return Err(problem.behind(done)),
        }
    }
    Ok(done)
}

fn one(desk: &Desk, session: &mut Session, text: &str) -> Result<Option<Value>, Problem> {
    let statement = format!("{text};");
    let answer =
        desk.statements.run(session, text).map_err(|fault| Problem::statement(&statement, &fault))?;
    match &answer {
        Answer::Rows { .. } | Answer::Flow { .. } | Answer::Printing(_) => {
            Err(Problem::endpoint(&statement, "rows are told by /query-stream and /query"))
        }
        Answer::Script(_) => {
            Err(Problem::endpoint(&statement, "a script is read where its file is; send its statements"))
        }
        Answer::Done(told) => {
            desk.keep(told);
            Ok(entity(&statement, &answer))
        }
        _ => Ok(entity(&statement, &answer)),
    }
}
