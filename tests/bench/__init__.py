"""The benchmark: processor time per case, cases per second, latency of the intake, and what a full database costs."""
