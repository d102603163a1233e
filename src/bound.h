/*-------------------------------------------------------------------------
 *
 * bound.h
 *	  Partition bounds: constants, and sealed as such.
 *
 *-------------------------------------------------------------------------
 */
#ifndef CELLENC_BOUND_H
#define CELLENC_BOUND_H

/*
 * The type modifier under which a cast to a twin has to seal: the given one,
 * or -1, for the literal key, while the value of a partition bound is
 * computed.
 */
extern int32 cellenc_bound_typmod(int32 typmod);

/* Only from _PG_init. */
extern void cellenc_bound_init(void);

#endif							/* CELLENC_BOUND_H */
