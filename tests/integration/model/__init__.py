"""The search for a broken promise: a world that fails, what happens in it, and what must hold all the time."""
