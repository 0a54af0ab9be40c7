use axum::http::HeaderMap;
use axum::http::header::AUTHORIZATION;
use millstream_ports::base64_bytes;

/// Who may ask.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Access {
    /// Name and password, with a colon between.
    pub basic: Option<String>,
    /// A token.
    pub bearer: Option<String>,
}

impl std::fmt::Debug for Access {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(if self.is_open() { "everybody" } else { "who can show it" })
    }
}

impl Access {
    /// Whether everybody may.
    pub fn is_open(&self) -> bool {
        self.basic.is_none() && self.bearer.is_none()
    }

    /// Whether what a request shows is enough.
    pub(crate) fn is_shown(&self, headers: &HeaderMap) -> bool {
        if self.is_open() {
            return true;
        }
        let Some(shown) = headers.get(AUTHORIZATION).and_then(|value| value.to_str().ok()) else {
            return false;
        };
        let Some((scheme, rest)) = shown.split_once(' ') else { return false };
        match scheme.to_ascii_lowercase().as_str() {
            "bearer" => {
                self.bearer.as_ref().is_some_and(|token| is_same(token.as_bytes(), rest.trim().as_bytes()))
            }
            "basic" => {
                let given = base64_bytes(rest.trim()).unwrap_or_default();
                self.basic.as_ref().is_some_and(|basic| is_same(basic.as_bytes(), &given))
            }
            _ => false,
        }
    }
}

/// Compares in a time that does not tell where two differ.
fn is_same(one: &[u8], other: &[u8]) -> bool {
    let differ = one.iter().zip(other).fold(0, |differ, (a, b)| differ | (a ^ b));
    one.len() == other.len() && differ == 0
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(text: &str) -> HeaderMap {
        [(AUTHORIZATION, text.parse().unwrap())].into_iter().collect()
    }

    #[test]
    fn only_who_shows_what_is_asked_for_may() {
        let access = Access { basic: Some("me:secret".to_owned()), bearer: Some("t0ken".to_owned()) };
        for (given, may) in [
            ("Basic bWU6c2VjcmV0", true),
            ("basic bWU6c2VjcmV0", true),
            ("Basic bWU6c2VjcmV1", false),
            ("Bearer t0ken", true),
            ("Bearer t0ke", false),
            ("t0ken", false),
        ] {
            assert_eq!(access.is_shown(&shown(given)), may, "{given}");
        }
        assert!(!access.is_shown(&HeaderMap::new()) && Access::default().is_shown(&HeaderMap::new()));
    }
}
