/*
 * search.c: looks for many strings of bytes in many files.
 *
 *	search PATTERNS PATH...
 *
 * PATTERNS is a file of hexadecimal strings, one a line, each of 4 bytes or
 * more.  For each that is found in a file, or in one below a folder, prints the
 * number of its line, a tab, and the path of the file.  Files that go while
 * it looks are passed over, for a running server removes some.
 */
#include <errno.h>
#include <ftw.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define BUCKETS (1 << 16)
#define START_LEN 4				/* bytes that choose a bucket */
#define CHUNK (1 << 22)

typedef struct Pattern
{
	unsigned char *bytes;
	size_t		len;
	int			line;
	bool		found;			/* in the file we are at */
	struct Pattern *next;
} Pattern;

static Pattern *buckets[BUCKETS];
static Pattern **patterns;
static int	npatterns;
static size_t longest;

static void
fail(const char *what, const char *name)
{
	fprintf(stderr, "search: %s: %s: %s\n", what, name, strerror(errno));
	exit(2);
}

static unsigned int
bucket_of(const unsigned char *bytes)
{
	uint32_t	start;

	memcpy(&start, bytes, START_LEN);
	return (start * 2654435761u) >> 16;
}

static void
read_patterns(const char *name)
{
	FILE	   *file = fopen(name, "r");
	char	   *text = NULL;
	size_t		size = 0;
	ssize_t		len;

	if (!file)
		fail("could not open", name);
	for (int line = 1; (len = getline(&text, &size, file)) > 0; line++)
	{
		Pattern    *pattern = calloc(1, sizeof(Pattern));
		unsigned int byte;

		pattern->line = line;
		pattern->bytes = malloc(len);
		for (char *s = text; sscanf(s, "%2x", &byte) == 1; s += 2)
			pattern->bytes[pattern->len++] = (unsigned char) byte;
		if (pattern->len < START_LEN)
		{
			errno = EINVAL;
			fail("pattern is too short", text);
		}
		if (pattern->len > longest)
			longest = pattern->len;
		pattern->next = buckets[bucket_of(pattern->bytes)];
		buckets[bucket_of(pattern->bytes)] = pattern;
		patterns = realloc(patterns, (npatterns + 1) * sizeof(Pattern *));
		patterns[npatterns++] = pattern;
	}
	free(text);
	fclose(file);
}

static void
search_bytes(const unsigned char *bytes, size_t len)
{
	for (size_t i = 0; i + START_LEN <= len; i++)
	{
		for (Pattern *p = buckets[bucket_of(bytes + i)]; p; p = p->next)
		{
			if (!p->found && p->len <= len - i && memcmp(p->bytes, bytes + i, p->len) == 0)
				p->found = true;
		}
	}
}

static int
search_file(const char *name, const struct stat *status, int type, struct FTW *place)
{
	static unsigned char *buffer = NULL;
	FILE	   *file;
	size_t		kept = 0;
	size_t		got;

	(void) status;
	(void) place;
	if (type != FTW_F)
		return 0;
	file = fopen(name, "rb");
	if (!file)
	{
		if (errno != ENOENT)
			fail("could not open", name);
		return 0;
	}
	if (!buffer)
		buffer = malloc(CHUNK + longest);
	while ((got = fread(buffer + kept, 1, CHUNK, file)) > 0)
	{
		size_t		len = kept + got;

		search_bytes(buffer, len);
		kept = len < longest ? len : longest - 1;
		memmove(buffer, buffer + len - kept, kept);
	}
	fclose(file);

	for (int i = 0; i < npatterns; i++)
	{
		if (patterns[i]->found)
			printf("%d\t%s\n", patterns[i]->line, name);
		patterns[i]->found = false;
	}
	return 0;
}

int
main(int argc, char **argv)
{
	if (argc < 3)
	{
		fprintf(stderr, "usage: search PATTERNS PATH...\n");
		return 2;
	}
	read_patterns(argv[1]);
	for (int i = 2; i < argc; i++)
	{
		if (nftw(argv[i], search_file, 16, FTW_PHYS) != 0 && errno != ENOENT)
			fail("could not search", argv[i]);
	}
	return 0;
}
