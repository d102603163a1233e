/*-------------------------------------------------------------------------
 *
 * test_keyfile.c
 *	  The key-file parser: what it reads, and all that it refuses.
 *
 *-------------------------------------------------------------------------
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "keyfile.h"

#define HEX "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f"
#define BASE64 "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8="
#define PHRASE "correct horse battery staple"

/* A string constant with zero bytes in it. */
#define BYTES(s) (s), sizeof(s) - 1

static int	tests = 0;
static int	failures = 0;

static CellencKeyfile file;
static CellencKeyfileEntry entry;

static void
ok(bool good, const char *what)
{
	printf("%s %d - %s\n", good ? "ok" : "not ok", ++tests, what);
	failures += !good;
}

/* Number of keys in a text, or -1; entry is the last one. */
static int
read_all(const char *text, size_t len)
{
	CellencKeyfileEntry next;
	CellencKeyfileResult result;
	void	   *copy = malloc(len > 0 ? len : 1);
	int			n = 0;

	/* exactly as long as the text, so that a sanitizer sees one byte more */
	if (copy == NULL)
		exit(1);
	memcpy(copy, text, len);
	memset(&entry, 0, sizeof(entry));
	cellenc_keyfile_open(&file, copy, len, "default");
	while ((result = cellenc_keyfile_next(&file, &next)) == CELLENC_KEYFILE_ENTRY)
	{
		entry = next;
		n++;
	}
	cellenc_keyfile_close(&file);
	free(copy);
	return result == CELLENC_KEYFILE_END ? n : -1;
}

static bool
is_raw(const char *name)
{
	bool		good;

	good = strcmp(entry.name, name) == 0 &&
		entry.kind == CELLENC_KEYFILE_RAW && entry.len == 32;
	for (int i = 0; i < 32; i++)
		good = good && entry.bytes[i] == i;
	return good;
}

static bool
is_phrase(const char *name, const char *phrase)
{
	return strcmp(entry.name, name) == 0 &&
		entry.kind == CELLENC_KEYFILE_PASSPHRASE &&
		entry.len == strlen(phrase) &&
		memcmp(entry.bytes, phrase, entry.len) == 0;
}

static void
refused(const char *text, size_t len, int line, const char *reason, const char *what)
{
	bool		good = read_all(text, len) == -1;

	if (good && (file.line != line || strstr(file.reason, reason) == NULL))
	{
		printf("# line %d: %s\n", file.line, file.reason);
		good = false;
	}
	ok(good, what);
}

/* UTF-8 to UTF-16 with byte order mark, for text without invalid bytes. */
static size_t
to_utf16(const char *text, bool little, uint8_t *out)
{
	size_t		n = 0;
	uint32_t	units[2] = {0xFEFF, 0};

	for (const uint8_t *p = (const uint8_t *) text;;)
	{
		uint32_t	c;

		for (int i = 0; i < 2 && (i == 0 || units[i] != 0); i++)
		{
			out[n++] = (uint8_t) (little ? units[i] : units[i] >> 8);
			out[n++] = (uint8_t) (little ? units[i] >> 8 : units[i]);
		}
		if (*p == 0)
			return n;
		c = *p++;
		if (c >= 0xF0)
			c &= 0x07;
		else if (c >= 0xE0)
			c &= 0x0F;
		else if (c >= 0xC0)
			c &= 0x1F;
		while ((*p & 0xC0) == 0x80)
			c = (c << 6) | (*p++ & 0x3F);
		units[0] = c < 0x10000 ? c : 0xD800 + ((c - 0x10000) >> 10);
		units[1] = c < 0x10000 ? 0 : 0xDC00 + ((c - 0x10000) & 0x3FF);
	}
}

static void
test_formats(void)
{
	ok(read_all(BYTES(HEX)) == 1 && is_raw("default"), "bare line without end");
	ok(read_all(BYTES(HEX "\n")) == 1 && is_raw("default"), "bare line");
	ok(read_all(BYTES(HEX "\r\n\r\n")) == 1 && is_raw("default"), "bare line, CRLF");
	ok(read_all(BYTES("# c\n\n  " HEX " \n# d\n")) == 1 && is_raw("default"),
	   "bare line among comments and blank lines");
	ok(read_all(BYTES("000102030405060708090A0B0C0D0E0F101112131415161718191A1B1C1D1E1F")) == 1 &&
	   is_raw("default"), "upper-case digits");
	ok(read_all(BYTES("a = hex:" HEX "\n")) == 1 && is_raw("a"), "hex");
	ok(read_all(BYTES("a=hex:" HEX)) == 1 && is_raw("a"), "hex without blanks");
	ok(read_all(BYTES("\t_a-9 \t=\t hex:" HEX " \t\r\n")) == 1 && is_raw("_a-9"), "hex with many blanks");
	ok(read_all(BYTES("a = base64:" BASE64 "\n")) == 1 && is_raw("a"), "base64");
	ok(read_all(BYTES("a = passphrase:" PHRASE "\n")) == 1 && is_phrase("a", PHRASE), "passphrase");
	ok(read_all(BYTES("a = passphrase:x = # y\t\"z\r\n")) == 1 && is_phrase("a", "x = # y\t\"z"),
	   "passphrase to the end of the line");
	ok(read_all(BYTES("a = passphrase:x")) == 1 && is_phrase("a", "x"),
	   "short passphrase (its length is checked after normalization)");
	ok(read_all(BYTES("a = hex:" HEX "\nb = base64:" BASE64 "\n#c\nd = passphrase:" PHRASE)) == 3 &&
	   is_phrase("d", PHRASE), "three keys");
	ok(read_all(BYTES("")) == 0, "empty");
	ok(read_all(BYTES("\n# nothing\n \t\n")) == 0 && file.line == 3, "nothing but comments");
}

static void
test_encodings(void)
{
	/* CJK, Cyrillic, Devanagari, Arabic, an emoji beyond the BMP */
	static const char *const phrase = "\346\255\243\347\242\272\351\246\254 "
	"\320\277\320\260\321\200\320\276\320\273\321\214 "
	"\340\244\225\340\245\201\340\244\202\340\244\234\340\245\200 "
	"\331\205\331\201\330\252\330\247\330\255 \360\237\224\221";
	char		text[1024];
	uint8_t		utf16[2048];
	size_t		len;

	snprintf(text, sizeof(text), "a = passphrase:%s\r\n", phrase);
	ok(read_all(text, strlen(text)) == 1 && is_phrase("a", phrase), "UTF-8");
	snprintf(text, sizeof(text), "\357\273\277a = passphrase:%s", phrase);
	ok(read_all(text, strlen(text)) == 1 && is_phrase("a", phrase), "UTF-8 with BOM");

	snprintf(text, sizeof(text), "# \360\237\224\221\r\na = passphrase:%s\r\n", phrase);
	len = to_utf16(text, true, utf16);
	ok(read_all((char *) utf16, len) == 1 && is_phrase("a", phrase), "UTF-16LE");
	len = to_utf16(text, false, utf16);
	ok(read_all((char *) utf16, len) == 1 && is_phrase("a", phrase), "UTF-16BE");
	refused((char *) utf16, len - 1, 2, "UTF-16", "UTF-16 of odd length");
	refused((char *) utf16, 7, 1, "UTF-16", "UTF-16 of odd length in the first line");
	len = to_utf16(HEX "\r\n", true, utf16);
	ok(read_all((char *) utf16, len) == 1 && is_raw("default"), "UTF-16LE, bare line");

	ok(read_all(BYTES("\357\273\277")) == 0, "UTF-8 BOM alone");
	ok(read_all(BYTES("\377\376")) == 0, "UTF-16LE BOM alone");
	refused(BYTES("a\0=\0"), 1, "zero", "UTF-16LE without BOM");
	refused(BYTES("\0a\0="), 1, "zero", "UTF-16BE without BOM");
	refused(BYTES("\377\376\0\0a\0\0\0"), 1, "zero", "UTF-32LE");
	refused(BYTES("\377\376\000\330a\0"), 1, "UTF-16", "high surrogate alone");
	refused(BYTES("\377\376\000\330"), 1, "UTF-16", "high surrogate at the end");
	refused(BYTES("\377\376\000\334a\0"), 1, "UTF-16", "low surrogate alone");
	refused(BYTES("\376\377\330\000\330\000"), 1, "UTF-16", "two high surrogates");
}

static void
test_invalid_utf8(void)
{
	static const char *const invalid[] = {
		"\200", "\277",			/* continuation alone */
		"\300\200", "\301\277", /* overlong, two bytes */
		"\340\200\200", "\340\237\277", /* overlong, three bytes */
		"\360\200\200\200", "\360\217\277\277", /* overlong, four bytes */
		"\355\240\200", "\355\277\277", /* surrogates */
		"\364\220\200\200", "\365\200\200\200", /* beyond U+10FFFF */
		"\376", "\377", "\303", "\303(", "\342\202", "\342\202a",
		"\360\237\224", "\360\237\224z"
	};
	char		text[100];

	for (size_t i = 0; i < sizeof(invalid) / sizeof(invalid[0]); i++)
	{
		char		what[100];

		snprintf(what, sizeof(what), "invalid UTF-8, number %zu", i);
		snprintf(text, sizeof(text), "#\na = passphrase:abcdefghijkl%s", invalid[i]);
		refused(text, strlen(text), 2, "invalid UTF-8", what);
	}
	refused(BYTES("#\200\n" HEX), 1, "invalid UTF-8", "invalid UTF-8 in a comment");
	refused(BYTES("a = passphrase:abc\0def"), 1, "zero", "zero byte");
	refused(BYTES("a = passphrase:abc\300\200def"), 1, "invalid UTF-8", "zero byte, overlong");
	ok(read_all(BYTES("a = passphrase:\364\217\277\277\357\277\275")) == 1, "U+10FFFF and U+FFFD");
}

static void
test_blanks(void)
{
	static const char *const blanks[] = {
		" ", "\t", "\v", "\f", "\302\205", "\302\240", "\341\232\200",
		"\341\240\216", "\342\200\200", "\342\200\212", "\342\200\213",
		"\342\200\250", "\342\200\251", "\342\200\257", "\342\201\237",
		"\342\201\240", "\343\200\200", "\357\273\277"
	};
	char		text[100];

	for (size_t i = 0; i < sizeof(blanks) / sizeof(blanks[0]); i++)
	{
		snprintf(text, sizeof(text), "a = passphrase:%sabcdefghijkl", blanks[i]);
		refused(text, strlen(text), 1, "begins with a blank", "blank before");
		snprintf(text, sizeof(text), "a = passphrase:abcdefghijkl%s\r\n", blanks[i]);
		refused(text, strlen(text), 1, "ends with a blank", "blank after");
		snprintf(text, sizeof(text), "a = passphrase:abcdef%sghijkl", blanks[i]);
		ok(read_all(text, strlen(text)) == 1, "blank inside");
	}
	refused(BYTES("a = passphrase:\n"), 1, "empty", "empty passphrase");
	refused(BYTES("a = passphrase: "), 1, "blank", "blank passphrase");
}

static void
test_refused(void)
{
	refused(BYTES("A = hex:" HEX), 1, "name", "upper-case name");
	refused(BYTES("9a = hex:" HEX), 1, "name", "name that begins with a digit");
	refused(BYTES("-a = hex:" HEX), 1, "name", "name that begins with a dash");
	refused(BYTES(" = hex:" HEX), 1, "name", "no name");
	refused(BYTES("a b = hex:" HEX), 1, "name", "blank in a name");
	refused(BYTES("a$(id) = hex:" HEX), 1, "name", "shell in a name");
	refused(BYTES("\303\244 = hex:" HEX), 1, "name", "Unicode name");
	refused(BYTES("\302\240a = hex:" HEX), 1, "name", "no-break space before a name");
	refused(BYTES("a = hex:" HEX "\n\na = base64:" BASE64), 3, "second time", "name twice");
	refused(BYTES("default = hex:" HEX "\n" HEX), 2, "not the only", "bare line after a key");
	refused(BYTES(HEX "\n" HEX), 2, "not the only", "two bare lines");
	refused(BYTES(HEX "\na = hex:" HEX), 2, "not the only", "bare line before a key");
	refused(BYTES("a = hex:" HEX "00"), 1, "64", "66 digits");
	refused(BYTES("a = hex:00"), 1, "64", "2 digits");
	refused(BYTES("a = hex:\n"), 1, "64", "no digit");
	refused(BYTES("a = hex: " HEX), 1, "64", "blank before the digits");
	refused(BYTES("a = hex:" HEX " # comment"), 1, "64", "comment after the digits");
	refused(BYTES("a = hex:0x0102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f"),
			1, "64", "0x");
	refused(BYTES("a = base64:AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh9="), 1, "44",
			"base64 with bits left over");
	refused(BYTES("a = base64:AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8"), 1, "44",
			"base64 without padding");
	refused(BYTES("a = base64:AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh-="), 1, "44",
			"base64url");
	refused(BYTES("a = base64:AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHA=="), 1, "44",
			"base64 of 31 bytes");
	refused(BYTES("a = " HEX), 1, "followed by", "no kind");
	refused(BYTES("a = HEX:" HEX), 1, "followed by", "upper-case kind");
	refused(BYTES("a = file:/etc/passwd"), 1, "followed by", "other kind");
	refused(BYTES("a = "), 1, "followed by", "no value");
	refused(BYTES("a"), 1, "neither", "a word");
	refused(BYTES(BASE64), 1, "name", "bare base64");
	refused(BYTES(PHRASE), 1, "neither", "bare passphrase");
	refused(BYTES("000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e"), 1,
			"neither", "bare line of 62 digits");
	refused(BYTES("# a\rb = hex:" HEX), 1, "carriage return", "CR inside a line");
	refused(BYTES(HEX "\r"), 1, "carriage return", "CR at the end");
	refused(BYTES(HEX "\r\r\n"), 1, "carriage return", "two CR");
}

static void
test_bounds(void)
{
	static char text[CELLENC_KEYFILE_MAX_SIZE + 2];
	size_t		len;

	len = (size_t) sprintf(text, "%063d = hex:%s", 0, HEX);
	memset(text, 'a', 63);
	ok(read_all(text, len) == 1, "name of 63 characters");
	len = (size_t) sprintf(text, "%064d = hex:%s", 0, HEX);
	memset(text, 'a', 64);
	refused(text, len, 1, "too long", "name of 64 characters");

	len = (size_t) sprintf(text, "a = passphrase:");
	memset(text + len, 'x', CELLENC_KEYFILE_SECRET_LEN + 1);
	ok(read_all(text, len + CELLENC_KEYFILE_SECRET_LEN) == 1 &&
	   entry.len == CELLENC_KEYFILE_SECRET_LEN, "longest passphrase");
	refused(text, len + CELLENC_KEYFILE_SECRET_LEN + 1, 1, "too long", "longer passphrase");

	memset(text, '#', sizeof(text));
	ok(read_all(text, CELLENC_KEYFILE_MAX_LINE) == 0, "longest line");
	refused(text, CELLENC_KEYFILE_MAX_LINE + 1, 1, "line is too long", "longer line");
	for (size_t i = 99; i < sizeof(text); i += 100)
		text[i] = '\n';
	ok(read_all(text, CELLENC_KEYFILE_MAX_SIZE) == 0, "longest text");
	refused(text, CELLENC_KEYFILE_MAX_SIZE + 1, 0, "text is too long", "longer text");

	len = 0;
	for (int i = 0; i < CELLENC_KEYFILE_MAX_KEYS; i++)
		len += (size_t) sprintf(text + len, "k%d = hex:%s\n", i, HEX);
	ok(read_all(text, len) == CELLENC_KEYFILE_MAX_KEYS, "as many keys as allowed");
	len += (size_t) sprintf(text + len, "one-more = hex:%s\n", HEX);
	refused(text, len, CELLENC_KEYFILE_MAX_KEYS + 1, "too many", "one key more");
}

/* A failed or finished reader stays so and holds no secret. */
static void
test_wiping(void)
{
	static const char text[] = "a = passphrase:" PHRASE "\nb = passphrase:" PHRASE " \n";
	bool		clean = true;

	cellenc_keyfile_open(&file, text, sizeof(text) - 1, "default");
	ok(cellenc_keyfile_next(&file, &entry) == CELLENC_KEYFILE_ENTRY, "first key");
	ok(cellenc_keyfile_next(&file, &entry) == CELLENC_KEYFILE_BAD, "second key is bad");
	ok(cellenc_keyfile_next(&file, &entry) == CELLENC_KEYFILE_BAD && file.line == 2, "and stays bad");
	for (size_t i = 0; i < sizeof(file.text); i++)
		clean = clean && file.text[i] == 0;
	for (size_t i = 0; i < sizeof(entry); i++)
		clean = clean && ((char *) &entry)[i] == 0;
	ok(clean, "nothing of it is left");
	cellenc_keyfile_close(&file);
	ok(file.line == 2 && strcmp(file.reason, "passphrase ends with a blank") == 0,
	   "line and reason survive the closing");

	ok(!cellenc_keyfile_valid_name("") && !cellenc_keyfile_valid_name("a/b") &&
	   !cellenc_keyfile_valid_name("..") && !cellenc_keyfile_valid_name("a\n") &&
	   cellenc_keyfile_valid_name("_") && cellenc_keyfile_valid_name("a-b_9"), "names");
}

int
main(void)
{
	test_formats();
	test_encodings();
	test_invalid_utf8();
	test_blanks();
	test_refused();
	test_bounds();
	test_wiping();
	printf("1..%d\n", tests);
	return failures == 0 ? 0 : 1;
}
