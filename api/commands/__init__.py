"""The commands of `antin`, one file a subject; `api/cli.py` puts them together."""
