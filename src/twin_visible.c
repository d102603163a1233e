/*-------------------------------------------------------------------------
 *
 * twin_visible.c
 *	  Operators of an encrypted type that are found without naming a schema.
 *
 * An operator over a twin resolves to the base's through the one implicit
 * cast, so a twin needs none of its own; but where the other side is a literal
 * or a parameter whose type is not known yet, PostgreSQL's rules of preferred
 * types can lead elsewhere: `date = '...'` compares dates, while over a twin
 * of date it would compare with a timestamptz.  Which operators those are is
 * found by asking the parser, for each new twin.
 *
 * Ordinary expressions have to mean what they meant, unknowns included;
 * test/t/048_plain_expressions.pl compares them all.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "access/transam.h"
#include "catalog/namespace.h"
#include "catalog/pg_operator.h"
#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "parser/parse_oper.h"
#include "utils/builtins.h"
#include "utils/guc.h"
#include "utils/lsyscache.h"
#include "utils/syscache.h"

#include "compat.h"
#include "twin.h"
#include "twin_create.h"
#include "twin_operators.h"
#include "twin_sql.h"

/* An operator of the base that the twin needs as its own. */
typedef struct VisibleOperator
{
	char	   *name;
	Oid			base_op;
	Oid			left;			/* types as given; of the twin, opened */
	Oid			right;
} VisibleOperator;

const char *
cellenc_twin_visible_schema(const NewTwin *twin)
{
	/* the twin's own: whoever finds the type finds them, and dumps hold them */
	return quote_identifier(get_namespace_name(twin->namespace));
}

static bool
is_comparison(const NewTwin *twin, const char *name)
{
	if (!OidIsValid(twin->cache->eq_opr))
		return false;
	if (strcmp(name, "=") == 0 || strcmp(name, "<>") == 0)
		return true;
	return OidIsValid(twin->cache->cmp_proc) &&
		(strcmp(name, "<") == 0 || strcmp(name, "<=") == 0 ||
		 strcmp(name, ">") == 0 || strcmp(name, ">=") == 0);
}

/* Names of the binary operators that take the base or may be made to. */
static List *
operator_names(const NewTwin *twin)
{
	List	   *names = NIL;
	MemoryContext cxt = CurrentMemoryContext;
	char	   *sql = psprintf("SELECT DISTINCT oprname::text FROM pg_catalog.pg_operator WHERE oprkind = 'b' "
							   "AND (oprleft IN (%u, %u, %u, %u) OR oprright IN (%u, %u, %u, %u)) ORDER BY 1",
							   twin->base, ANYENUMOID, ANYRANGEOID, RECORDOID,
							   twin->base, ANYENUMOID, ANYRANGEOID, RECORDOID);

	if (SPI_execute(sql, true, 0) != SPI_OK_SELECT)
		elog(ERROR, "could not read pg_operator");
	for (uint64 i = 0; i < SPI_processed; i++)
	{
		char	   *name = SPI_getvalue(SPI_tuptable->vals[i], SPI_tuptable->tupdesc, 1);

		names = lappend(names, MemoryContextStrdup(cxt, name));
	}
	return names;
}

static Oid
resolve(char *name, Oid left, Oid right)
{
	Operator	op = oper(NULL, list_make1(makeString(name)), left, right, true, -1);
	Oid			result;

	if (op == NULL)
		return InvalidOid;
	result = oprid(op);
	ReleaseSysCache(op);
	return result;
}

/* What an operator's argument is when it is called with the base. */
static Oid
actual_type(const NewTwin *twin, Oid declared)
{
	return cellenc_twin_is_kind(declared) ? twin->base : declared;
}

/*
 * Note an operator over the base to which the same expression over the twin
 * does not resolve.  left or right is the twin.
 */
static void
note_operator(NewTwin *twin, char *name, Oid base_op, Oid left, Oid right)
{
	Oid			declared_left;
	Oid			declared_right;
	Oid			base_left;
	Oid			base_right;
	VisibleOperator *op;
	ListCell   *lc;

	op_input_types(base_op, &declared_left, &declared_right);
	base_left = actual_type(twin, declared_left);
	base_right = actual_type(twin, declared_right);

	/* what converts the base further would decide what an unknown becomes */
	if ((left == twin->type && base_left != twin->base) ||
		(right == twin->type && base_right != twin->base))
		return;

	/* an unknown becomes the twin, where it would become the base */
	if (left == UNKNOWNOID)
		left = base_left == twin->base ? twin->type : base_left;
	if (right == UNKNOWNOID)
		right = base_right == twin->base ? twin->type : base_right;

	/*
	 * With a type that has no such operator of its own, an unknown beside it
	 * would become the twin in ordinary expressions.  Where the base's takes
	 * a whole kind of types, so does that side of the twin's: then it cannot.
	 */
	if (left != right && !OidIsValid(OpernameGetOprid(list_make1(makeString(name)),
													  left == twin->type ? right : left,
													  left == twin->type ? right : left)))
	{
		Oid		   *other = left == twin->type ? &right : &left;

		*other = other == &right ? declared_right : declared_left;
		if (!IsPolymorphicType(*other) && !(*other == RECORDOID && is_comparison(twin, name)))
			return;
	}
	else if (is_comparison(twin, name))
	{
		twin->compares_visibly |= left == right;
		return;
	}
	foreach(lc, twin->visible)
	{
		op = lfirst(lc);
		if (strcmp(op->name, name) == 0 && op->left == left && op->right == right)
			return;
	}
	op = palloc(sizeof(VisibleOperator));
	op->name = name;
	op->base_op = base_op;
	op->left = left;
	op->right = right;
	twin->visible = lappend(twin->visible, op);
}

/* Compare how an operator resolves with the base and with the twin. */
static void
probe(NewTwin *twin, char *name, Oid left, Oid right)
{
	Oid			base_left = left == twin->type ? twin->base : left;
	Oid			base_right = right == twin->type ? twin->base : right;
	Oid			base_op = resolve(name, base_left, base_right);

	if (!OidIsValid(base_op) || resolve(name, left, right) == base_op)
		return;
	note_operator(twin, name, base_op, left, right);
}

/*
 * The twin has its cast to the base by now, and no operator yet.
 */
void
cellenc_twin_probe(NewTwin *twin)
{
	List	   *names = operator_names(twin);
	ListCell   *lc;
	int			nestlevel = NewGUCNestLevel();

	/* the base's operators may be in its own schema, as citext's are */
	(void) set_config_option("search_path",
							 psprintf("pg_catalog, %s",
									  quote_identifier(get_namespace_name(twin->base_form->typnamespace))),
							 PGC_USERSET, PGC_S_SESSION, GUC_ACTION_SAVE, true, 0, false);
	foreach(lc, names)
	{
		char	   *name = lfirst(lc);

		probe(twin, name, twin->type, UNKNOWNOID);
		probe(twin, name, UNKNOWNOID, twin->type);
		probe(twin, name, twin->type, twin->base);
		probe(twin, name, twin->base, twin->type);
		probe(twin, name, twin->type, twin->type);
	}
	AtEOXact_GUC(true, nestlevel);
}

/* Was a function made for op before?  Of citext, ~ and ~* share one. */
static bool
has_function(const NewTwin *twin, const VisibleOperator *op)
{
	ListCell   *lc;

	foreach(lc, twin->visible)
	{
		const VisibleOperator *other = lfirst(lc);

		if (other == op)
			return false;
		if (get_opcode(other->base_op) == get_opcode(op->base_op) &&
			other->left == op->left && other->right == op->right)
			return true;
	}
	return false;
}

/* Has op's types' own operator that stands for this one of the base been noted? */
static bool
is_noted(const NewTwin *twin, const VisibleOperator *op, Oid base_op)
{
	ListCell   *lc;

	foreach(lc, twin->visible)
	{
		const VisibleOperator *other = lfirst(lc);

		if (other->base_op == base_op && other->left == op->left && other->right == op->right)
			return true;
	}
	return false;
}

/*
 * The function of an operator: an inlinable one that applies the base's to the
 * opened values.  Its body is a string, because pg_upgrade makes functions
 * before casts.  Functions of SQL's do not take records; what compares those is
 * one of twin_ops.c.
 */
static void
create_function(const NewTwin *twin, const VisibleOperator *op, const char *signature, Oid base_namespace)
{
	const char *as_left = op->left == twin->type ? psprintf("::%s", twin->base_name) : "";
	const char *as_right = op->right == twin->type ? psprintf("::%s", twin->base_name) : "";

	if (op->left == RECORDOID || op->right == RECORDOID)
		run("CREATE FUNCTION cellenc.%s AS '$libdir/cellenc', '%s' LANGUAGE c STABLE STRICT PARALLEL SAFE COST %d",
			signature, cellenc_twin_comparison_symbol(op->name), CELLENC_FUNCTION_COST);
	else
		run("CREATE FUNCTION cellenc.%s LANGUAGE sql STABLE PARALLEL SAFE AS %s",
			signature,
			quote_literal_cstr(psprintf("SELECT $1%s OPERATOR(%s.%s) $2%s", as_left,
										quote_identifier(get_namespace_name(base_namespace)), op->name, as_right)));
}

static void
create_operator(const NewTwin *twin, const VisibleOperator *op)
{
	HeapTuple	tuple = SearchSysCache1(OPEROID, ObjectIdGetDatum(op->base_op));
	Form_pg_operator form;
	const char *schema = cellenc_twin_visible_schema(twin);
	const char *negator = "";
	char	   *left = format_type_extended(op->left, -1, FORMAT_TYPE_FORCE_QUALIFY);
	char	   *right = format_type_extended(op->right, -1, FORMAT_TYPE_FORCE_QUALIFY);
	char	   *function;

	if (!HeapTupleIsValid(tuple))
		elog(ERROR, "cache lookup failed for operator %u", op->base_op);
	form = (Form_pg_operator) GETSTRUCT(tuple);
	function = pstrdup(quote_identifier(psprintf("cellenc_%s", get_func_name(form->oprcode))));
	if (!has_function(twin, op))
		create_function(twin, op,
						psprintf("%s(%s, %s) RETURNS %s", function, left, right,
								 format_type_extended(actual_type(twin, form->oprresult), -1, FORMAT_TYPE_FORCE_QUALIFY)),
						form->oprnamespace);
	if (is_noted(twin, op, form->oprnegate))
		negator = psprintf(", NEGATOR = OPERATOR(%s.%s)", schema, get_opname(form->oprnegate));
	ReleaseSysCache(tuple);

	run("CREATE OPERATOR %s.%s (FUNCTION = cellenc.%s, LEFTARG = %s, RIGHTARG = %s%s)",
		schema, op->name, function, left, right, negator);
}

/*
 * Comparison of rows
 *
 * `(a, b) < (c, d)` takes operators of btree families only, and has the family's
 * function compare the values.  The operators of this file that compare have
 * one to be found in, which no index is of: in conditions, plan_compare.c puts
 * members of the operator classes into their place.
 */

void
cellenc_twin_create_row_family(const NewTwin *twin)
{
	const char *family = quote_identifier(psprintf("%s_rows", twin->plain_name));

	if (!OidIsValid(twin->cache->cmp_proc))
		return;
	/* DROP TYPE leaves the family of a type of this name behind */
	run("DROP OPERATOR FAMILY IF EXISTS cellenc.%s USING btree", family);
	run("CREATE OPERATOR FAMILY cellenc.%s USING btree", family);
}

void
cellenc_twin_add_row_members(const NewTwin *twin, const char *members)
{
	run("ALTER OPERATOR FAMILY cellenc.%s USING btree ADD %s",
		quote_identifier(psprintf("%s_rows", twin->plain_name)), members);
}

/* The comparisons that have the twin at this side. */
static void
add_row_members(const NewTwin *twin, bool at_left)
{
	StringInfoData members;
	char	   *left = NULL;
	char	   *right = NULL;
	ListCell   *lc;

	initStringInfo(&members);
	foreach(lc, twin->visible)
	{
		const VisibleOperator *op = lfirst(lc);
		int			strategy = get_op_opfamily_strategy(op->base_op, twin->cache->btree_opf);

		if (strategy == 0 || (op->left == twin->type) != at_left)
			continue;
		left = format_type_extended(op->left, -1, FORMAT_TYPE_FORCE_QUALIFY);
		right = format_type_extended(op->right, -1, FORMAT_TYPE_FORCE_QUALIFY);
		appendStringInfo(&members, "OPERATOR %d %s.%s (%s, %s), ", strategy,
						 cellenc_twin_visible_schema(twin), op->name, left, right);
	}
	if (!left)
		return;
	run("CREATE FUNCTION cellenc.cellenc_cmp(%s, %s) RETURNS integer AS '$libdir/cellenc', 'cellenc_twin_cmp_kind' "
		"LANGUAGE c STABLE STRICT PARALLEL SAFE COST %d", left, right, CELLENC_FUNCTION_COST);
	appendStringInfo(&members, "FUNCTION 1 (%s, %s) cellenc.cellenc_cmp(%s, %s)", left, right, left, right);
	cellenc_twin_add_row_members(twin, members.data);
}

void
cellenc_twin_create_visible(const NewTwin *twin)
{
	ListCell   *lc;

	foreach(lc, twin->visible)
		create_operator(twin, lfirst(lc));
	if (OidIsValid(twin->cache->cmp_proc))
	{
		add_row_members(twin, true);
		add_row_members(twin, false);
	}
}
