//! Rule files and what is said of them, side by side.
#![allow(missing_docs, reason = "tests")]

use millstream_model::{Column, Type};
use millstream_sql::{Catalog, RegisteredColumns, SchemaSource, explain, plan, render};

struct Registered;

impl SchemaSource for Registered {
    fn columns(&self, topic: &str, _: bool, _: &str, _: Option<u32>) -> Result<RegisteredColumns, String> {
        let text = |name: &str| Column::new(name, Type::String);
        let amount = Column::new("AMOUNT", Type::Decimal { precision: 12, scale: 2 });
        let columns = match topic {
            "asked" | "analytic_products_find" => {
                vec![text("PROMPT"), text("USER"), Column::new("ASKED_AT", Type::Timestamp)]
            }
            "offered" => {
                vec![text("ID"), text("NAME"), Column::new("PRICE", Type::Struct(vec![amount]))]
            }
            "analytic_products_filtered" => {
                let price = Column::new("PRICE", Type::Struct(vec![amount, text("CURRENCY")]));
                vec![text("ID"), text("NAME"), price, text("BRAND"), text("STORE_ID")]
            }
            other => return Err(format!("no schema is registered for '{other}'")),
        };
        Ok(RegisteredColumns { columns, is_bare: false })
    }
}

/// Golden files by name, taken in when the test is built.
macro_rules! golden {
    ($folder:literal: $($name:literal),*) => {
        [$(($name, include_str!(concat!("../golden", $folder, "/", $name, ".sql")))),*]
    };
}

#[test]
fn files_that_run_become_rules() {
    for (name, text) in golden!("": "recommendations", "shapes") {
        let (plan, mistakes) = plan(text, &mut Catalog::new(), &Registered);
        assert!(mistakes.is_empty(), "{}", render(name, text, &mistakes));
        insta::assert_snapshot!(format!("runs_{name}"), explain(&plan.rules));
    }
}

#[test]
fn files_that_do_not_are_told_everything_that_is_wrong() {
    for (name, text) in golden!("/refused": "cut_off", "expressions", "names_and_types", "properties", "queries", "sources", "syntax")
    {
        let (_, mistakes) = plan(text, &mut Catalog::new(), &Registered);
        insta::assert_snapshot!(format!("refused_{name}"), render(&format!("{name}.sql"), text, &mistakes));
    }
}

#[test]
fn the_rule_that_is_shipped_runs() {
    let text = include_str!("../../../../../rules/personal_recom.sql");
    let (plan, mistakes) = plan(text, &mut Catalog::new(), &Registered);
    assert!(mistakes.is_empty(), "{}", render("personal_recom.sql", text, &mistakes));
    insta::assert_snapshot!(explain(&plan.rules));
}
