use std::str::FromStr;

/// Where a program answers over HTTP: `host:port`, or `off` for nowhere.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listen(Option<String>);

impl Listen {
    /// The address; `None` for nowhere.
    pub fn address(self) -> Option<String> {
        self.0
    }
}

impl FromStr for Listen {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if text == "off" {
            return Ok(Self(None));
        }
        match text.rsplit_once(':') {
            Some((host, port)) if !host.is_empty() && port.parse::<u16>().is_ok() => {
                Ok(Self(Some(text.to_owned())))
            }
            _ => Err("write host:port, with port 0 for a free one, or 'off'"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_has_a_host_and_a_port() {
        for text in ["127.0.0.1:9103", "[::1]:0", "localhost:1"] {
            assert_eq!(text.parse::<Listen>().unwrap().address().as_deref(), Some(text));
        }
        assert_eq!("off".parse::<Listen>().unwrap().address(), None);
        for text in ["", "9103", ":9103", "localhost", "localhost:", "localhost:http", "localhost:65536"] {
            assert!(text.parse::<Listen>().is_err(), "{text}");
        }
    }
}
