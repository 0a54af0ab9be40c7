package millstream.connect;

import io.apicurio.registry.utils.converter.AvroConverter;
import java.io.IOException;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.time.Duration;
import java.util.Map;
import java.util.function.BooleanSupplier;
import java.util.function.Supplier;
import org.apache.kafka.common.config.ConfigDef;
import org.apache.kafka.common.header.Headers;
import org.apache.kafka.connect.data.Schema;
import org.apache.kafka.connect.data.SchemaAndValue;
import org.apache.kafka.connect.errors.RetriableException;
import org.apache.kafka.connect.storage.Converter;

/**
 * Apicurio's Avro converter, which tells a registry that does not answer from a record that is no Avro: the one is to be tried
 * again ({@code errors.retry.timeout} says for how long), the other is set aside. Apicurio's would set aside both.
 */
public final class PatientAvro implements Converter {
  private static final Duration ANSWER_WAIT = Duration.ofSeconds(5);

  private final Converter avro;
  private BooleanSupplier registryAnswers;

  /** As Kafka Connect makes it. */
  public PatientAvro() {
    this(new AvroConverter<>(), null);
  }

  PatientAvro(Converter avro, BooleanSupplier registryAnswers) {
    this.avro = avro;
    this.registryAnswers = registryAnswers;
  }

  @Override
  public void configure(Map<String, ?> settings, boolean isKey) {
    avro.configure(settings, isKey);
    if (registryAnswers == null) {
      URI registry = URI.create(String.valueOf(settings.get("apicurio.registry.url")));
      HttpClient client = HttpClient.newBuilder().connectTimeout(ANSWER_WAIT).build();
      registryAnswers = () -> answers(client, registry);
    }
  }

  @Override
  public ConfigDef config() {
    return avro.config();
  }

  @Override
  public byte[] fromConnectData(String topic, Schema schema, Object value) {
    return patiently(() -> avro.fromConnectData(topic, schema, value));
  }

  @Override
  public byte[] fromConnectData(String topic, Headers headers, Schema schema, Object value) {
    return patiently(() -> avro.fromConnectData(topic, headers, schema, value));
  }

  @Override
  public SchemaAndValue toConnectData(String topic, byte[] value) {
    return patiently(() -> avro.toConnectData(topic, value));
  }

  @Override
  public SchemaAndValue toConnectData(String topic, Headers headers, byte[] value) {
    return patiently(() -> avro.toConnectData(topic, headers, value));
  }

  private <T> T patiently(Supplier<T> convert) {
    try {
      return convert.get();
    } catch (RuntimeException failure) {
      if (!registryAnswers.getAsBoolean()) {
        throw new RetriableException("the schema registry does not answer", failure);
      }
    }
    // It may have been away a moment ago; what fails now is the record's own fault.
    return convert.get();
  }

  /** Any answer but that of a server in trouble will do. */
  private static boolean answers(HttpClient client, URI registry) {
    HttpRequest request = HttpRequest.newBuilder(registry).timeout(ANSWER_WAIT).GET().build();
    try {
      return client.send(request, HttpResponse.BodyHandlers.discarding()).statusCode() < 500;
    } catch (IOException away) {
      return false;
    } catch (InterruptedException ended) {
      Thread.currentThread().interrupt();
      return false;
    }
  }
}
