"""Reads requests from standard input, one JSON object per line, and answers each with one: what jwcrypto makes and reads.

For the tests that compare the service with implementations that are not its own. Octets are base64url without padding.
"""

import base64
import json
import sys

from jwcrypto import jwe, jwk, jws


def decode(text):
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


def encode(octets):
    return base64.urlsafe_b64encode(octets).rstrip(b"=").decode()


def key_of(members):
    return jwk.JWK(**members)


def generate(r):
    return json.loads(jwk.JWK.generate(**r["parameters"]).export(private_key=True))


def thumbprint(r):
    return key_of(r["keys"][0]).thumbprint()


def read_set(r):
    """The thumbprints of a set's keys by their names."""
    keys = jwk.JWKSet.from_json(json.dumps(r["set"]))["keys"]
    return {key["kid"]: key.thumbprint() for key in keys}


def sign(r):
    message = jws.JWS(decode(r["payload"]))
    message.allowed_algs = r["algorithms"]
    for members, algorithm in zip(r["keys"], r["algorithms"]):
        protected = {"alg": algorithm, "kid": members["kid"]}
        if r.get("typ"):
            protected["typ"] = r["typ"]
        if r.get("unencoded"):
            protected.update(b64=False, crit=["b64"])
        message.add_signature(key_of(members), None, json.dumps(protected), None)
    if r.get("detached"):
        message.detach_payload()
    return message.serialize(compact=r["form"] == "compact")


def verify(r):
    message = jws.JWS()
    message.allowed_algs = r["algorithms"]
    message.deserialize(r["message"])
    payload = message.objects.get("payload")
    if r.get("payload"):
        payload = message.objects["payload"] = decode(r["payload"])
    for members in r["keys"]:
        message.verify(key_of(members))
    if isinstance(payload, str):
        payload = payload.encode()
    return encode(payload)


def encrypt(r):
    protected = {"enc": r["encryption"]}
    several = len(r["keys"]) > 1
    if not several:
        protected.update(alg=r["algorithms"][0], kid=r["keys"][0]["kid"])
    if r.get("cty"):
        protected["cty"] = r["cty"]
    aad = decode(r["aad"]).decode() if r.get("aad") else None
    message = jwe.JWE(decode(r["payload"]), json.dumps(protected), aad=aad, algs=r["algorithms"] + [r["encryption"]])
    for members, algorithm in zip(r["keys"], r["algorithms"]):
        header = json.dumps({"alg": algorithm, "kid": members["kid"]}) if several else None
        message.add_recipient(key_of(members), header)
    return message.serialize(compact=r["form"] == "compact")


def decrypt(r):
    message = jwe.JWE(algs=r["algorithms"] + [r["encryption"]])
    plaintexts = set()
    for members in r["keys"]:
        message.deserialize(r["message"])
        message.decrypt(key_of(members))
        plaintexts.add(message.payload)
    if len(plaintexts) != 1:
        raise ValueError("the recipients read different things")
    said = message.objects.get("aad")
    if isinstance(said, str):
        said = said.encode()
    if (encode(said) if said else None) != r.get("aad"):
        raise ValueError("other additional data")
    return encode(plaintexts.pop())


OPERATIONS = {f.__name__: f for f in (generate, thumbprint, read_set, sign, verify, encrypt, decrypt)}

for line in sys.stdin:
    answer = {}
    try:
        request = json.loads(line)
        answer["value"] = OPERATIONS[request["operation"]](request)
    except Exception as problem:  # whatever it is, the test says so
        answer["error"] = f"{type(problem).__name__}: {problem}"
    print(json.dumps(answer), flush=True)
