/*-------------------------------------------------------------------------
 *
 * plan.h
 *	  What is rewritten before a query is planned.
 *
 *-------------------------------------------------------------------------
 */
#ifndef CELLENC_PLAN_H
#define CELLENC_PLAN_H

/* Only from _PG_init. */
extern void cellenc_plan_init(void);

#endif							/* CELLENC_PLAN_H */
