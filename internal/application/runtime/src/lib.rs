//! The framework: processors, views and emitters over the ports, and the one commit.
