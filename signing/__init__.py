"""What happens to a document: signing it, verifying it, and the record of both.

Here the certificate (ca), the file (pdf) and the key (hsm) meet; nothing in this room speaks HTTP.
"""
