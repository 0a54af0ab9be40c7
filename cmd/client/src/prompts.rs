use millstream_avro_codec::{AvroBorrowed, value_subject};
use millstream_kafka_log::KafkaWorld;
use millstream_ports::{Shape, Utf8, World};
use millstream_runtime::{Emitter, Output};
use millstream_sled_table::SledTable;
use millstream_storefront::wire::{PROMPT_SCHEMA, PromptWire};

use crate::settings::ClientSettings;

/// Prompts that borrow their texts.
pub(crate) struct PromptShape;

impl Shape for PromptShape {
    type Of<'a> = PromptWire<'a>;
}

/// Sends what the user searches for.
pub(crate) struct Prompts {
    world: KafkaWorld<SledTable>,
    emitter: Emitter<KafkaWorld<SledTable>, Utf8, AvroBorrowed<PromptShape>>,
    user: String,
}

impl Prompts {
    pub(crate) fn open(settings: &ClientSettings) -> anyhow::Result<Self> {
        let (world, registry) = (settings.world()?, settings.registry()?);
        let topic = settings.prompts.as_str();
        let prompt = AvroBorrowed::writer(&registry, &value_subject(topic), PROMPT_SCHEMA)?;
        let emitter = Emitter::open(&world, "client", Output::new(topic, Utf8, prompt))?;
        Ok(Self { world, emitter, user: settings.user.clone() })
    }

    /// Sends a prompt, and makes sure that it arrived.
    pub(crate) fn ask(&mut self, prompt: &str) -> anyhow::Result<()> {
        let wire = PromptWire {
            prompt: prompt.into(),
            user: self.user.as_str().into(),
            asked_at: self.world.now().0,
        };
        self.emitter.emit(&prompt, &wire)?;
        Ok(self.emitter.flush()?)
    }
}
