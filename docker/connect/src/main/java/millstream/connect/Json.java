package millstream.connect;

import java.math.BigDecimal;
import java.nio.ByteBuffer;
import java.util.Base64;
import java.util.Collection;
import java.util.Date;
import java.util.Locale;
import java.util.Map;
import org.apache.kafka.connect.data.Field;
import org.apache.kafka.connect.data.Schema;
import org.apache.kafka.connect.data.Struct;
import org.apache.kafka.connect.data.Timestamp;

/**
 * Writes nested values as JSON, as RFC 8259 has it. Decimals keep all their digits, times are ISO 8601, bytes are base64,
 * and what JSON has no number for (infinity, and what is no number) is a text.
 */
final class Json {
  private final StringBuilder out = new StringBuilder();

  private Json() {}

  static String of(Schema schema, Object value) {
    Json json = new Json();
    json.write(schema, value);
    return json.out.toString();
  }

  private void write(Schema schema, Object value) {
    if (value == null) {
      out.append("null");
    } else if (value instanceof Struct struct) {
      record(struct);
    } else if (value instanceof Collection<?> elements) {
      array(schema, elements);
    } else if (value instanceof Map<?, ?> map) {
      map(schema, map);
    } else {
      single(schema, value);
    }
  }

  private void record(Struct struct) {
    String before = "{";
    for (Field field : struct.schema().fields()) {
      out.append(before);
      text(field.name().toLowerCase(Locale.ROOT));
      out.append(':');
      write(field.schema(), struct.get(field));
      before = ",";
    }
    out.append(struct.schema().fields().isEmpty() ? "{}" : "}");
  }

  private void array(Schema schema, Collection<?> elements) {
    String before = "";
    out.append('[');
    for (Object element : elements) {
      out.append(before);
      write(schema.valueSchema(), element);
      before = ",";
    }
    out.append(']');
  }

  private void map(Schema schema, Map<?, ?> map) {
    String before = "";
    out.append('{');
    for (Map.Entry<?, ?> entry : map.entrySet()) {
      out.append(before);
      text(String.valueOf(entry.getKey()));
      out.append(':');
      write(schema.valueSchema(), entry.getValue());
      before = ",";
    }
    out.append('}');
  }

  private void single(Schema schema, Object value) {
    if (value instanceof BigDecimal number) {
      out.append(number.toPlainString());
    } else if (value instanceof Date date && Timestamp.LOGICAL_NAME.equals(schema.name())) {
      text(Cell.moment(date));
    } else if (value instanceof Date date) {
      text(date.toInstant().toString());
    } else if (value instanceof byte[] bytes) {
      text(Base64.getEncoder().encodeToString(bytes));
    } else if (value instanceof ByteBuffer buffer) {
      text(new String(Base64.getEncoder().encode(buffer.duplicate()).array(), java.nio.charset.StandardCharsets.ISO_8859_1));
    } else if (value instanceof Float || value instanceof Double) {
      floating(((Number) value).doubleValue());
    } else if (value instanceof Number || value instanceof Boolean) {
      out.append(value);
    } else {
      text(value.toString());
    }
  }

  private void floating(double value) {
    if (Double.isFinite(value)) {
      out.append(value);
    } else {
      text(String.valueOf(value));
    }
  }

  private void text(String text) {
    out.append('"');
    for (int at = 0; at < text.length(); at++) {
      char each = text.charAt(at);
      switch (each) {
        case '"', '\\' -> out.append('\\').append(each);
        // Left as it is: whoever checks the column refuses it, and an escape would hide it.
        case '\0' -> out.append(each);
        default -> {
          if (each < ' ') {
            out.append(String.format("\\u%04x", (int) each));
          } else {
            out.append(each);
          }
        }
      }
    }
    out.append('"');
  }
}
