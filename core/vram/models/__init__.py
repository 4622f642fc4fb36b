"""Records that cross the borders of modules: frozen, keyword-only."""
