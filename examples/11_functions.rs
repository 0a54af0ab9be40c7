//! Rules that call functions written in Rust. Nothing but this program is needed: the rules run in memory.
//!
//! `Engine::register` does the same for rules on Kafka.

use std::sync::Arc;

use millstream::Headers;
use millstream::rules::{Formats, JsonRows, KafkaRows, Message, Trial, Value};

const RULES: &str = "
    CREATE STREAM cards (id STRING KEY, number STRING) WITH (KAFKA_TOPIC='cards', VALUE_FORMAT='JSON');
    CREATE STREAM mistyped AS SELECT id, number FROM cards WHERE NOT luhn(number);
";

/// Whether a number's last digit checks the others (ISO/IEC 7812-1, annex B).
fn luhn(number: &str) -> bool {
    let digits: Option<Vec<u32>> = number.chars().rev().map(|digit| digit.to_digit(10)).collect();
    let doubled = |digit: u32| if digit > 4 { 2 * digit - 9 } else { 2 * digit };
    let weighed = |(place, digit): (usize, u32)| if place % 2 == 1 { doubled(digit) } else { digit };
    digits.is_some_and(|digits| digits.into_iter().enumerate().map(weighed).sum::<u32>() % 10 == 0)
}

/// The keys of the cards that were mistyped.
fn mistyped(cards: &[(&str, &str)]) -> Result<Vec<String>, Box<dyn std::error::Error>> {
    let formats =
        Formats::default().with("JSON", Arc::new(JsonRows::new())).with("KAFKA", Arc::new(KafkaRows));
    let mut trial = Trial::new(formats);
    trial.register(
        "luhn",
        "Whether a number's last digit checks the others.",
        "number STRING -> BOOLEAN",
        |values| {
            Ok(match values {
                [Value::String(number)] => Value::Boolean(luhn(number)),
                _ => Value::Null,
            })
        },
    )?;
    trial.execute(RULES)?;
    let message = |(id, number): &(&str, &str)| Message {
        topic: "cards".to_owned(),
        key: Some(id.as_bytes().to_vec()),
        value: Some(format!(r#"{{"number": "{number}"}}"#).into_bytes()),
        timestamp: 0,
        headers: Headers::default(),
    };
    let written = trial.play(&cards.iter().map(message).collect::<Vec<_>>())?;
    let key = |message: Message| String::from_utf8_lossy(&message.key.unwrap_or_default()).into_owned();
    Ok(written.into_iter().map(key).collect())
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let cards = [("ann", "4539148803436467"), ("bob", "4539148803436468"), ("eve", "no number")];
    for id in mistyped(&cards)? {
        #[expect(clippy::print_stdout, reason = "an example shows what it does")]
        {
            println!("{id} has mistyped the card's number");
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_function_in_rust_is_called_by_a_rule() {
        let cards = [("ann", "4539148803436467"), ("bob", "4539148803436468"), ("eve", "no number")];
        assert_eq!(mistyped(&cards).unwrap(), ["bob", "eve"]);
    }
}
