"""The page that `vram web` serves: the library's answers in a browser, from the standard library's HTTP server alone."""
