/*-------------------------------------------------------------------------
 *
 * twin_subscript.c
 *	  Subscripts on encrypted types, as in doc['a'].
 *
 * A subscript that reads is turned into one on the opened value, so the
 * base's own code does the rest.  One that assigns must keep the encrypted
 * type, because its result goes into the column as it is: the base's code runs
 * between opening and sealing.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "executor/execExpr.h"
#include "nodes/nodeFuncs.h"
#include "nodes/subscripting.h"
#include "parser/parse_coerce.h"
#include "parser/parse_node.h"
#include "utils/lsyscache.h"

#include "codec.h"
#include "compat.h"
#include "report.h"
#include "twin.h"

PG_FUNCTION_INFO_V1(cellenc_twin_subscript);

/* In the place of the base's workspace while the base's code does not run. */
typedef struct AssignWorkspace
{
	const CellencTwin *twin;
	int32		typmod;
	void	   *base;			/* what the base's code keeps there */
	SubscriptExecSteps methods; /* of the base */
} AssignWorkspace;

static const SubscriptRoutines *
base_routines(const CellencTwin *twin)
{
	const SubscriptRoutines *routines = getSubscriptingRoutines(twin->base, NULL);

	if (!routines)
		elog(ERROR, "base type %u cannot be subscripted", twin->base);
	return routines;
}

static void
transform_subscript(SubscriptingRef *ref, List *indirection, ParseState *pstate,
					bool is_slice, bool is_assignment)
{
	const CellencTwin *twin = cellenc_twin_require(ref->refcontainertype);

	if (!is_assignment)
	{
		Node	   *container = (Node *) ref->refexpr;

		ref->refexpr = (Expr *) coerce_type(pstate, container, exprType(container), twin->base, -1,
											COERCION_IMPLICIT, COERCE_IMPLICIT_CAST,
											exprLocation(container));
		ref->refcontainertype = twin->base;
		ref->reftypmod = -1;
	}
	base_routines(twin)->transform(ref, indirection, pstate, is_slice, is_assignment);
}

static bool
check_subscripts(ExprState *expr, ExprEvalStep *op, ExprContext *econtext)
{
	SubscriptingRefState *state = op->d.sbsref_subscript.state;
	AssignWorkspace *workspace = state->workspace;
	bool		result;

	state->workspace = workspace->base;
	result = workspace->methods.sbs_check_subscripts(expr, op, econtext);
	state->workspace = workspace;
	return result;
}

/* Run a method of the base with the container opened. */
static void
run_opened(ExecEvalSubroutine method, ExprState *expr, ExprEvalStep *op, ExprContext *econtext)
{
	SubscriptingRefState *state = op->d.sbsref.state;
	AssignWorkspace *workspace = state->workspace;

	if (!*op->resnull)
		*op->resvalue = cellenc_codec_open(workspace->twin, *op->resvalue);
	state->workspace = workspace->base;
	method(expr, op, econtext);
	state->workspace = workspace;
}

static void
assign(ExprState *expr, ExprEvalStep *op, ExprContext *econtext)
{
	AssignWorkspace *workspace = op->d.sbsref.state->workspace;

	run_opened(workspace->methods.sbs_assign, expr, op, econtext);
	if (!*op->resnull)
		*op->resvalue = cellenc_codec_make(workspace->twin, *op->resvalue, workspace->typmod);
}

/* The element's old value goes elsewhere; the container stays as it was. */
static void
fetch_old(ExprState *expr, ExprEvalStep *op, ExprContext *econtext)
{
	AssignWorkspace *workspace = op->d.sbsref.state->workspace;
	Datum		container = *op->resvalue;
	bool		isnull = *op->resnull;

	run_opened(workspace->methods.sbs_fetch_old, expr, op, econtext);
	*op->resvalue = container;
	*op->resnull = isnull;
}

/* Only assignments come here. */
static void
setup_assignment(const SubscriptingRef *ref, SubscriptingRefState *state,
				 SubscriptExecSteps *methods)
{
	const CellencTwin *twin = cellenc_twin_require(ref->refcontainertype);
	AssignWorkspace *workspace = palloc0(sizeof(AssignWorkspace));

	base_routines(twin)->exec_setup(ref, state, &workspace->methods);
	workspace->twin = twin;
	workspace->typmod = ref->reftypmod;
	workspace->base = state->workspace;
	state->workspace = workspace;

	methods->sbs_check_subscripts = workspace->methods.sbs_check_subscripts ? check_subscripts : NULL;
	methods->sbs_assign = workspace->methods.sbs_assign ? assign : NULL;
	methods->sbs_fetch_old = workspace->methods.sbs_fetch_old ? fetch_old : NULL;
}

Datum
cellenc_twin_subscript(PG_FUNCTION_ARGS)
{
	static const SubscriptRoutines routines = {
		.transform = transform_subscript,
		.exec_setup = setup_assignment,
		.fetch_strict = true,
		.fetch_leakproof = false,
		.store_leakproof = false
	};

	CELLENC_CHECK_PRELOAD();
	PG_RETURN_POINTER(&routines);
}
