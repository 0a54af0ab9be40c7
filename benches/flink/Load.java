import java.util.Properties;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.common.serialization.StringSerializer;

/** Writes the topics that both engines read: accounts, and payments of theirs, a millisecond apart. */
public class Load {
    static final int ACCOUNTS = 10_000;
    static final long BEGUN = 1_700_000_000_000L;

    public static void main(String[] arguments) {
        int payments = Integer.parseInt(arguments[1]);
        Properties properties = new Properties();
        properties.put("bootstrap.servers", arguments[0]);
        properties.put("linger.ms", "20");
        properties.put("batch.size", "262144");
        try (KafkaProducer<String, String> producer =
                new KafkaProducer<>(properties, new StringSerializer(), new StringSerializer())) {
            for (int account = 0; account < ACCOUNTS; account++) {
                String value = "{\"owner\":\"owner " + account % 777 + "\"}";
                producer.send(new ProducerRecord<>("accounts", 0, BEGUN, "a" + account, value));
            }
            for (int number = 0; number < payments; number++) {
                String value = "{\"amount\":" + (number * 7919L) % 1000 + ",\"note\":\"payment number " + number + "\"}";
                String account = "a" + (number * 31L) % ACCOUNTS;
                producer.send(new ProducerRecord<>("payments", 0, BEGUN + 1 + number, account, value));
            }
        }
    }
}
