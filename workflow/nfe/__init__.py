"""The document: pure functions from values to values. No clock, network, database or randomness."""
