/*-------------------------------------------------------------------------
 *
 * codec.h
 *	  Seal, open and reseal one value.
 *
 * A datum of a twin is either sealed bytes (a varlena, perhaps toasted) or a
 * read-only expanded object that holds the plaintext until something needs
 * the bytes; the functions below take both.  Plaintext is handled as a datum
 * of the base type.
 *
 *-------------------------------------------------------------------------
 */
#ifndef CELLENC_CODEC_H
#define CELLENC_CODEC_H

#include "twin.h"

/*
 * A new expanded object around a copy of plaintext `base`, to be sealed under
 * the key that typmod names (-1: the literal key).  Checks `encrypt`.
 */
extern Datum cellenc_codec_make(const CellencTwin *twin, Datum base, int32 typmod);

/*
 * The same as sealed bytes, for what is about to be stored: cheaper than an
 * object that is sealed at once.  typmod is not -1.
 */
extern Datum cellenc_codec_seal(const CellencTwin *twin, Datum base, int32 typmod);

/*
 * The plaintext of value as a datum of the base type, palloc'd.  Checks
 * `decrypt` for GetUserId() on the key that the value is or will be under.
 */
extern Datum cellenc_codec_open(const CellencTwin *twin, Datum value);

/*
 * As cellenc_codec_open, for comparison and hash functions: allowed without
 * `decrypt` while cellenc_codec_allow_compare is on.
 */
extern Datum cellenc_codec_open_to_compare(const CellencTwin *twin, Datum value);

/*
 * Is value a constant, under no column's key?
 */
extern bool cellenc_codec_is_literal(Datum value);

/*
 * The stored term of a value (CELLENC_TERM_LEN bytes), if it has one made with
 * the current search key, else NULL; fetches only the first bytes.  It is in
 * value, or in buf where that is not in line.  The second also checks as
 * cellenc_codec_open_to_compare does; the first checks no privilege.
 */
extern const uint8 *cellenc_codec_stored_term(Datum value, uint8 *buf);
extern const uint8 *cellenc_codec_term_to_compare(Datum value, uint8 *buf);

/*
 * The length coercion: value under the key and search that typmod names, the
 * same datum where it already is, however old its version.
 */
extern Datum cellenc_codec_apply(const CellencTwin *twin, Datum value, int32 typmod);

/*
 * ERROR (XX001, or as of opening) unless the flat value opens; no privilege is
 * checked and nothing is returned.
 */
extern void cellenc_codec_authenticate(const CellencTwin *twin, Datum value);

/*
 * Does the value, which is no object, open?  Throws only for what is no fault
 * of the value: an unknown or unusable version, a master key, the library; and
 * XX001 where bytes out of line are missing.  No privilege is checked.
 */
extern bool cellenc_codec_is_authentic(const CellencTwin *twin, Datum value);

/*
 * Flat sealed bytes of value under the current version of the key it is
 * under, term kept or not as it is: no privilege is checked, so only the
 * rewriter may call it, and what shows the value to nobody.  Errors as of opening and sealing.
 */
extern struct varlena *cellenc_codec_reseal(const CellencTwin *twin, Datum value);

/*
 * A value that is under the key for constants, to be sealed under the key that
 * typmod names.  No privilege is checked: everyone may see constants.
 */
extern Datum cellenc_codec_seal_constant(const CellencTwin *twin, Datum value, int32 typmod);

/*
 * Version id of a value, without opening or detoasting more than its first
 * bytes; 0 for an expanded object that is not sealed yet.  XX001 for bytes
 * that are no sealed value.
 */
extern uint32 cellenc_codec_version_id(Datum value);

/* Typmod of a value whose version id is 0. */
extern int32 cellenc_codec_object_typmod(Datum value);

/*
 * While on, comparison and hash functions of this backend open values without
 * `decrypt`: the rewriter's, around index_insert alone, never around anything
 * that runs a user's function.  Off again at the end of the (sub)transaction.
 */
extern void cellenc_codec_allow_compare(bool on);

/*
 * The same around a command that builds an index over several transactions:
 * command.c's alone, never where the index has an expression or a predicate.
 */
extern void cellenc_codec_compare_in_command(bool on);

/* Values sealed and opened by this backend, for tests. */
typedef struct CellencCodecCounters
{
	uint64		sealed;
	uint64		opened;
} CellencCodecCounters;

extern CellencCodecCounters cellenc_codec_counters;

extern void cellenc_codec_init(void);

#endif							/* CELLENC_CODEC_H */
