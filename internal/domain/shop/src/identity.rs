use std::borrow::Borrow;
use std::fmt;

use thiserror::Error;

/// Why a text is no identity.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("a {noun} is empty; give every product one before it is sent")]
pub struct IdentityError {
    noun: &'static str,
}

macro_rules! identity {
    ($(#[$doc:meta])* $name:ident, $noun:literal) => {
        $(#[$doc])*
        ///
        /// **Invariant:** not empty.
        #[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub struct $name(String);

        impl $name {
            /// Takes `text` as it is.
            ///
            /// # Errors
            /// When it is empty.
            pub fn new(text: impl Into<String>) -> Result<Self, IdentityError> {
                let text = text.into();
                if text.is_empty() { Err(IdentityError { noun: $noun }) } else { Ok(Self(text)) }
            }

            /// For texts that are made here and are never empty.
            pub(crate) const fn made(text: String) -> Self {
                Self(text)
            }

            /// The identity as text.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.pad(&self.0)
            }
        }

        impl Borrow<str> for $name {
            fn borrow(&self) -> &str {
                &self.0
            }
        }
    };
}

identity!(
    /// Names one product in every store; the key of its records.
    ProductId,
    "product id"
);
identity!(
    /// Names the store that offers a product.
    StoreId,
    "store id"
);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_empty_identity_is_refused_by_its_noun() {
        assert_eq!(ProductId::new("p-1").unwrap().as_str(), "p-1");
        assert!(ProductId::new("").unwrap_err().to_string().starts_with("a product id is empty"));
        assert!(StoreId::new("").unwrap_err().to_string().starts_with("a store id is empty"));
    }
}
