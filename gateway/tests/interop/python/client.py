"""An Oblivious HTTP client on pyhpke, cryptography and the standard library, with binary HTTP of its own.

    client.py vectors FILE     reproduces the vectors of RFC 9458, Appendix A, byte for byte
    client.py ask JSON         fetches the keys and asks once; prints what came back as JSON
"""

import hashlib
import hmac
import json
import ssl
import sys
import urllib.error
import urllib.request

from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
from cryptography.hazmat.primitives.ciphers.aead import AESGCM, ChaCha20Poly1305
from pyhpke import AEADId, CipherSuite, KDFId, KEMId, KEMKey, KEMKeyPair

X25519, HKDF_SHA256, AES_128_GCM, CHACHA20_POLY1305 = 0x0020, 0x0001, 0x0001, 0x0003
# RFC 9180 §7.3: key and nonce lengths.
AEADS = {AES_128_GCM: (AESGCM, 16, 12), CHACHA20_POLY1305: (ChaCha20Poly1305, 32, 12)}


# Binary HTTP (RFC 9292), known-length.


def integer(number):
    if number < 1 << 6:
        return number.to_bytes(1, "big")
    if number < 1 << 14:
        return (number | 1 << 14).to_bytes(2, "big")
    return (number | 2 << 30).to_bytes(4, "big")


def prefixed(value):
    return integer(len(value)) + value


def read_integer(data, at):
    length = 1 << (data[at] >> 6)
    number = int.from_bytes(data[at : at + length], "big") & ((1 << (8 * length - 2)) - 1)
    return number, at + length


def read_prefixed(data, at):
    length, at = read_integer(data, at)
    assert at + length <= len(data), "truncated"
    return data[at : at + length], at + length


def write_request(method, authority, path, fields, content):
    control = b"".join(prefixed(part.encode()) for part in (method, "https", authority, path))
    section = b"".join(prefixed(part.encode()) for field in fields for part in field)
    return integer(0) + control + prefixed(section) + prefixed(content) + prefixed(b"")


def read_response(data):
    framing, at = read_integer(data, 0)
    assert framing == 1, "not a known-length response"
    status, at = read_integer(data, at)
    section, at = read_prefixed(data, at)
    content, at = read_prefixed(data, at)
    trailers, at = read_prefixed(data, at)
    assert not trailers and not any(data[at:]), "trailers, or padding other than zeros"
    fields, inside = {}, 0
    while inside < len(section):
        name, inside = read_prefixed(section, inside)
        value, inside = read_prefixed(section, inside)
        fields[name.decode()] = value.decode()
    return {"status": status, "fields": fields, "content": content.decode()}


# Oblivious HTTP (RFC 9458).


def read_configuration(data):
    """Key identifier, KEM, public key if we know its length, and suites."""
    key_id, kem = data[0], int.from_bytes(data[1:3], "big")
    if kem != X25519:
        return key_id, kem, None, []
    public, suites = data[3:35], data[37:]
    assert int.from_bytes(data[35:37], "big") == len(suites)
    pairs = [(int.from_bytes(suites[i : i + 2], "big"), int.from_bytes(suites[i + 2 : i + 4], "big")) for i in range(0, len(suites), 4)]
    return key_id, kem, public, pairs


def read_configurations(data):
    configurations = []
    while data:
        length = int.from_bytes(data[:2], "big")
        assert len(data) >= 2 + length
        configurations.append(read_configuration(data[2 : 2 + length]))
        data = data[2 + length :]
    return configurations


def public_key(data):
    from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PublicKey

    return KEMKey.from_pyca_cryptography_key(X25519PublicKey.from_public_bytes(data))


def encapsulate(key_id, public, aead, request, ephemeral=None):
    header = bytes([key_id]) + b"".join(part.to_bytes(2, "big") for part in (X25519, HKDF_SHA256, aead))
    info = b"message/bhttp request\0" + header
    suite = CipherSuite.new(KEMId.DHKEM_X25519_HKDF_SHA256, KDFId.HKDF_SHA256, AEADId(aead))
    pair = None
    if ephemeral is not None:
        secret = X25519PrivateKey.from_private_bytes(ephemeral)
        pair = KEMKeyPair(KEMKey.from_pyca_cryptography_key(secret), KEMKey.from_pyca_cryptography_key(secret.public_key()))
    enc, context = suite.create_sender_context(public_key(public), info=info, eks=pair)
    return header + enc + context.seal(request), enc, context


def response_key(aead, enc, context, nonce):
    cipher, key_bytes, nonce_bytes = AEADS[aead]
    secret = context.export(b"message/bhttp response", max(key_bytes, nonce_bytes))
    prk = hmac.digest(enc + nonce, secret, hashlib.sha256)
    key = hmac.digest(prk, b"key\1", hashlib.sha256)[:key_bytes]
    return cipher(key), hmac.digest(prk, b"nonce\1", hashlib.sha256)[:nonce_bytes], secret, prk, key


def open_response(aead, enc, context, sealed):
    length = max(AEADS[aead][1:])
    cipher, nonce, *_ = response_key(aead, enc, context, sealed[:length])
    return cipher.decrypt(nonce, sealed[length:], b"")


# What the tests ask for.


def vectors(path):
    with open(path, encoding="utf-8") as file:
        given = {name: bytes.fromhex(value) if name != "source" else value for name, value in json.load(file).items()}
    key_id, _, public, suites = read_configuration(given["key_configuration"])
    assert suites == [(HKDF_SHA256, AES_128_GCM), (HKDF_SHA256, CHACHA20_POLY1305)]
    assert write_request("GET", "example.com", "/", [], b"") == given["request"] + bytes(3)
    capsule, enc, context = encapsulate(key_id, public, AES_128_GCM, given["request"], given["ephemeral_secret_key"])
    assert enc == given["ephemeral_public_key"]
    assert capsule == given["encapsulated_request"]
    cipher, nonce, secret, prk, key = response_key(AES_128_GCM, enc, context, given["response_nonce"])
    assert (secret, prk, key, nonce) == (given["secret"], given["pseudorandom_key"], given["aead_key"], given["aead_nonce"])
    assert given["response_nonce"] + cipher.encrypt(nonce, given["response"], b"") == given["encapsulated_response"]
    assert open_response(AES_128_GCM, enc, context, given["encapsulated_response"]) == given["response"]
    return {"vectors": "reproduced"}


def fetch(asked, request):
    trust = ssl.create_default_context(cafile=asked["ca"])
    # The tests' certificates are bare: without key identifiers.
    trust.verify_flags &= ~getattr(ssl, "VERIFY_X509_STRICT", 0)
    try:
        with urllib.request.urlopen(request, context=trust, timeout=30) as answer:
            return answer.status, answer.headers.get("content-type"), answer.read()
    except urllib.error.HTTPError as error:
        return error.code, error.headers.get("content-type"), error.read()


def ask(asked):
    status, media_type, listed = fetch(asked, urllib.request.Request(asked["keys"], headers={"accept": "application/ohttp-keys"}))
    assert (status, media_type) == (200, "application/ohttp-keys"), (status, media_type)
    configurations = read_configurations(listed)
    key_id, _, public, suites = next(one for one in configurations if one[1] == asked["kem"])
    assert (HKDF_SHA256, asked["aead"]) in suites
    request = write_request("POST", asked["authority"], asked["path"], [("content-type", "text/plain")], asked["content"].encode())
    sent_id = key_id if asked["right_key"] else next(one for one in range(256) if all(one != other[0] for other in configurations))
    capsule, enc, context = encapsulate(sent_id, public, asked["aead"], request)
    posted = urllib.request.Request(asked["resource"], data=capsule, headers={"content-type": "message/ohttp-req"}, method="POST")
    status, media_type, body = fetch(asked, posted)
    result = {"kems": [one[1] for one in configurations], "status": status, "media_type": media_type}
    if media_type == "message/ohttp-res":
        result["inside"] = read_response(open_response(asked["aead"], enc, context, body))
    else:
        result["problem"] = json.loads(body)
    return result


if __name__ == "__main__":
    print(json.dumps(vectors(sys.argv[2]) if sys.argv[1] == "vectors" else ask(json.loads(sys.argv[2]))))
