package millstream.connect;

import io.debezium.connector.jdbc.JdbcSinkConnectorTask;
import java.sql.SQLException;
import java.util.Collection;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.concurrent.ExecutionException;
import java.util.function.Function;
import java.util.function.Supplier;
import org.apache.kafka.clients.consumer.OffsetAndMetadata;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.connect.errors.ConnectException;
import org.apache.kafka.connect.errors.DataException;
import org.apache.kafka.connect.errors.RetriableException;
import org.apache.kafka.connect.sink.ErrantRecordReporter;
import org.apache.kafka.connect.sink.SinkRecord;
import org.apache.kafka.connect.sink.SinkTask;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Debezium's task, made anew when the database is there again.
 *
 * <p>While it is away the worker is asked to bring the same records once more: it keeps them, stays in its group, and takes in
 * no others. Nothing counts as written that is not, and rows are upserted, so that what is written twice is there once. A
 * record that the table refuses goes to the dead letters, where Debezium's task would end at it.
 */
public final class PatientSinkTask extends SinkTask {
  private static final Logger LOG = LoggerFactory.getLogger(PatientSinkTask.class);

  /** Time until the database is looked for again. */
  static final long AGAIN_AFTER_MS = 2_000;

  private final Supplier<SinkTask> maker;
  /** Debezium's keeps to itself what a put died of, and tells it at the next. */
  private final Function<SinkTask, Throwable> failureOf;
  private final Waiting waiting = new Waiting();
  private final Set<TopicPartition> assigned = new HashSet<>();
  private Outage outage;
  private Map<String, String> settings;
  private SinkTask task;

  /** As Kafka Connect makes it. */
  public PatientSinkTask() {
    this(JdbcSinkConnectorTask::new, task -> ((JdbcSinkConnectorTask) task).getLastProcessingException(), null);
  }

  PatientSinkTask(Supplier<SinkTask> maker, Function<SinkTask, Throwable> failureOf, Outage outage) {
    this.maker = maker;
    this.failureOf = failureOf;
    this.outage = outage;
  }

  @Override
  public String version() {
    return maker.get().version();
  }

  @Override
  public void start(Map<String, String> props) {
    settings = props;
    outage = outage == null ? new Outage(props) : outage;
    waiting.tell(props.getOrDefault("name", "sink"), props.getOrDefault("task.id", "0"));
    try {
      begin();
    } catch (RetriableException away) {
      LOG.warn("the database is waited for: {}", away.getMessage());
    }
  }

  @Override
  public void open(Collection<TopicPartition> partitions) {
    assigned.addAll(partitions);
    if (task != null) {
      task.open(partitions);
    }
  }

  @Override
  public void close(Collection<TopicPartition> partitions) {
    partitions.forEach(assigned::remove);
    if (task != null) {
      task.close(partitions);
    }
  }

  @Override
  public void put(Collection<SinkRecord> records) {
    write(List.copyOf(records));
  }

  private void write(List<SinkRecord> records) {
    if (task == null) {
      begin();
    }
    task.put(records);
    Throwable failure = failureOf.apply(task);
    if (failure == null) {
      return;
    }
    retire();
    if (Outage.ofARecord(failure) == null) {
      throw told(failure);
    }
    setAside(records, failure);
  }

  /** In ever smaller batches the record is found that the table can't hold, and goes to the dead letters. */
  private void setAside(List<SinkRecord> records, Throwable failure) {
    ErrantRecordReporter reporter = context.errantRecordReporter();
    if (reporter == null) {
      throw told(failure);
    }
    if (records.size() > 1) {
      int middle = records.size() / 2;
      write(records.subList(0, middle));
      write(records.subList(middle, records.size()));
      return;
    }
    try {
      reporter.report(records.get(0), new DataException(Outage.ofARecord(failure), failure)).get();
    } catch (ExecutionException refused) {
      throw new ConnectException("a record could not be set aside", refused);
    } catch (InterruptedException ended) {
      Thread.currentThread().interrupt();
      throw new RetriableException("the task ends", ended);
    }
  }

  @Override
  public Map<TopicPartition, OffsetAndMetadata> preCommit(Map<TopicPartition, OffsetAndMetadata> offsets) {
    return task == null ? offsets : task.preCommit(offsets);
  }

  @Override
  public void stop() {
    waiting.untell();
    retire();
  }

  private void begin() {
    try {
      outage.visit();
    } catch (SQLException refused) {
      throw told(refused);
    }
    SinkTask made = maker.get();
    made.initialize(context);
    try {
      made.start(settings);
    } catch (RuntimeException failure) {
      made.stop();
      throw told(failure);
    }
    made.open(assigned);
    task = made;
    waiting.set(false);
  }

  private void retire() {
    if (task != null) {
      task.stop();
      task = null;
    }
  }

  /** What the worker is told: to come again, or that the task can't go on. */
  private ConnectException told(Throwable failure) {
    String reason = outage.reason(failure);
    if (reason == null) {
      return new ConnectException("the database refuses what is asked: " + failure.getMessage(), failure);
    }
    waiting.set(true);
    if (context != null) {
      context.timeout(AGAIN_AFTER_MS);
    }
    return new RetriableException("the database does not answer: " + reason);
  }
}
