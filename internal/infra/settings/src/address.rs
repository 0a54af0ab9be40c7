use crate::secret::without_credentials;

/// Why a text is no list of brokers, if it is none: `host:port` with commas between; IPv6 addresses in brackets.
pub(crate) fn brokers_fault(text: &str) -> Option<String> {
    let fault = |broker: &str| {
        let reason = match broker.rsplit_once(':') {
            None => "has no port",
            Some(("", _)) => "has no host",
            Some((host, _)) if !is_host(host) => "has a host that is none",
            Some((_, port)) if !is_port(port) => "has a port that is not a number from 1 to 65535",
            Some(_) => return None,
        };
        let shown = without_credentials(broker);
        Some(format!("'{shown}' {reason}; write host:port, several with commas between"))
    };
    text.split(',').map(str::trim).find_map(fault)
}

/// Why a text is no list of web addresses, if it is none.
pub(crate) fn urls_fault(text: &str) -> Option<String> {
    let fault = |url: &str| {
        let rest = url.strip_prefix("http://").or_else(|| url.strip_prefix("https://"));
        let authority = rest.and_then(|rest| rest.split(['/', '?', '#']).next()).unwrap_or_default();
        let place = authority.rsplit_once('@').map_or(authority, |(_, place)| place);
        let fine = !url.contains(char::is_whitespace) && is_place(place);
        (!fine).then(|| {
            let shown = without_credentials(url);
            match rest {
                None => format!("'{shown}' does not begin with http:// or https://"),
                Some(_) => {
                    format!("'{shown}' has no host, or a port that is no number; write http://host:port")
                }
            }
        })
    };
    text.split(',').map(str::trim).find_map(fault)
}

/// Why a text is no address of a database, if it is none. Nothing of the text is told: it holds a password.
pub(crate) fn dsn_fault(text: &str) -> Option<String> {
    let rest = text.strip_prefix("postgres://").or_else(|| text.strip_prefix("postgresql://"));
    let fine = rest.is_some_and(|rest| {
        let (authority, database) = rest.split_once('/').unwrap_or((rest, ""));
        let place = authority.rsplit_once('@').map_or(authority, |(_, place)| place);
        is_place(place) && !database.is_empty() && !text.contains(char::is_whitespace)
    });
    (!fine).then(|| {
        "it is no database address; write postgres://user:password@host:port/database, with '%40' for an '@' and \
         '%2F' for a '/' in the password"
            .to_owned()
    })
}

/// A host, with or without a port.
fn is_place(text: &str) -> bool {
    match text.rsplit_once(':') {
        Some((host, port)) if !text.ends_with(']') => is_host(host) && is_port(port),
        _ => is_host(text),
    }
}

fn is_host(text: &str) -> bool {
    match text.strip_prefix('[').and_then(|inner| inner.strip_suffix(']')) {
        Some(address) => address.parse::<std::net::Ipv6Addr>().is_ok(),
        None => !text.is_empty() && text.chars().all(|c| c.is_alphanumeric() || matches!(c, '.' | '-' | '_')),
    }
}

fn is_port(text: &str) -> bool {
    text.parse::<u16>().is_ok_and(|port| port > 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn brokers_are_hosts_with_ports() {
        for fine in ["localhost:9092", "a:1,b.c-d:65535", "10.0.0.1:9092, kafka_2:9092", "[::1]:9092"] {
            assert_eq!(brokers_fault(fine), None, "{fine}");
        }
        for (wrong, reason) in [
            ("localhost", "'localhost' has no port"),
            ("a:1,,b:2", "'' has no port"),
            (":9092", "':9092' has no host"),
            ("a:0", "not a number from 1 to 65535"),
            ("a:x", "not a number from 1 to 65535"),
            ("::1:9092", "has a host that is none"),
            ("http://a:9092", "has a host that is none"),
        ] {
            let fault = brokers_fault(wrong).unwrap_or_default();
            assert!(fault.contains(reason), "{wrong}: {fault}");
        }
    }

    #[test]
    fn web_addresses_have_a_scheme_and_a_host() {
        for fine in
            ["http://localhost:8081", "https://r.example/apis/ccompat/v7,http://[::1]:80", "http://a:b@c"]
        {
            assert_eq!(urls_fault(fine), None, "{fine}");
        }
        for wrong in ["localhost:8081", "http://", "ftp://a", "http://a:x", "http://a b", "http://a,"] {
            assert!(urls_fault(wrong).is_some(), "{wrong}");
        }
        assert!(!urls_fault("http//ann:pw@host").unwrap().contains("pw"));
    }

    #[test]
    fn a_database_address_names_host_and_database_and_is_never_told() {
        for fine in ["postgres://u:p@localhost:5432/shop", "postgresql://localhost/shop?sslmode=disable"] {
            assert_eq!(dsn_fault(fine), None, "{fine}");
        }
        for wrong in ["mysql://u:hunter2@h/d", "postgres://u:hunter2@h", "u:hunter2@h/d", "postgres:///d"] {
            let fault = dsn_fault(wrong).unwrap_or_default();
            assert!(fault.contains("postgres://") && !fault.contains("hunter2"), "{wrong}: {fault}");
        }
    }
}
