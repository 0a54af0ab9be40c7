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

#[test]
fn files_that_run_become_rules() {
    insta::glob!("../golden", "*.sql", |path| {
        let text = std::fs::read_to_string(path).unwrap();
        let (rules, mistakes) = plan(&text, &mut Catalog::new(), &Registered);
        assert!(mistakes.is_empty(), "{}", render("file.sql", &text, &mistakes));
        insta::assert_snapshot!(explain(&rules));
    });
}

#[test]
fn files_that_do_not_are_told_everything_that_is_wrong() {
    insta::glob!("../golden/refused", "*.sql", |path| {
        let text = std::fs::read_to_string(path).unwrap();
        let (_, mistakes) = plan(&text, &mut Catalog::new(), &Registered);
        let file = path.file_name().unwrap().to_string_lossy();
        insta::assert_snapshot!(render(&file, &text, &mistakes));
    });
}

#[test]
fn the_rule_that_is_shipped_runs() {
    let text = include_str!("../../../../../rules/personal_recom.sql");
    let (rules, mistakes) = plan(text, &mut Catalog::new(), &Registered);
    assert!(mistakes.is_empty(), "{}", render("personal_recom.sql", text, &mistakes));
    insta::assert_snapshot!(explain(&rules));
}
