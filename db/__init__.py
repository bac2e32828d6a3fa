"""The ground floor: one PostgreSQL, its sessions, the audit chain and the job queue.

Everything here is about storing, and nothing about what is stored: tables of a subject belong to
the room of that subject. The only tables owned here are those of the audit log. The room reads no
environment and no settings; URLs, directories and times are parameters.
"""
