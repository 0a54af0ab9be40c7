package millstream.connect;

import java.math.BigDecimal;
import java.nio.ByteBuffer;
import java.nio.charset.CharacterCodingException;
import java.nio.charset.StandardCharsets;
import java.time.Instant;
import java.time.format.DateTimeFormatter;
import java.util.Date;
import org.apache.kafka.connect.data.Decimal;
import org.apache.kafka.connect.data.Schema;
import org.apache.kafka.connect.data.SchemaBuilder;
import org.apache.kafka.connect.data.Timestamp;
import org.apache.kafka.connect.errors.DataException;

/** What becomes of one column's values, and what the sink is told of their type. */
final class Cell {
  private enum Kind { PLAIN, TEXT, UTF8, DOUBLE, NUMBER, MOMENT, JSON }

  /** By these names, and by this parameter, the sink knows a column's type. */
  private static final String JSON_NAME = "io.debezium.data.Json";
  private static final String MOMENT_NAME = "io.debezium.time.ZonedTimestamp";
  private static final String COLUMN_TYPE = "__debezium.source.column.type";
  private static final String PRECISION = "connect.decimal.precision";

  /** Years 1 to 9999: those that ISO 8601 writes with four digits. */
  private static final long MOMENT_MIN = Instant.parse("0001-01-01T00:00:00Z").toEpochMilli();
  private static final long MOMENT_MAX = Instant.parse("9999-12-31T23:59:59.999Z").toEpochMilli();

  private final Kind kind;
  private final Schema from;

  Cell(Schema from) {
    this(kind(from), from);
  }

  private Cell(Kind kind, Schema from) {
    this.kind = kind;
    this.from = from;
  }

  /** A key that is no record: bytes are text, as the programs write keys. */
  static Cell bare(Schema from) {
    return from.type() == Schema.Type.BYTES && from.name() == null ? new Cell(Kind.UTF8, from) : new Cell(from);
  }

  private static Kind kind(Schema from) {
    if (Timestamp.LOGICAL_NAME.equals(from.name())) {
      return Kind.MOMENT;
    }
    if (Decimal.LOGICAL_NAME.equals(from.name())) {
      return Kind.NUMBER;
    }
    return switch (from.type()) {
      case ARRAY, MAP -> Kind.JSON;
      case STRING -> Kind.TEXT;
      case FLOAT32 -> Kind.DOUBLE;
      default -> Kind.PLAIN;
    };
  }

  /** A column's schema. It has no default, so that a column added later is null in the rows before it. */
  Schema schema(boolean isOptional) {
    SchemaBuilder builder = switch (kind) {
      case MOMENT -> SchemaBuilder.string().name(MOMENT_NAME);
      case JSON -> SchemaBuilder.string().name(JSON_NAME).parameter(COLUMN_TYPE, "JSONB");
      case TEXT, UTF8 -> SchemaBuilder.string();
      case DOUBLE -> SchemaBuilder.float64();
      case NUMBER, PLAIN -> same();
    };
    return isOptional ? builder.optional().build() : builder.build();
  }

  private SchemaBuilder same() {
    SchemaBuilder builder = new SchemaBuilder(from.type()).name(from.name()).version(from.version());
    if (from.parameters() != null) {
      from.parameters().forEach(builder::parameter);
    }
    return builder;
  }

  /** A column's value. What PostgreSQL would refuse is refused here. */
  Object convert(Object held) {
    return switch (kind) {
      case MOMENT -> moment((Date) held);
      case JSON -> checked(Json.of(from, held));
      case TEXT -> checked((String) held);
      case UTF8 -> checked(decoded(held));
      case DOUBLE -> ((Float) held).doubleValue();
      case NUMBER -> fitting((BigDecimal) held);
      case PLAIN -> held;
    };
  }

  static String moment(Date held) {
    long millis = held.getTime();
    if (millis < MOMENT_MIN || millis > MOMENT_MAX) {
      throw new DataException(millis + " milliseconds since 1970 is not in the years 1 to 9999");
    }
    return DateTimeFormatter.ISO_INSTANT.format(Instant.ofEpochMilli(millis));
  }

  private static String decoded(Object held) {
    ByteBuffer bytes = held instanceof ByteBuffer buffer ? buffer.duplicate() : ByteBuffer.wrap((byte[]) held);
    try {
      return StandardCharsets.UTF_8.newDecoder().decode(bytes).toString();
    } catch (CharacterCodingException broken) {
      throw new DataException("the key is no UTF-8 text", broken);
    }
  }

  private static String checked(String text) {
    if (text.indexOf('\0') >= 0) {
      throw new DataException("a text holds the character U+0000, which PostgreSQL does not store");
    }
    for (int at = 0; at < text.length(); at++) {
      if (Character.isHighSurrogate(text.charAt(at)) && at + 1 < text.length() && Character.isLowSurrogate(text.charAt(at + 1))) {
        at++;
      } else if (Character.isSurrogate(text.charAt(at))) {
        throw new DataException("a text is no Unicode");
      }
    }
    return text;
  }

  private BigDecimal fitting(BigDecimal held) {
    String precision = from.parameters() == null ? null : from.parameters().get(PRECISION);
    if (precision != null && held.precision() > Integer.parseInt(precision)) {
      throw new DataException(held.toPlainString() + " has more than " + precision + " digits");
    }
    return held;
  }
}
