"""One file per counterpart; a method is one request. The only room that knows HTTP and Redis."""
