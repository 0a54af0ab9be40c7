use std::collections::BTreeMap;

use millstream_ports::PortError;

use super::split;

/// Refuses to ask for tokens where none would ever come: librdkafka fetches them by OIDC only where it is built with libcurl,
/// which it is not here, and makes none by itself unless it is told to. Its clients would start, and wait for ever.
///
/// # Errors
/// A sentence that says what to set instead. Endpoints and secrets are not told.
pub(super) fn check(properties: &BTreeMap<String, String>) -> Result<(), PortError> {
    let of = |wanted: &str| {
        let found = properties.iter().find(|(name, _)| split(name).1 == wanted);
        found.map(|(_, value)| value.as_str())
    };
    if let Some(name) =
        properties.iter().find(|(name, value)| is_oidc(split(name).1, value)).map(|(name, _)| name)
    {
        return Err(PortError::stop(format!(
            "kafka property '{name}' can't be set: this build fetches no tokens by OIDC; let clients in by SCRAM, PLAIN or \
             certificates"
        )));
    }
    let wants_tokens = ["sasl.mechanism", "sasl.mechanisms"]
        .into_iter()
        .filter_map(of)
        .any(|mechanism| mechanism.eq_ignore_ascii_case("OAUTHBEARER"));
    if wants_tokens && of("enable.sasl.oauthbearer.unsecure.jwt") != Some("true") {
        return Err(PortError::stop(
            "kafka property 'sasl.mechanism' can't be OAUTHBEARER: the only tokens this build has are unsigned ones, by \
             'enable.sasl.oauthbearer.unsecure.jwt'; let clients in by SCRAM, PLAIN or certificates",
        ));
    }
    Ok(())
}

/// Whether a property is about tokens from an endpoint.
fn is_oidc(name: &str, value: &str) -> bool {
    match name.strip_prefix("sasl.oauthbearer.") {
        Some("method") => value != "default",
        Some("config") | None => false,
        Some(_) => true,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(pairs: &[(&str, &str)]) -> Result<(), String> {
        let pairs = pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        check(&pairs.collect()).map_err(|error| error.to_string())
    }

    #[test]
    fn tokens_that_would_never_come_are_refused_without_a_secret() {
        for wrong in [
            &[("sasl.mechanism", "OAUTHBEARER"), ("sasl.oauthbearer.method", "oidc")][..],
            &[("consumer.sasl.oauthbearer.client.secret", "hunter2")],
            &[("sasl.oauthbearer.token.endpoint.url", "http://hunter2/token")],
            &[("sasl.mechanism", "OAUTHBEARER")],
            &[("sasl.mechanisms", "oauthbearer"), ("enable.sasl.oauthbearer.unsecure.jwt", "false")],
        ] {
            let said = of(wrong).unwrap_err();
            assert!(said.contains("SCRAM") && said.contains("sasl.") && !said.contains("hunter2"), "{said}");
        }
        for right in [
            &[("sasl.mechanism", "SCRAM-SHA-512"), ("sasl.password", "x")][..],
            &[
                ("sasl.mechanism", "OAUTHBEARER"),
                ("sasl.oauthbearer.method", "default"),
                ("sasl.oauthbearer.config", "principal=shop"),
                ("enable.sasl.oauthbearer.unsecure.jwt", "true"),
            ],
        ] {
            assert_eq!(of(right), Ok(()));
        }
    }
}
