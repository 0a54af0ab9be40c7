use millstream_json_codec::Document;

/// How numbers of binary floating point may differ.
const NEAR: f64 = 1e-6;

/// Says where what came differs from what was expected. `is_exact` compares numbers with their scale.
pub(crate) fn compare(expected: &Document, actual: &Document, is_exact: bool) -> Result<(), String> {
    match (expected, actual) {
        (Document::Number(expected), Document::Number(actual)) => {
            number(expected, actual.trim_end_matches('m'), is_exact)
        }
        // An exact number may be expected as a text.
        (Document::Text(expected), Document::Number(actual))
            if actual.ends_with('m') || actual.contains('.') =>
        {
            number(expected, actual.trim_end_matches('m'), is_exact)
        }
        (Document::Array(expected), Document::Array(actual)) if expected.len() == actual.len() => {
            let pairs = expected.iter().zip(actual).enumerate();
            let mut compared = pairs.map(|(place, (expected, actual))| {
                compare(expected, actual, is_exact).map_err(|reason| format!("[{place}]{reason}"))
            });
            compared.find(Result::is_err).unwrap_or(Ok(()))
        }
        // A map whose keys are no plain texts came as an array of entries.
        (Document::Object(expected), Document::Array(entries)) if entries.iter().all(is_entry) => {
            let pair = |entry: &Document| {
                Some((entry.get("key")?.as_text()?.to_owned(), entry.get("value")?.clone()))
            };
            let actual = Document::Object(entries.iter().filter_map(pair).collect());
            compare(&Document::Object(expected.clone()), &actual, is_exact)
        }
        (Document::Object(entries), Document::Object(others)) => {
            if entries.len() != others.len() {
                return Err(format!(": expected {expected}, came {actual}"));
            }
            // What one of them does not name is null there.
            for (name, of) in entries {
                let found = actual.get(name).or_else(|| actual.get(&name.to_uppercase()));
                let found = found.unwrap_or(&Document::Null);
                compare(of, found, is_exact).map_err(|reason| format!(".{name}{reason}"))?;
            }
            let is_said =
                |name: &str| entries.iter().any(|(known, _)| known == name || known.to_uppercase() == name);
            match others.iter().find(|(name, found)| !is_said(name) && !found.is_null()) {
                Some((name, found)) => Err(format!(".{name}: expected null, came {found}")),
                None => Ok(()),
            }
        }
        (Document::Text(expected), Document::Number(actual)) if is_no_number(expected, actual) => Ok(()),
        (expected, actual) if expected == actual => Ok(()),
        _ => Err(format!(": expected {expected}, came {actual}")),
    }
}

/// Whether both are the same of what doubles have beside numbers.
fn is_no_number(expected: &str, actual: &str) -> bool {
    matches!((expected, actual), ("NaN", "NaNd") | ("Infinity", "infd") | ("-Infinity", "-infd"))
}

fn is_entry(document: &Document) -> bool {
    document.entries().len() == 2 && document.get("key").is_some() && document.get("value").is_some()
}

fn number(expected: &str, actual: &str, is_exact: bool) -> Result<(), String> {
    let differs = || Err(format!(": expected {expected}, came {}", actual.trim_end_matches('d')));
    let nearly = |expected: &str, actual: &str| {
        let (Ok(a), Ok(b)) = (expected.parse::<f64>(), actual.parse::<f64>()) else { return false };
        (a - b).abs() <= NEAR || a.to_bits() == b.to_bits()
    };
    let is_same = if let Some(actual) = actual.strip_suffix('d') {
        nearly(expected, actual)
    } else if !actual.contains(['.', 'e', 'E']) {
        parts(expected).is_some_and(|(digits, scale)| whole(&digits, scale) == actual)
    } else if actual.contains(['e', 'E']) && same_double(expected, actual) {
        true
    } else if is_exact {
        parts(expected) == parts(actual)
    } else {
        nearly(expected, actual)
    };
    if is_same { Ok(()) } else { differs() }
}

/// Whether both read as one double. Only doubles are written with an exponent, and before Java 19 some with a digit too many.
fn same_double(expected: &str, actual: &str) -> bool {
    let bits = |text: &str| text.parse::<f64>().map(f64::to_bits);
    expected.contains(['.', 'e', 'E']) && bits(expected).is_ok_and(|expected| Ok(expected) == bits(actual))
}

/// A number's digits without the point, and how many of them stand behind it.
fn parts(text: &str) -> Option<(String, i64)> {
    let (mantissa, exponent) = text.split_once(['e', 'E']).unwrap_or((text, "0"));
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let scale = i64::try_from(fraction.len()).ok()? - exponent.parse::<i64>().ok()?;
    let digits = format!("{whole}{fraction}");
    let (sign, digits) = digits.strip_prefix('-').map_or(("", digits.as_str()), |digits| ("-", digits));
    let digits = digits.trim_start_matches('0');
    let sign = if digits.is_empty() { "" } else { sign };
    Some((format!("{sign}{}", if digits.is_empty() { "0" } else { digits }), scale))
}

/// The whole number; what stands behind the point is cut off.
fn whole(digits: &str, scale: i64) -> String {
    let Ok(behind) = usize::try_from(scale) else {
        let zeros = usize::try_from(scale.unsigned_abs()).unwrap_or(0).min(40);
        return format!("{digits}{}", "0".repeat(zeros));
    };
    let (sign, digits) = digits.strip_prefix('-').map_or(("", digits), |digits| ("-", digits));
    match digits.len().checked_sub(behind).and_then(|before| digits.get(..before)) {
        Some(before) if !before.is_empty() => format!("{sign}{before}"),
        _ => "0".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn same(expected: &str, actual: &str, is_exact: bool) -> bool {
        let parse = |text: &str| Document::parse(text.as_bytes()).unwrap();
        compare(&parse(expected), &parse(actual), is_exact).is_ok()
    }

    #[test]
    fn numbers_are_compared_with_their_scale_unless_told_otherwise() {
        assert!(same("1.20", "1.20", true));
        assert!(!same("1.2", "1.20", true));
        assert!(same("1.2", "1.20", false));
        assert!(same("12.0E2", "1200", true));
        assert!(same("7.9", "7", true));
        assert!(!same("1", "1.0", true));
        assert!(same("4.6116860184273879E18", "4.611686018427388E18", true));
        assert!(!same("4.61168601842738E18", "4.611686018427388E18", true));
        assert!(!same("8", "7", false));
        let near = Document::Number("3.3333333d".to_owned());
        assert!(compare(&Document::Number("3.33333333333".to_owned()), &near, true).is_ok());
    }

    #[test]
    fn objects_have_the_same_entries_in_any_order() {
        assert!(same(r#"{"a": 1, "B": null}"#, r#"{"B": null, "A": 1}"#, true));
        assert!(!same(r#"{"a": 1}"#, r#"{"a": 1, "b": null}"#, true));
        assert!(same(r#"{"a": 1, "c": null}"#, r#"{"a": 1, "b": null}"#, true));
        assert!(!same(r#"{"a": 1, "c": 2}"#, r#"{"a": 1, "b": null}"#, true));
        assert!(!same(r#"{"a": 1, "c": null}"#, r#"{"a": 1, "b": 2}"#, true));
        assert!(!same("[1, 2]", "[2, 1]", true));
        assert!(same(r#"{"x": 1}"#, r#"[{"key": "x", "value": 1}]"#, true));
    }
}
