import java.io.IOException;
import java.util.Arrays;
import java.util.Set;
import org.apache.flink.api.common.serialization.DeserializationSchema;
import org.apache.flink.api.common.serialization.SerializationSchema;
import org.apache.flink.api.common.typeinfo.TypeInformation;
import org.apache.flink.configuration.ConfigOption;
import org.apache.flink.configuration.ReadableConfig;
import org.apache.flink.formats.avro.AvroFormatFactory;
import org.apache.flink.table.connector.ChangelogMode;
import org.apache.flink.table.connector.format.DecodingFormat;
import org.apache.flink.table.connector.format.EncodingFormat;
import org.apache.flink.table.connector.sink.DynamicTableSink;
import org.apache.flink.table.connector.source.DynamicTableSource;
import org.apache.flink.table.data.RowData;
import org.apache.flink.table.factories.DeserializationFormatFactory;
import org.apache.flink.table.factories.DynamicTableFactory;
import org.apache.flink.table.factories.SerializationFormatFactory;
import org.apache.flink.table.types.DataType;

/**
 * Flink's own Avro behind a schema's id, as Confluent's serializers frame it. Flink's format for that wants Confluent's client,
 * which is not on Maven Central; this one does less: it looks no schema up.
 */
public class FramedAvro implements DeserializationFormatFactory, SerializationFormatFactory {
    static final int FRAME = 5;
    private final AvroFormatFactory avro = new AvroFormatFactory();

    @Override
    public String factoryIdentifier() {
        return "framed-avro";
    }

    @Override
    public Set<ConfigOption<?>> requiredOptions() {
        return avro.requiredOptions();
    }

    @Override
    public Set<ConfigOption<?>> optionalOptions() {
        return avro.optionalOptions();
    }

    @Override
    public DecodingFormat<DeserializationSchema<RowData>> createDecodingFormat(
            DynamicTableFactory.Context context, ReadableConfig options) {
        DecodingFormat<DeserializationSchema<RowData>> inner = avro.createDecodingFormat(context, options);
        return new DecodingFormat<>() {
            @Override
            public DeserializationSchema<RowData> createRuntimeDecoder(DynamicTableSource.Context source, DataType type) {
                return new Reader(inner.createRuntimeDecoder(source, type));
            }

            @Override
            public ChangelogMode getChangelogMode() {
                return inner.getChangelogMode();
            }
        };
    }

    @Override
    public EncodingFormat<SerializationSchema<RowData>> createEncodingFormat(
            DynamicTableFactory.Context context, ReadableConfig options) {
        EncodingFormat<SerializationSchema<RowData>> inner = avro.createEncodingFormat(context, options);
        return new EncodingFormat<>() {
            @Override
            public SerializationSchema<RowData> createRuntimeEncoder(DynamicTableSink.Context sink, DataType type) {
                return new Writer(inner.createRuntimeEncoder(sink, type));
            }

            @Override
            public ChangelogMode getChangelogMode() {
                return inner.getChangelogMode();
            }
        };
    }

    record Reader(DeserializationSchema<RowData> inner) implements DeserializationSchema<RowData> {
        @Override
        public void open(InitializationContext context) throws Exception {
            inner.open(context);
        }

        @Override
        public RowData deserialize(byte[] bytes) throws IOException {
            return bytes == null ? null : inner.deserialize(Arrays.copyOfRange(bytes, FRAME, bytes.length));
        }

        @Override
        public boolean isEndOfStream(RowData row) {
            return false;
        }

        @Override
        public TypeInformation<RowData> getProducedType() {
            return inner.getProducedType();
        }
    }

    record Writer(SerializationSchema<RowData> inner) implements SerializationSchema<RowData> {
        @Override
        public void open(InitializationContext context) throws Exception {
            inner.open(context);
        }

        @Override
        public byte[] serialize(RowData row) {
            byte[] bytes = inner.serialize(row), framed = new byte[bytes.length + FRAME];
            System.arraycopy(bytes, 0, framed, FRAME, bytes.length);
            return framed;
        }
    }
}
