"""What ingest keeps on disk: journal, history, snapshots, rules and alerts."""
