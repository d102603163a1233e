/*-------------------------------------------------------------------------
 *
 * term.h
 *	  Terms: keyed hashes of values in a canonical form.
 *
 *-------------------------------------------------------------------------
 */
#ifndef CELLENC_TERM_H
#define CELLENC_TERM_H

#include "cipher.h"

/*
 * The class that base type shares with the types it compares with; NULL for a
 * type that has no canonical form, hence no term.
 */
extern const char *cellenc_term_class(Oid base);

/*
 * Term of a plaintext under the keyed MAC of a search key.  Two values that
 * are equal by the `=` of their class have equal terms.  term_class is not
 * NULL; plain is a datum of base.  42704 where mac is NULL.
 */
extern void cellenc_term_compute(CellencMac *mac, Oid base, Datum plain, uint8 *term);

#endif							/* CELLENC_TERM_H */
