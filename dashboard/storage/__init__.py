"""The dashboard's tables in state.db."""
