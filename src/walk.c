/*-------------------------------------------------------------------------
 *
 * walk.c
 *	  Twin values inside domains, arrays and composites.
 *
 * Arrays and composites are taken apart and built again by PostgreSQL's own
 * functions, without the element's input or output functions: nothing here
 * opens a value or runs a user's code.  Touches twin.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "catalog/pg_type.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "utils/array.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"
#include "utils/typcache.h"

#include "twin.h"
#include "walk.h"

typedef enum WalkKind
{
	WALK_TWIN,
	WALK_ARRAY,
	WALK_COMPOSITE
} WalkKind;

struct CellencWalk
{
	WalkKind	kind;

	/* WALK_TWIN */
	CellencLeaf leaf;

	/* WALK_ARRAY */
	Oid			element_type;
	int16		element_len;
	bool		element_byval;
	char		element_align;
	CellencWalk *element;

	/* WALK_COMPOSITE: one entry a column, NULL for those without a twin */
	int			nfields;
	CellencWalk **fields;
};

/*
 * Plans
 */

/* Remove the domains around type; the innermost type modifier counts. */
static Oid
strip_domains(Oid type, int32 *typmod)
{
	if (get_typtype(type) == TYPTYPE_DOMAIN)
		return getBaseTypeAndTypmod(type, typmod);
	return type;
}

bool
cellenc_walk_contains(Oid type)
{
	int32		typmod = -1;
	Oid			element;
	bool		found = false;

	check_stack_depth();

	type = strip_domains(type, &typmod);
	if (cellenc_twin_is(type))
		return true;

	element = get_element_type(type);
	if (OidIsValid(element))
		return cellenc_walk_contains(element);

	if (get_typtype(type) == TYPTYPE_COMPOSITE)
	{
		TupleDesc	desc = lookup_rowtype_tupdesc(type, -1);

		for (int i = 0; i < desc->natts && !found; i++)
		{
			Form_pg_attribute att = TupleDescAttr(desc, i);

			found = !att->attisdropped && cellenc_walk_contains(att->atttypid);
		}
		ReleaseTupleDesc(desc);
	}
	return found;
}

static CellencWalk *
plan_array(Oid element, int32 typmod)
{
	CellencWalk *inner = cellenc_walk_plan(element, typmod);
	CellencWalk *walk;

	if (!inner)
		return NULL;
	walk = palloc0(sizeof(CellencWalk));
	walk->kind = WALK_ARRAY;
	walk->element_type = element;
	get_typlenbyvalalign(element, &walk->element_len, &walk->element_byval, &walk->element_align);
	walk->element = inner;
	return walk;
}

static CellencWalk *
plan_composite(Oid type)
{
	CellencWalk *walk = palloc0(sizeof(CellencWalk));
	TupleDesc	desc = lookup_rowtype_tupdesc_copy(type, -1);
	bool		found = false;

	walk->kind = WALK_COMPOSITE;
	walk->nfields = desc->natts;
	walk->fields = palloc0(desc->natts * sizeof(CellencWalk *));
	for (int i = 0; i < desc->natts; i++)
	{
		Form_pg_attribute att = TupleDescAttr(desc, i);

		if (att->attisdropped)
			continue;
		walk->fields[i] = cellenc_walk_plan(att->atttypid, att->atttypmod);
		found |= walk->fields[i] != NULL;
	}
	return found ? walk : NULL;
}

CellencWalk *
cellenc_walk_plan(Oid type, int32 typmod)
{
	Oid			element;
	CellencWalk *walk;

	check_stack_depth();

	type = strip_domains(type, &typmod);
	if (cellenc_twin_is(type))
	{
		walk = palloc0(sizeof(CellencWalk));
		walk->kind = WALK_TWIN;
		walk->leaf.twin = type;
		walk->leaf.typmod = typmod;
		return walk;
	}

	element = get_element_type(type);
	if (OidIsValid(element))
		return plan_array(element, typmod);
	if (get_typtype(type) == TYPTYPE_COMPOSITE)
		return plan_composite(type);
	return NULL;
}

Oid
cellenc_walk_twin(const CellencWalk *walk)
{
	return walk->kind == WALK_TWIN ? walk->leaf.twin : InvalidOid;
}

static void
collect_leaves(const CellencWalk *walk, List **leaves)
{
	CellencLeaf *leaf;

	switch (walk->kind)
	{
		case WALK_TWIN:
			leaf = palloc(sizeof(CellencLeaf));
			*leaf = walk->leaf;
			*leaves = lappend(*leaves, leaf);
			break;
		case WALK_ARRAY:
			collect_leaves(walk->element, leaves);
			break;
		case WALK_COMPOSITE:
			for (int i = 0; i < walk->nfields; i++)
			{
				if (walk->fields[i])
					collect_leaves(walk->fields[i], leaves);
			}
			break;
	}
}

List *
cellenc_walk_leaves(const CellencWalk *walk)
{
	List	   *leaves = NIL;

	collect_leaves(walk, &leaves);
	return leaves;
}

/*
 * Values
 */

static Datum
replace_in_array(const CellencWalk *walk, Datum value, CellencReplacer replacer, void *arg)
{
	ArrayType  *array = DatumGetArrayTypeP(value);
	Datum	   *elements;
	bool	   *nulls;
	int			nelements;
	bool		changed = false;

	deconstruct_array(array, walk->element_type, walk->element_len, walk->element_byval,
					  walk->element_align, &elements, &nulls, &nelements);
	for (int i = 0; i < nelements; i++)
	{
		Datum		new;

		if (nulls[i])
			continue;
		new = cellenc_walk_replace(walk->element, elements[i], replacer, arg);
		changed |= new != elements[i];
		elements[i] = new;
	}
	if (!changed)
		return value;
	return PointerGetDatum(construct_md_array(elements, nulls, ARR_NDIM(array), ARR_DIMS(array),
											  ARR_LBOUND(array), walk->element_type,
											  walk->element_len, walk->element_byval,
											  walk->element_align));
}

static Datum
replace_in_composite(const CellencWalk *walk, Datum value, CellencReplacer replacer, void *arg)
{
	HeapTupleHeader header = DatumGetHeapTupleHeader(value);
	TupleDesc	desc = lookup_rowtype_tupdesc(HeapTupleHeaderGetTypeId(header),
											  HeapTupleHeaderGetTypMod(header));
	Datum	   *values = palloc(desc->natts * sizeof(Datum));
	bool	   *nulls = palloc(desc->natts * sizeof(bool));
	HeapTupleData tuple;
	bool		changed = false;
	Datum		result = value;

	tuple.t_len = HeapTupleHeaderGetDatumLength(header);
	ItemPointerSetInvalid(&tuple.t_self);
	tuple.t_tableOid = InvalidOid;
	tuple.t_data = header;
	heap_deform_tuple(&tuple, desc, values, nulls);

	for (int i = 0; i < Min(desc->natts, walk->nfields); i++)
	{
		Datum		new;

		if (nulls[i] || !walk->fields[i])
			continue;
		new = cellenc_walk_replace(walk->fields[i], values[i], replacer, arg);
		changed |= new != values[i];
		values[i] = new;
	}

	if (changed)
	{
		/* the bytes of dropped fields must not be carried along */
		for (int i = 0; i < desc->natts; i++)
			nulls[i] |= TupleDescAttr(desc, i)->attisdropped;
		result = HeapTupleGetDatum(heap_form_tuple(desc, values, nulls));
	}
	ReleaseTupleDesc(desc);
	return result;
}

Datum
cellenc_walk_replace(const CellencWalk *walk, Datum value, CellencReplacer replacer, void *arg)
{
	check_stack_depth();

	switch (walk->kind)
	{
		case WALK_TWIN:
			return replacer(&walk->leaf, value, arg);
		case WALK_ARRAY:
			return replace_in_array(walk, value, replacer, arg);
		case WALK_COMPOSITE:
			return replace_in_composite(walk, value, replacer, arg);
	}
	return value;				/* not reached */
}
