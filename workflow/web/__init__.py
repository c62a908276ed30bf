"""The operator's page: what waits for a person, why, and the buttons that mend it.

Server-rendered pages and plain forms: it works without scripts, offline, by keyboard and on a phone. Starlette serves
it, because the ready-made admin pages (starlette-admin, sqladmin) show tables and write rows: here every order goes
through the engine's own operations, and a page is a shipment's story, not a row. FastAPI would add an API that nobody
asked for.

`pages` is the table of all pages with who may open them; `gate` is the only place that lets anybody in.
"""
