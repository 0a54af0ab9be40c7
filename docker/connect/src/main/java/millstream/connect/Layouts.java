package millstream.connect;

import java.util.LinkedHashMap;
import java.util.Map;
import org.apache.kafka.connect.data.Schema;

/** The layouts of the schemas met last. A task uses its transformations from one thread. */
final class Layouts {
  private static final int KEPT = 32;

  private final String bare;
  private final Layout.Of of;
  private final Map<Schema, Layout> met = new LinkedHashMap<>(KEPT, 0.75f, true) {
    @Override
    protected boolean removeEldestEntry(Map.Entry<Schema, Layout> eldest) {
      return size() > KEPT;
    }
  };
  private Schema last;
  private Layout lastLayout;

  /** {@code bare} names the column of what is no record. */
  Layouts(String bare, Layout.Of of) {
    this.bare = bare;
    this.of = of;
  }

  Layout of(Schema schema) {
    // The converter hands the same object over for the same schema, and comparing two large ones takes long.
    if (lastLayout == null || schema != last) {
      lastLayout = met.computeIfAbsent(schema, each -> new Layout(each, bare, of));
      last = schema;
    }
    return lastLayout;
  }
}
