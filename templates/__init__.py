"""The documents as pages to read: Jinja, in the order of the XSD. Read by `workflow.nfe.xml` and `workflow.clients`."""
