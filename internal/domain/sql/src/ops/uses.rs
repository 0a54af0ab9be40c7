use crate::eval::Bound;
use crate::plan::{Act, Rule};

impl Rule {
    /// Which of the value columns of source number `side` are looked at. All are where rows are kept whole.
    pub fn uses(&self, side: usize) -> Vec<bool> {
        let Some(entry) = self.query.entries.get(side) else { return Vec::new() };
        let (first, width) = (entry.source.key.len(), entry.source.value.len());
        let mut used = vec![false; width];
        let mut look = |bound: &Bound| {
            for column in bound.columns() {
                if let Some(slot) = column.checked_sub(first).and_then(|place| used.get_mut(place)) {
                    *slot = true;
                }
            }
        };
        entry.time.iter().for_each(&mut look);
        let mut wire = Some(entry.wire);
        while let Some((step, at)) = wire.and_then(|wire| Some((self.query.steps.get(wire.step)?, wire))) {
            wire = step.next;
            match &step.act {
                Act::Filter { condition, .. } => look(condition),
                // A stream's row is not kept there, and its columns stand first in what is made of it.
                Act::Lookup { .. } if at.side == 0 => {}
                Act::Extend { values } | Act::Rekey { key: values } => values.iter().for_each(&mut look),
                Act::Explode { lists } => lists.iter().for_each(|list| look(list.argument())),
                Act::Exchange { key, .. } => key.iter().flatten().for_each(&mut look),
                // Behind these stands a row of another make.
                Act::Select { values } | Act::Sink { value: values, .. } => {
                    values.iter().for_each(&mut look);
                    return used;
                }
                Act::Group { group, arguments, .. } => {
                    group.iter().chain(arguments.iter().flatten()).for_each(&mut look);
                    return used;
                }
                _ => return vec![true; width],
            }
        }
        used
    }

    /// Whether rows of source number `side` are kept by the key that they come with, one column as it is, so that all rows
    /// of a key come from where that key belongs if its topic's writers partition as they should.
    pub fn keeps_key(&self, side: usize) -> bool {
        let Some(entry) = self.query.entries.get(side) else { return false };
        if entry.source.key.len() != 1 || entry.source.window.is_some() {
            return false;
        }
        let mut wire = Some(entry.wire);
        while let Some(step) = wire.and_then(|wire| self.query.steps.get(wire.step)) {
            wire = step.next;
            match &step.act {
                Act::Filter { .. } | Act::Extend { .. } => {}
                Act::Exchange { key, .. } => {
                    return key.as_deref().is_none_or(|key| key == [Bound::Column(0)]);
                }
                Act::Group { group, .. } => return *group == [Bound::Column(0)],
                _ => return false,
            }
        }
        false
    }
}

#[cfg(test)]
mod tests {
    use crate::{Catalog, RegisteredColumns, SchemaSource, plan};

    struct NoSchemas;

    impl SchemaSource for NoSchemas {
        fn columns(&self, _: &str, _: bool, _: &str, _: Option<u32>) -> Result<RegisteredColumns, String> {
            Err("none".to_owned())
        }
    }

    fn rule(text: &str) -> crate::Rule {
        let sources = "CREATE STREAM s (id STRING KEY, a INT, b INT, at BIGINT) WITH (KAFKA_TOPIC='s', VALUE_FORMAT='JSON');
CREATE STREAM timed (id STRING KEY, a INT, b INT, at BIGINT) WITH (KAFKA_TOPIC='s', VALUE_FORMAT='JSON', TIMESTAMP='at');
CREATE TABLE t (id STRING PRIMARY KEY, y INT) WITH (KAFKA_TOPIC='t', VALUE_FORMAT='JSON');";
        let (plan, mistakes) = plan(&format!("{sources}{text}"), &mut Catalog::new(), &NoSchemas);
        assert_eq!(mistakes, []);
        plan.rules[0].clone()
    }

    #[test]
    fn only_what_is_looked_at_is_used() {
        let (yes, no) = (true, false);
        for (text, expected) in [
            ("CREATE STREAM o AS SELECT id, a FROM s WHERE b > 1;", [yes, yes, no]),
            ("CREATE STREAM o AS SELECT id, a FROM timed;", [yes, no, yes]),
            ("CREATE STREAM o AS SELECT * FROM s;", [yes, yes, yes]),
            ("CREATE TABLE o AS SELECT a, COUNT(*) AS n FROM s GROUP BY a;", [yes, no, no]),
            ("CREATE TABLE o AS SELECT id, SUM(b) AS n FROM s WHERE at > 1 GROUP BY id;", [no, yes, yes]),
            (
                "CREATE STREAM o AS SELECT x AS id, n FROM (SELECT id AS x, b AS n FROM s) q WHERE n > 1;",
                [no, yes, no],
            ),
            ("CREATE STREAM o AS SELECT s.id, y FROM s JOIN t ON s.id = t.id;", [no, no, no]),
            ("CREATE STREAM o AS SELECT s.id, s.b, y FROM s JOIN t ON s.id = t.id;", [no, yes, no]),
        ] {
            assert_eq!(rule(text).uses(0), expected, "{text}");
        }
    }

    #[test]
    fn a_key_that_is_kept_is_told_from_one_that_is_made() {
        for (text, expected) in [
            ("CREATE TABLE o AS SELECT id, COUNT(*) AS n FROM s WHERE a > 1 GROUP BY id;", true),
            ("CREATE TABLE o AS SELECT a, COUNT(*) AS n FROM s GROUP BY a;", false),
            ("CREATE TABLE o AS SELECT UCASE(id) AS k, COUNT(*) AS n FROM s GROUP BY UCASE(id);", false),
            ("CREATE STREAM o AS SELECT s.id, y FROM s JOIN t ON s.id = t.id;", true),
            ("CREATE STREAM o AS SELECT t.id, y FROM s JOIN t ON CAST(s.a AS STRING) = t.id;", false),
        ] {
            assert_eq!(rule(text).keeps_key(0), expected, "{text}");
        }
    }
}
