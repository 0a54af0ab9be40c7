package millstream.connect;

import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import org.apache.kafka.connect.data.Field;
import org.apache.kafka.connect.data.Schema;
import org.apache.kafka.connect.data.SchemaBuilder;
import org.apache.kafka.connect.data.Struct;
import org.apache.kafka.connect.errors.DataException;

/** How records of one schema become rows. */
final class Layout {
  /** Which half of a record it is: a key's columns are never null. */
  enum Of { KEY, VALUE }

  /** PostgreSQL would cut what is longer, and another column might be left with the same name. */
  private static final int NAME_BYTES_MAX = 63;

  /** A column, and the way to what it holds through the records around it. */
  private record Column(String name, List<Field> way, Cell cell) {}

  private final boolean isBare;
  private final Of of;
  private final List<Column> columns = new ArrayList<>();
  private final Schema schema;

  Layout(Schema from, String bare, Of of) {
    this.of = of;
    if (from == null) {
      throw new DataException("the record has no schema; is the converter one that gives it?");
    }
    isBare = from.type() != Schema.Type.STRUCT;
    if (isBare) {
      columns.add(new Column(bare, List.of(), Cell.bare(from)));
    } else {
      gather(from, "", List.of());
    }
    schema = asSchema();
  }

  private void gather(Schema record, String before, List<Field> way) {
    for (Field field : record.fields()) {
      String name = before + field.name().toLowerCase(Locale.ROOT);
      List<Field> further = new ArrayList<>(way);
      further.add(field);
      if (field.schema().type() == Schema.Type.STRUCT) {
        gather(field.schema(), name + "_", further);
      } else {
        add(new Column(name, further, new Cell(field.schema())));
      }
    }
  }

  private void add(Column column) {
    if (column.name.getBytes(StandardCharsets.UTF_8).length > NAME_BYTES_MAX) {
      throw new DataException("column " + column.name + " has more than the " + NAME_BYTES_MAX + " bytes of a name");
    }
    for (Column other : columns) {
      if (other.name.equals(column.name)) {
        throw new DataException("two fields would be column " + column.name + "; rename one of them");
      }
    }
    columns.add(column);
  }

  private Schema asSchema() {
    SchemaBuilder builder = SchemaBuilder.struct();
    for (Column column : columns) {
      builder.field(column.name, column.cell.schema(of == Of.VALUE));
    }
    return builder.build();
  }

  Schema schema() {
    return schema;
  }

  Struct row(Object record) {
    Struct row = new Struct(schema);
    for (Column column : columns) {
      Object held = isBare ? record : follow((Struct) record, column.way);
      if (held == null && of == Of.KEY) {
        throw new DataException("column " + column.name + " of the key is null");
      }
      try {
        row.put(column.name, held == null ? null : column.cell.convert(held));
      } catch (DataException reason) {
        throw new DataException("column " + column.name + ": " + reason.getMessage(), reason);
      }
    }
    return row;
  }

  private static Object follow(Struct from, List<Field> way) {
    Object at = from;
    for (Field field : way) {
      if (at == null) {
        return null;
      }
      at = ((Struct) at).get(field);
    }
    return at;
  }
}
