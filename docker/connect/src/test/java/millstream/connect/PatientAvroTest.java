package millstream.connect;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertSame;
import static org.junit.jupiter.api.Assertions.assertThrows;

import com.sun.net.httpserver.HttpServer;
import java.io.IOException;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.util.Map;
import org.apache.kafka.common.config.ConfigDef;
import org.apache.kafka.connect.data.Schema;
import org.apache.kafka.connect.data.SchemaAndValue;
import org.apache.kafka.connect.errors.DataException;
import org.apache.kafka.connect.errors.RetriableException;
import org.apache.kafka.connect.storage.Converter;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

class PatientAvroTest {
  private static final SchemaAndValue READ = new SchemaAndValue(Schema.STRING_SCHEMA, "v");

  /** Fails so many times, and then reads. */
  private static final class Inner implements Converter {
    private int failures;

    @Override
    public void configure(Map<String, ?> settings, boolean isKey) {}

    @Override
    public ConfigDef config() {
      return new ConfigDef();
    }

    @Override
    public byte[] fromConnectData(String topic, Schema schema, Object value) {
      return new byte[0];
    }

    @Override
    public SchemaAndValue toConnectData(String topic, byte[] value) {
      if (failures > 0) {
        failures -= 1;
        throw new DataException("it can't be read");
      }
      return READ;
    }
  }

  private final Inner inner = new Inner();

  private SchemaAndValue read(boolean answers) {
    return new PatientAvro(inner, () -> answers).toConnectData("t", new byte[0]);
  }

  @Test
  void aRegistryThatDoesNotAnswerIsComeBackTo() {
    inner.failures = 1;
    assertThrows(RetriableException.class, () -> read(false));
    assertSame(READ, read(false));
  }

  @Test
  void aRecordThatIsNoAvroIsRefused() {
    inner.failures = 2;
    DataException refused = assertThrows(DataException.class, () -> read(true));
    assertEquals("it can't be read", refused.getMessage());
    assertFalse(refused.getCause() instanceof RetriableException);
  }

  @Test
  void aRegistryThatIsBackAlreadyIsAskedOnceMore() {
    inner.failures = 1;
    assertSame(READ, read(true));
  }

  /** Status 0 is a server that is not there. */
  @ParameterizedTest
  @CsvSource({"200,false", "404,false", "503,true", "0,true"})
  void whetherItAnswersIsAskedOfTheServer(int status, boolean isAway) throws IOException {
    HttpServer server = HttpServer.create(new InetSocketAddress(InetAddress.getLoopbackAddress(), 0), 0);
    server.createContext("/", asked -> {
      asked.sendResponseHeaders(status, -1);
      asked.close();
    });
    String url = "http://127.0.0.1:" + server.getAddress().getPort() + "/apis/registry/v2";
    server.start();
    if (status == 0) {
      server.stop(0);
    }
    try {
      PatientAvro avro = new PatientAvro(inner, null);
      avro.configure(Map.of("apicurio.registry.url", url), false);
      inner.failures = 2;
      RuntimeException refused = assertThrows(RuntimeException.class, () -> avro.toConnectData("t", new byte[0]));
      assertEquals(isAway, refused instanceof RetriableException);
    } finally {
      server.stop(0);
    }
  }
}
