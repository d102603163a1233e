/*-------------------------------------------------------------------------
 *
 * plan_open.c
 *	  What a query opens, and what it would seal only to open it again.
 *
 * The parser gives literals and parameters the encrypted type where a list has
 * an encrypted column in it, as IN does, and then opens the lot to compare it.
 * Without this, each row would open all of them again.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/transam.h"
#include "nodes/makefuncs.h"
#include "nodes/nodeFuncs.h"
#include "utils/array.h"
#include "utils/lsyscache.h"

#include "codec.h"
#include "compat.h"
#include "keyring.h"
#include "plan_open.h"
#include "twin.h"

static const CellencTwin *
twin_of_type(Oid type)
{
	return type < FirstNormalObjectId ? NULL : cellenc_twin_lookup(type);
}

/* Is this stored value a constant's, which everyone may open? */
static bool
is_literal(Datum value)
{
	uint32		id = cellenc_codec_version_id(value);
	CellencKeyVersion *version = id == 0 ? NULL : cellenc_keyring_version(id);

	return version && version->key->literal;
}

static Node *
unsealed_const(const CellencTwin *twin, Const *con)
{
	if (con->constisnull)
		return (Node *) makeNullConst(twin->base, -1, con->constcollid);
	if (!is_literal(con->constvalue))
		return NULL;
	return (Node *) makeConst(twin->base, -1, con->constcollid, twin->typlen,
							  cellenc_codec_open(twin, con->constvalue), false, twin->typbyval);
}

static Node *
unsealed_array_const(const CellencTwin *twin, Const *con)
{
	Oid			type = get_array_type(twin->base);
	ArrayType  *array;
	Datum	   *values;
	bool	   *nulls;
	int			n;

	if (!OidIsValid(type))
		return NULL;
	if (con->constisnull)
		return (Node *) makeNullConst(type, -1, con->constcollid);

	array = DatumGetArrayTypeP(con->constvalue);
	deconstruct_array(array, twin->type, -1, false, TYPALIGN_INT, &values, &nulls, &n);
	for (int i = 0; i < n; i++)
	{
		if (nulls[i])
			continue;
		if (!is_literal(values[i]))
			return NULL;
		values[i] = cellenc_codec_open(twin, values[i]);
	}
	array = construct_md_array(values, nulls, ARR_NDIM(array), ARR_DIMS(array), ARR_LBOUND(array),
							   twin->base, twin->typlen, twin->typbyval, twin->typalign);
	return (Node *) makeConst(type, -1, con->constcollid, -1, PointerGetDatum(array), false, false);
}

static Node *
unsealed_array_expr(const CellencTwin *twin, ArrayExpr *expr)
{
	ArrayExpr  *result;
	List	   *elements = NIL;
	ListCell   *lc;

	if (expr->multidims || !OidIsValid(get_array_type(twin->base)))
		return NULL;
	foreach(lc, expr->elements)
	{
		Node	   *element = cellenc_plan_unsealed(lfirst(lc));

		if (!element)
			return NULL;
		elements = lappend(elements, element);
	}
	result = copyObject(expr);
	result->array_typeid = get_array_type(twin->base);
	result->element_typeid = twin->base;
	result->elements = elements;
	return (Node *) result;
}

/* What a cast from the base without a key is applied to. */
static Node *
seal_argument(const CellencTwin *twin, Node *expr)
{
	FuncExpr   *func = (FuncExpr *) expr;
	Const	   *typmod;

	if (!IsA(expr, FuncExpr) || func->funcid != twin->seal || !OidIsValid(twin->seal))
		return NULL;
	typmod = lsecond(func->args);
	if (!IsA(typmod, Const) || typmod->constisnull || DatumGetInt32(typmod->constvalue) >= 0)
		return NULL;
	return linitial(func->args);
}

Node *
cellenc_plan_unsealed(Node *expr)
{
	Oid			type = exprType(expr);
	const CellencTwin *twin = twin_of_type(type);

	if (twin)
		return IsA(expr, Const) ? unsealed_const(twin, (Const *) expr) : seal_argument(twin, expr);
	if (type < FirstNormalObjectId)
		return NULL;

	twin = twin_of_type(get_element_type(type));
	if (!twin)
		return NULL;
	if (IsA(expr, Const))
		return unsealed_array_const(twin, (Const *) expr);
	if (IsA(expr, ArrayExpr))
		return unsealed_array_expr(twin, (ArrayExpr *) expr);
	if (IsA(expr, ArrayCoerceExpr))
	{
		Node	   *element = seal_argument(twin, (Node *) ((ArrayCoerceExpr *) expr)->elemexpr);

		if (element && IsA(element, CaseTestExpr))
			return (Node *) ((ArrayCoerceExpr *) expr)->arg;
	}
	return NULL;
}

Node *
cellenc_plan_opened(Node *expr)
{
	FuncExpr   *func = (FuncExpr *) expr;
	const CellencTwin *twin;

	if (IsA(expr, ArrayCoerceExpr))
	{
		ArrayCoerceExpr *coerce = (ArrayCoerceExpr *) expr;
		Node	   *element = cellenc_plan_opened((Node *) coerce->elemexpr);

		return element && IsA(element, CaseTestExpr) ? (Node *) coerce->arg : NULL;
	}
	if (!IsA(expr, FuncExpr) || func->funcid < FirstNormalObjectId || list_length(func->args) != 1)
		return NULL;
	twin = twin_of_type(getBaseType(exprType(linitial(func->args))));
	return twin && func->funcid == twin->open ? linitial(func->args) : NULL;
}

Node *
cellenc_plan_open(Node *expr)
{
	Node	   *sealed = cellenc_plan_opened(expr);
	Node	   *plain = sealed ? cellenc_plan_unsealed(sealed) : NULL;

	return plain ? plain : expr;
}
