"""XAES-256-GCM from its specifications, for test vectors and independent readers.

AES, CMAC and GCM are spelled out here from FIPS 197, SP 800-38B and SP 800-38D,
so that this takes only Python's standard library, and shares nothing with src/.
It is slow and leaks its keys through timing: not for anything but tests.
"""


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


def xaes_open(key, nonce, sealed, aad):
    """The plaintext of a ciphertext with its tag; ValueError if it was altered."""
    cipher = sealed[:-16]
    plain = xaes_seal(key, nonce, cipher, aad)[:-16]    # counter mode undoes itself
    if len(sealed) < 16 or xaes_seal(key, nonce, plain, aad) != sealed:
        raise ValueError("authentication failed")
    return plain


def check_self():
    """The two vectors of C2SP: this file is right before it says what is."""
    nonce = b"ABCDEFGHIJKLMNOPQRSTUVWX"
    plain = b"XAES-256-GCM"
    assert xaes_seal(b"\1" * 32, nonce, plain, b"").hex() == \
        "ce546ef63c9cc60765923609b33a9a1974e96e52daf2fcf7075e2271"
    assert xaes_seal(b"\3" * 32, nonce, plain, b"c2sp.org/XAES-256-GCM").hex() == \
        "986ec1832593df5443a179437fd083bf3fdb41abd740a21f71eb769d"


check_self()
