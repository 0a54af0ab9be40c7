package millstream.connect;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.lang.management.ManagementFactory;
import java.lang.reflect.Proxy;
import java.sql.SQLException;
import java.util.ArrayList;
import java.util.Collection;
import java.util.List;
import java.util.Map;
import java.util.concurrent.CompletableFuture;
import javax.management.ObjectName;
import org.apache.kafka.clients.consumer.OffsetAndMetadata;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.connect.errors.ConnectException;
import org.apache.kafka.connect.errors.RetriableException;
import org.apache.kafka.connect.sink.ErrantRecordReporter;
import org.apache.kafka.connect.sink.SinkRecord;
import org.apache.kafka.connect.sink.SinkTask;
import org.apache.kafka.connect.sink.SinkTaskContext;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

class PatientSinkTaskTest {
  private static final TopicPartition PLACE = new TopicPartition("t", 0);
  private static final List<SinkRecord> RECORDS = List.of(new SinkRecord("t", 0, null, "k", null, "v", 7));

  /** What became of each of Debezium's tasks that was made. */
  private final List<Debezium> made = new ArrayList<>();
  private RuntimeException startFails;
  private Throwable putFails;
  private SQLException absence;
  /** The record that alone is refused; without it all are. */
  private long refused = -1;
  private boolean reports = true;
  private final List<SinkRecord> aside = new ArrayList<>();
  private PatientSinkTask running;

  private PatientSinkTask started() {
    made.clear();
    running = new PatientSinkTask(() -> {
      Debezium one = new Debezium();
      one.startFails = startFails;
      one.putFails = putFails;
      one.refused = refused;
      made.add(one);
      return one;
    }, one -> ((Debezium) one).failure, new Outage(Map.of()) {
      @Override
      void visit() throws SQLException {
        if (absence != null) {
          throw absence;
        }
      }
    });
    running.initialize(context());
    running.start(Map.of("name", "sink-t", "task.id", "0"));
    running.open(List.of(PLACE));
    return running;
  }

  private SinkTaskContext context() {
    ErrantRecordReporter reporter = (record, error) -> {
      aside.add(record);
      return CompletableFuture.completedFuture(null);
    };
    return (SinkTaskContext) Proxy.newProxyInstance(getClass().getClassLoader(), new Class<?>[] {SinkTaskContext.class},
        (self, method, given) -> method.getName().equals("errantRecordReporter") && reports ? reporter : null);
  }

  private static Throwable hidden(String state) {
    return new ConnectException("failed", new RuntimeException("a pool", new SQLException("why", state)));
  }

  private static Object waiting() throws Exception {
    ObjectName name = new ObjectName("millstream.connect:type=sink,connector=sink-t,task=0");
    return ManagementFactory.getPlatformMBeanServer().getAttribute(name, "Waiting");
  }

  @AfterEach
  void ends() {
    if (running != null) {
      running.stop();
    }
  }

  @ParameterizedTest
  @ValueSource(strings = {"08006", "57P01", "53100", "40P01", "55P03"})
  void whatPassesIsComeBackTo(String state) throws Exception {
    putFails = hidden(state);
    PatientSinkTask task = started();
    assertEquals(0, waiting());
    assertThrows(RetriableException.class, () -> task.put(RECORDS));
    assertEquals(1, waiting());
    assertTrue(made.get(0).stopped);
    putFails = null;
    task.put(RECORDS);
    assertEquals(2, made.size());
    assertEquals(RECORDS, made.get(1).written);
    assertEquals(List.of(PLACE), made.get(1).opened);
    assertEquals(0, waiting());
  }

  @ParameterizedTest
  @ValueSource(strings = {"28P01", "42501", "42703"})
  void whatDoesNotPassEndsTheTask(String state) {
    putFails = hidden(state);
    PatientSinkTask task = started();
    ConnectException told = assertThrows(ConnectException.class, () -> task.put(RECORDS));
    assertFalse(told instanceof RetriableException);
    assertEquals("why", told.getCause().getCause().getCause().getMessage());
  }

  @ParameterizedTest
  @ValueSource(strings = {"22003", "23514", "54000", "42804"})
  void aRecordThatTheTableRefusesIsFoundAndSetAside(String state) {
    refused = 7;
    putFails = hidden(state);
    PatientSinkTask task = started();
    List<SinkRecord> all = new ArrayList<>();
    for (long offset = 0; offset < 11; offset++) {
      all.add(new SinkRecord("t", 0, null, "k", null, "v", offset));
    }
    task.put(all);
    assertEquals(List.of(all.get(7)), aside);
    List<Long> written = made.stream().flatMap(one -> one.written.stream()).map(SinkRecord::kafkaOffset).toList();
    assertEquals(List.of(0L, 1L, 2L, 3L, 4L, 5L, 6L, 8L, 9L, 10L), written);
  }

  @Test
  void whereNothingCanBeSetAsideTheTaskEnds() {
    putFails = hidden("22003");
    reports = false;
    PatientSinkTask task = started();
    assertThrows(ConnectException.class, () -> task.put(RECORDS));
  }

  @Test
  void aDatabaseThatIsAwayAtTheStartIsWaitedFor() throws Exception {
    absence = new SQLException("connection refused", "08001");
    PatientSinkTask task = started();
    assertEquals(1, waiting());
    assertThrows(RetriableException.class, () -> task.put(RECORDS));
    Map<TopicPartition, OffsetAndMetadata> offsets = Map.of(PLACE, new OffsetAndMetadata(3));
    assertEquals(offsets, task.preCommit(offsets));
    assertEquals(List.of(), made);
    absence = null;
    task.put(RECORDS);
    assertEquals(RECORDS, made.get(made.size() - 1).written);
  }

  @Test
  void aDatabaseThatGoesDuringTheStartIsWaitedFor() throws Exception {
    startFails = new ConnectException("no metadata", new SQLException("closed", "57P03"));
    PatientSinkTask task = started();
    assertThrows(RetriableException.class, () -> task.put(RECORDS));
    startFails = null;
    task.put(RECORDS);
    assertEquals(RECORDS, made.get(made.size() - 1).written);
  }

  @Test
  void aPasswordThatIsRefusedEndsTheTask() {
    absence = new SQLException("password authentication failed", "28P01");
    ConnectException told = assertThrows(ConnectException.class, this::started);
    assertFalse(told instanceof RetriableException);
    assertTrue(told.getMessage().contains("password authentication failed"));
  }

  @Test
  void aStartThatIsRefusedEndsTheTask() {
    startFails = new ConnectException("no such dialect");
    assertThrows(ConnectException.class, this::started);
  }

  @Test
  void aPartitionThatWasGivenUpIsNotOpenedAgain() {
    putFails = hidden("57P01");
    PatientSinkTask task = started();
    assertThrows(RetriableException.class, () -> task.put(RECORDS));
    task.close(List.of(PLACE));
    putFails = null;
    task.put(List.of());
    assertEquals(List.of(), made.get(1).opened);
  }

  @Test
  void anErrorWithoutAStateDoesNotPass() {
    assertNull(Outage.passing(new RuntimeException("x", new SQLException("y"))));
    assertNull(Outage.passing(null));
  }

  /** Stands for Debezium's task; it writes nothing. */
  private static final class Debezium extends SinkTask {
    private final List<TopicPartition> opened = new ArrayList<>();
    private final List<SinkRecord> written = new ArrayList<>();
    private RuntimeException startFails;
    private Throwable putFails;
    private Throwable failure;
    private long refused;
    private boolean stopped;

    @Override
    public String version() {
      return "0";
    }

    @Override
    public void initialize(SinkTaskContext context) {}

    @Override
    public void start(Map<String, String> props) {
      if (startFails != null) {
        throw startFails;
      }
    }

    @Override
    public void open(Collection<TopicPartition> partitions) {
      opened.addAll(partitions);
    }

    @Override
    public void close(Collection<TopicPartition> partitions) {
      opened.removeAll(partitions);
    }

    @Override
    public void put(Collection<SinkRecord> records) {
      boolean fails = refused < 0 || records.stream().anyMatch(each -> each.kafkaOffset() == refused);
      failure = fails ? putFails : null;
      if (failure == null) {
        written.addAll(records);
      }
    }

    @Override
    public void stop() {
      stopped = true;
    }
  }
}
