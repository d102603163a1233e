#!/usr/bin/env python3
"""Makes frozen.txt: one of each thing that cellenc stores, from the format alone.

A second implementation, for the C code to agree with: XAES-256-GCM is in
xaes.py, and SHA-256 and HMAC are Python's.  It shares no line and no library
with src/, and takes only the standard library to run.  "make frozen-check" shows that it still gives
frozen.txt; a difference there means that stored values would no longer open,
so the file is added to, and nothing that stands in it ever changes.

It is slow and leaks its keys through timing: for test vectors only.
"""

import hashlib
import hmac

from xaes import xaes_seal


# --- the format of cellenc -------------------------------------------------

def u32(number):
    return number.to_bytes(4, "big")


def lv(data):
    return bytes([len(data)]) + data


def sealed_value(key, version_id, term, nonce, key_uuid, repr_, twin_tag, plain):
    header = bytes([2 if term else 1]) + u32(version_id)
    aad = (b"cellenc\x01" + header + key_uuid + bytes([repr_])
           + lv(twin_tag.encode()) + term)
    return aad, header + term + nonce + xaes_seal(key, nonce, plain, aad)


def wrapped_key(master, nonce, purpose, version_id, uuid, version, master_uuid, key):
    aad = (b"cellenc wrap\x01" + bytes([purpose]) + u32(version_id) + uuid
           + u32(version) + master_uuid)
    return b"\x01" + nonce + xaes_seal(master, nonce, key, aad)


def check_value(key, uuid):
    return hashlib.sha256(b"cellenc check\x01" + key + uuid).digest()[:16]


def term_of(search_key, term_class, canonical):
    message = b"cellenc term\x01" + lv(term_class.encode()) + canonical
    return hmac.new(search_key, message, hashlib.sha256).digest()[:16]


def name_hash(name):
    return int.from_bytes(hashlib.sha256(name.encode()).digest()[:4], "big") >> 3


def u64(number):
    return number.to_bytes(8, "big")


def bundle_record(purpose, uuid, state, created, key, version=None):
    check = check_value(key, uuid)
    record = bytes([purpose]) + uuid + bytes([state]) + check + u64(created)
    if version:
        tags = sorted(tag.encode() for tag in version["tags"])
        record += (u64(version["since"]) + u32(version["number"]) + u32(version["id"])
                   + version["search_key"] + lv(version["name"].encode())
                   + len(tags).to_bytes(2, "big") + b"".join(lv(tag) for tag in tags))
    return record + (key if state != 4 else b"")


def bundle_header(search_keys, versions, records, uuid, name, kdf, salt, rounds, check, created):
    return (b"cellenc keys\x01" + u32(search_keys) + u32(versions) + u32(len(records))
            + uuid + lv(name.encode()) + bytes([kdf]) + salt + u32(rounds) + check + u64(created))


# --- the file --------------------------------------------------------------

def stream(label, length):
    """Bytes that look random and are the same in every run."""
    return hashlib.shake_128(b"cellenc frozen " + label.encode()).digest(length)


def show(kind, fields):
    print("\n%s" % kind)
    for name, value in fields:
        if isinstance(value, bytes):
            value = value.hex()
        elif isinstance(value, int):
            value = "%d" % value
        print(("%s = %s" % (name, value)).rstrip())


def show_values():
    longest_tag = "a_twin_tag_of_fifty_bytes_which_is_the_longest_one"
    for number, (twin_tag, length, repr_, with_term, version_id) in enumerate([
            ("text", 0, 6, False, 0x01020304),
            ("text", 0, 6, True, 0x01020304),
            ("bool", 1, 6, False, 0x00000001),
            ("int4", 4, 0x86, False, 0x80000000),
            ("int8", 8, 6, True, 0xFFFFFFFF),
            ("text", 15, 0, False, 0x7F000001),
            ("text", 16, 6, True, 0x10000001),
            ("numeric", 17, 6, False, 0xCAFEBABE),
            ("t", 20, 0xFF, True, 0x00FF00FF),
            (longest_tag, 33, 6, False, 0x00010000),
            (longest_tag, 64, 6, True, 0x00000100),
            ("jsonb", 300, 6, False, 0xFEEDF00D),
            ("jsonb", 257, 0x88, True, 0x0BADCAFE)]):
        seed = "value %d " % number
        key, nonce = stream(seed + "key", 32), stream(seed + "nonce", 24)
        uuid, plain = stream(seed + "uuid", 16), stream(seed + "plain", length)
        term = stream(seed + "term", 16) if with_term else b""
        aad, value = sealed_value(key, version_id, term, nonce, uuid, repr_, twin_tag, plain)
        show("value", [("key", key), ("key_uuid", uuid), ("version_id", version_id),
                       ("repr", repr_), ("twin_tag", twin_tag), ("term", term),
                       ("nonce", nonce), ("plain", plain), ("aad", aad), ("sealed", value)])


def show_wraps():
    for purpose, version_id, version in [(1, 0xA1B2C3D4, 1), (1, 7, 0xFFFFFFFF),
                                         (2, 0, 3), (3, 0x80000001, 1)]:
        seed = "wrap %d %d " % (purpose, version_id)
        master, nonce = stream(seed + "master", 32), stream(seed + "nonce", 24)
        uuid, master_uuid = stream(seed + "uuid", 16), stream(seed + "master uuid", 16)
        key = stream(seed + "key", 32)
        wrapped = wrapped_key(master, nonce, purpose, version_id, uuid, version,
                              master_uuid, key)
        show("wrap", [("master", master), ("purpose", purpose), ("version_id", version_id),
                      ("uuid", uuid), ("version", version), ("master_uuid", master_uuid),
                      ("key", key), ("wrapped", wrapped)])


def show_rest():
    for seed in ("check 0 ", "check 1 "):
        key, uuid = stream(seed + "key", 32), stream(seed + "uuid", 16)
        show("check", [("key", key), ("uuid", uuid), ("check", check_value(key, uuid))])

    search_key = stream("search key", 32)
    for term_class, canonical in [("text", b""), ("text", b"123-45-6789"),
                                  ("text", "Zo\u00eb \U0001f511".encode()),
                                  ("integer", (42).to_bytes(8, "big")),
                                  ("integer", (-1 & 2**64 - 1).to_bytes(8, "big")),
                                  # the length before the class tells these two apart
                                  ("date", b"x\1"), ("datex", b"\1"),
                                  ("bytea", stream("term canonical", 200))]:
        show("term", [("search_key", search_key), ("class", term_class),
                      ("canonical", canonical),
                      ("term", term_of(search_key, term_class, canonical))])

    for name in ["pii", "a", "_", "key-1", "patient_records", "a" * 63]:
        hashed = name_hash(name)
        show("name", [("name", name), ("hash", hashed), ("typmod_none", hashed << 2),
                      ("typmod_equality", hashed << 2 | 1), ("typmod_order", hashed << 2 | 2)])


def show_record(seed, purpose, uuid, state, created, version=None):
    key = stream(seed + "key", 32)
    record = bundle_record(purpose, uuid, state, created, key, version)
    fields = [("purpose", purpose), ("uuid", uuid), ("state", state),
              ("check", check_value(key, uuid)), ("created", created),
              ("key", key if state != 4 else b"")]
    if version:
        fields += [("since", version["since"]), ("version", version["number"]),
                   ("version_id", version["id"]), ("search_key", version["search_key"]),
                   ("name", version["name"]),
                   ("tags", " ".join(sorted(version["tags"])))]
    show("bundle_record", fields + [("bytes", record)])
    return record


def show_bundles():
    """A key with a version of each state, a second key, a search key; and nothing at all."""
    search_keys = [stream("bundle search key", 16)]
    keys = sorted(stream("bundle key %d" % n, 16) for n in (1, 2))
    start = 1735689600000000        # 2025-01-01
    records = show_record("bundle s ", 2, search_keys[0], 1, start)
    for number, (key, name, version, state, tags) in enumerate([
            (0, "pii", 1, 4, []), (0, "pii", 2, 3, ["text"]),
            (0, "pii", 3, 2, ["text", "int4", "tex", "text2"]), (0, "pii", 4, 1, ["jsonb"]),
            (1, "_" + "k" * 62, 2147483647, 1, ["a_twin_tag_of_fifty_bytes_which_is_the_longest_one"])]):
        records += show_record("bundle %d " % number, 1, keys[key], state, start + 10**6 * number,
                               {"since": start + 10**9 * number, "number": version,
                                "id": 0xFFFFFFFF - number, "search_key": search_keys[0],
                                "name": name, "tags": tags})
    for number, (name, kdf, rounds, counts, content) in enumerate([
            ("default", 0, 0, (1, 5), records), ("m" * 63, 1, 600000, (0, 0), b"")]):
        seed = "bundle header %d " % number
        master, uuid, nonce = (stream(seed + what, n) for what, n in
                               (("master", 32), ("uuid", 16), ("nonce", 24)))
        salt = stream(seed + "salt", 32) if kdf else bytes(32)
        header = bundle_header(counts[0], counts[1], content, uuid, name, kdf, salt, rounds,
                               check_value(master, uuid), start + number)
        show("bundle", [("master", master), ("master_uuid", uuid), ("master_name", name),
                        ("kdf", kdf), ("salt", salt), ("rounds", rounds), ("created", start + number),
                        ("search_keys", counts[0]), ("versions", counts[1]), ("records", content),
                        ("nonce", nonce), ("header", header),
                        ("sealed", header + nonce + xaes_seal(master, nonce, content, header))])


print("# Frozen vectors of cellenc's format 1, made by gen_frozen.py.")
print("# Add to this file; nothing that stands in it may ever change.")
print("# Bytes are hexadecimal, numbers decimal, names and tags as they are.")
show_values()
show_wraps()
show_rest()
show_bundles()
