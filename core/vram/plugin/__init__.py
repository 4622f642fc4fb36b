"""Where plugins meet the core: hooks, discovery, and whom to blame."""
