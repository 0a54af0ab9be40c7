use serde_json::{Value, json};

use super::{Call, Journal, Problem};

#[expect(clippy::unnecessary_wraps, reason = "it is one of the deeds")]
pub(super) fn root(_: &Journal, _: &Call) -> Result<Value, Problem> {
    Ok(json!({}))
}

/// Which registry this is. Kafka's own id is not known here.
#[expect(clippy::unnecessary_wraps, reason = "it is one of the deeds")]
pub(super) fn id(_: &Journal, _: &Call) -> Result<Value, Problem> {
    let clusters = json!({ "schema-registry-cluster": "schema-registry" });
    Ok(json!({ "id": "", "scope": { "path": [], "clusters": clusters } }))
}

#[expect(clippy::unnecessary_wraps, reason = "it is one of the deeds")]
pub(super) fn version(_: &Journal, _: &Call) -> Result<Value, Problem> {
    Ok(json!({ "version": env!("CARGO_PKG_VERSION"), "commitId": "" }))
}

/// There is but the default context.
#[expect(clippy::unnecessary_wraps, reason = "it is one of the deeds")]
pub(super) fn contexts(_: &Journal, _: &Call) -> Result<Value, Problem> {
    Ok(json!(["."]))
}
