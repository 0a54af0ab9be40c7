package millstream.connect;

/** A task's figure, as Java's management has it. */
public interface WaitingMBean {
  /** 1 while the task waits for its database. */
  int getWaiting();
}
