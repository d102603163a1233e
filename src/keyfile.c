/*-------------------------------------------------------------------------
 *
 * keyfile.c
 *	  The text in which providers deliver master keys.
 *
 * A reader in two layers: next_char and read_line turn bytes of any accepted
 * encoding into one line of valid UTF-8; parse_line and below know the
 * format.  Every error sets file->reason once and ends the reading.
 *
 * Pure C, built and fuzzed without a server.  The line buffer and the entry
 * hold secrets and are wiped where they die.
 *
 *-------------------------------------------------------------------------
 */
#define _DEFAULT_SOURCE 1		/* explicit_bzero */

#include <string.h>

#include "keyfile.h"

#define BASE64_LEN 44

/* next_char's results that are no code point */
#define CHAR_END	(-1)
#define CHAR_BAD	(-2)

static int
fail(CellencKeyfile *file, const char *reason)
{
	file->reason = reason;
	return CHAR_BAD;
}

bool
cellenc_keyfile_valid_name(const char *name)
{
	size_t		len = 0;

	for (; name[len] != '\0'; len++)
	{
		char		c = name[len];
		bool		letter = (c >= 'a' && c <= 'z') || c == '_';
		bool		other = (c >= '0' && c <= '9') || c == '-';

		if (len >= CELLENC_KEYFILE_NAME_LEN || !(letter || (other && len > 0)))
			return false;
	}
	return len > 0;
}

/* One code point of UTF-8: shortest form only, no surrogates. */
static int32_t
next_utf8(CellencKeyfile *file)
{
	const uint8_t *p = file->data + file->pos;
	size_t		left = file->len - file->pos;
	int			n;
	int32_t		c;
	int32_t		least;

	if (p[0] < 0x80)
	{
		file->pos++;
		return p[0];
	}
	if (p[0] >= 0xC2 && p[0] <= 0xDF)
	{
		n = 2;
		c = p[0] & 0x1F;
		least = 0x80;
	}
	else if (p[0] >= 0xE0 && p[0] <= 0xEF)
	{
		n = 3;
		c = p[0] & 0x0F;
		least = 0x800;
	}
	else if (p[0] >= 0xF0 && p[0] <= 0xF4)
	{
		n = 4;
		c = p[0] & 0x07;
		least = 0x10000;
	}
	else
		return fail(file, "invalid UTF-8");

	if (left < (size_t) n)
		return fail(file, "invalid UTF-8");
	for (int i = 1; i < n; i++)
	{
		if ((p[i] & 0xC0) != 0x80)
			return fail(file, "invalid UTF-8");
		c = (c << 6) | (p[i] & 0x3F);
	}
	if (c < least || c > 0x10FFFF || (c >= 0xD800 && c <= 0xDFFF))
		return fail(file, "invalid UTF-8");
	file->pos += n;
	return c;
}

static int32_t
utf16_unit(const CellencKeyfile *file, size_t pos)
{
	const uint8_t *p = file->data + pos;

	if (file->encoding == CELLENC_KEYFILE_UTF16LE)
		return p[0] | (p[1] << 8);
	return (p[0] << 8) | p[1];
}

/* One code point of UTF-16: surrogates only in pairs. */
static int32_t
next_utf16(CellencKeyfile *file)
{
	size_t		left = file->len - file->pos;
	int32_t		high;
	int32_t		low;

	if (left < 2)
		return fail(file, "invalid UTF-16");
	high = utf16_unit(file, file->pos);
	if (high < 0xD800 || high > 0xDFFF)
	{
		file->pos += 2;
		return high;
	}
	if (high > 0xDBFF || left < 4)
		return fail(file, "invalid UTF-16");
	low = utf16_unit(file, file->pos + 2);
	if (low < 0xDC00 || low > 0xDFFF)
		return fail(file, "invalid UTF-16");
	file->pos += 4;
	return 0x10000 + ((high - 0xD800) << 10) + (low - 0xDC00);
}

/* The next code point, CHAR_END or CHAR_BAD. */
static int32_t
next_char(CellencKeyfile *file)
{
	int32_t		c;

	if (file->pos >= file->len)
		return CHAR_END;
	if (file->encoding == CELLENC_KEYFILE_UTF8)
		c = next_utf8(file);
	else
		c = next_utf16(file);
	if (c == 0)
		return fail(file, "zero byte");
	return c;
}

static bool
append_char(CellencKeyfile *file, int32_t c)
{
	char	   *p = file->text + file->text_len;
	size_t		n = c < 0x80 ? 1 : c < 0x800 ? 2 : c < 0x10000 ? 3 : 4;

	if (file->text_len + n > CELLENC_KEYFILE_MAX_LINE)
	{
		fail(file, "line is too long");
		return false;
	}
	if (n == 1)
		p[0] = (char) c;
	else
	{
		for (size_t i = n - 1; i > 0; i--)
		{
			p[i] = (char) (0x80 | (c & 0x3F));
			c >>= 6;
		}
		p[0] = (char) ((0xF00 >> n) | c);
	}
	file->text_len += n;
	return true;
}

/*
 * Put the next line, without its end, into file->text as UTF-8 with a zero
 * byte after it.  False at the end of the text and on error.
 */
static bool
read_line(CellencKeyfile *file)
{
	int32_t		c;

	explicit_bzero(file->text, sizeof(file->text));
	file->text_len = 0;
	if (file->pos >= file->len)
		return false;

	file->line++;
	while ((c = next_char(file)) >= 0 && c != '\n')
	{
		if (c == '\r')
		{
			c = next_char(file);
			if (c != '\n' && c != CHAR_BAD)
				fail(file, "carriage return without line feed");
			break;
		}
		if (!append_char(file, c))
			break;
	}
	return file->reason == NULL;
}

static bool
is_ascii_blank(char c)
{
	return c == ' ' || c == '\t';
}

/*
 * White space of Unicode, and what shows as nothing at all: at an end of a
 * passphrase nobody can see it, so nobody can type it again.
 */
static bool
is_blank(int32_t c)
{
	return (c >= 0x09 && c <= 0x0D) || c == 0x20 || c == 0x85 || c == 0xA0 ||
		c == 0x1680 || c == 0x180E || (c >= 0x2000 && c <= 0x200B) ||
		c == 0x2028 || c == 0x2029 || c == 0x202F || c == 0x205F ||
		c == 0x2060 || c == 0x3000 || c == 0xFEFF;
}

/* The code point at p, which is valid UTF-8. */
static int32_t
char_at(const char *p)
{
	const uint8_t *u = (const uint8_t *) p;

	if (u[0] < 0x80)
		return u[0];
	if (u[0] < 0xE0)
		return ((u[0] & 0x1F) << 6) | (u[1] & 0x3F);
	if (u[0] < 0xF0)
		return ((u[0] & 0x0F) << 12) | ((u[1] & 0x3F) << 6) | (u[2] & 0x3F);
	return ((u[0] & 0x07) << 18) | ((u[1] & 0x3F) << 12) |
		((u[2] & 0x3F) << 6) | (u[3] & 0x3F);
}

static int
hex_digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	if (c >= 'A' && c <= 'F')
		return c - 'A' + 10;
	return -1;
}

static bool
parse_hex(const char *s, size_t len, CellencKeyfileEntry *entry)
{
	if (len != 2 * CELLENC_KEYFILE_RAW_LEN)
		return false;
	for (size_t i = 0; i < CELLENC_KEYFILE_RAW_LEN; i++)
	{
		int			high = hex_digit(s[2 * i]);
		int			low = hex_digit(s[2 * i + 1]);

		if (high < 0 || low < 0)
			return false;
		entry->bytes[i] = (uint8_t) ((high << 4) | low);
	}
	entry->kind = CELLENC_KEYFILE_RAW;
	entry->len = CELLENC_KEYFILE_RAW_LEN;
	return true;
}

static int
base64_digit(char c)
{
	if (c >= 'A' && c <= 'Z')
		return c - 'A';
	if (c >= 'a' && c <= 'z')
		return c - 'a' + 26;
	if (c >= '0' && c <= '9')
		return c - '0' + 52;
	return c == '+' ? 62 : c == '/' ? 63 : -1;
}

/* 43 digits and one "=": 258 bits, of which the last two must be zero. */
static bool
parse_base64(const char *s, size_t len, CellencKeyfileEntry *entry)
{
	uint32_t	bits = 0;
	int			nbits = 0;
	size_t		n = 0;

	if (len != BASE64_LEN || s[BASE64_LEN - 1] != '=')
		return false;
	for (size_t i = 0; i < BASE64_LEN - 1; i++)
	{
		int			digit = base64_digit(s[i]);

		if (digit < 0)
			return false;
		bits = (bits << 6) | (uint32_t) digit;
		nbits += 6;
		if (nbits >= 8)
		{
			nbits -= 8;
			entry->bytes[n++] = (uint8_t) (bits >> nbits);
			bits &= (1u << nbits) - 1;
		}
	}
	if (bits != 0)
		return false;
	entry->kind = CELLENC_KEYFILE_RAW;
	entry->len = n;
	return true;
}

/* Everything to the end of the line, ends included. */
static const char *
parse_passphrase(const char *s, size_t len, CellencKeyfileEntry *entry)
{
	size_t		last = len;

	if (len == 0)
		return "passphrase is empty";
	do
		last--;
	while (last > 0 && ((uint8_t) s[last] & 0xC0) == 0x80);

	if (is_blank(char_at(s)))
		return "passphrase begins with a blank";
	if (is_blank(char_at(s + last)))
		return "passphrase ends with a blank";
	if (len > CELLENC_KEYFILE_SECRET_LEN)
		return "passphrase is too long";
	memcpy(entry->bytes, s, len);
	entry->kind = CELLENC_KEYFILE_PASSPHRASE;
	entry->len = len;
	return NULL;
}

/* If s starts with prefix, what follows it; else NULL. */
static const char *
after_prefix(const char *s, const char *prefix)
{
	size_t		len = strlen(prefix);

	return strncmp(s, prefix, len) == 0 ? s + len : NULL;
}

/* What stands after "="; end is the end of the line, untrimmed. */
static const char *
parse_value(const char *s, const char *end, CellencKeyfileEntry *entry)
{
	const char *value;

	if ((value = after_prefix(s, "passphrase:")) != NULL)
		return parse_passphrase(value, (size_t) (end - value), entry);

	while (end > s && is_ascii_blank(end[-1]))
		end--;
	if ((value = after_prefix(s, "hex:")) != NULL)
		return parse_hex(value, (size_t) (end - value), entry) ? NULL :
			"\"hex:\" is not followed by exactly 64 hexadecimal digits";
	if ((value = after_prefix(s, "base64:")) != NULL)
		return parse_base64(value, (size_t) (end - value), entry) ? NULL :
			"\"base64:\" is not followed by exactly 44 characters of Base64";
	return "\"=\" is not followed by \"hex:\", \"base64:\" or \"passphrase:\"";
}

/* NULL, or what is wrong with the key on a line whose first "=" is at eq. */
static const char *
parse_named(const char *s, const char *eq, const char *end, CellencKeyfileEntry *entry)
{
	const char *name_end = eq;
	size_t		len;

	while (name_end > s && is_ascii_blank(name_end[-1]))
		name_end--;
	len = (size_t) (name_end - s);
	if (len > CELLENC_KEYFILE_NAME_LEN)
		return "name of the key is too long";
	memcpy(entry->name, s, len);
	if (!cellenc_keyfile_valid_name(entry->name))
		return "name of the key is not of lower-case letters, digits, \"_\" and \"-\", beginning with a letter or \"_\"";

	for (s = eq + 1; s < end && is_ascii_blank(*s); s++)
		;
	return parse_value(s, end, entry);
}

/* Enter entry's name among those read, which are bounded and differ. */
static const char *
remember_name(CellencKeyfile *file, const CellencKeyfileEntry *entry)
{
	for (int i = 0; i < file->nkeys; i++)
	{
		if (strcmp(file->names[i], entry->name) == 0)
			return "name of the key appears a second time";
	}
	if (file->nkeys >= CELLENC_KEYFILE_MAX_KEYS)
		return "too many keys";
	memcpy(file->names[file->nkeys++], entry->name, sizeof(entry->name));
	return NULL;
}

/* NULL, or what is wrong; *found tells whether the line held a key. */
static const char *
parse_line(CellencKeyfile *file, CellencKeyfileEntry *entry, bool *found)
{
	const char *s = file->text;
	const char *end = s + file->text_len;
	const char *trimmed = end;
	const char *eq;
	const char *reason;

	*found = false;
	while (s < end && is_ascii_blank(*s))
		s++;
	if (s == end || *s == '#')
		return NULL;
	*found = true;

	if (file->bare)
		return "a key without a name is not the only one";
	eq = memchr(s, '=', (size_t) (end - s));
	if (eq == NULL)
	{
		while (trimmed > s && is_ascii_blank(trimmed[-1]))
			trimmed--;
		if (!parse_hex(s, (size_t) (trimmed - s), entry))
			return "line is neither \"NAME = hex:...\", \"NAME = base64:...\", \"NAME = passphrase:...\" nor 64 hexadecimal digits alone";
		if (file->nkeys > 0)
			return "a key without a name is not the only one";
		file->bare = true;
		strncpy(entry->name, file->bare_name, CELLENC_KEYFILE_NAME_LEN);
	}
	else if ((reason = parse_named(s, eq, end, entry)) != NULL)
		return reason;
	return remember_name(file, entry);
}

void
cellenc_keyfile_open(CellencKeyfile *file, const void *data, size_t len,
					 const char *bare_name)
{
	const uint8_t *p = data;

	memset(file, 0, sizeof(*file));
	file->data = p;
	file->len = len;
	file->bare_name = bare_name;

	if (len >= 3 && p[0] == 0xEF && p[1] == 0xBB && p[2] == 0xBF)
		file->pos = 3;
	else if (len >= 2 && p[0] == 0xFF && p[1] == 0xFE)
	{
		file->encoding = CELLENC_KEYFILE_UTF16LE;
		file->pos = 2;
	}
	else if (len >= 2 && p[0] == 0xFE && p[1] == 0xFF)
	{
		file->encoding = CELLENC_KEYFILE_UTF16BE;
		file->pos = 2;
	}

	if (len > CELLENC_KEYFILE_MAX_SIZE)
		file->reason = "text is too long";
}

CellencKeyfileResult
cellenc_keyfile_next(CellencKeyfile *file, CellencKeyfileEntry *entry)
{
	bool		found = false;

	explicit_bzero(entry, sizeof(*entry));
	while (file->reason == NULL && !found && read_line(file))
		file->reason = parse_line(file, entry, &found);

	explicit_bzero(file->text, sizeof(file->text));
	if (file->reason != NULL)
	{
		explicit_bzero(entry, sizeof(*entry));
		return CELLENC_KEYFILE_BAD;
	}
	return found ? CELLENC_KEYFILE_ENTRY : CELLENC_KEYFILE_END;
}

void
cellenc_keyfile_close(CellencKeyfile *file)
{
	explicit_bzero(file->text, sizeof(file->text));
	file->text_len = 0;
	file->data = NULL;
	file->len = 0;
	file->pos = 0;
}
