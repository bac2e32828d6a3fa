"""Signing and verifying PDF files: the document side of a signature, and nothing else.

The room turns a file into bytes to be signed (`prepare`), puts a raw signature made anywhere back
into it (`embed`), and says what the signatures in a file are worth (`verify`). It never holds a
private key, opens no database and knows no user: keys, clocks, trust and time-stamp servers are
arguments. It is not the place for certificates' life cycle (`ca`) or for the record of who signed
what (`signing`).
"""
