use millstream_model::Timestamp;
use thiserror::Error;

use crate::{Money, ProductId, StoreId};

/// Why a line is no prompt.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum PromptError {
    /// Nothing but white space.
    #[error("the prompt is empty; type the full name of a product")]
    Text,
    /// Nobody asks.
    #[error("the user is empty; say who asks")]
    User,
}

/// What a user searches for: the full name of a product.
///
/// **Invariant:** neither text nor user is empty or has white space at its ends.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Prompt {
    text: String,
    user: String,
    asked_at: Timestamp,
}

impl Prompt {
    /// `user` asks for `text` at `asked_at`; white space around both is dropped.
    ///
    /// # Errors
    /// When either has nothing else.
    pub fn new(text: &str, user: &str, asked_at: Timestamp) -> Result<Self, PromptError> {
        match (text.trim(), user.trim()) {
            ("", _) => Err(PromptError::Text),
            (_, "") => Err(PromptError::User),
            (text, user) => Ok(Self { text: text.to_owned(), user: user.to_owned(), asked_at }),
        }
    }

    /// What is searched for.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// Who asks.
    pub fn user(&self) -> &str {
        &self.user
    }

    /// When.
    pub const fn asked_at(&self) -> Timestamp {
        self.asked_at
    }
}

/// The products that answer one user's prompt. A later recommendation for the same user and prompt replaces it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Recommendation {
    /// Who asked.
    pub user: String,
    /// What for.
    pub prompt: String,
    /// What there is, each product once, at its latest price.
    pub products: Vec<Offer>,
}

/// One product within a recommendation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Offer {
    /// Which product.
    pub id: ProductId,
    /// Its name.
    pub name: String,
    /// Its latest price.
    pub price: Money,
    /// Who makes it; empty when the recommendation does not say.
    pub brand: String,
    /// Which store offers it, when the recommendation says.
    pub store_id: Option<StoreId>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn white_space_is_dropped_and_nothing_else_is_no_prompt() {
        let prompt = Prompt::new("  Oak desk lamp\n", " ann ", Timestamp(5)).unwrap();
        assert_eq!((prompt.text(), prompt.user(), prompt.asked_at()), ("Oak desk lamp", "ann", Timestamp(5)));
        assert_eq!(Prompt::new(" \t", "ann", Timestamp(5)), Err(PromptError::Text));
        assert_eq!(Prompt::new("lamp", "", Timestamp(5)), Err(PromptError::User));
    }
}
