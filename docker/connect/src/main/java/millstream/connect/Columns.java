package millstream.connect;

import java.util.Map;
import org.apache.kafka.common.config.ConfigDef;
import org.apache.kafka.connect.data.Schema;
import org.apache.kafka.connect.data.Struct;
import org.apache.kafka.connect.errors.DataException;
import org.apache.kafka.connect.sink.SinkRecord;
import org.apache.kafka.connect.transforms.Transformation;

/**
 * Turns a record into what a PostgreSQL table holds: a key of named columns, and a value without nesting.
 *
 * <p>A key that is no record becomes one of a single column, whose name is the setting {@code key}. Fields of records within
 * become columns {@code outer_inner}; arrays and maps become jsonb; times become timestamptz. Names are in small letters. A
 * tombstone stays one. What no table can hold is refused here, record by record, so that it goes to the dead-letter topic:
 * the sink itself would stop at it.
 */
public final class Columns implements Transformation<SinkRecord> {
  private static final ConfigDef CONFIG = new ConfigDef()
      .define("key", ConfigDef.Type.STRING, "key", ConfigDef.Importance.HIGH, "The column of a key that is no record.");

  private Layouts keys;
  private Layouts values;

  @Override
  public void configure(Map<String, ?> settings) {
    keys = new Layouts((String) CONFIG.parse(settings).get("key"), Layout.Of.KEY);
    values = new Layouts("value", Layout.Of.VALUE);
  }

  @Override
  public SinkRecord apply(SinkRecord record) {
    if (record.key() == null) {
      throw new DataException("the record has no key, and a row needs one");
    }
    Layout key = keys.of(record.keySchema());
    Struct keyRow = key.row(record.key());
    if (record.value() == null) {
      return with(record, key.schema(), keyRow, null, null);
    }
    Layout value = values.of(record.valueSchema());
    return with(record, key.schema(), keyRow, value.schema(), value.row(record.value()));
  }

  private static SinkRecord with(SinkRecord record, Schema keySchema, Struct key, Schema valueSchema, Struct value) {
    return record.newRecord(record.topic(), record.kafkaPartition(), keySchema, key, valueSchema, value, record.timestamp());
  }

  @Override
  public ConfigDef config() {
    return CONFIG;
  }

  @Override
  public void close() {}
}
