#!/usr/bin/env bash
# Prints a Kafka Connect worker's properties by its environment; with 'run' it runs the worker of Kafka's image on them.
#   BOOTSTRAP_SERVERS   Kafka's brokers
#   LISTENER            where the REST interface listens (http://0.0.0.0:8083)
#   ADVERTISED_HOST     under which name other workers reach it (localhost)
#   REPLICATION         copies of the worker's own topics (1)
#   PLUGINS             the folder of plugins (/opt/millstream/plugins)
# Connectors may name variables of the worker's environment that begin with POSTGRES_, REGISTRY_ or SINK_ as ${env:NAME}: what
# is secret stays there, and is neither in a topic nor told by the REST interface.
set -euo pipefail

properties() {
  cat <<P
bootstrap.servers=$BOOTSTRAP_SERVERS
group.id=millstream-connect
listeners=${LISTENER:-http://0.0.0.0:8083}
rest.advertised.host.name=${ADVERTISED_HOST:-localhost}
key.converter=org.apache.kafka.connect.storage.StringConverter
value.converter=io.apicurio.registry.utils.converter.AvroConverter
config.storage.topic=connect_configs
offset.storage.topic=connect_offsets
status.storage.topic=connect_statuses
config.storage.replication.factor=${REPLICATION:-1}
offset.storage.replication.factor=${REPLICATION:-1}
status.storage.replication.factor=${REPLICATION:-1}
offset.storage.partitions=4
status.storage.partitions=2
offset.flush.interval.ms=2000
plugin.path=${PLUGINS:-/opt/millstream/plugins}
plugin.discovery=service_load
config.providers=env
config.providers.env.class=org.apache.kafka.common.config.provider.EnvVarConfigProvider
config.providers.env.param.allowlist.pattern=^(POSTGRES|REGISTRY|SINK)_.*
P
}

if [ "${1:-}" = run ]; then
  properties >/tmp/connect.properties
  exec /opt/kafka/bin/connect-distributed.sh /tmp/connect.properties
fi
properties
