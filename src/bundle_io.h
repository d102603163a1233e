/*-------------------------------------------------------------------------
 *
 * bundle_io.h
 *	  Bundles of keys as text, and the errors of those that are none.
 *
 *-------------------------------------------------------------------------
 */
#ifndef CELLENC_BUNDLE_IO_H
#define CELLENC_BUNDLE_IO_H

#include "datatype/timestamp.h"
#include "nodes/pg_list.h"

#include "bundle.h"

/* The text of a bundle's bytes. */
extern text *cellenc_bundle_io_text(const uint8 *bytes, size_t size);

/*
 * Open the text of a bundle under whichever master key of this server matches
 * it.  Returns its records as palloc'd CellencBundleRecord; their key bytes
 * are wiped when CurrentMemoryContext is reset.
 *
 * Errors: 22P02 what is no bundle, damaged, cut off or too long; 0A000 another
 * format; 54000 larger than any bundle; 58000 and 28000 no master key; XX001
 * altered.
 */
extern List *cellenc_bundle_io_open(text *bundle, CellencBundleHeader *header);

/* Read all records of opened bytes; ERROR XX001 for what no writer may write. */
extern List *cellenc_bundle_io_records(const CellencBundleHeader *header, const uint8 *records);

/* Times of a bundle and of PostgreSQL. */
extern int64 cellenc_bundle_io_from_time(TimestampTz at);
extern TimestampTz cellenc_bundle_io_to_time(int64 at);

#endif							/* CELLENC_BUNDLE_IO_H */
