/*-------------------------------------------------------------------------
 *
 * plan_open.h
 *	  What a query opens, and what it would seal only to open it again.
 *
 *-------------------------------------------------------------------------
 */
#ifndef CELLENC_PLAN_OPEN_H
#define CELLENC_PLAN_OPEN_H

#include "nodes/nodes.h"

/* What expr opens, whole or element by element; NULL if it does something else. */
extern Node *cellenc_plan_opened(Node *expr);

/*
 * The plaintext, of the base type, of an expression that seals it under the
 * literal key: a literal, a cast from the base, or an array of such.  NULL for
 * other expressions.
 */
extern Node *cellenc_plan_unsealed(Node *expr);

/* An opening of such an expression is replaced by it; other nodes are returned. */
extern Node *cellenc_plan_open(Node *expr);

#endif							/* CELLENC_PLAN_OPEN_H */
