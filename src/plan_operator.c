/*-------------------------------------------------------------------------
 *
 * plan_operator.c
 *	  Which operator compares encrypted values as a base's compares opened ones.
 *
 * Found by name, in schema cellenc.  Each statement asks, so the answers are
 * kept until a type, function, cast or member of an operator family changes.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/transam.h"
#include "catalog/namespace.h"
#include "nodes/value.h"
#include "utils/hsearch.h"
#include "utils/lsyscache.h"
#include "utils/typcache.h"

#include "compat.h"
#include "plan_operator.h"
#include "twin.h"

static HTAB *comparisons = NULL;

const char *
cellenc_plan_comparison_name(StrategyNumber strategy)
{
	static const char *const names[] = {
		[BTLessStrategyNumber] = "<",
		[BTLessEqualStrategyNumber] = "<=",
		[BTEqualStrategyNumber] = "=",
		[BTGreaterEqualStrategyNumber] = ">=",
		[BTGreaterStrategyNumber] = ">",
	};

	return names[strategy];
}

Oid
cellenc_plan_hidden_operator(const char *name, Oid left, Oid right)
{
	return OpernameGetOprid(list_make2(makeString("cellenc"), makeString(pstrdup(name))), left, right);
}

/*
 * What kind of comparison a base's operator is: the name of the encrypted
 * type's own, or NULL if it is none, or not in the order of the base's default
 * operator class.
 */
static const char *
name_of(const CellencTwin *twin, Oid opno)
{
	TypeCacheEntry *cache = lookup_type_cache(twin->base, TYPECACHE_EQ_OPR | TYPECACHE_BTREE_OPFAMILY);
	Oid			negator;
	int			strategy;

	if (OidIsValid(cache->btree_opf))
	{
		strategy = get_op_opfamily_strategy(opno, cache->btree_opf);
		if (strategy != 0)
			return cellenc_plan_comparison_name(strategy);
		negator = get_negator(opno);
		if (OidIsValid(negator) &&
			get_op_opfamily_strategy(negator, cache->btree_opf) == BTEqualStrategyNumber)
			return "<>";
		return NULL;
	}
	if (opno == cache->eq_opr)
		return "=";
	if (OidIsValid(cache->eq_opr) && opno == get_negator(cache->eq_opr))
		return "<>";
	return NULL;
}

/* The type that the encrypted operator takes of an operand of this type. */
static Oid
operand_type(Oid type, bool opened, Oid declared)
{
	if (opened)
		return getBaseType(type);
	return cellenc_twin_is_kind(declared) ? type : declared;
}

static void
find(CellencComparison *comparison)
{
	const CellencComparisonKey *key = &comparison->key;
	Oid			type = getBaseType(key->left_opened ? key->left : key->right);
	const CellencTwin *twin = type < FirstNormalObjectId ? NULL : cellenc_twin_lookup(type);
	Oid			left;
	Oid			right;

	comparison->name = twin ? name_of(twin, key->opno) : NULL;
	comparison->operator = comparison->function = InvalidOid;
	if (!comparison->name)
		return;

	op_input_types(key->opno, &left, &right);
	left = operand_type(key->left, key->left_opened, left);
	right = operand_type(key->right_is_array ? get_element_type(key->right) : key->right, key->right_opened, right);
	comparison->operator = cellenc_plan_hidden_operator(comparison->name, left, right);
	if (OidIsValid(comparison->operator))
		comparison->function = get_opcode(comparison->operator);
}

const CellencComparison *
cellenc_plan_operator(const CellencComparisonKey *key)
{
	uint64		generation = cellenc_twin_generation();
	CellencComparison *comparison;
	bool		found;

	if (unlikely(!comparisons))
	{
		HASHCTL		ctl;

		ctl.keysize = sizeof(CellencComparisonKey);
		ctl.entrysize = sizeof(CellencComparison);
		comparisons = hash_create("cellenc operators", 64, &ctl, HASH_ELEM | HASH_BLOBS);
	}
	comparison = hash_search(comparisons, key, HASH_ENTER, &found);
	if (!found)
		comparison->generation = 0;
	if (comparison->generation != generation)
	{
		find(comparison);
		comparison->generation = generation;
	}
	return comparison;
}
