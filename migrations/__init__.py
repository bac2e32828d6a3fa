"""The history of the tables, one revision a file, run by Alembic.

`db.schema` runs it from Python; on the command line, `alembic -x url=postgresql://… upgrade heads`
works from the repository's root (the configuration is in pyproject.toml). Revisions are named
`NNNN_room_subject`, add first and remove a release later, and can be taken back with rows in.
"""
