import java.lang.management.ManagementFactory;
import org.apache.flink.table.api.EnvironmentSettings;
import org.apache.flink.table.api.TableEnvironment;

/**
 * Runs a query over several topics, one after another in this process, each to its present end and with one slot. Prints for
 * each the processor time of the process and the time that went by, in milliseconds: the first one warms the process up.
 */
public class FlinkSql {
    static String brokers, query, format;

    public static void main(String[] arguments) throws Exception {
        brokers = arguments[0];
        query = arguments[1];
        format = arguments[2];
        String interval = arguments[3];
        for (int place = 4; place < arguments.length; place++) {
            long cpu = cpu(), begun = System.nanoTime();
            run(arguments[place], place - 4, interval);
            System.out.println(arguments[place] + " " + (cpu() - cpu) / 1_000_000 + " "
                    + (System.nanoTime() - begun) / 1_000_000);
        }
        // Flink's client keeps threads that are no daemons.
        System.exit(0);
    }

    static long cpu() {
        return ((com.sun.management.OperatingSystemMXBean) ManagementFactory.getOperatingSystemMXBean())
                .getProcessCpuTime();
    }

    static void run(String topic, int number, String interval) throws Exception {
        TableEnvironment tables = TableEnvironment.create(EnvironmentSettings.inStreamingMode());
        tables.getConfig().set("parallelism.default", "1");
        tables.getConfig().set("pipeline.object-reuse", "true");
        tables.getConfig().set("table.local-time-zone", "UTC");
        if (!interval.equals("off")) {
            tables.getConfig().set("execution.checkpointing.interval", interval);
            tables.getConfig().set("execution.checkpointing.mode", "AT_LEAST_ONCE");
        }
        String kafka = "'properties.bootstrap.servers'='" + brokers + "', 'value.format'='"
                + (format.equals("JSON") ? "json" : "framed-avro") + "', 'key.format'='raw', 'value.fields-include'='EXCEPT_KEY'";
        String time = "ts TIMESTAMP_LTZ(3) METADATA FROM 'timestamp', WATERMARK FOR ts AS ts";
        tables.executeSql("CREATE TABLE payments (ACCOUNT STRING, AMOUNT INT, NOTE STRING"
                + (query.equals("filter") ? "" : ", " + time) + ") WITH ('connector'='kafka', 'topic'='" + topic + "', " + kafka
                + ", 'scan.startup.mode'='earliest-offset', 'scan.bounded.mode'='latest-offset', 'key.fields'='ACCOUNT')");
        tables.executeSql("CREATE TABLE accounts (ACCOUNT STRING, OWNER STRING, " + time + ", PRIMARY KEY (ACCOUNT) NOT ENFORCED) "
                + "WITH ('connector'='upsert-kafka', 'topic'='accounts_" + format + "', 'scan.bounded.mode'='latest-offset', "
                + kafka + ")");
        tables.executeSql("CREATE TABLE sink (ACCOUNT STRING, " + columns() + ") WITH ('connector'='kafka', 'topic'='flink_"
                + query + "_" + number + "', 'key.fields'='ACCOUNT', 'properties.linger.ms'='20', "
                + "'properties.batch.size'='262144', " + kafka + ")");
        tables.executeSql("INSERT INTO sink " + select()).await();
    }

    static String columns() {
        return switch (query) {
            case "filter" -> "AMOUNT INT, NOTE STRING";
            case "count" -> "BEGUN BIGINT, PAYMENTS BIGINT";
            default -> "AMOUNT INT, OWNER STRING";
        };
    }

    static String select() {
        return switch (query) {
            case "filter" -> "SELECT ACCOUNT, AMOUNT, NOTE FROM payments WHERE AMOUNT >= 500";
            case "count" -> "SELECT ACCOUNT, CAST(TIMESTAMPDIFF(SECOND, TIMESTAMP '1970-01-01 00:00:00', window_start) AS BIGINT) * 1000, "
                    + "COUNT(*) FROM TABLE(TUMBLE(TABLE payments, DESCRIPTOR(ts), INTERVAL '1' MINUTE)) "
                    + "GROUP BY ACCOUNT, window_start, window_end";
            default -> "SELECT p.ACCOUNT, p.AMOUNT, a.OWNER FROM payments AS p "
                    + "JOIN accounts FOR SYSTEM_TIME AS OF p.ts AS a ON p.ACCOUNT = a.ACCOUNT";
        };
    }
}
