/*-------------------------------------------------------------------------
 *
 * twin_array.h
 *	  Operators of whole arrays of encrypted values.
 *
 *-------------------------------------------------------------------------
 */
#ifndef CELLENC_TWIN_ARRAY_H
#define CELLENC_TWIN_ARRAY_H

#include "nodes/nodes.h"

/*
 * The array that an argument type of these operators stands for; InvalidOid
 * for any other type.
 */
extern Oid	cellenc_array_operand_base(Oid type);

/* The array of encrypted values that expr opens for such an argument, or NULL. */
extern Node *cellenc_array_operand_source(Node *expr);

#endif							/* CELLENC_TWIN_ARRAY_H */
