/*-------------------------------------------------------------------------
 *
 * twin_operators.h
 *	  The operators and operator classes of an encrypted type.
 *
 *-------------------------------------------------------------------------
 */
#ifndef CELLENC_TWIN_OPERATORS_H
#define CELLENC_TWIN_OPERATORS_H

#include "nodes/pg_list.h"

/* What cast and comparison functions cost, in procost: so that plans hash. */
#define CELLENC_FUNCTION_COST 20

/*
 * The statements that make them, as a List of char *, to be run in this order.
 * name is the twin's, quoted and qualified, plain_name without either.  schema is
 * that of the comparisons of two values of the twin; all else is in cellenc.
 */
extern List *cellenc_twin_operators(char *name, const char *plain_name, const char *schema,
									Oid twin, Oid base);

/* The C function of `=`, `<>`, `<`, `<=`, `>=` or `>`; an internal ERROR for others. */
extern const char *cellenc_twin_comparison_symbol(const char *name);

#endif							/* CELLENC_TWIN_OPERATORS_H */
