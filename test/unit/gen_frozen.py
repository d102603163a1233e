#!/usr/bin/env python3
"""Makes frozen.txt: one of each thing that cellenc stores, from the format alone.

A second implementation, for the C code to agree with: AES, CMAC and GCM are
spelled out here from FIPS 197, SP 800-38B and SP 800-38D, and SHA-256 and HMAC
are Python's.  It shares no line and no library with src/, and takes only the
standard library to run.  "make frozen-check" shows that it still gives
frozen.txt; a difference there means that stored values would no longer open,
so the file is added to, and nothing that stands in it ever changes.

It is slow and leaks its keys through timing: for test vectors only.
"""

import hashlib
import hmac


# --- AES-256 (FIPS 197), encryption of one block ---------------------------

def xtime(a):
    return (a << 1 ^ 0x11B) if a & 0x80 else a << 1


def gf_mul(a, b):
    product = 0
    while b:
        if b & 1:
            product ^= a
        a, b = xtime(a), b >> 1
    return product


def make_sbox():
    box = []
    for value in range(256):
        inverse = next((x for x in range(256) if gf_mul(value, x) == 1), 0)
        out = 0x63
        for shift in range(5):
            out ^= (inverse << shift | inverse >> (8 - shift)) & 0xFF
        box.append(out)
    return box


SBOX = make_sbox()


def expand_key(key):
    words = [key[i:i + 4] for i in range(0, 32, 4)]
    rcon = 1
    for i in range(8, 60):
        word = words[-1]
        if i % 8 == 0:
            word = bytes(SBOX[b] for b in word[1:] + word[:1])
            word = bytes([word[0] ^ rcon]) + word[1:]
            rcon = xtime(rcon)
        elif i % 8 == 4:
            word = bytes(SBOX[b] for b in word)
        words.append(bytes(a ^ b for a, b in zip(words[i - 8], word)))
    return [b"".join(words[i:i + 4]) for i in range(0, 60, 4)]


def xor(a, b):
    return bytes(x ^ y for x, y in zip(a, b))


def aes(round_keys, block):
    state = xor(block, round_keys[0])
    for number in range(1, 15):
        state = [SBOX[b] for b in state]
        state = [state[(i + 4 * (i % 4)) % 16] for i in range(16)]
        if number < 14:
            mixed = []
            for c in range(0, 16, 4):
                col = state[c:c + 4]
                for r in range(4):
                    mixed.append(xtime(col[r]) ^ xtime(col[(r + 1) % 4]) ^ col[(r + 1) % 4]
                                 ^ col[(r + 2) % 4] ^ col[(r + 3) % 4])
            state = mixed
        state = xor(state, round_keys[number])
    return state


# --- CMAC (SP 800-38B), whole single blocks only, which is all XAES needs --

def cmac_block(round_keys, block):
    k1 = int.from_bytes(aes(round_keys, bytes(16)), "big") << 1
    if k1 >> 128:
        k1 = (k1 ^ 0x87) & (1 << 128) - 1
    return aes(round_keys, xor(block, k1.to_bytes(16, "big")))


# --- GCM (SP 800-38D) ------------------------------------------------------

def ghash_mul(x, y):
    z = 0
    for i in range(127, -1, -1):
        if x >> i & 1:
            z ^= y
        y = y >> 1 ^ (0xE1 << 120 if y & 1 else 0)
    return z


def gcm_seal(key, iv, plain, aad):
    round_keys = expand_key(key)
    h = int.from_bytes(aes(round_keys, bytes(16)), "big")
    cipher = b""
    for i in range(0, len(plain), 16):
        counter = iv + (i // 16 + 2).to_bytes(4, "big")
        cipher += xor(plain[i:i + 16], aes(round_keys, counter))

    def padded(data):
        return data + bytes(-len(data) % 16)

    hashed = (padded(aad) + padded(cipher)
              + (8 * len(aad)).to_bytes(8, "big") + (8 * len(cipher)).to_bytes(8, "big"))
    y = 0
    for i in range(0, len(hashed), 16):
        y = ghash_mul(y ^ int.from_bytes(hashed[i:i + 16], "big"), h)
    first = aes(round_keys, iv + b"\0\0\0\1")
    return cipher + xor(y.to_bytes(16, "big"), first)


# --- XAES-256-GCM (c2sp.org/XAES-256-GCM) ----------------------------------

def xaes_seal(key, nonce, plain, aad):
    round_keys = expand_key(key)
    subkey = b"".join(cmac_block(round_keys, bytes([0, i, ord("X"), 0]) + nonce[:12])
                      for i in (1, 2))
    return gcm_seal(subkey, nonce[12:], plain, aad)


def check_self():
    """The two vectors of C2SP: this file is right before it says what is."""
    nonce = b"ABCDEFGHIJKLMNOPQRSTUVWX"
    plain = b"XAES-256-GCM"
    assert xaes_seal(b"\1" * 32, nonce, plain, b"").hex() == \
        "ce546ef63c9cc60765923609b33a9a1974e96e52daf2fcf7075e2271"
    assert xaes_seal(b"\3" * 32, nonce, plain, b"c2sp.org/XAES-256-GCM").hex() == \
        "986ec1832593df5443a179437fd083bf3fdb41abd740a21f71eb769d"


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


check_self()
print("# Frozen vectors of cellenc's format 1, made by gen_frozen.py.")
print("# Add to this file; nothing that stands in it may ever change.")
print("# Bytes are hexadecimal, numbers decimal, names and tags as they are.")
show_values()
show_wraps()
show_rest()
