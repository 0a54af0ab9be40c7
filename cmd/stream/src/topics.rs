use std::collections::BTreeMap;
use std::io::{Write, stdout};

use millstream_avro_codec::value_subject;
use millstream_model::TopicName;
use millstream_ports::{TopicDescription, TopicSpec};
use millstream_settings::Key;
use millstream_storefront::wire::{PRODUCT_SCHEMA, PROMPT_SCHEMA};

use crate::settings::StreamSettings;
use crate::wiring::{filter_spec, kafka, registry};

/// Creates the shop's topics or says how they differ from what they should be, and registers their schemas.
pub(crate) fn create(settings: &StreamSettings, partitions: u32) -> anyhow::Result<()> {
    let (kafka, specs) = (kafka(settings)?, specs(settings, partitions)?);
    let names: Vec<_> = specs.iter().map(|spec| spec.name.clone()).collect();
    let mut out = stdout().lock();
    let mut differ = 0;
    for (spec, found) in specs.iter().zip(kafka.describe_topics(&names)?) {
        match found {
            None => {
                kafka.create_topic(spec)?;
                writeln!(out, "created  {} with {} partitions", spec.name, spec.partitions)?;
            }
            Some(found) => match differences(spec, &found) {
                list if list.is_empty() => writeln!(out, "verified {}", spec.name)?,
                list => {
                    differ += 1;
                    writeln!(out, "differs  {}: {}", spec.name, list.join("; "))?;
                }
            },
        }
    }
    register(settings, &mut out)?;
    anyhow::ensure!(differ == 0, "{differ} topics are not as they should be; nothing about them was changed");
    Ok(())
}

/// Products and prompts are kept, since tables are built of them; what a table replaces may go.
fn specs(settings: &StreamSettings, partitions: u32) -> anyhow::Result<Vec<TopicSpec>> {
    let topic = |name: TopicName, policy: &str| {
        let mut options = BTreeMap::from([("cleanup.policy".to_owned(), policy.to_owned())]);
        if policy == "delete" {
            options.insert("retention.ms".to_owned(), "-1".to_owned());
        }
        TopicSpec { name, partitions, replication: None, settings: options }
    };
    let topics = &settings.topics;
    Ok(vec![
        topic(topics.products.clone(), "delete"),
        topic(topics.filtered.clone(), "delete"),
        topic(settings.all.topic(Key::ProductFindTopic)?, "delete"),
        topic(topics.complete.clone(), "delete"),
        topic(settings.all.topic(Key::RecommendationTopic)?, "compact"),
        filter_spec(settings),
    ])
}

fn differences(spec: &TopicSpec, found: &TopicDescription) -> Vec<String> {
    let mut list = Vec::new();
    // More partitions than asked for are fine; the inputs of one group must only have equally many.
    if found.partitions < spec.partitions {
        list.push(format!("it has {} partitions, not {}", found.partitions, spec.partitions));
    }
    for (name, wanted) in &spec.settings {
        let has = found.settings.get(name).map_or("nothing", String::as_str);
        if has != wanted {
            list.push(format!("{name} is {has}, not {wanted}"));
        }
    }
    list
}

fn register(settings: &StreamSettings, out: &mut impl Write) -> anyhow::Result<()> {
    let registry = registry(settings)?;
    let topics = &settings.topics;
    let prompts = settings.all.topic(Key::ProductFindTopic)?;
    let products =
        [&topics.products, &topics.filtered, &topics.complete].map(|topic| (topic, PRODUCT_SCHEMA));
    for (topic, schema) in products.into_iter().chain([(&prompts, PROMPT_SCHEMA)]) {
        let subject = value_subject(topic.as_str());
        let id = registry.register(&subject, schema)?;
        writeln!(out, "schema   {subject} has id {id}")?;
    }
    Ok(())
}
