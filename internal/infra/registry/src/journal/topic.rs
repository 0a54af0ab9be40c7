use std::collections::BTreeMap;

use millstream_model::TopicName;
use millstream_ports::{TopicDescription, TopicSpec, World};

use crate::RegistryError;

const POLICY: &str = "cleanup.policy";

/// Creates the journal's topic where it is not there, and refuses one that would lose schemas or their order.
pub(super) fn ensure(
    world: &impl World,
    name: &TopicName,
    replication: Option<u16>,
) -> Result<(), RegistryError> {
    let found = world.describe_topics(std::slice::from_ref(name))?.into_iter().flatten().next();
    if let Some(found) = found {
        return check(&found);
    }
    let settings = BTreeMap::from([(POLICY.to_owned(), "compact".to_owned())]);
    world.create_topic(&TopicSpec { name: name.clone(), partitions: 1, replication, settings })?;
    Ok(())
}

fn check(found: &TopicDescription) -> Result<(), RegistryError> {
    let policy = found.settings.get(POLICY).map_or("unknown", String::as_str);
    let why = if found.partitions != 1 {
        format!(
            "it has {} partitions, and the order of records needs one; name another topic",
            found.partitions
        )
    } else if policy != "compact" {
        format!("its cleanup.policy is '{policy}', which loses schemas; set it to 'compact'")
    } else {
        return Ok(());
    };
    Err(RegistryError::Journal { topic: found.name.to_string(), why })
}
