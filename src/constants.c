/*-------------------------------------------------------------------------
 *
 * constants.c
 *	  Values in the system catalogs: constants of stored expressions, missing
 *	  values of columns, statistics.
 *
 * Most constants are under the literal key, which is never retired; those of
 * composite types are under their columns' keys (plan_constant.c).  The other
 * two places should hold none, and are looked at because a proof is wanted.
 *
 * A value is found by its first five bytes, format and version id, wherever
 * they stand: a node tree is text, in which a constant's bytes are numbers,
 * and need not be parsed, nor its nodes be known to any walker.  Other bytes
 * look the same by chance once in 2^39 places.
 *
 * Touches envelope (the form of a value), typmod.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/genam.h"
#include "access/htup_details.h"
#include "access/table.h"
#include "catalog/pg_attrdef.h"
#include "catalog/pg_attribute.h"
#include "catalog/pg_class.h"
#include "catalog/pg_constraint.h"
#include "catalog/pg_index.h"
#include "catalog/pg_partitioned_table.h"
#include "catalog/pg_policy.h"
#include "catalog/pg_proc.h"
#include "catalog/pg_publication_rel.h"
#include "catalog/pg_rewrite.h"
#include "catalog/pg_statistic.h"
#include "catalog/pg_statistic_ext.h"
#include "catalog/pg_statistic_ext_data.h"
#include "catalog/pg_trigger.h"
#include "catalog/pg_type.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/memutils.h"
#include "utils/rel.h"

#include "compat.h"
#include "constants.h"
#include "envelope.h"
#include "twin.h"

/* Columns of a catalog that can hold values, and the object a row belongs to. */
#define MAX_COLUMNS 5

typedef struct Place
{
	CellencHolder holder;
	Oid			catalog;
	AttrNumber	columns[MAX_COLUMNS];	/* 0: no more */
	Oid			class;			/* of the object ... */
	AttrNumber	object;			/* ... whose OID is here ... */
	AttrNumber	part;			/* ... and the number of its column here; 0:
								 * none */
} Place;

static const Place places[] = {
	{CELLENC_HOLDER_EXPRESSION, AttrDefaultRelationId, {Anum_pg_attrdef_adbin},
	AttrDefaultRelationId, Anum_pg_attrdef_oid, 0},
	{CELLENC_HOLDER_EXPRESSION, RewriteRelationId, {Anum_pg_rewrite_ev_qual, Anum_pg_rewrite_ev_action},
	RewriteRelationId, Anum_pg_rewrite_oid, 0},
	{CELLENC_HOLDER_EXPRESSION, ConstraintRelationId, {Anum_pg_constraint_conbin},
	ConstraintRelationId, Anum_pg_constraint_oid, 0},
	{CELLENC_HOLDER_EXPRESSION, PolicyRelationId, {Anum_pg_policy_polqual, Anum_pg_policy_polwithcheck},
	PolicyRelationId, Anum_pg_policy_oid, 0},
	{CELLENC_HOLDER_EXPRESSION, TriggerRelationId, {Anum_pg_trigger_tgqual},
	TriggerRelationId, Anum_pg_trigger_oid, 0},
	{CELLENC_HOLDER_EXPRESSION, IndexRelationId, {Anum_pg_index_indexprs, Anum_pg_index_indpred},
	RelationRelationId, Anum_pg_index_indexrelid, 0},
	{CELLENC_HOLDER_EXPRESSION, ProcedureRelationId, {Anum_pg_proc_proargdefaults, Anum_pg_proc_prosqlbody},
	ProcedureRelationId, Anum_pg_proc_oid, 0},
	{CELLENC_HOLDER_EXPRESSION, RelationRelationId, {Anum_pg_class_relpartbound},
	RelationRelationId, Anum_pg_class_oid, 0},
	{CELLENC_HOLDER_EXPRESSION, PartitionedRelationId, {Anum_pg_partitioned_table_partexprs},
	RelationRelationId, Anum_pg_partitioned_table_partrelid, 0},
	{CELLENC_HOLDER_EXPRESSION, TypeRelationId, {Anum_pg_type_typdefaultbin},
	TypeRelationId, Anum_pg_type_oid, 0},
	{CELLENC_HOLDER_EXPRESSION, PublicationRelRelationId, {Anum_pg_publication_rel_prqual},
	PublicationRelRelationId, Anum_pg_publication_rel_oid, 0},
	{CELLENC_HOLDER_EXPRESSION, StatisticExtRelationId, {Anum_pg_statistic_ext_stxexprs},
	StatisticExtRelationId, Anum_pg_statistic_ext_oid, 0},
	{CELLENC_HOLDER_MISSING, AttributeRelationId, {Anum_pg_attribute_attmissingval},
	RelationRelationId, Anum_pg_attribute_attrelid, Anum_pg_attribute_attnum},
	{CELLENC_HOLDER_STATISTICS, StatisticRelationId,
		{Anum_pg_statistic_stavalues1, Anum_pg_statistic_stavalues2, Anum_pg_statistic_stavalues3,
		Anum_pg_statistic_stavalues4, Anum_pg_statistic_stavalues5},
	RelationRelationId, Anum_pg_statistic_starelid, Anum_pg_statistic_staattnum},
	{CELLENC_HOLDER_STATISTICS, StatisticExtDataRelationId,
		{Anum_pg_statistic_ext_data_stxdmcv, Anum_pg_statistic_ext_data_stxdexpr},
	StatisticExtRelationId, Anum_pg_statistic_ext_data_stxoid, 0}
};

/* Does a node tree, or a datum of other kind, hold what is looked for? */
typedef bool (*Matcher) (bool is_tree, const char *bytes, Size len, const void *wanted);

static bool
column_matches(HeapTuple tuple, TupleDesc desc, AttrNumber attnum, Matcher matcher, const void *wanted)
{
	bool		isnull;
	Datum		value = heap_getattr(tuple, attnum, desc, &isnull);
	struct varlena *flat;
	bool		result;

	if (isnull)
		return false;
	flat = PG_DETOAST_DATUM_PACKED(value);
	result = matcher(TupleDescAttr(desc, attnum - 1)->atttypid == PG_NODE_TREEOID,
					 VARDATA_ANY(flat), VARSIZE_ANY_EXHDR(flat), wanted);
	if ((Pointer) flat != DatumGetPointer(value))
		pfree(flat);
	return result;
}

static void
object_of_row(const Place *place, HeapTuple tuple, TupleDesc desc, ObjectAddress *object)
{
	bool		isnull;

	object->classId = place->class;
	object->objectId = DatumGetObjectId(heap_getattr(tuple, place->object, desc, &isnull));
	object->objectSubId = place->part == 0 ? 0 :
		DatumGetInt16(heap_getattr(tuple, place->part, desc, &isnull));
}

static void
scan_place(const Place *place, Matcher matcher, const void *wanted,
		   CellencHolderVisitor visitor, void *arg)
{
	Relation	rel = table_open(place->catalog, AccessShareLock);
	TupleDesc	desc = RelationGetDescr(rel);
	SysScanDesc scan = systable_beginscan(rel, InvalidOid, false, NULL, 0, NULL);
	HeapTuple	tuple;

	while (HeapTupleIsValid(tuple = systable_getnext(scan)))
	{
		bool		found = false;

		CHECK_FOR_INTERRUPTS();
		for (int i = 0; i < MAX_COLUMNS && place->columns[i] != 0 && !found; i++)
			found = column_matches(tuple, desc, place->columns[i], matcher, wanted);
		if (found)
		{
			ObjectAddress object;

			object_of_row(place, tuple, desc, &object);
			visitor(place->holder, &object, arg);
		}
	}
	systable_endscan(scan);
	table_close(rel, AccessShareLock);
}

/* As strstr, in bytes that have no end. */
static bool
contains(const char *bytes, Size len, const char *part, Size part_len)
{
	const char *end = bytes + len;

	while ((Size) (end - bytes) >= part_len)
	{
		bytes = memchr(bytes, part[0], end - bytes - part_len + 1);
		if (!bytes)
			return false;
		if (memcmp(bytes, part, part_len) == 0)
			return true;
		bytes++;
	}
	return false;
}

/*
 * Values under a version
 */

typedef struct Prefixes
{
	char		bytes[2][CELLENC_ID_END];	/* of both formats */
	char	   *text[2];		/* the same as outDatum() writes them */
} Prefixes;

static bool
holds_prefix(bool is_tree, const char *bytes, Size len, const void *wanted)
{
	const Prefixes *prefixes = wanted;

	for (int i = 0; i < 2; i++)
	{
		if (is_tree ? contains(bytes, len, prefixes->text[i], strlen(prefixes->text[i]))
			: contains(bytes, len, prefixes->bytes[i], CELLENC_ID_END))
			return true;
	}
	return false;
}

void
cellenc_constants_under(uint32 version_id, CellencHolderVisitor visitor, void *arg)
{
	static const char formats[] = {CELLENC_FORMAT_PLAIN, CELLENC_FORMAT_TERM};
	Prefixes	prefixes;

	for (int i = 0; i < 2; i++)
	{
		char	   *bytes = prefixes.bytes[i];

		bytes[0] = formats[i];
		for (int j = 1; j < CELLENC_ID_END; j++)
			bytes[j] = (char) (version_id >> (8 * (CELLENC_ID_END - 1 - j)));
		/* signed or not as char is: outDatum() prints it so, too */
		prefixes.text[i] = psprintf(" %d %d %d %d %d ", (int) bytes[0], (int) bytes[1],
									(int) bytes[2], (int) bytes[3], (int) bytes[4]);
	}
	for (int i = 0; i < (int) lengthof(places); i++)
		scan_place(&places[i], holds_prefix, &prefixes, visitor, arg);
}

/*
 * Casts to a key
 */

#define SEARCH_COUNT (CELLENC_SEARCH_ORDER + 1)

typedef struct Casts
{
	char	   *modifiers[SEARCH_COUNT];	/* a node's type modifier */
	char	   *constants[SEARCH_COUNT];	/* the cast's argument */
} Casts;

static bool
holds_cast(bool is_tree, const char *bytes, Size len, const void *wanted)
{
	const Casts *casts = wanted;

	for (int i = 0; i < SEARCH_COUNT && is_tree; i++)
	{
		if (contains(bytes, len, casts->modifiers[i], strlen(casts->modifiers[i])) ||
			contains(bytes, len, casts->constants[i], strlen(casts->constants[i])))
			return true;
	}
	return false;
}

void
cellenc_constants_naming(int32 name_hash, CellencHolderVisitor visitor, void *arg)
{
	Casts		casts;

	for (int i = 0; i < SEARCH_COUNT; i++)
	{
		int32		typmod = CELLENC_TYPMOD(name_hash, i);
		Datum		datum = Int32GetDatum(typmod);
		StringInfoData bytes;

		casts.modifiers[i] = psprintf("typmod %d ", typmod);
		initStringInfo(&bytes);
		for (int j = 0; j < (int) sizeof(Datum); j++)
			appendStringInfo(&bytes, "%d ", (int) ((char *) &datum)[j]);
		casts.constants[i] = psprintf(":constvalue %d [ %s]", (int) sizeof(int32), bytes.data);
	}
	for (int i = 0; i < (int) lengthof(places); i++)
		scan_place(&places[i], holds_cast, &casts, visitor, arg);
}
