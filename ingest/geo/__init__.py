"""Where devices are: positions that can be true, and zones."""
