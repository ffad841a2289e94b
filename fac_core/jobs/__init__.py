"""Long work in a worker process: spec in, journal and Parquet shards out; progress, cancel, resume."""
