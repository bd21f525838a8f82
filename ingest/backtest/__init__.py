"""Backtests: what rules would have done with readings that are stored."""
