/*-------------------------------------------------------------------------
 *
 * plan_open.h
 *	  Values that a query would seal only to open them again.
 *
 *-------------------------------------------------------------------------
 */
#ifndef CELLENC_PLAN_OPEN_H
#define CELLENC_PLAN_OPEN_H

#include "nodes/nodes.h"

/*
 * The plaintext, of the base type, of an expression that seals it under the
 * literal key: a literal, a cast from the base, or an array of such.  NULL for
 * other expressions.
 */
extern Node *cellenc_plan_unsealed(Node *expr);

/* An opening of such an expression is replaced by it; other nodes are returned. */
extern Node *cellenc_plan_open(Node *expr);

#endif							/* CELLENC_PLAN_OPEN_H */
