"""History: stored readings as Parquet, written and queried by DuckDB in worker processes."""
