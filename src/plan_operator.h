/*-------------------------------------------------------------------------
 *
 * plan_operator.h
 *	  Which operator compares encrypted values as a base's compares opened ones.
 *
 *-------------------------------------------------------------------------
 */
#ifndef CELLENC_PLAN_OPERATOR_H
#define CELLENC_PLAN_OPERATOR_H

#include "access/stratnum.h"

/* An operator of the base, and its operands as they are in the query. */
typedef struct CellencComparisonKey
{
	Oid			opno;
	Oid			left;			/* types; of an operand that is opened, before
								 * that */
	Oid			right;
	bool		left_opened;
	bool		right_opened;
	bool		right_is_array;
	bool		unused;			/* false: the key is hashed as it is */
} CellencComparisonKey;

typedef struct CellencComparison
{
	CellencComparisonKey key;
	uint64		generation;		/* of the catalogs */
	const char *name;			/* NULL: not one that encrypted values have */
	Oid			operator;		/* InvalidOid: not for these types */
	Oid			function;
} CellencComparison;

/* Cached.  At least one operand is opened.  Valid until the next call. */
extern const CellencComparison *cellenc_plan_operator(const CellencComparisonKey *key);

/*
 * The operator of this name over encrypted values and plain ones; InvalidOid
 * where there is none.
 */
extern Oid	cellenc_plan_hidden_operator(const char *name, Oid left, Oid right);

/* The name of the comparison that a strategy of btree stands for. */
extern const char *cellenc_plan_comparison_name(StrategyNumber strategy);

#endif							/* CELLENC_PLAN_OPERATOR_H */
