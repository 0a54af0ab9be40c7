import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.Arrays;
import java.util.List;
import java.util.Properties;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.serialization.ByteArrayDeserializer;

/**
 * Prints for each topic how many records it has, and a sum of their hashes, which no order changes. An account's window behind
 * its key and a schema's id before its value are left out, and the account that closes the windows.
 */
public class Check {
    public static void main(String[] arguments) {
        Properties properties = new Properties();
        properties.put("bootstrap.servers", arguments[0]);
        for (int place = 2; place < arguments.length; place++) {
            try (KafkaConsumer<byte[], byte[]> consumer =
                    new KafkaConsumer<>(properties, new ByteArrayDeserializer(), new ByteArrayDeserializer())) {
                System.out.println(of(consumer, arguments[place], arguments[1].equals("AVRO")));
            }
        }
    }

    static String of(KafkaConsumer<byte[], byte[]> consumer, String topic, boolean isAvro) {
        TopicPartition partition = new TopicPartition(topic, 0);
        consumer.assign(List.of(partition));
        consumer.seekToBeginning(List.of(partition));
        long end = consumer.endOffsets(List.of(partition)).get(partition), count = 0, sum = 0;
        while (consumer.position(partition) < end) {
            for (ConsumerRecord<byte[], byte[]> record : consumer.poll(Duration.ofSeconds(1))) {
                String key = new String(record.key(), StandardCharsets.ISO_8859_1);
                if (topic.startsWith("rules_count")) {
                    key = key.substring(0, key.length() - 8);
                }
                if (key.equals("end")) {
                    continue;
                }
                byte[] value = isAvro ? Arrays.copyOfRange(record.value(), 5, record.value().length) : record.value();
                count++;
                sum += 31L * key.hashCode() + Arrays.hashCode(value) * 1_000_003L;
            }
        }
        return count + " " + Long.toHexString(sum);
    }
}
