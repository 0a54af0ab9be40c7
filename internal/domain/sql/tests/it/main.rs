//! Rule files and what is said of them, side by side.
#![allow(missing_docs, reason = "tests")]

use millstream_model::{Column, Type};
use millstream_sql::{Catalog, SchemaSource, explain, plan, render};

struct Registered;

impl SchemaSource for Registered {
    fn value_columns(&self, topic: &str) -> Result<Vec<Column>, String> {
        let text = |name: &str| Column::new(name, Type::String);
        match topic {
            "asked" => Ok(vec![text("PROMPT"), text("USER"), Column::new("ASKED_AT", Type::Timestamp)]),
            "offered" => {
                let amount = Type::Decimal { precision: 12, scale: 2 };
                Ok(vec![
                    text("ID"),
                    text("NAME"),
                    Column::new("PRICE", Type::Struct(vec![Column::new("AMOUNT", amount)])),
                ])
            }
            "analytic_products_find" => self.value_columns("asked"),
            "analytic_products_filtered" => {
                let amount = Type::Decimal { precision: 12, scale: 2 };
                let price = vec![Column::new("AMOUNT", amount), text("CURRENCY")];
                let price = Column::new("PRICE", Type::Struct(price));
                Ok(vec![text("ID"), text("NAME"), price, text("BRAND"), text("STORE_ID")])
            }
            other => Err(format!("no schema is registered for '{other}'")),
        }
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
        let (rules, mistakes) = plan(text, &mut Catalog::new(), &Registered);
        assert!(mistakes.is_empty(), "{}", render(name, text, &mistakes));
        insta::assert_snapshot!(format!("runs_{name}"), explain(&rules));
    }
}

#[test]
fn files_that_do_not_are_told_everything_that_is_wrong() {
    for (name, text) in
        golden!("/refused": "cut_off", "expressions", "names_and_types", "queries", "sources", "syntax")
    {
        let (_, mistakes) = plan(text, &mut Catalog::new(), &Registered);
        insta::assert_snapshot!(format!("refused_{name}"), render(&format!("{name}.sql"), text, &mistakes));
    }
}

#[test]
fn the_rule_that_is_shipped_runs() {
    let text = include_str!("../../../../../rules/personal_recom.sql");
    let (rules, mistakes) = plan(text, &mut Catalog::new(), &Registered);
    assert!(mistakes.is_empty(), "{}", render("personal_recom.sql", text, &mistakes));
    insta::assert_snapshot!(explain(&rules));
}
