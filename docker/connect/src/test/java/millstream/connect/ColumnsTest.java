package millstream.connect;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertSame;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.math.BigDecimal;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.time.Instant;
import java.util.Date;
import java.util.List;
import java.util.Map;
import org.apache.kafka.connect.data.Decimal;
import org.apache.kafka.connect.data.Field;
import org.apache.kafka.connect.data.Schema;
import org.apache.kafka.connect.data.SchemaBuilder;
import org.apache.kafka.connect.data.Struct;
import org.apache.kafka.connect.data.Timestamp;
import org.apache.kafka.connect.errors.DataException;
import org.apache.kafka.connect.sink.SinkRecord;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

class ColumnsTest {
  private static final Schema PRICE = SchemaBuilder.struct().optional()
      .field("amount", Decimal.builder(2).parameter("connect.decimal.precision", "6").build())
      .field("Currency", Schema.STRING_SCHEMA)
      .build();
  private static final Schema IMAGE = SchemaBuilder.struct()
      .field("URL", Schema.STRING_SCHEMA)
      .field("taken", Timestamp.builder().optional().build())
      .build();
  private static final Schema PRODUCT = SchemaBuilder.struct()
      .field("Name", Schema.STRING_SCHEMA)
      .field("price", PRICE)
      .field("images", SchemaBuilder.array(IMAGE).build())
      .field("specifications", SchemaBuilder.map(Schema.STRING_SCHEMA, Schema.OPTIONAL_FLOAT64_SCHEMA).optional().build())
      .field("updated_at", Timestamp.SCHEMA)
      .field("weight", Schema.OPTIONAL_FLOAT32_SCHEMA)
      .field("stock", SchemaBuilder.int32().defaultValue(1).build())
      .build();

  private static Columns columns(String key) {
    Columns columns = new Columns();
    columns.configure(Map.of("key", key));
    return columns;
  }

  private static SinkRecord record(Schema keySchema, Object key, Schema valueSchema, Object value) {
    return new SinkRecord("shop_products", 3, keySchema, key, valueSchema, value, 7);
  }

  private static SinkRecord text(String key, Struct value) {
    return record(Schema.BYTES_SCHEMA, key.getBytes(StandardCharsets.UTF_8), value == null ? null : value.schema(), value);
  }

  private static Struct price(String amount) {
    return new Struct(PRICE).put("amount", new BigDecimal(amount)).put("Currency", "EUR");
  }

  private static Struct lamp() {
    Struct image = new Struct(IMAGE).put("URL", "a\"\\\n").put("taken", new Date(0));
    return new Struct(PRODUCT).put("Name", "lamp").put("price", price("12.50")).put("images", List.of(image, new Struct(IMAGE).put("URL", "b")))
        .put("specifications", Map.of("far", Double.POSITIVE_INFINITY)).put("updated_at", Date.from(Instant.parse("2026-01-31T12:00:00Z")))
        .put("weight", 1.5f).put("stock", 4);
  }

  private static String refused(SinkRecord record) {
    return assertThrows(DataException.class, () -> columns("id").apply(record)).getMessage();
  }

  @Test
  void aRecordWithinBecomesColumnsAndListsBecomeJson() {
    SinkRecord out = columns("id").apply(text("p1", lamp()));
    assertEquals("p1", ((Struct) out.key()).getString("id"));
    Struct row = (Struct) out.value();
    assertEquals(List.of("name", "price_amount", "price_currency", "images", "specifications", "updated_at", "weight", "stock"),
        row.schema().fields().stream().map(Field::name).toList());
    assertEquals("lamp", row.getString("name"));
    assertEquals(new BigDecimal("12.50"), row.get("price_amount"));
    assertEquals("EUR", row.getString("price_currency"));
    assertEquals("[{\"url\":\"a\\\"\\\\\\u000a\",\"taken\":\"1970-01-01T00:00:00Z\"},{\"url\":\"b\",\"taken\":null}]", row.getString("images"));
    assertEquals("{\"far\":\"Infinity\"}", row.getString("specifications"));
    assertEquals("2026-01-31T12:00:00Z", row.getString("updated_at"));
    assertEquals(1.5, row.getFloat64("weight"));
    assertEquals(4, row.getInt32("stock"));
    assertEquals("shop_products", out.topic());
    assertEquals(3, out.kafkaPartition());
    row.validate();
  }

  @Test
  void theSinkIsToldEachColumnsType() {
    Schema schema = columns("id").apply(text("p1", lamp())).valueSchema();
    assertEquals("io.debezium.data.Json", schema.field("images").schema().name());
    assertEquals("JSONB", schema.field("images").schema().parameters().get("__debezium.source.column.type"));
    assertEquals("io.debezium.time.ZonedTimestamp", schema.field("updated_at").schema().name());
    assertEquals("6", schema.field("price_amount").schema().parameters().get("connect.decimal.precision"));
    for (Field field : schema.fields()) {
      assertTrue(field.schema().isOptional(), field.name() + " may be null in rows of other writers");
      assertNull(field.schema().defaultValue(), field.name() + " is null in the rows before it");
    }
  }

  @Test
  void whatIsMissingIsNull() {
    Struct bare = lamp().put("price", null).put("specifications", null).put("weight", null);
    Struct row = (Struct) columns("id").apply(text("p1", bare)).value();
    for (String column : List.of("price_amount", "price_currency", "specifications", "weight")) {
      assertNull(row.get(column), column);
    }
  }

  @Test
  void aTombstoneStaysOne() {
    SinkRecord out = columns("id").apply(text("p1", null));
    assertNull(out.value());
    assertNull(out.valueSchema());
    assertEquals("p1", ((Struct) out.key()).getString("id"));
  }

  @Test
  void aKeyThatIsARecordHasAColumnAField() {
    Schema schema = SchemaBuilder.struct().field("User", Schema.STRING_SCHEMA).field("prompt", Schema.STRING_SCHEMA).build();
    Struct key = new Struct(schema).put("User", "ann").put("prompt", "lamp");
    SinkRecord out = columns("unused").apply(record(schema, key, lamp().schema(), lamp()));
    assertEquals("ann", ((Struct) out.key()).getString("user"));
    assertEquals("lamp", ((Struct) out.key()).getString("prompt"));
    assertTrue(out.keySchema().fields().stream().noneMatch(field -> field.schema().isOptional()));
  }

  @Test
  void recordsOfOneSchemaShareTheirRowsSchema() {
    Columns columns = columns("id");
    SinkRecord one = columns.apply(text("p1", lamp()));
    SinkRecord other = columns.apply(text("p2", lamp()));
    assertSame(one.valueSchema(), other.valueSchema());
    Schema newer = SchemaBuilder.struct().field("name", Schema.STRING_SCHEMA).field("rating", Schema.OPTIONAL_FLOAT64_SCHEMA).build();
    SinkRecord evolved = columns.apply(text("p3", new Struct(newer).put("name", "rug").put("rating", 4.5)));
    assertEquals(4.5, ((Struct) evolved.value()).getFloat64("rating"));
  }

  @Test
  void bytesMayComeAsABufferThatIsNotEatenUp() {
    ByteBuffer key = ByteBuffer.wrap("p1".getBytes(StandardCharsets.UTF_8));
    for (int time = 0; time < 2; time++) {
      SinkRecord out = columns("id").apply(record(Schema.BYTES_SCHEMA, key, lamp().schema(), lamp()));
      assertEquals("p1", ((Struct) out.key()).getString("id"));
    }
  }

  @Test
  void aRecordThatNoRowCanBeOfIsRefused() {
    assertEquals("the record has no key, and a row needs one", refused(record(null, null, lamp().schema(), lamp())));
    assertTrue(refused(record(Schema.BYTES_SCHEMA, new byte[] {(byte) 0xff, 0x41}, null, null)).contains("no UTF-8 text"));
    Schema schema = SchemaBuilder.struct().field("user", Schema.OPTIONAL_STRING_SCHEMA).build();
    assertTrue(refused(record(schema, new Struct(schema), null, null)).contains("column user of the key is null"));
    Schema twice = SchemaBuilder.struct().field("a", Schema.STRING_SCHEMA).field("A", Schema.STRING_SCHEMA).build();
    assertTrue(refused(text("p1", new Struct(twice).put("a", "x").put("A", "y"))).contains("two fields would be column a"));
    Schema wordy = SchemaBuilder.struct().field("x".repeat(64), Schema.STRING_SCHEMA).build();
    assertTrue(refused(text("p1", new Struct(wordy).put("x".repeat(64), "y"))).contains("more than the 63 bytes"));
    assertTrue(refused(record(null, "p1", null, null)).contains("has no schema"));
  }

  @ParameterizedTest
  @ValueSource(strings = {"a\0b", "\ud800", "x\udc00y"})
  void aTextThatPostgresqlDoesNotStoreIsRefusedWhereverItIs(String text) {
    assertTrue(refused(text("p1", lamp().put("Name", text))).startsWith("column name: "));
    Struct image = new Struct(IMAGE).put("URL", text);
    assertTrue(refused(text("p1", lamp().put("images", List.of(image)))).startsWith("column images: "));
  }

  @ParameterizedTest
  @CsvSource({"-62135596800001", "253402300800000"})
  void aMomentWithoutAYearOfFourDigitsIsRefused(long millis) {
    assertTrue(refused(text("p1", lamp().put("updated_at", new Date(millis)))).contains("years 1 to 9999"));
  }

  @ParameterizedTest
  @CsvSource({"9999.99, true", "10000.00, false"})
  void aNumberHasTheDigitsOfItsColumn(String amount, boolean fits) {
    SinkRecord record = text("p1", lamp().put("price", price(amount)));
    if (fits) {
      assertEquals(new BigDecimal(amount), ((Struct) columns("id").apply(record).value()).get("price_amount"));
    } else {
      assertEquals("column price_amount: 10000.00 has more than 6 digits", refused(record));
    }
  }
}
