import java.io.ByteArrayOutputStream;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.List;
import java.util.Properties;
import org.apache.kafka.clients.admin.Admin;
import org.apache.kafka.clients.admin.NewTopic;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.common.serialization.ByteArraySerializer;
import org.apache.kafka.common.serialization.StringSerializer;

/**
 * Makes the topics that both engines read and write, of one partition each: accounts, and payments of theirs, a millisecond
 * apart. Behind the payments comes one much later of an account that is none, which closes the windows.
 */
public class Load {
    static final int ACCOUNTS = 10_000;
    static final long BEGUN = 1_700_000_040_000L;
    static final String PAYMENT = "[{'name':'AMOUNT','type':['null','int'],'default':null},"
            + "{'name':'NOTE','type':['null','string'],'default':null}]";
    static final String ACCOUNT = "[{'name':'OWNER','type':['null','string'],'default':null}]";

    static KafkaProducer<String, byte[]> producer;
    static boolean isAvro;

    public static void main(String[] arguments) throws Exception {
        String format = arguments[2];
        isAvro = format.equals("AVRO");
        Properties properties = new Properties();
        properties.put("bootstrap.servers", arguments[0]);
        properties.put("linger.ms", "20");
        properties.put("batch.size", "262144");
        String accounts = "accounts_" + format;
        List<String> payments = new ArrayList<>();
        try (Admin admin = Admin.create(properties)) {
            List<NewTopic> topics = new ArrayList<>();
            topics.add(new NewTopic(accounts, 1, (short) 1));
            for (int place = 3; place < arguments.length; place++) {
                payments.add("payments_" + format + "_" + (place - 3));
                topics.add(new NewTopic(payments.get(place - 3), 1, (short) 1));
                for (String query : List.of("filter", "count", "join")) {
                    for (String engine : List.of("flink", "rules")) {
                        topics.add(new NewTopic(engine + "_" + query + "_" + (place - 3), 1, (short) 1));
                    }
                }
            }
            admin.createTopics(topics).all().get();
        }
        int accountsId = isAvro ? register(arguments[1], accounts, ACCOUNT) : 0;
        producer = new KafkaProducer<>(properties, new StringSerializer(), new ByteArraySerializer());
        for (int account = 0; account < ACCOUNTS; account++) {
            String owner = "owner " + account % 777;
            send(accounts, BEGUN, "a" + account, isAvro ? avro(accountsId, null, owner) : "{\"OWNER\":\"" + owner + "\"}");
        }
        for (int place = 3; place < arguments.length; place++) {
            String topic = payments.get(place - 3);
            int id = isAvro ? register(arguments[1], topic, PAYMENT) : 0;
            int count = Integer.parseInt(arguments[place]);
            for (int number = 0; number < count; number++) {
                payment(topic, id, BEGUN + number, "a" + (number * 31L) % ACCOUNTS, (int) ((number * 7919L) % 1000), "payment number " + number);
            }
            payment(topic, id, BEGUN + count + 3_600_000, "end", -1, "the end");
        }
        producer.close();
    }

    static void payment(String topic, int id, long time, String account, int amount, String note) {
        Object value = isAvro ? avro(id, amount, note) : "{\"AMOUNT\":" + amount + ",\"NOTE\":\"" + note + "\"}";
        send(topic, time, account, value);
    }

    static void send(String topic, long time, String key, Object value) {
        byte[] bytes = value instanceof String text ? text.getBytes(StandardCharsets.UTF_8) : (byte[]) value;
        producer.send(new ProducerRecord<>(topic, 0, time, key, bytes));
    }

    /** A record of a number, if there is one, and a text, all nullable, behind its schema's id. */
    static byte[] avro(int id, Integer number, String text) {
        ByteArrayOutputStream out = new ByteArrayOutputStream();
        out.writeBytes(ByteBuffer.allocate(5).put((byte) 0).putInt(id).array());
        if (number != null) {
            out.write(2);
            zigzag(out, number);
        }
        out.write(2);
        byte[] bytes = text.getBytes(StandardCharsets.UTF_8);
        zigzag(out, bytes.length);
        out.writeBytes(bytes);
        return out.toByteArray();
    }

    static void zigzag(ByteArrayOutputStream out, int number) {
        int rest = (number << 1) ^ (number >> 31);
        while ((rest & ~0x7f) != 0) {
            out.write(rest & 0x7f | 0x80);
            rest >>>= 7;
        }
        out.write(rest);
    }

    static int register(String registry, String topic, String fields) throws Exception {
        String schema = "{\\\"type\\\":\\\"record\\\",\\\"name\\\":\\\"row\\\",\\\"fields\\\":" + fields.replace("'", "\\\"") + "}";
        HttpRequest request = HttpRequest.newBuilder(URI.create(registry + "/subjects/" + topic + "-value/versions"))
                .header("Content-Type", "application/vnd.schemaregistry.v1+json")
                .POST(HttpRequest.BodyPublishers.ofString("{\"schema\":\"" + schema + "\"}")).build();
        String answer = HttpClient.newHttpClient().send(request, HttpResponse.BodyHandlers.ofString()).body();
        return Integer.parseInt(answer.replaceAll(".*\"id\":\\s*(\\d+).*", "$1"));
    }
}
