/*-------------------------------------------------------------------------
 *
 * wire.h
 *	  Clients see base types: of results and of parameters.
 *
 *-------------------------------------------------------------------------
 */
#ifndef CELLENC_WIRE_H
#define CELLENC_WIRE_H

/*
 * The type that a client sees instead of an encrypted type, an array of one or
 * a domain over either; InvalidOid where type holds nothing encrypted.
 */
extern Oid	cellenc_wire_type(Oid type);

/* Only from _PG_init. */
extern void cellenc_wire_init(void);

#endif							/* CELLENC_WIRE_H */
