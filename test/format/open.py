#!/usr/bin/env python3
"""Opens bundles of keys and sealed values, from doc/format.md alone.

    open.py BUNDLE KEYS [VALUE:TAG ...]

BUNDLE is a file with a bundle's text.  KEYS is a file with the master key:
"hex:" and 64 digits, or "passphrase:" and a passphrase.  Prints one line for
each key version and search key, without their bytes, then the plaintext of
each VALUE, a sealed text, in hexadecimal; TAG is its twin tag, and with
"TAG/N", N is its repr (6, UTF-8 on a little-endian machine, if not given).

A second implementation, to hold the first one against, and the proof that
keys and values are not lost with PostgreSQL.  Only Python's standard library
is needed.
"""

import base64
import hashlib
import os
import re
import sys
import unicodedata

sys.path.insert(1, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "unit"))
from xaes import xaes_open  # noqa: E402

NAME = re.compile(r"[a-z_][a-z0-9_-]{0,62}\Z")
STATES = {1: "current", 2: "decrypt_only", 3: "disabled", 4: "destroyed"}
TIME_MAX = 253402300799999999
MAX_RECORDS = 16 * 1024 * 1024


class Refused(Exception):
    pass


def require(condition, what):
    if not condition:
        raise Refused(what)


class Bytes:
    """A run of fields."""

    def __init__(self, data):
        self.data, self.pos = data, 0

    def take(self, length):
        require(self.pos + length <= len(self.data), "too short")
        self.pos += length
        return self.data[self.pos - length:self.pos]

    def number(self, length):
        return int.from_bytes(self.take(length), "big")

    def time(self):
        at = int.from_bytes(self.take(8), "big", signed=True)
        require(0 <= at <= TIME_MAX, "time")
        return at

    def name(self):
        name = self.take(self.number(1)).decode("ascii")
        require(NAME.match(name), "name")
        return name


def from_text(text, prefix):
    require(text.startswith(prefix), "does not begin with " + prefix)
    data = base64.b64decode(text[len(prefix):], validate=True)
    require(base64.b64encode(data).decode() == text[len(prefix):], "not the one base64 form")
    return data


def check_value(key, uuid):
    return hashlib.sha256(b"cellenc check\x01" + key + uuid).digest()[:16]


def master_key(text, kdf, salt, rounds):
    kind, _, secret = text.rstrip("\r\n").partition(":")
    if kdf == 0:
        require(kind == "hex", "master key is not a passphrase")
        return bytes.fromhex(secret)
    require(kind == "passphrase" and 600000 <= rounds <= 20000000, "passphrase or rounds")
    secret = unicodedata.normalize("NFKC", secret).encode("utf-8")
    return hashlib.pbkdf2_hmac("sha256", secret, salt, rounds)


def read_header(data):
    field = Bytes(data)
    require(field.take(13) == b"cellenc keys\x01", "not a bundle")
    header = {"search_keys": field.number(4), "versions": field.number(4), "length": field.number(4),
              "uuid": field.take(16), "name": field.name(), "kdf": field.number(1),
              "salt": field.take(32), "rounds": field.number(4), "check": field.take(16),
              "created": field.time()}
    require(header["kdf"] <= 1 and header["length"] <= MAX_RECORDS, "header")
    derived = header["kdf"] == 1
    require(derived == (header["rounds"] != 0) and derived == (header["salt"] != bytes(32)), "KDF")
    header["size"] = field.pos
    require(len(data) == field.pos + 24 + header["length"] + 16, "length")
    return header


def read_record(field, kind):
    require(field.number(1) == kind, "kind of record")
    record = {"uuid": field.take(16), "state": field.number(1), "check": field.take(16),
              "created": field.time(), "version": 0, "id": 0, "name": "", "tags": []}
    require(record["state"] in ((1, 2, 3, 4) if kind == 1 else (1, 2)), "state")
    if kind == 1:
        record["since"] = field.time()
        record["version"] = field.number(4)
        record["id"] = field.number(4)
        record["search_key"] = field.take(16)
        record["name"] = field.name()
        require(1 <= record["version"] < 2**31 and record["id"] != 0, "version")
        for _ in range(field.number(2)):
            tag = field.take(field.number(1))
            require(1 <= len(tag) <= 50 and (not record["tags"] or record["tags"][-1] < tag), "tags")
            record["tags"].append(tag)
    if record["state"] != 4:
        record["key"] = field.take(32)
        require(check_value(record["key"], record["uuid"]) == record["check"], "check value")
    return record


def read_records(header, data):
    field = Bytes(data)
    search_keys = [read_record(field, 2) for _ in range(header["search_keys"])]
    versions = [read_record(field, 1) for _ in range(header["versions"])]
    require(field.pos == len(data), "bytes after the records")
    for group in search_keys, versions:
        order = [(record["uuid"], record["version"]) for record in group]
        require(order == sorted(set(order)), "order of records")
    current = [record["uuid"] for record in versions if record["state"] == 1]
    require(len(current) == len(set(current)), "two current versions")
    require(sum(record["state"] == 1 for record in search_keys) <= 1, "two current search keys")
    require(len({(r["uuid"], r["name"]) for r in versions}) == len({r["uuid"] for r in versions}), "names")
    return search_keys, versions


def open_bundle(text, secret):
    data = from_text(text, "cellenc-keys:1:")
    header = read_header(data)
    master = master_key(secret, header["kdf"], header["salt"], header["rounds"])
    require(check_value(master, header["uuid"]) == header["check"], "wrong master key")
    size = header["size"]
    return read_records(header, xaes_open(master, data[size:size + 24], data[size + 24:], data[:size]))


def open_value(text, versions, tag, repr_):
    field = Bytes(from_text(text, "cellenc:1:"))
    start = field.take(5)
    version_id = int.from_bytes(start[1:], "big")
    require(start[0] in (1, 2) and version_id != 0, "format")
    term = field.take(16) if start[0] == 2 else b""
    nonce = field.take(24)
    record = next((r for r in versions if r["id"] == version_id), None)
    require(record and "key" in record, "no key for this value")
    tag = tag.encode("utf-8")
    aad = (b"cellenc\x01" + start + record["uuid"] + bytes([repr_, len(tag)]) + tag + term)
    return xaes_open(record["key"], nonce, field.data[field.pos:], aad)


def main(arguments):
    with open(arguments[0], encoding="ascii") as file:
        text = file.read().rstrip("\n")
    with open(arguments[1], encoding="utf-8") as file:
        secret = file.read()
    search_keys, versions = open_bundle(text, secret)
    for record in search_keys:
        print("search key %s" % STATES[record["state"]])
    for record in sorted(versions, key=lambda r: (r["name"], r["version"])):
        print("%s %d %s %s" % (record["name"], record["version"], STATES[record["state"]],
                               ",".join(tag.decode() for tag in record["tags"])))
    for argument in arguments[2:]:
        value, _, tag = argument.rpartition(":")
        tag, _, repr_ = tag.partition("/")
        print(open_value(value, versions, tag, int(repr_ or 6)).hex())


if __name__ == "__main__":
    try:
        main(sys.argv[1:])
    except (Refused, ValueError) as error:
        sys.exit("refused: %s" % error)
