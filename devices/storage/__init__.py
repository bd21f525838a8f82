"""What devices keeps in state.db, and state.db itself."""
