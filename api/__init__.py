"""Every door of the server: HTTP, pages, job worker, command line, demonstration.

A door says who calls, whether that is allowed, parses, calls one function of a room below and
renders the result. It holds no rule about certificates, documents or keys; those live in the rooms
`signing`, `ca`, `pdf` and `hsm`. Only `settings.py` reads the environment and only `wiring.py`
builds engines, pools and key stores.
"""
