/*-------------------------------------------------------------------------
 *
 * plan_compare.h
 *	  Comparisons of opened values become comparisons of encrypted ones.
 *
 *-------------------------------------------------------------------------
 */
#ifndef CELLENC_PLAN_COMPARE_H
#define CELLENC_PLAN_COMPARE_H

#include "nodes/parsenodes.h"

/* What there is in a query; starts as zeroes. */
typedef struct CellencCompares
{
	bool		any;			/* something is opened, or compared as it is */
	bool		sealed;			/* something else than a column or parameter
								 * is opened: it may have been sealed for it */
} CellencCompares;

/* Look at one node of a query. */
extern void cellenc_plan_compare_survey(Node *node, CellencCompares *found);

/*
 * query, changed in place, or a copy, in which conditions can use indexes on
 * encrypted columns; found is what was found in all its nodes.
 */
extern Query *cellenc_plan_compare(Query *query, const CellencCompares *found);

#endif							/* CELLENC_PLAN_COMPARE_H */
