/*-------------------------------------------------------------------------
 *
 * twin_create.h
 *	  What the files that create an encrypted type share.
 *
 *-------------------------------------------------------------------------
 */
#ifndef CELLENC_TWIN_CREATE_H
#define CELLENC_TWIN_CREATE_H

#include "catalog/pg_type.h"
#include "nodes/pg_list.h"
#include "utils/typcache.h"

/* Everything about the twin being made that the statements need. */
typedef struct NewTwin
{
	char	   *name;			/* of the type, quoted and qualified */
	char	   *plain_name;
	Oid			namespace;
	Oid			type;			/* once it is there */
	Oid			base;
	char	   *base_name;		/* quoted and qualified */
	Form_pg_type base_form;
	TypeCacheEntry *cache;

	/* found by cellenc_twin_probe */
	bool		compares_visibly;	/* (twin, twin) comparisons need no schema */
	List	   *visible;		/* VisibleOperator *, others than those */
} NewTwin;

/* Schema, quoted, of operators that are found without naming one. */
extern const char *cellenc_twin_visible_schema(const NewTwin *twin);

/*
 * Find the operators that expressions over the twin resolve to, where those
 * are not the base's own; and make them, but for comparisons of (twin, twin).
 */
extern void cellenc_twin_probe(NewTwin *twin);
extern void cellenc_twin_create_visible(const NewTwin *twin);

/*
 * The btree family in which comparison of rows finds operators that are in no
 * operator class; members is what ALTER OPERATOR FAMILY adds.  There is none
 * where the base has no order.
 */
extern void cellenc_twin_create_row_family(const NewTwin *twin);
extern void cellenc_twin_add_row_members(const NewTwin *twin, const char *members);

/* Operators of its arrays, once it is complete; tag is the one it keeps. */
extern void cellenc_twin_create_array(const NewTwin *twin, const char *tag);

/* Casts to the argument types of operators that mix types. */
extern void cellenc_twin_create_operands(const NewTwin *twin);

#endif							/* CELLENC_TWIN_CREATE_H */
