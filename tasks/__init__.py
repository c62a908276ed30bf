"""The pipeline: one file per stage, named after it."""
