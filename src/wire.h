/*-------------------------------------------------------------------------
 *
 * wire.h
 *	  Clients see base types: of results and of parameters.
 *
 *-------------------------------------------------------------------------
 */
#ifndef CELLENC_WIRE_H
#define CELLENC_WIRE_H

/* Only from _PG_init. */
extern void cellenc_wire_init(void);

#endif							/* CELLENC_WIRE_H */
