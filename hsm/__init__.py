"""Where keys live: tokens and HSMs over PKCS#11, encrypted key files, keys held by a person.

A key is named by a URI and opened as a ``cryptography`` private key, so callers sign with the same
four lines whatever holds the key. This room speaks PKCS#11 and knows nothing of certificates'
meaning, documents, databases or HTTP; PINs come in as :class:`hsm.secret.Secret` and never go out.
"""
