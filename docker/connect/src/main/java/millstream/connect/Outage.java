package millstream.connect;

import java.sql.Connection;
import java.sql.Driver;
import java.sql.SQLException;
import java.util.Map;
import java.util.Properties;
import java.util.ServiceLoader;
import java.util.Set;

/** Tells a database that is away, full or closed for now from one that refuses something for good. */
class Outage {
  /**
   * No connection, no room, its operator, its disk, a conflict, a lock: what passes.
   *
   * <p>Source: PostgreSQL 17 documentation, appendix A, "PostgreSQL Error Codes".
   */
  private static final Set<String> PASSING = Set.of("08", "53", "57", "58", "40", "55");

  /** What a row holds: its values, and limits that it goes beyond; and a value of another type than its column's. */
  private static final Set<String> OF_A_RECORD = Set.of("22", "23", "54", "42804");

  /** How long the database may take to let us in, and to answer. */
  private static final int ANSWER_WAIT_S = 5;

  private final String url;
  private final Properties login = new Properties();

  Outage(Map<String, String> settings) {
    url = settings.get("connection.url");
    login.setProperty("user", settings.getOrDefault("connection.username", ""));
    login.setProperty("password", settings.getOrDefault("connection.password", ""));
    login.setProperty("loginTimeout", String.valueOf(ANSWER_WAIT_S));
  }

  /** Why it will be over by itself, or null where it will not. */
  String reason(Throwable failure) {
    String own = passing(failure);
    // Pools and frameworks hide what was wrong: so the database itself is asked.
    return own == null ? absence() : own;
  }

  /** The message of the first cause that passes, or null. */
  static String passing(Throwable failure) {
    SQLException found = caused(failure, PASSING);
    return found == null ? null : found.getMessage();
  }

  /** What is wrong with a record, where it is the record's own fault and another would be written; otherwise null. */
  static String ofARecord(Throwable failure) {
    SQLException found = caused(failure, OF_A_RECORD);
    return found == null ? null : found.getMessage();
  }

  /** The innermost cause with one of these states, or whose state is of one of these classes: what is around it says less. */
  private static SQLException caused(Throwable failure, Set<String> states) {
    SQLException found = null;
    for (Throwable cause = failure; cause != null; cause = cause.getCause()) {
      if (cause instanceof SQLException told && told.getSQLState() != null && told.getSQLState().length() == 5
          && (states.contains(told.getSQLState()) || states.contains(told.getSQLState().substring(0, 2)))) {
        found = told;
      }
    }
    return found;
  }

  /** Why the database can't be reached, or null where it can, or does not let us in. */
  private String absence() {
    try {
      visit();
      return null;
    } catch (SQLException refused) {
      return passing(refused);
    }
  }

  /** Goes there and back, within seconds; a pool would try for half a minute. */
  void visit() throws SQLException {
    try (Connection found = connect()) {
      if (found != null && !found.isValid(ANSWER_WAIT_S)) {
        throw new SQLException("it does not answer", "08006");
      }
    }
  }

  private Connection connect() throws SQLException {
    for (Driver driver : ServiceLoader.load(Driver.class, Outage.class.getClassLoader())) {
      if (driver.acceptsURL(url)) {
        return driver.connect(url, login);
      }
    }
    return null;
  }
}
