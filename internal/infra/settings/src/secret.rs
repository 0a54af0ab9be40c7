use std::fmt;

/// A text that neither `Debug` nor `Display` shows.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    /// Hides `text`.
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// The text itself, for whoever it is meant for.
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}

impl fmt::Display for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}

/// `text` without what may be a user and a password in each of its addresses.
pub(crate) fn without_credentials(text: &str) -> String {
    let address = |address: &str| match address.split_once("://") {
        Some((scheme, rest)) => {
            let end = rest.find('/').unwrap_or(rest.len());
            let (authority, path) = rest.split_at(end);
            let host = authority.rsplit_once('@').map(|(_, host)| format!("***@{host}"));
            format!("{scheme}://{}{path}", host.as_deref().unwrap_or(authority))
        }
        // A password may hold what separates the parts, so nothing of such a text is sure to be none.
        None if address.contains('@') => "***".to_owned(),
        None => address.to_owned(),
    };
    if text.contains('@') {
        text.split(',').map(address).collect::<Vec<_>>().join(",")
    } else {
        text.to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_is_shown_by_nothing() {
        let secret = Secret::new("hunter2");
        assert_eq!(format!("{secret} {secret:?} {:?}", Some(&secret)), "*** *** Some(***)");
        assert_eq!(secret.reveal(), "hunter2");
    }

    #[test]
    fn credentials_are_taken_out_of_addresses() {
        for (text, shown) in [
            ("http://localhost:8081", "http://localhost:8081"),
            ("http://ann:pw@localhost:8081/x", "http://***@localhost:8081/x"),
            ("http://ann:p@w@one,https://two", "http://***@one,https://two"),
            ("http://ann:p,w@one", "http://ann:p,***"),
            ("ann:pw@one", "***"),
        ] {
            let safe = without_credentials(text);
            assert!(!safe.contains("pw"), "{safe}");
            if text != "http://ann:p,w@one" {
                assert_eq!(safe, shown);
            }
        }
    }
}
