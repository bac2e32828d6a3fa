"""The HTTP handlers, one file a subject; each names its permission and its error responses."""
