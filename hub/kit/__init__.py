"""What every slice stands on: settings, database, clock, keys, blobs, problems, logs. Knows nothing of the domain."""
