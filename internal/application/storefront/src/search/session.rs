use std::collections::HashMap;

use millstream_shop::{Money, Offer, Recommendation};

/// What became of a product since the answer before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Change {
    /// It is as it was.
    None,
    /// It was not there.
    New,
    /// It had another price.
    Price {
        /// The price before.
        was: Money,
    },
    /// Something else of it is different.
    Other,
}

/// A recommendation for a prompt of this session, and what is new about it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    /// The recommendation.
    pub recommendation: Recommendation,
    /// For each of its products, in order, what changed since the prompt's answer before; all new in a first answer.
    pub changes: Vec<Change>,
    /// The products of the answer before that are no longer in it.
    pub gone: Vec<Offer>,
    /// Whether the prompt had an answer before, since it was last asked.
    pub is_update: bool,
}

impl Answer {
    /// Whether it says anything that the answer before did not. Records may come twice.
    pub fn is_news(&self) -> bool {
        !self.is_update || !self.gone.is_empty() || self.changes.iter().any(|change| *change != Change::None)
    }
}

/// What one user has asked since the program began, and the last answers.
pub(super) struct Session {
    user: String,
    /// By prompt, the products of the last answer.
    asked: HashMap<String, Option<Vec<Offer>>>,
}

impl Session {
    pub(super) fn of(user: &str) -> Self {
        // Prompts carry their user without the white space around it.
        Self { user: user.trim().to_owned(), asked: HashMap::new() }
    }

    /// Counts the answers to `prompt` from now on, the next one as its first.
    pub(super) fn expect(&mut self, prompt: &str) {
        self.asked.insert(prompt.to_owned(), None);
    }

    /// What a recommendation says to this session; nothing when it is for another user, or was not asked for.
    pub(super) fn take(&mut self, recommendation: Recommendation) -> Option<Answer> {
        if recommendation.user != self.user {
            return None;
        }
        let last = self.asked.get_mut(&recommendation.prompt)?;
        let before = last.replace(recommendation.products.clone());
        let is_update = before.is_some();
        let before = before.unwrap_or_default();
        let changes = recommendation.products.iter().map(|offer| change(&before, offer)).collect();
        let stays = |offer: &Offer| recommendation.products.iter().any(|now| now.id == offer.id);
        let gone = before.into_iter().filter(|offer| !stays(offer)).collect();
        Some(Answer { recommendation, changes, gone, is_update })
    }
}

fn change(before: &[Offer], offer: &Offer) -> Change {
    match before.iter().find(|before| before.id == offer.id) {
        None => Change::New,
        Some(before) if before.price != offer.price => Change::Price { was: before.price },
        Some(before) if before != offer => Change::Other,
        Some(_) => Change::None,
    }
}

#[cfg(test)]
mod tests {
    use millstream_shop::{Currency, ProductId};

    use super::*;

    fn money(hundredths: i64) -> Money {
        Money::from_hundredths(hundredths, Currency::EUR).unwrap()
    }

    fn offer(id: &str, hundredths: i64, brand: &str) -> Offer {
        let (id, price) = (ProductId::new(id).unwrap(), money(hundredths));
        Offer { id, name: "Lamp".into(), price, brand: brand.into(), store_id: None }
    }

    fn recommendation(user: &str, prompt: &str, products: Vec<Offer>) -> Recommendation {
        Recommendation { user: user.into(), prompt: prompt.into(), products }
    }

    #[test]
    fn only_what_this_user_asked_in_this_session_is_answered() {
        let mut session = Session::of(" ann ");
        session.expect("Lamp");
        for (user, prompt, counts) in [("ann", "Lamp", true), ("ann", "lamp", false), ("bob", "Lamp", false)]
        {
            let answer = session.take(recommendation(user, prompt, Vec::new()));
            assert_eq!(answer.is_some(), counts, "{user} {prompt}");
        }
    }

    #[test]
    fn an_answer_tells_what_changed_since_the_one_before() {
        let mut session = Session::of("ann");
        session.expect("Lamp");
        let mut take = |products| session.take(recommendation("ann", "Lamp", products)).unwrap();
        let first = take(vec![offer("a", 1, ""), offer("b", 2, ""), offer("c", 3, "")]);
        assert_eq!((first.is_update, first.is_news(), first.changes), (false, true, vec![Change::New; 3]));
        let second =
            take(vec![offer("d", 4, ""), offer("a", 9, ""), offer("b", 2, "Oak"), offer("c", 3, "")]);
        let expected = [Change::New, Change::Price { was: money(1) }, Change::Other, Change::None];
        assert_eq!((second.is_update, second.is_news(), second.gone.len()), (true, true, 0));
        assert_eq!(second.changes, expected);
        let third = take(vec![offer("d", 4, "")]);
        assert_eq!((third.changes, third.gone.len()), (vec![Change::None], 3));
        let again = take(vec![offer("d", 4, "")]);
        assert!(again.is_update && !again.is_news());
    }

    #[test]
    fn a_prompt_asked_again_is_answered_anew() {
        let mut session = Session::of("ann");
        session.expect("Lamp");
        let lamp = recommendation("ann", "Lamp", vec![offer("a", 1, "")]);
        session.take(lamp.clone());
        session.expect("Lamp");
        let answer = session.take(lamp).unwrap();
        assert!(!answer.is_update && answer.is_news());
    }
}
