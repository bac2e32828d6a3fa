"""What can go wrong with a PDF, in words a caller can act on.

    PdfError
    ├── NotAPdf                 the bytes are no PDF at all
    ├── DamagedPdf              a PDF whose structure cannot be trusted or followed
    │   └── NoPages             the page tree holds no page
    ├── EncryptedPdf            the file asks for a password that was not given
    │   └── PasswordIncorrect   a password was given and does not open the file
    ├── SigningNotPermitted     the author, an earlier signature or the encryption forbids it
    │   └── PersonalSignatureMissing    a seal is asked for before anybody has signed
    ├── FieldUnavailable        the signature field is taken, locked, or not a signature field
    ├── PlacementInvalid        page or box is outside the document, or too small
    │   ├── PlacementTaken      an earlier signature stands where the stamp is wanted
    │   └── AnchorNotFound      the words that the stamp was to stand at are not in the document
    ├── PageUndrawable          a page cannot be drawn or read within the bounds for that
    ├── StampUnreadable         the stamp image or its template cannot be used
    │   ├── TemplateInvalid     an own stamp template breaks a rule for templates
    │   └── GlyphMissing        a letter that the bundled font cannot draw
    ├── StatementInvalid        a commitment or signature policy cannot be stated so
    ├── CertificateUnsuitable   certificate and algorithm do not belong together
    ├── ContainerTooSmall       the signature does not fit the room reserved for it
    ├── PreparedStateInvalid    the stored half of an interrupted signature is not usable
    ├── SignatureRejected       the raw signature does not belong to this document
    ├── TimestampUnavailable    no time-stamp server gave a usable answer
    │   └── TimestampRejected   a server answered with a token that proves nothing here
    ├── NothingToExtend         the document holds no signature that could be kept provable
    ├── SignatureBroken         a signature does not hold, so nothing can prove it later
    ├── EvidenceUnavailable     what a later verifier needs cannot be had at present
    │   └── CertificateUnproven a certificate is not trusted, whatever its servers say
    └── LimitExceeded           reading on would cost more than a hostile file may cost

Names say what happened; the suffix "Error" would repeat what `raise` and `except` already say.
Messages never carry a password, a key or the content of the document.
"""

from typing import ClassVar


class PdfError(Exception):
    """Root of this room's errors; `code` is stable and fit for a machine."""

    code: ClassVar[str] = "pdf_error"

    def diagnostics(self) -> str:
        """Say in one sentence what the caller can do about it."""
        return "Check the file and the options, then try again."


class NotAPdf(PdfError):
    """The bytes are not a PDF file."""

    code = "not_a_pdf"

    def diagnostics(self) -> str:
        """Say what to do."""
        return "Send a PDF file; convert images and office documents to PDF first."


class DamagedPdf(PdfError):
    """The file calls itself a PDF, but its structure is broken or ambiguous."""

    code = "damaged_pdf"

    def diagnostics(self) -> str:
        """Say what to do."""
        return (
            "Export the document again from the program that made it. A damaged file is not "
            "signed, because two readers could show two different texts under one signature."
        )


class NoPages(DamagedPdf):
    """The document has no page, so there is nothing a signature could stand for."""

    code = "no_pages"

    def diagnostics(self) -> str:
        """Say what to do."""
        return "Send a document with at least one page."


class EncryptedPdf(PdfError):
    """The file is encrypted and no password was given."""

    code = "encrypted_pdf"

    def diagnostics(self) -> str:
        """Say what to do."""
        return "Give the password that opens the document."


class PasswordIncorrect(EncryptedPdf):
    """The password does not open the file."""

    code = "password_incorrect"

    def diagnostics(self) -> str:
        """Say what to do."""
        return "Ask the author for the password; upper and lower case matter."


class SigningNotPermitted(PdfError):
    """The document, an earlier signature or the permissions of the password forbid signing."""

    code = "signing_not_permitted"

    def diagnostics(self) -> str:
        """Say what to do."""
        return (
            "Use the owner password, or ask the author or the earlier signer for a document "
            "that still accepts signatures."
        )


class PersonalSignatureMissing(SigningNotPermitted):
    """The seal of an agency is asked for on a document that no person has signed."""

    code = "personal_signature_missing"

    def diagnostics(self) -> str:
        """Say what to do."""
        return (
            "Have the competent person sign first (Decree 30/2020/ND-CP, Art 32). For a copy that "
            "the agency made itself, say so (agency_copy) or use the preset nd30.copy."
        )


class FieldUnavailable(PdfError):
    """The signature field that was asked for cannot take this signature."""

    code = "field_unavailable"

    def diagnostics(self) -> str:
        """Say what to do."""
        return "Name an empty signature field, or leave the field out to get a new one."


class PlacementInvalid(PdfError):
    """The visible signature would lie outside the page, on no page, or be too small."""

    code = "placement_invalid"

    def diagnostics(self) -> str:
        """Say what to do."""
        return (
            "Give a page that exists and a box (left, bottom, right, top in points, measured on "
            "the page as it is seen) inside it and large enough for the stamp."
        )


class PlacementTaken(PlacementInvalid):
    """An earlier signature stands where the stamp is wanted, or the page is full of them."""

    code = "placement_taken"

    def diagnostics(self) -> str:
        """Say what to do."""
        return "Choose another place, or ask for the next free one (if_taken: move)."


class AnchorNotFound(PlacementInvalid):
    """The words that the stamp was to stand at are not on the page; `anchor` repeats them."""

    code = "anchor_not_found"

    def __init__(self, anchor: str) -> None:
        self.anchor = anchor
        super().__init__(f"the words {anchor!r} are not in the text of the document")

    def diagnostics(self) -> str:
        """Say what to do."""
        return (
            "Write the words as they stand in the document; a scanned page has no text to find, "
            "so give a box or a corner there."
        )


class PageUndrawable(PdfError):
    """A page cannot be drawn, or its text not be read, within the bounds of time and memory."""

    code = "page_undrawable"

    def diagnostics(self) -> str:
        """Say what to do."""
        return "Give a box or a corner; signing itself draws no page. Try again if it was busy."


class StampUnreadable(PdfError):
    """The stamp's image or template cannot be used."""

    code = "stamp_unreadable"

    def diagnostics(self) -> str:
        """Say what to do."""
        return "Use a PNG or JPEG image within the limits, and a preset from the list."


class TemplateInvalid(StampUnreadable):
    """An own stamp template breaks a rule; `where` names the entry."""

    code = "template_invalid"

    def __init__(self, where: str, why: str) -> None:
        self.where = where
        super().__init__(f"stamp template, {where}: {why}")

    def diagnostics(self) -> str:
        """Say what to do."""
        return "Correct the entry that is named; the documentation lists them with their limits."


class GlyphMissing(StampUnreadable):
    """The stamp's text holds letters the font cannot draw; `characters` names them."""

    code = "glyph_missing"

    def __init__(self, characters: str) -> None:
        self.characters = characters
        named = ", ".join(f"{c} (U+{ord(c):04X})" for c in characters)
        super().__init__(f"the stamp font has no letter for {named}")

    def diagnostics(self) -> str:
        """Say what to do."""
        return "Write the stamp's text with Latin, Vietnamese, Greek or Cyrillic letters."


class StatementInvalid(PdfError):
    """What is to be stated beside the signature cannot be stated so."""

    code = "statement_invalid"

    def diagnostics(self) -> str:
        """Say what to do."""
        return (
            "Give the policy's identifier and the hash of its text; give a reason in words or a "
            "commitment, not both."
        )


class CertificateUnsuitable(PdfError):
    """The certificate cannot be used with the chosen algorithm, or cannot be read."""

    code = "certificate_unsuitable"

    def diagnostics(self) -> str:
        """Say what to do."""
        return "Give the certificate that was issued for this key, and an algorithm of its kind."


class ContainerTooSmall(PdfError):
    """The finished signature is larger than the room reserved in the document."""

    code = "container_too_small"

    def __init__(self, *, needed: int, reserved: int) -> None:
        self.needed = needed
        self.reserved = reserved
        super().__init__(f"the signature takes {needed} bytes and {reserved} were reserved")

    def diagnostics(self) -> str:
        """Say what to do."""
        return "Prepare the document again with the full certificate chain and time-stamp server."


class PreparedStateInvalid(PdfError):
    """The stored half of an interrupted signature cannot be read or does not fit the file."""

    code = "prepared_state_invalid"

    def diagnostics(self) -> str:
        """Say what to do."""
        return "Start the signature again from the original document."


class SignatureRejected(PdfError):
    """The raw signature is not one of the prepared bytes by the certificate's key."""

    code = "signature_rejected"

    def diagnostics(self) -> str:
        """Say what to do."""
        return (
            "Nothing was signed. Check that the key belongs to the certificate and that the "
            "bytes that were signed are those of this request; then start again."
        )


class TimestampUnavailable(PdfError):
    """No time-stamp server gave a usable answer."""

    code = "timestamp_unavailable"

    def diagnostics(self) -> str:
        """Say what to do."""
        return "Try again later, name another time-stamp server, or sign at level B-B."


class TimestampRejected(TimestampUnavailable):
    """A server answered, but its token does not prove this digest."""

    code = "timestamp_rejected"

    def diagnostics(self) -> str:
        """Say what to do."""
        return "Do not use this time-stamp server until its operator has explained the answer."


class NothingToExtend(PdfError):
    """The document holds no signature."""

    code = "nothing_to_extend"

    def diagnostics(self) -> str:
        """Say what to do."""
        return "Sign the document first; only signatures are made provable for later."


class SignatureBroken(PdfError):
    """A signature in the document does not hold; `field` names it."""

    code = "signature_broken"

    def __init__(self, field: str) -> None:
        self.field = field
        super().__init__(f"the signature in {field or 'an unnamed field'} does not hold")

    def diagnostics(self) -> str:
        """Say what to do."""
        return "Verify the document to see why; a broken signature cannot be mended."


class EvidenceUnavailable(PdfError):
    """The evidence for a certificate cannot be had now; `certificate` names its subject."""

    code = "evidence_unavailable"

    def __init__(self, certificate: str, reason: str) -> None:
        self.certificate = certificate
        self.reason = reason
        super().__init__(f"no evidence for {certificate}: {reason}")

    def diagnostics(self) -> str:
        """Say what to do."""
        return "Try again when the OCSP and CRL servers of the certificate's issuer answer."


class CertificateUnproven(EvidenceUnavailable):
    """A certificate in the document leads to no trusted root, or was not good when used."""

    code = "certificate_unproven"

    def diagnostics(self) -> str:
        """Say what to do."""
        return (
            "Add the root of the certificate to the trusted ones; a certificate that was revoked "
            "or expired when it was used cannot be proven."
        )


class LimitExceeded(PdfError):
    """The file asks for more memory, time or depth than any honest document needs."""

    code = "limit_exceeded"

    def __init__(self, what: str, *, limit: int) -> None:
        self.limit = limit
        super().__init__(f"{what} (limit {limit})")

    def diagnostics(self) -> str:
        """Say what to do."""
        return "Split the document, or remove the part that is too large."
