/*-------------------------------------------------------------------------
 *
 * provider.c
 *	  The list of providers, and what they share.
 *
 * Shared are the order of asking, the wording of reasons, and the way from
 * the text of a key file to material: parsing by keyfile.c, and Unicode
 * normalization of passphrases, for which keyfile.c would need PostgreSQL.
 * Touches keyfile, cipher (wiping).
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "common/unicode_norm.h"
#include "mb/pg_wchar.h"
#include "utils/memutils.h"

#include "cipher.h"
#include "provider.h"

#define MIN_PASSPHRASE_CHARS 12

/* What chunks of this size and less a memory context keeps when freed. */
#define MAX_KEPT_CHUNK 8192

const CellencProvider *const cellenc_provider_list[] = {
	&cellenc_provider_file,
	&cellenc_provider_command,
	NULL
};

void
cellenc_provider_clean(char *text)
{
	for (char *p = text; *p != '\0'; p++)
	{
		if ((unsigned char) *p < ' ' || (unsigned char) *p > '~')
			*p = '?';
	}
}

/*
 * The result may be shown by a session of another encoding than that which
 * translated a system's message, hence ASCII.
 */
void
cellenc_provider_reason(CellencProviderWork *work, const char *fmt,...)
{
	va_list		args;

	va_start(args, fmt);
	vsnprintf(work->reason, sizeof(work->reason), fmt, args);
	va_end(args);
	cellenc_provider_clean(work->reason);
}

CellencFetch
cellenc_provider_fetch(const char *name, CellencProviderWork *work,
					   int *index, bool *back_off)
{
	CellencFetch result = CELLENC_FETCH_MISSING;
	char		reasons[CELLENC_REASON_LEN] = "";
	size_t		len = 0;

	*back_off = false;
	for (int i = 0; cellenc_provider_list[i] != NULL; i++)
	{
		const CellencProvider *provider = cellenc_provider_list[i];
		CellencFetch found;

		if (!provider->is_set())
			continue;
		*back_off |= provider->backs_off;
		found = provider->fetch(name, work);
		if (found == CELLENC_FETCH_FOUND)
		{
			*index = i;
			return found;
		}
		if (found == CELLENC_FETCH_FAILED)
			result = found;
		snprintf(reasons + len, sizeof(reasons) - len, "%s%s: %s",
				 len > 0 ? "; " : "", provider->setting, work->reason);
		len = strlen(reasons);
	}

	if (len == 0)
		cellenc_provider_reason(work, "Neither %s nor %s is set",
								cellenc_provider_file.setting,
								cellenc_provider_command.setting);
	else
		cellenc_provider_reason(work, "%s", reasons);
	return result;
}

/*
 * Passphrases that look alike shall be alike: NFKC of len valid characters,
 * zero-terminated, in place of them.  Returns the new number, or -1 if the
 * result has more than max.
 *
 * unicode_normalize leaves copies in memory that it frees itself.  In a
 * context of its own these come back, size class by size class, from the
 * list of free chunks, and are wiped.
 */
static int
normalize_chars(pg_wchar *chars, int max)
{
	MemoryContext cxt;
	MemoryContext oldcxt;
	pg_wchar   *result;
	int			n = 0;

	cxt = AllocSetContextCreate(CurrentMemoryContext, "cellenc passphrase",
								ALLOCSET_DEFAULT_SIZES);
	oldcxt = MemoryContextSwitchTo(cxt);
	result = unicode_normalize(UNICODE_NFKC, chars);
	while (result[n] != 0)
		n++;
	if (n <= max)
		memcpy(chars, result, (n + 1) * sizeof(pg_wchar));

	cellenc_cipher_wipe(result, (n + 1) * sizeof(pg_wchar));
	for (Size size = 8; size <= MAX_KEPT_CHUNK; size *= 2)
		cellenc_cipher_wipe(palloc(size), size);
	MemoryContextSwitchTo(oldcxt);
	MemoryContextDelete(cxt);
	return n <= max ? n : -1;
}

/* Code points of len bytes of valid UTF-8; returns their number. */
static int
decode_chars(const uint8 *bytes, size_t len, pg_wchar *chars, bool *ascii)
{
	int			n = 0;

	*ascii = true;
	for (size_t i = 0; i < len; i += pg_utf_mblen(bytes + i))
	{
		*ascii &= bytes[i] < 0x80;
		chars[n++] = utf8_to_unicode(bytes + i);
	}
	chars[n] = 0;
	return n;
}

/* Set material's bytes to n code points; false if they do not fit. */
static bool
encode_chars(const pg_wchar *chars, int n, CellencMaterial *material)
{
	size_t		len = 0;

	for (int i = 0; i < n; i++)
	{
		unsigned char utf8[MAX_MULTIBYTE_CHAR_LEN];
		size_t		char_len;

		unicode_to_utf8(chars[i], utf8);
		char_len = pg_utf_mblen(utf8);
		if (len + char_len > sizeof(material->bytes))
			return false;
		memcpy(material->bytes + len, utf8, char_len);
		len += char_len;
	}
	material->len = len;
	return true;
}

/* NULL, or why the passphrase in entry cannot be used. */
static const char *
passphrase_material(const CellencKeyfileEntry *entry, CellencMaterial *material)
{
	pg_wchar	chars[CELLENC_KEYFILE_SECRET_LEN + 1];
	bool		ascii;
	const char *reason = NULL;
	int			n;

	n = decode_chars(entry->bytes, entry->len, chars, &ascii);
	if (!ascii)
		n = normalize_chars(chars, CELLENC_KEYFILE_SECRET_LEN);

	if (n < 0 || !encode_chars(chars, n, material))
		reason = "passphrase is too long";
	else if (n < MIN_PASSPHRASE_CHARS)
		reason = "passphrase has fewer than 12 characters";
	cellenc_cipher_wipe(chars, sizeof(chars));
	return reason;
}

/* Make work->material from work->entry. */
static CellencFetch
take_entry(CellencProviderWork *work)
{
	const char *reason;

	work->material.kind = work->entry.kind;
	if (work->entry.kind == CELLENC_KEYFILE_RAW)
	{
		work->material.len = work->entry.len;
		memcpy(work->material.bytes, work->entry.bytes, work->entry.len);
		return CELLENC_FETCH_FOUND;
	}

	reason = passphrase_material(&work->entry, &work->material);
	if (reason == NULL)
		return CELLENC_FETCH_FOUND;
	cellenc_provider_reason(work, "line %d: %s", work->parser.line, reason);
	return CELLENC_FETCH_FAILED;
}

/* Read to the end; stop at nothing but an error or the key that is wanted. */
static CellencFetch
read_to_end(CellencProviderWork *work, size_t len, const char *bare_name,
			const char *name)
{
	CellencKeyfileResult result;
	CellencFetch found = CELLENC_FETCH_MISSING;

	cellenc_keyfile_open(&work->parser, work->text, len, bare_name);
	while ((result = cellenc_keyfile_next(&work->parser, &work->entry)) == CELLENC_KEYFILE_ENTRY)
	{
		if (name != NULL && strcmp(work->entry.name, name) == 0)
			found = take_entry(work);
	}
	if (result == CELLENC_KEYFILE_BAD)
	{
		if (work->parser.line > 0)
			cellenc_provider_reason(work, "line %d: %s",
									work->parser.line, work->parser.reason);
		else
			cellenc_provider_reason(work, "%s", work->parser.reason);
		found = CELLENC_FETCH_FAILED;
	}
	else if (work->parser.nkeys == 0)
	{
		cellenc_provider_reason(work, "contains no key");
		found = CELLENC_FETCH_FAILED;
	}
	cellenc_keyfile_close(&work->parser);
	return found;
}

CellencFetch
cellenc_provider_pick(CellencProviderWork *work, size_t len,
					  const char *bare_name, const char *name)
{
	CellencFetch found = read_to_end(work, len, bare_name, name);

	if (found == CELLENC_FETCH_MISSING)
		cellenc_provider_reason(work, "contains no key of this name");
	return found;
}

CellencFetch
cellenc_provider_visit_all(CellencProviderWork *work, size_t len,
						   const char *bare_name,
						   CellencProviderVisit visit, void *arg)
{
	if (read_to_end(work, len, bare_name, NULL) == CELLENC_FETCH_FAILED)
		return CELLENC_FETCH_FAILED;

	cellenc_keyfile_open(&work->parser, work->text, len, bare_name);
	while (cellenc_keyfile_next(&work->parser, &work->entry) == CELLENC_KEYFILE_ENTRY)
	{
		CellencFetch found = take_entry(work);

		visit(work->entry.name, found, work, arg);
	}
	cellenc_keyfile_close(&work->parser);
	return CELLENC_FETCH_FOUND;
}
