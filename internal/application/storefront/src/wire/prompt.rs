use millstream_model::Timestamp;
use millstream_shop::Prompt;
use serde::{Deserialize, Serialize};

use super::{Text, WireError};

/// A prompt in a topic.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PromptWire<'a> {
    /// What is searched for.
    #[serde(borrow)]
    pub prompt: Text<'a>,
    /// Who asks.
    #[serde(borrow)]
    pub user: Text<'a>,
    /// When, in milliseconds since 1970.
    pub asked_at: i64,
}

impl PromptWire<'_> {
    /// The prompt in the domain's terms.
    ///
    /// # Errors
    /// When prompt or user is empty.
    pub fn to_prompt(&self) -> Result<Prompt, WireError> {
        Ok(Prompt::new(self.prompt.as_str(), self.user.as_str(), Timestamp(self.asked_at))?)
    }
}

impl<'a> From<&'a Prompt> for PromptWire<'a> {
    fn from(prompt: &'a Prompt) -> Self {
        Self { prompt: prompt.text().into(), user: prompt.user().into(), asked_at: prompt.asked_at().0 }
    }
}
