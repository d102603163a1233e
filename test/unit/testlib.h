/*-------------------------------------------------------------------------
 *
 * testlib.h
 *	  What the unit tests share: TAP output, hexadecimal, frozen.txt.
 *
 * A mistake in a test's input (not a failed test) ends the program with a
 * message and exit code 2.
 *
 *-------------------------------------------------------------------------
 */
#ifndef TESTLIB_H
#define TESTLIB_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "cipher.h"

/* One test: prints "ok N - name" or "not ok N - name", and returns good. */
extern bool ok(bool good, const char *name,...) __attribute__((format(printf, 2, 3)));

/* One test that cannot run here. */
extern void skip(const char *reason, const char *name,...) __attribute__((format(printf, 2, 3)));

/* A line of explanation. */
extern void diag(const char *text,...) __attribute__((format(printf, 1, 2)));

/* Print the plan; returns the exit code of the program. */
extern int	done_testing(void);

/* End the program: the test itself is broken. */
extern void bail_out(const char *text,...) __attribute__((format(printf, 1, 2), noreturn));

/* Bytes of a hexadecimal string, at most max of them; returns how many. */
extern size_t unhex(const char *hex, uint8_t *out, size_t max);

extern bool is_zero(const void *bytes, size_t len);

/* A copy of exactly len bytes, so that a sanitizer sees one byte too many. */
extern uint8_t *exact_copy(const uint8_t *bytes, size_t len);

#define RECORD_FIELDS	16
#define RECORD_LINE		4096

/* One record of frozen.txt: a kind, and "name = value" lines. */
typedef struct Record
{
	char		kind[RECORD_LINE];
	int			nfields;
	char		fields[RECORD_FIELDS][RECORD_LINE];
} Record;

/* The next record; false at the end of the file. */
extern bool read_record(FILE *file, Record *record);

extern const char *record_text(const Record *record, const char *name);
extern size_t record_bytes(const Record *record, const char *name,
						   uint8_t *out, size_t max);
extern uint32_t record_number(const Record *record, const char *name);

#endif							/* TESTLIB_H */
