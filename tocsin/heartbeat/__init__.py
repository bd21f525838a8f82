"""So that somebody notices when Tocsin itself is gone."""
