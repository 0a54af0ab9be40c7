package millstream.connect;

import java.lang.management.ManagementFactory;
import javax.management.JMException;
import javax.management.ObjectName;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/** Whether a task waits for its database, for whoever watches the worker. */
final class Waiting implements WaitingMBean {
  private static final Logger LOG = LoggerFactory.getLogger(Waiting.class);

  private volatile boolean waits;
  private ObjectName name;

  void set(boolean now) {
    waits = now;
  }

  @Override
  public int getWaiting() {
    return waits ? 1 : 0;
  }

  void tell(String connector, String task) {
    try {
      name = new ObjectName("millstream.connect:type=sink,connector=" + quoted(connector) + ",task=" + task);
      if (ManagementFactory.getPlatformMBeanServer().isRegistered(name)) {
        ManagementFactory.getPlatformMBeanServer().unregisterMBean(name);
      }
      ManagementFactory.getPlatformMBeanServer().registerMBean(this, name);
    } catch (JMException refused) {
      LOG.warn("nobody can be told whether the task waits", refused);
    }
  }

  /** Names with what has a meaning in an object's name stand in quotes there. */
  private static String quoted(String name) {
    return name.chars().anyMatch(each -> ",=:\"*?\n".indexOf(each) >= 0) ? ObjectName.quote(name) : name;
  }

  void untell() {
    try {
      if (name != null && ManagementFactory.getPlatformMBeanServer().isRegistered(name)) {
        ManagementFactory.getPlatformMBeanServer().unregisterMBean(name);
      }
    } catch (JMException refused) {
      LOG.warn("the task's figure stays", refused);
    }
  }
}
