"""The door on an official's own PC: a USB token behind a local web socket.

The room is empty for now: it will use only pdf and hsm, and has no database and no server code.
"""
