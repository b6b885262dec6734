#!/usr/bin/env python3
"""Known answers for package secrethash, computed with Python's hashlib and hmac (OpenSSL) from the package's description alone.

When to run it: after a change of the described construction, as  python3 vectors.py > vectors.json
"""

import base64
import hashlib
import hmac
import json

HASHES = {"SHA-256": ("sha256", "SHA256", 32), "SHA-384": ("sha384", "SHA384", 48), "SHA-512": ("sha512", "SHA512", 64)}
VERSIONS = {1: ("SHA-256", 600_000, 16), 2: ("SHA-384", 600_000, 24), 3: ("SHA-512", 220_000, 32)}
PEPPERS = {1: b"pepper of version one for the tests", 2: b"pepper of version two for the tests", 3: b"pepper of version three for the tests"}
INPUTS = [b"exactly 16 bytes", b"a secret of exactly thirty-two b", b"a secret of exactly forty-eight bytes for SHA-51"]


def b64(data):
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def mac(digest, key, data):
    return hmac.new(key, data, digest).digest()


def hkdf(digest, secret, salt, info, length):
    """RFC 5869."""
    size = hashlib.new(digest).digest_size
    prk = mac(digest, salt or bytes(size), secret)
    out, block = b"", b""
    counter = 1
    while len(out) < length:
        block = mac(digest, prk, block + info + bytes([counter]))
        out += block
        counter += 1
    return out[:length]


def by_input(data):
    return "SHA-256" if len(data) < 32 else "SHA-384" if len(data) < 48 else "SHA-512"


def text(kind, version, data):
    name, rounds, salt_bytes = VERSIONS[version]
    if kind.startswith("high"):
        name = by_input(data)
    digest, label, size = HASHES[name]
    info = ("cryptoutil " + kind.replace("_", "-", 1).replace("_", " ") + " v%d" % version).encode()
    peppered = mac(digest, PEPPERS[version], data)
    salt = bytes(range(salt_bytes))
    fixed = hkdf("sha512", PEPPERS[version], b"", b"fixed salt: " + info, salt_bytes)
    if kind == "low_entropy_random":
        key = hashlib.pbkdf2_hmac(digest, peppered, info + b"\0" + salt, rounds, size)
        return "{%d}:PBKDF2-HMAC-%s:rounds=%d,salt=%s:%s" % (version, label, rounds, b64(salt), b64(key))
    if kind == "low_entropy_deterministic":
        salt = mac(digest, fixed, data)[:salt_bytes]
        return "{%d}:%s" % (version, b64(hashlib.pbkdf2_hmac(digest, peppered, info + b"\0" + salt, rounds, size)))
    if kind == "high_entropy_random":
        return "{%d}:HKDF-HMAC-%s:salt=%s:%s" % (version, label, b64(salt), b64(hkdf(digest, peppered, salt, info, size)))
    return "{%d}:%s" % (version, b64(hkdf(digest, peppered, fixed, info, size)))


vectors = []
for kind in ["low_entropy_random", "low_entropy_deterministic", "high_entropy_random", "high_entropy_deterministic"]:
    for version in VERSIONS:
        for data in INPUTS if kind.startswith("high") else INPUTS[:1]:
            vectors.append({"kind": kind, "version": version, "input": data.decode(), "text": text(kind, version, data)})
print(json.dumps(vectors, indent=1))
