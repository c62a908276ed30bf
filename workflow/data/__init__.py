"""Dated tables: everything the authorities change. Each file says its source and date in its first lines."""
