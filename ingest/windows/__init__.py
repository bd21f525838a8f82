"""Event-time windows over series, built from shared panes."""
