"""Everything about certificates: registry, issuing, revoking, status, time-stamps, trust and paths.

Not for documents: this room knows nothing of PDF, and nothing of HTTP.
"""
