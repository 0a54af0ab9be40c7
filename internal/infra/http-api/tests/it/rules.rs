use std::sync::Arc;

use axum::Router;
use millstream_http_api::{Access, RuleList, ShownRule};
use millstream_ports::Delivery;
use millstream_sim::Sim;
use serde_json::json;

use crate::instance::Instance;

struct Two;

impl RuleList for Two {
    fn list(&self) -> Vec<ShownRule> {
        let rule = |name: &str, state: &str, reason: Option<&str>| ShownRule {
            name: name.to_owned(),
            group: "rules-shared".to_owned(),
            state: state.to_owned(),
            reason: reason.map(str::to_owned),
            rows: 7,
            failed: 1,
            nulls: 2,
            plan: "read  stream A from a".to_owned(),
        };
        vec![rule("EVEN", "running", None), rule("LARGE", "error", Some("its topic is gone"))]
    }
}

#[test]
fn rules_are_listed_where_there_are_some() {
    let sim = Sim::live();
    sim.create("facts", 1);
    let with = Instance::start_with(&sim.process(), Delivery::AtLeastOnce, Access::default(), |console| {
        console.rules(Arc::new(Two));
        Router::new()
    });
    let (status, told) = with.get("/v1/rules");
    assert_eq!(status, 200);
    assert_eq!(
        told["rules"][1],
        json!({"rule": "LARGE", "group": "rules-shared", "state": "error", "reason": "its topic is gone",
            "rows_out": 7, "failed": 1, "nulls": 2, "plan": "read  stream A from a"})
    );
    assert_eq!(with.get("/v1/console").1["parts"], json!(["rules"]));
    let without = Instance::start(&sim.process(), Delivery::AtLeastOnce, Access::default());
    let (status, told) = without.get("/v1/rules");
    assert_eq!((status, &told["error"]), (404, &json!("no_such_part")));
}
