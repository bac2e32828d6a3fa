"""`antin certificates`: the registry's commands, and those of certificates issued elsewhere."""

from api.commands import imports
from api.commands.registry import certificates_group

certificates_group.command("import")(imports.import_)

group = certificates_group
"""The whole group, for the command line."""
