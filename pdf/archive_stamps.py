"""Archive time-stamps inside a CMS signature: archive-time-stamp-v3 (ETSI EN 319 122-1 clause 5.5).

Such a time-stamp stands among the unsigned attributes of a signer and covers the signed file, the
signer's fields up to the signature value, and an index of hashes: of every certificate, revocation
list and unsigned attribute value that the container held by then. What comes later is not in the
index and breaks nothing; what is in the index and no longer in the container breaks it.
"""

from dataclasses import dataclass
from itertools import islice

from pdf import cms_check, der, signed_data
from pdf import der_writer as writer
from pdf.cms_check import CmsFacts, Covered
from pdf.der import BadDer, Node
from pdf.limits import DEFAULT_LIMITS, Limits
from pdf.signature_math import HASHES, digest_of, hash_name

# The hashes that every time-stamp server takes; another one of a signer is not used again.
IMPRINTED = frozenset({"sha256", "sha384", "sha512"})
DEFAULT_HASH = "sha256"
# One every few years keeps a signature provable; a container with more has them looked at so far.
MOST_STAMPS = 64
_IDENTIFIERS = {name: identifier for identifier, (name, _) in HASHES.items()}
_CERTIFICATES, _CRLS, _UNSIGNED = 0xA0, 0xA1, 0xA1
_ARCHIVE_TIME_STAMP = writer.oid(signed_data.ARCHIVE_TIME_STAMP)
_HASH_INDEX = writer.oid(signed_data.HASH_INDEX)
_INDEX_PARTS = 4


@dataclass(frozen=True)
class ArchivedSigner:
    """One signer as an archive time-stamp sees it.

    `fields` are the elements from version to signature value as they stand, `values` those of the
    unsigned attributes, each with the object identifier of its type in front.
    """

    fields: bytes
    values: tuple[tuple[bytes, bytes], ...]

    @property
    def joined(self) -> tuple[bytes, ...]:
        """Give what is hashed of each unsigned attribute value."""
        return tuple(kind + value for kind, value in self.values)

    @property
    def stamps(self) -> tuple[bytes, ...]:
        """Give the archive time-stamps."""
        return tuple(value for kind, value in self.values if kind == _ARCHIVE_TIME_STAMP)


@dataclass(frozen=True)
class Archive:
    """The parts of a container that an archive time-stamp covers, as encoded elements."""

    content_type: bytes
    certificates: tuple[bytes, ...]
    crls: tuple[bytes, ...]
    signers: tuple[ArchivedSigner, ...]

    def index(self, signer: ArchivedSigner, name: str) -> bytes:
        """Encode the ATSHashIndexV3 of everything that the container holds for a signer."""

        def hashes(items: tuple[bytes, ...]) -> bytes:
            return writer.sequence(*(writer.octets(digest_of(name, item)) for item in items))

        return writer.sequence(
            writer.sequence(writer.oid(_IDENTIFIERS[name])),
            hashes(self.certificates),
            hashes(self.crls),
            hashes(signer.joined),
        )

    def imprint(self, signer: ArchivedSigner, index: bytes, content: Covered, name: str) -> bytes:
        """Hash what the time-stamp is over, in the order of clause 5.5.3."""
        parts = (self.content_type, content.digest(name), signer.fields, index)
        return digest_of(name, b"".join(parts))


@dataclass(frozen=True)
class ArchiveStamp:
    """An archive time-stamp that was checked, and what it covers beside file and signature.

    `covered` are the positions of the unsigned attribute values, `holds_evidence` says whether
    there were revocation lists or answers among what it covers.
    """

    position: int
    facts: CmsFacts
    covered: frozenset[int]
    holds_evidence: bool


def read_archive(container: bytes) -> Archive:
    """Take a container apart; raises BadDer."""
    fields = der.parse(container).children()[1].children()[0].children()
    content, optional, signers = fields[2], fields[3:-1], fields[-1]
    return Archive(
        content_type=content.children()[0].raw,
        certificates=_members(optional, _CERTIFICATES),
        crls=_members(optional, _CRLS),
        signers=tuple(_signer(node) for node in signers.children()),
    )


def _members(nodes: list[Node], tag: int) -> tuple[bytes, ...]:
    return tuple(child.raw for node in nodes if node.tag == tag for child in node.children())


def _signer(node: Node) -> ArchivedSigner:
    parts = node.children()
    values: list[tuple[bytes, bytes]] = []
    if parts and parts[-1].tag == _UNSIGNED:
        for attribute in parts.pop().children():
            kind, given, *_ = attribute.children()
            values += ((kind.raw, value.raw) for value in given.children())
    return ArchivedSigner(b"".join(part.raw for part in parts), tuple(values))


def with_index(token: bytes, index: bytes) -> bytes:
    """Put the index among the unsigned attributes of the token's only signer; raises BadDer."""
    outer = der.parse(token).children()
    *before, signers = outer[1].children()[0].children()
    *parts, last = signers.children()[0].children()
    present: list[bytes] = []
    if last.tag == _UNSIGNED:
        present = [child.raw for child in last.children()]
    else:
        parts.append(last)
    attribute = writer.sequence(_HASH_INDEX, writer.tlv(writer.SET, index))
    signer = writer.sequence(
        *(part.raw for part in parts), writer.set_of((*present, attribute), tag=_UNSIGNED)
    )
    inner = writer.sequence(*(part.raw for part in before), writer.tlv(writer.SET, signer))
    return writer.sequence(outer[0].raw, writer.tlv(0xA0, inner))


def archive_attribute(token: bytes) -> bytes:
    """Encode the unsigned attribute that holds an archive time-stamp."""
    return writer.sequence(_ARCHIVE_TIME_STAMP, writer.tlv(writer.SET, token))


def archive_stamps(
    archive: Archive, signer: ArchivedSigner, content: Covered, limits: Limits = DEFAULT_LIMITS
) -> list[ArchiveStamp]:
    """Check every archive time-stamp of a signer; one that covers nothing matches no digest."""
    hashes = _Hashes(archive, signer)
    found = (place for place, (kind, _) in enumerate(signer.values) if kind == _ARCHIVE_TIME_STAMP)
    return [_checked(hashes, place, content, limits) for place in islice(found, MOST_STAMPS)]


class _Hashes:
    """What a container holds for a signer, hashed once for each algorithm."""

    def __init__(self, archive: Archive, signer: ArchivedSigner) -> None:
        self.archive = archive
        self.signer = signer
        self._found: dict[str, tuple[frozenset[bytes], frozenset[bytes], list[bytes]]] = {}

    def of(self, name: str) -> tuple[frozenset[bytes], frozenset[bytes], list[bytes]]:
        """Give the hashes of certificates, of revocation data, and of each attribute value."""
        if name not in self._found:
            certificates, crls, values = (
                [digest_of(name, item) for item in items]
                for items in (self.archive.certificates, self.archive.crls, self.signer.joined)
            )
            self._found[name] = frozenset(certificates), frozenset(crls), values
        return self._found[name]


@dataclass(frozen=True)
class _Index:
    """An ATSHashIndexV3 that was read."""

    encoded: bytes
    name: str
    certificates: frozenset[bytes]
    crls: frozenset[bytes]
    values: frozenset[bytes]


def _checked(hashes: _Hashes, position: int, content: Covered, limits: Limits) -> ArchiveStamp:
    archive, signer = hashes.archive, hashes.signer
    token = signer.values[position][1]
    covered: frozenset[int] = frozenset()
    index = None
    try:
        index = _index_of(token, limits)
        covered = _places(hashes, index)
    except (BadDer, ValueError, IndexError):
        index = None
    known = index

    def imprint(name: str) -> bytes:
        if known is None or name != known.name:
            return b""
        return archive.imprint(signer, known.encoded, content, name)

    imprinted = Covered(digest=imprint, everything=bytes)
    facts = cms_check.check_token(token, imprinted=imprinted, limits=limits)
    if known is None:
        facts.note("ARCHIVE_INDEX_WRONG")
    return ArchiveStamp(position, facts, covered, bool(index and index.crls))


def _index_of(token: bytes, limits: Limits) -> _Index:
    """Read the index of a time-stamp; raises BadDer where there is not exactly one."""
    signer = signed_data.parse_signed_data(token, limits=limits).signers[0]
    (encoded,) = signer.unsigned.get(signed_data.HASH_INDEX, [])
    parts = encoded.expect(der.SEQUENCE, "the hash index").children()
    if len(parts) != _INDEX_PARTS:
        raise BadDer("the hash index is of another version")
    name = hash_name(signed_data.algorithm_id(parts[0]))
    if name not in IMPRINTED:
        raise BadDer("the hash index uses another algorithm")
    lists = [frozenset(der.octets(item) for item in part.children()) for part in parts[1:]]
    return _Index(encoded.raw, name, *lists)


def _places(hashes: _Hashes, index: _Index) -> frozenset[int]:
    """Say which attribute values are covered; raises BadDer for a hash of what is not there."""
    certificates, crls, values = hashes.of(index.name)
    if index.certificates - certificates or index.crls - crls or index.values.difference(values):
        raise BadDer("the hash index names what the container does not hold")
    return frozenset(place for place, value in enumerate(values) if value in index.values)
