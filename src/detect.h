/*-------------------------------------------------------------------------
 *
 * detect.h
 *	  What a column holds, judged by its name and by single values.
 *
 *-------------------------------------------------------------------------
 */
#ifndef CELLENC_DETECT_H
#define CELLENC_DETECT_H

#include <stdbool.h>
#include <stddef.h>

typedef enum CellencKind
{
	CELLENC_KIND_NONE,
	CELLENC_KIND_EMAIL,
	CELLENC_KIND_PHONE,
	CELLENC_KIND_BANK_ACCOUNT,
	CELLENC_KIND_CARD,
	CELLENC_KIND_NATIONAL_ID,
	CELLENC_KIND_TOKEN,
	CELLENC_KIND_PASSWORD,		/* and what else is proven, not looked up */
	CELLENC_KIND_NETWORK,		/* addresses of devices */
	CELLENC_KIND_NAME,
	CELLENC_KIND_ADDRESS,
	CELLENC_KIND_BIRTH,
	CELLENC_KIND_SALARY,
	CELLENC_KIND_HEALTH,
	CELLENC_KIND_NOTES			/* free text about a person */
} CellencKind;

#define CELLENC_NKINDS (CELLENC_KIND_NOTES + 1)

/* What a column's type can hold, as bits. */
typedef enum CellencForm
{
	CELLENC_FORM_TEXT = 1,
	CELLENC_FORM_NUMBER = 2,
	CELLENC_FORM_TIME = 4,		/* dates too */
	CELLENC_FORM_NETWORK = 8,
	CELLENC_FORM_BYTES = 16,	/* uuid too */
	CELLENC_FORM_DOCUMENT = 32	/* JSON */
} CellencForm;

/* Bytes of a value that are looked at; longer ones may be cut there. */
#define CELLENC_DETECT_MAX 512

/*
 * The kind of a value in an encoding that leaves ASCII to ASCII characters; it
 * is not kept.  Blanks around it do not count.
 */
extern CellencKind cellenc_detect_value(const char *value, size_t len);

/*
 * The kind that a column's name suggests, by words of English, German, French,
 * Spanish, Italian, Portuguese, Polish and Dutch.  Some words count in tables
 * about people only.
 */
extern CellencKind cellenc_detect_name(const char *column, const char *table, CellencForm form);

/* "e-mail addresses" */
extern const char *cellenc_detect_label(CellencKind kind);

/* Are values of this kind what rows are looked up by? */
extern bool cellenc_detect_is_identifier(CellencKind kind);

#endif							/* CELLENC_DETECT_H */
