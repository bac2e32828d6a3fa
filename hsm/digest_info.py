"""DigestInfo (RFC 8017 9.2, note 1): a hash with the name of its algorithm, in DER."""

from typing import Final

from hsm.errors import MechanismUnavailable

_PREFIXES: Final = {
    "sha256": bytes.fromhex("3031300d060960864801650304020105000420"),
    "sha384": bytes.fromhex("3041300d060960864801650304020205000430"),
    "sha512": bytes.fromhex("3051300d060960864801650304020305000440"),
}


def digest_info(hash_name: str, digest: bytes) -> bytes:
    """Write the DigestInfo of a hash."""
    prefix = _PREFIXES.get(hash_name)
    if prefix is None or len(digest) != prefix[-1]:
        raise MechanismUnavailable(f"there is no DigestInfo for this {hash_name} hash")
    return prefix + digest
