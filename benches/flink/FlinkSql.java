import org.apache.flink.table.api.EnvironmentSettings;
import org.apache.flink.table.api.TableEnvironment;

/** Runs one query from the topics' beginnings to their present ends, in this process, with one slot. */
public class FlinkSql {
    public static void main(String[] arguments) throws Exception {
        String brokers = arguments[0], query = arguments[1];
        TableEnvironment tables = TableEnvironment.create(EnvironmentSettings.inStreamingMode());
        tables.getConfig().set("parallelism.default", "1");
        String kafka = "'properties.bootstrap.servers'='" + brokers + "', 'value.format'='json', 'key.format'='raw'";
        String source = ", 'scan.startup.mode'='earliest-offset', 'scan.bounded.mode'='latest-offset', "
                + "'value.fields-include'='EXCEPT_KEY', 'key.fields'='account'";
        tables.executeSql("CREATE TABLE payments (account STRING, amount INT, note STRING, "
                + "ts TIMESTAMP_LTZ(3) METADATA FROM 'timestamp', WATERMARK FOR ts AS ts) "
                + "WITH ('connector'='kafka', 'topic'='payments', " + kafka + source + ")");
        tables.executeSql("CREATE TABLE accounts (account STRING, owner STRING, "
                + "ts TIMESTAMP_LTZ(3) METADATA FROM 'timestamp', WATERMARK FOR ts AS ts, PRIMARY KEY (account) NOT ENFORCED) "
                + "WITH ('connector'='upsert-kafka', 'topic'='accounts', 'value.fields-include'='EXCEPT_KEY', "
                + "'scan.bounded.mode'='latest-offset', " + kafka + ")");
        tables.executeSql("CREATE TABLE sink (account STRING, " + columns(query) + ") WITH ('connector'='kafka', 'topic'='flink_"
                + query + "', 'value.fields-include'='EXCEPT_KEY', 'key.fields'='account', " + kafka + ")");
        tables.executeSql("INSERT INTO sink " + select(query)).await();
    }

    static String columns(String query) {
        return switch (query) {
            case "filter" -> "amount INT, note STRING";
            case "count" -> "begun TIMESTAMP(3), payments BIGINT";
            default -> "amount INT, owner STRING";
        };
    }

    static String select(String query) {
        return switch (query) {
            case "filter" -> "SELECT account, amount, note FROM payments WHERE amount >= 500";
            case "count" -> "SELECT account, window_start, COUNT(*) FROM TABLE("
                    + "TUMBLE(TABLE payments, DESCRIPTOR(ts), INTERVAL '1' MINUTE)) GROUP BY account, window_start, window_end";
            default -> "SELECT p.account, p.amount, a.owner FROM payments AS p "
                    + "JOIN accounts FOR SYSTEM_TIME AS OF p.ts AS a ON p.account = a.account";
        };
    }
}
