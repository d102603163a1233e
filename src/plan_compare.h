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

/*
 * query, or a copy in which conditions can use indexes on encrypted columns.
 */
extern Query *cellenc_plan_compare(Query *query);

#endif							/* CELLENC_PLAN_COMPARE_H */
