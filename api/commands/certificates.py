"""`antin certificates`: the registry's commands, many at once, and those issued elsewhere."""

from api.commands import imports, request_tables
from api.commands.publication import certificates_group

certificates_group.command("import")(imports.import_)
certificates_group.command("request-many")(request_tables.request_many)

group = certificates_group
"""The whole group, for the command line."""
