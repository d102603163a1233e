/*-------------------------------------------------------------------------
 *
 * opened.h
 *	  Plaintexts of values that are compared many times.
 *
 *-------------------------------------------------------------------------
 */
#ifndef CELLENC_OPENED_H
#define CELLENC_OPENED_H

#include "twin.h"

typedef struct CellencOpened CellencOpened;

/*
 * An empty store of plaintexts of one twin, in a context of its own under
 * parent, with which it goes.  It takes up to limit bytes and a little more.
 */
extern CellencOpened *cellenc_opened_create(const CellencTwin *twin, MemoryContext parent, Size limit);

/*
 * Forget everything if the store is full.  Plaintexts that it gave are not
 * valid any more after that.
 */
extern void cellenc_opened_make_room(CellencOpened *opened);

/*
 * The plaintext of value, opened as cellenc_codec_open_to_compare() does unless
 * it is in the store.  *kept tells whether it is there now; else it is the
 * caller's.
 */
extern Datum cellenc_opened_get(CellencOpened *opened, Datum value, bool *kept);

#endif							/* CELLENC_OPENED_H */
