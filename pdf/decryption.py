"""Open the encryption of a document for reading (ISO 32000-2 clause 7.6).

The arithmetic is pyHanko's (`encrypted_objects`), which is loaded for the first encrypted document:
it takes longer to load than everything else that verification needs.
"""

from pdf.document import Document


def unlock(document: Document, password: str | None) -> None:
    """Make strings and streams of the document readable; the empty password is tried first.

    Raises EncryptedPdf when a password is needed (or the scheme is not known), and
    PasswordIncorrect when the given one does not open the file.
    """
    from pdf import encrypted_objects  # noqa: PLC0415 -- see above

    encrypted_objects.unlock(document, password)
