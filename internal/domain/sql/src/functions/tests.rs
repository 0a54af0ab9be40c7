use std::collections::BTreeSet;

use super::*;
use crate::{Scope, expression};

/// What an expression gives, as text, without a row; NULL and what fails are told apart.
fn told(text: &str) -> String {
    let functions = Functions::with(&Outside::new(|| 1_614_873_909_123, || u64::MAX / 2));
    let (bound, ty) = expression(&Scope::default().using(&functions), text)
        .unwrap_or_else(|mistake| panic!("{text}: {mistake:?}"));
    match bound.try_eval(&[]) {
        Ok(Value::Null) => "NULL".to_owned(),
        Ok(value) => {
            assert!(ty.holds(&value), "{text} gives {value:?}, which is no {ty}");
            crate::eval::text_of(&value, &ty)
        }
        Err(_) => "fails".to_owned(),
    }
}

fn check(cases: &[(&str, &str)]) {
    for (text, expected) in cases {
        assert_eq!(told(text), *expected, "{text}");
    }
}

#[test]
fn every_signature_can_be_read_and_every_name_is_there_once() {
    let mut names = BTreeSet::new();
    let mut twice = Vec::new();
    for definition in standard() {
        if !names.insert(definition.name) {
            twice.push(definition.name);
        }
        for entry in definition.entries {
            assert!(signature(entry.signature).is_some(), "{}: {}", definition.name, entry.signature);
        }
        assert!(definition.about.ends_with('.'), "{}", definition.name);
    }
    assert!(twice.is_empty(), "{twice:?}");
    let functions = Functions::default();
    assert_eq!(functions.iter().count(), names.union(&BTreeSet::from(["RANDOM"])).count());
    let signatures: Vec<_> = functions.get("ARRAY_CONTAINS").unwrap().signatures().collect();
    assert_eq!(signatures, [("array ARRAY<T>, value T".to_owned(), "BOOLEAN".to_owned())]);
}

#[test]
fn texts_are_changed() {
    check(&[
        ("UCASE('aß')", "ASS"),
        ("LCASE('ÀB')", "àb"),
        ("TRIM(' a ')", "a"),
        ("LEN('жук')", "3"),
        ("LEN(TO_BYTES('0a0b', 'hex'))", "2"),
        ("CONCAT('a', NULL, 'b')", "ab"),
        ("CONCAT_WS('-', 'a', NULL, 'b')", "a-b"),
        ("CONCAT_WS(NULL, 'a', 'b')", "NULL"),
        ("REPLACE('aXbX', 'X', '.')", "a.b."),
        ("INITCAP('oAK  lamp')", "Oak  Lamp"),
        ("REVERSE('abc')", "cba"),
        ("CHR(75)", "K"),
        ("CHR('\\u004d')", "M"),
        ("CHR('x')", "NULL"),
        ("ELT(2, 'a', 'b')", "b"),
        ("ELT(3, 'a', 'b')", "NULL"),
        ("FIELD('b', 'a', 'b')", "2"),
        ("FIELD(NULL, 'a')", "0"),
        ("SPLIT('a..b', '.')", "[a, , b]"),
        ("SPLIT('ab', '')", "[a, b]"),
        ("SPLIT('', '')", "[]"),
        ("SPLIT(TO_BYTES('a,b,', 'utf8'), TO_BYTES(',', 'utf8'))", "[YQ==, Yg==, ]"),
        ("SPLIT_TO_MAP('a:1,b:2,c', ',', ':')", "{a=1, b=2}"),
        ("SUBSTRING('lampe', 2)", "ampe"),
        ("SUBSTRING('lampe', -2, 1)", "p"),
        ("SUBSTRING('lampe', 0, 2)", "la"),
        ("SUBSTRING('lampe', 9, 2)", ""),
        ("SUBSTRING('lampe', 2, -1)", ""),
        ("INSTR('CORPORATE FLOOR', 'OR')", "2"),
        ("INSTR('CORPORATE FLOOR', 'OR', 3, 2)", "14"),
        ("INSTR('CORPORATE FLOOR', 'OR', -3)", "5"),
        ("INSTR('CORPORATE FLOOR', 'x')", "0"),
        ("INSTR(NULL, 'x')", "0"),
        ("LPAD('7', 3, '01')", "017"),
        ("RPAD('abc', 2, 'x')", "ab"),
        ("RPAD('a', 4, 'xy')", "axyx"),
        ("LPAD('a', -1, 'x')", "NULL"),
        ("MASK('My Name 1!')", "Xx-Xxxx-n-"),
        ("MASK('My 1!', NULL, '*', '0', NULL)", "M* 0!"),
        ("MASK_LEFT('Secret', 3)", "Xxxret"),
        ("MASK_RIGHT('Secret', 3)", "Secxxx"),
        ("MASK_KEEP_LEFT('Secret', 2)", "Sexxxx"),
        ("MASK_KEEP_RIGHT('Secret', 9)", "Secret"),
        ("MASK_LEFT('x', -1)", "fails"),
        ("STARTS_WITH('Oak', 'O')", "true"),
    ]);
}

#[test]
fn patterns_are_matched_as_java_does() {
    check(&[
        ("REGEXP_EXTRACT('(.*) (.*)', 'hello there', 2)", "there"),
        ("REGEXP_EXTRACT('l+', 'hello')", "ll"),
        ("REGEXP_EXTRACT('x', 'hello')", "NULL"),
        ("REGEXP_EXTRACT('(x)?h', 'hello', 1)", "NULL"),
        ("REGEXP_EXTRACT('h', 'hello', 4)", "NULL"),
        ("REGEXP_EXTRACT('(', 'hello')", "fails"),
        ("REGEXP_EXTRACT('(?<=h)e(?=l)', 'hello')", "e"),
        ("REGEXP_EXTRACT_ALL('(\\w)-', 'a-b-c', 1)", "[a, b]"),
        ("REGEXP_REPLACE('2021-03', '(\\d+)-(\\d+)', '$2/$1')", "03/2021"),
        ("REGEXP_REPLACE('a.b', '\\.', '\\$')", "a$b"),
        ("REGEXP_REPLACE('ab', '(a)', '$10')", "a0b"),
        ("REGEXP_REPLACE('ab', 'a', '$1')", "fails"),
        ("REGEXP_SPLIT_TO_ARRAY('a1b22c', '[0-9]+')", "[a, b, c]"),
        ("REGEXP_SPLIT_TO_ARRAY('ab', '')", "[a, b]"),
    ]);
}

#[test]
fn numbers_are_computed() {
    check(&[
        ("ABS(-1.50)", "1.50"),
        ("ABS(-2147483648)", "fails"),
        ("CEIL(1.25)", "2.00"),
        ("CEIL(-1.5E0)", "-1.0"),
        ("FLOOR(-1.25)", "-2.00"),
        ("ROUND(2.5E0)", "3"),
        ("ROUND(-2.5E0)", "-2"),
        ("ROUND(1.255, 2)", "1.260"),
        ("ROUND(-1.25, 1)", "-1.20"),
        ("ROUND(1264.5E0, -2)", "1300.0"),
        ("ROUND(12.5)", "13"),
        ("TRUNC(12.55E0, 1)", "12.5"),
        ("TRUNC(-12.9)", "-12"),
        ("TRUNC(1264.5E0, -2)", "1200.0"),
        ("SIGN(-0.5E0)", "-1"),
        ("SQRT(16)", "4.0"),
        ("CBRT(27)", "3.0"),
        ("LN(1)", "0.0"),
        ("LOG(2, 8)", "3.0"),
        ("LOG(1, 8)", "NaN"),
        ("POWER(2, 10)", "1024.0"),
        ("COT(RADIANS(45)) - 1 < 1E-9", "true"),
        ("DEGREES(PI())", "180.0"),
        ("ATAN2(0, 1)", "0.0"),
        ("GREATEST(1, NULL, 3)", "3"),
        ("LEAST('b', 'a')", "a"),
        ("GREATEST(1.50, 2.25)", "2.25"),
        ("GENERATE_SERIES(1, 7, 3)", "[1, 4, 7]"),
        ("GENERATE_SERIES(3, 1)", "[3, 2, 1]"),
        ("GENERATE_SERIES(1, 3, -1)", "fails"),
        ("GENERATE_SERIES(1, 3, 0)", "fails"),
        ("RANDOM() < 0.5E0", "true"),
        ("CAST(GEO_DISTANCE(37.4133, -122.1162, 37.3876, -122.0583) AS DECIMAL(5, 3))", "5.859"),
        ("GEO_DISTANCE(91.0, 0, 0, 0)", "fails"),
        ("GEO_DISTANCE(0, 0, 0, 0, 'leagues')", "fails"),
    ]);
}

#[test]
fn arrays_and_maps_are_worked_on() {
    check(&[
        ("ARRAY_LENGTH(ARRAY[1, NULL])", "2"),
        ("ARRAY_CONTAINS(ARRAY[1, NULL], NULL)", "true"),
        ("ARRAY_CONTAINS(CAST(NULL AS ARRAY<INT>), 1)", "false"),
        ("ARRAY_CONCAT(ARRAY[1], CAST(NULL AS ARRAY<INT>))", "[1]"),
        ("ARRAY_DISTINCT(ARRAY[2, 1, 2, NULL, NULL])", "[2, 1, null]"),
        ("ARRAY_EXCEPT(ARRAY[2, 1, 2, 3], ARRAY[3])", "[2, 1]"),
        ("ARRAY_INTERSECT(ARRAY[2, 1, 2, 3], ARRAY[3, 2])", "[2, 3]"),
        ("ARRAY_UNION(ARRAY[2, 1], ARRAY[3, 2])", "[2, 1, 3]"),
        ("ARRAY_JOIN(ARRAY[1, NULL, 2])", "1,null,2"),
        ("ARRAY_JOIN(ARRAY['a', 'b'], '; ')", "a; b"),
        ("ARRAY_JOIN(ARRAY[ARRAY[1]])", "fails"),
        ("ARRAY_MAX(ARRAY[1, NULL, 3])", "3"),
        ("ARRAY_MIN(ARRAY['b', 'a'])", "a"),
        ("ARRAY_REMOVE(ARRAY[1, 2, 1], 1)", "[2]"),
        ("ARRAY_SORT(ARRAY[3, NULL, 1])", "[1, 3, null]"),
        ("ARRAY_SORT(ARRAY[3, NULL, 1], 'Desc')", "[3, 1, null]"),
        ("ARRAY_SORT(ARRAY[1], 'up')", "NULL"),
        ("SLICE(ARRAY[1, 2, 3], 2, 3)", "[2, 3]"),
        ("SLICE(ARRAY[1, 2, 3], NULL, 2)", "[1, 2]"),
        ("SLICE(ARRAY[1, 2, 3], 0, 2)", "NULL"),
        ("AS_MAP(ARRAY['a', 'b'], ARRAY[1])", "{a=1, b=null}"),
        ("MAP_KEYS(MAP('b' := 1, 'a' := 2))", "[a, b]"),
        ("MAP_VALUES(MAP('b' := 1, 'a' := 2))", "[2, 1]"),
        ("MAP_UNION(MAP('a' := 1), MAP('a' := 2, 'b' := 3))", "{a=2, b=3}"),
        ("ENTRIES(MAP('b' := 1, 'a' := 2), true)", "[Struct{K=a,V=2}, Struct{K=b,V=1}]"),
        ("COALESCE(NULL, 1, 2.5)", "1.0"),
        ("IFNULL(NULL, 'x')", "x"),
        ("NULLIF(7, 7)", "NULL"),
        ("NULLIF(7, 8)", "7"),
        ("AS_VALUE(7)", "7"),
    ]);
}

#[test]
fn documents_are_looked_into() {
    check(&[
        (r#"EXTRACTJSONFIELD('{"a":{"b":[1,"x"]}}', '$.a.b[1]')"#, "x"),
        (r#"EXTRACTJSONFIELD('{"a":{"b":[1,"x"]}}', '$.a')"#, r#"{"b":[1,"x"]}"#),
        ("EXTRACTJSONFIELD('{}', '$.a')", "NULL"),
        ("EXTRACTJSONFIELD('{', '$.a')", "fails"),
        ("EXTRACTJSONFIELD('{}', 'a')", "fails"),
        ("IS_JSON_STRING('[1]')", "true"),
        ("IS_JSON_STRING('[1')", "false"),
        ("IS_JSON_STRING(NULL)", "false"),
        ("JSON_ARRAY_CONTAINS('[1, \"a\", null]', 1)", "true"),
        ("JSON_ARRAY_CONTAINS('[1, \"a\", null]', 'b')", "false"),
        ("JSON_ARRAY_CONTAINS('[1, 1.5]', 1.5E0)", "true"),
        ("JSON_ARRAY_LENGTH('[1, [2]]')", "2"),
        ("JSON_ARRAY_LENGTH('{}')", "NULL"),
        (r#"JSON_CONCAT('{"a":1,"b":2}', '{"a":3}')"#, r#"{"a":3,"b":2}"#),
        ("JSON_CONCAT('[1]', '2', '[[3]]')", "[1,2,[3]]"),
        (r#"JSON_ITEMS('[{"a":1},2]')"#, r#"[{"a":1}, 2]"#),
        (r#"JSON_KEYS('{"b":1,"a":2}')"#, "[b, a]"),
        (r#"JSON_RECORDS('{"b":1,"a":"x"}')"#, "{a=x, b=1}"),
        ("TO_JSON_STRING(NULL)", "null"),
        ("TO_JSON_STRING(1.50)", "1.50"),
        ("TO_JSON_STRING(STRUCT(b := 1, a := ARRAY['x', NULL]))", r#"{"A":["x",null],"B":1}"#),
        ("TO_JSON_STRING(MAP('k' := CAST('2020-01-02' AS DATE)))", r#"{"k":"2020-01-02"}"#),
    ]);
}

#[test]
fn urls_are_taken_apart() {
    let url = "https://user:pw@example.com:8080/a%20b/c?x=1&y=%C3%A9&z#top";
    for (function, expected) in [
        ("URL_EXTRACT_PROTOCOL", "https"),
        ("URL_EXTRACT_HOST", "example.com"),
        ("URL_EXTRACT_PORT", "8080"),
        ("URL_EXTRACT_PATH", "/a b/c"),
        ("URL_EXTRACT_QUERY", "x=1&y=é&z"),
        ("URL_EXTRACT_FRAGMENT", "top"),
    ] {
        assert_eq!(told(&format!("{function}('{url}')")), expected, "{function}");
    }
    check(&[
        (&format!("URL_EXTRACT_PARAMETER('{url}', 'y')"), "é"),
        (&format!("URL_EXTRACT_PARAMETER('{url}', 'z')"), ""),
        (&format!("URL_EXTRACT_PARAMETER('{url}', 'w')"), "NULL"),
        ("URL_EXTRACT_PORT('https://example.com')", "NULL"),
        ("URL_EXTRACT_HOST('http://257.1/bogus/[url')", "257.1"),
        ("URL_EXTRACT_HOST('not a url')", "fails"),
        ("URL_ENCODE_PARAM('a b&c=é')", "a+b%26c%3D%C3%A9"),
        ("URL_DECODE_PARAM('a+b%26c%3D%C3%A9')", "a b&c=é"),
        ("URL_DECODE_PARAM('%zz')", "fails"),
    ]);
}

#[test]
fn bytes_are_written_and_read() {
    check(&[
        ("ENCODE('Example!', 'ascii', 'hex')", "4578616d706c6521"),
        ("ENCODE('0x45', 'hex', 'utf8')", "E"),
        ("ENCODE('X''4578''', 'hex', 'ascii')", "Ex"),
        ("ENCODE('é', 'utf8', 'base64')", "w6k="),
        ("ENCODE('é', 'ascii', 'hex')", "3f"),
        ("ENCODE('a', 'utf8', 'rot13')", "fails"),
        ("FROM_BYTES(TO_BYTES('YWI=', 'base64'), 'utf8')", "ab"),
        ("TO_BYTES('xyz', 'hex')", "fails"),
        ("INT_FROM_BYTES(TO_BYTES('00000102', 'hex'))", "258"),
        ("INT_FROM_BYTES(TO_BYTES('00000102', 'hex'), 'LITTLE_ENDIAN')", "33619968"),
        ("INT_FROM_BYTES(TO_BYTES('01', 'hex'))", "fails"),
        ("BIGINT_FROM_BYTES(TO_BYTES('ffffffffffffffff', 'hex'))", "-1"),
        ("DOUBLE_FROM_BYTES(TO_BYTES('3ff8000000000000', 'hex'))", "1.5"),
        ("MD5('hello')", "5d41402abc4b2a76b9719d911017c592"),
        ("UUID(TO_BYTES('00112233445566778899aabbccddeeff', 'hex'))", "00112233-4455-6677-8899-aabbccddeeff"),
        ("UUID(TO_BYTES('00', 'hex'))", "NULL"),
        ("SUBSTRING(UUID(), 15, 1) || SUBSTRING(UUID(), 20, 1)", "4b"),
    ]);
}

#[test]
fn days_and_moments_are_moved_and_written() {
    check(&[
        ("UNIX_TIMESTAMP()", "1614873909123"),
        ("UNIX_DATE()", "18690"),
        ("UNIX_DATE(CAST('1970-01-03' AS DATE))", "2"),
        ("UNIX_TIMESTAMP(FROM_UNIXTIME(5))", "5"),
        ("FROM_DAYS(-1)", "1969-12-31"),
        ("DATEADD(DAYS, 40, CAST('2020-01-31' AS DATE))", "2020-03-11"),
        ("DATESUB(HOURS, 25, CAST('2020-01-31' AS DATE))", "2020-01-29"),
        ("TIMEADD(MINUTES, 90, CAST('23:00' AS TIME))", "00:30"),
        ("TIMESUB(SECONDS, 1, CAST('00:00' AS TIME))", "23:59:59"),
        ("TIMESTAMPADD(MILLISECONDS, -1, CAST('2020' AS TIMESTAMP))", "2019-12-31T23:59:59.999"),
        ("TIMESTAMPSUB(DAY, 1, CAST('2020' AS TIMESTAMP))", "2019-12-31T00:00:00.000"),
        (
            "CONVERT_TZ(CAST('2021-07-01T12:00' AS TIMESTAMP), 'America/Los_Angeles', 'UTC')",
            "2021-07-01T19:00:00.000",
        ),
        ("FORMAT_DATE(CAST('2021-03-04' AS DATE), 'dd.MM.yy')", "04.03.21"),
        ("FORMAT_DATE(CAST('2021-03-04' AS DATE), 'HH')", "fails"),
        ("FORMAT_TIME(CAST('17:05' AS TIME), 'h:mm a')", "5:05 PM"),
        ("FORMAT_TIMESTAMP(FROM_UNIXTIME(0), 'yyyy-MM-dd HH:mm z', 'Europe/Berlin')", "1970-01-01 01:00 CET"),
        ("FORMAT_TIMESTAMP(FROM_UNIXTIME(0), 'X')", "Z"),
        ("FORMAT_TIMESTAMP(FROM_UNIXTIME(0), 'HH', 'Middle/Earth')", "fails"),
        ("DATETOSTRING(18690, 'yyyy')", "2021"),
        ("TIMESTAMPTOSTRING(0, 'yyyy')", "1970"),
        ("PARSE_DATE('4.3.2021', 'dd.MM.yyyy')", "2021-03-04"),
        ("PARSE_DATE('2021-03-04 05', 'yyyy-MM-dd HH')", "fails"),
        ("PARSE_TIME('5:05 pm', 'h:mm a')", "17:05"),
        ("PARSE_TIME('2021 05', 'yyyy HH')", "fails"),
        ("PARSE_TIMESTAMP('2021-03', 'yyyy-MM')", "2021-03-01T00:00:00.000"),
        ("PARSE_TIMESTAMP('2021-03-04 10:00 PDT', 'yyyy-MM-dd HH:mm z')", "2021-03-04T18:00:00.000"),
        ("STRINGTODATE('2021-03-04', 'yyyy-MM-dd')", "18690"),
        ("STRINGTODATE('2021-03', 'yyyy-MM')", "fails"),
        ("STRINGTOTIMESTAMP('1970-01-01 01', 'yyyy-MM-dd HH', 'Europe/Berlin')", "0"),
        ("STRINGTOTIMESTAMP('1970', 'yy-')", "fails"),
    ]);
}

#[test]
fn a_function_can_be_registered() {
    let mut functions = Functions::default();
    let twice = |values: &[Value]| match values {
        [Value::Int(value)] => Ok(Value::Int(value * 2)),
        _ => Ok(Value::Null),
    };
    functions.register("twice", "The double.", "value INT -> INT", twice).unwrap();
    assert!(functions.register("broken", "", "value -> ?", twice).is_err());
    let scope = Scope::default().using(&functions);
    let (bound, ty) = expression(&scope, "TWICE(21)").unwrap();
    assert_eq!((bound.eval(&[]), ty), (Value::Int(42), Type::Int));
    assert!(expression(&Scope::default(), "TWICE(21)").is_err());
}

#[test]
fn calls_that_fit_no_variant_or_several_are_refused() {
    for text in [
        "LEN(1)",
        "GREATEST()",
        "GREATEST('a', 1)",
        "ABS(NULL)",
        "GREATEST(1, 5000000000)",
        "DATEADD('DAYS', 1, NULL)",
        "NOPE(1)",
        "ARRAY_MAX(ARRAY[ARRAY[1]])",
        "TRANSFORM(ARRAY[1], (x, y) => x)",
        "FILTER(ARRAY[1], x => x)",
        "REDUCE(ARRAY[1], 0, (x, x) => x)",
        "TRANSFORM(ARRAY[ARRAY[1]], x => TRANSFORM(x, x => x + 1))",
    ] {
        assert!(expression(&Scope::default(), text).is_err(), "{text}");
    }
}
