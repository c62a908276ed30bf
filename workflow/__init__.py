"""The library: what a shipment is, what may happen to it, and who it talks to. It knows no Celery."""
