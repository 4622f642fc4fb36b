"""Reading what a model's files say: from a path, the Hub cache, the Hub, the bundled catalog, or by hand."""
