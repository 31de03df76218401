"""A whole installation for a test: own database and broker, the hub's commands as processes, far systems on sockets."""
