/*-------------------------------------------------------------------------
 *
 * plan_constant.h
 *	  Constants of composite types, sealed afresh wherever they are used.
 *
 *-------------------------------------------------------------------------
 */
#ifndef CELLENC_PLAN_CONSTANT_H
#define CELLENC_PLAN_CONSTANT_H

#include "nodes/parsenodes.h"

/* Is this node of a query such a constant, or may it become one in planning? */
extern bool cellenc_plan_is_for_columns(Node *node);

/* The query to plan in place of parse, which has some and stays as it is. */
extern Query *cellenc_plan_constants(Query *parse);

/*
 * As above for the default of a column, which may be changed; where it was,
 * *function is what it depends on now.
 */
extern Node *cellenc_plan_constants_of_default(Node *expr, Oid *function);

#endif							/* CELLENC_PLAN_CONSTANT_H */
