/*-------------------------------------------------------------------------
 *
 * plan_minmax.h
 *	  MIN and MAX of encrypted columns from an index.
 *
 *-------------------------------------------------------------------------
 */
#ifndef CELLENC_PLAN_MINMAX_H
#define CELLENC_PLAN_MINMAX_H

#include "nodes/parsenodes.h"

/*
 * Change query in place if it asks for nothing but minima and maxima of
 * encrypted columns of one table that has indexes for them.
 */
extern void cellenc_plan_minmax(Query *query);

#endif							/* CELLENC_PLAN_MINMAX_H */
