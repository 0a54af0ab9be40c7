package millstream.connect;

import io.debezium.connector.jdbc.JdbcSinkConnector;
import org.apache.kafka.connect.connector.Task;

/** Debezium's JDBC sink, with tasks that wait for a database that is away; Debezium's own end then, and stay so. */
public final class PatientSink extends JdbcSinkConnector {
  @Override
  public Class<? extends Task> taskClass() {
    return PatientSinkTask.class;
  }
}
