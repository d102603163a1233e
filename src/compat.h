/*-------------------------------------------------------------------------
 *
 * compat.h
 *	  What differs between PostgreSQL majors; the only file that asks.
 *
 * Wrappers take the newest signature.
 *
 *-------------------------------------------------------------------------
 */
#ifndef CELLENC_COMPAT_H
#define CELLENC_COMPAT_H

#if PG_VERSION_NUM < 150000
#error "cellenc needs PostgreSQL 15 or later"
#endif

/*
 * posix_spawn_file_actions_addclosefrom_np is in glibc since 2.34; elsewhere,
 * commands inherit whatever open files lack O_CLOEXEC.
 */
#ifdef __GLIBC_PREREQ
#if __GLIBC_PREREQ(2, 34)
#define CELLENC_HAVE_SPAWN_CLOSEFROM
#endif
#endif

/*
 * 16 numbers the local copies of backend entries by function of another name,
 * and lets an update tell that only summarizing indexes need entries.
 */
#if PG_VERSION_NUM < 160000
#include "access/tableam.h"

#define pgstat_get_local_beentry_by_index(index) pgstat_fetch_stat_local_beentry(index)
#define cellenc_index_summarizes(info) false

typedef enum TU_UpdateIndexes
{
	TU_None,
	TU_All,
	TU_Summarizing
} TU_UpdateIndexes;

static inline TM_Result
cellenc_table_tuple_update(Relation rel, ItemPointer otid, TupleTableSlot *slot, CommandId cid,
						   Snapshot snapshot, Snapshot crosscheck, bool wait,
						   TM_FailureData *tmfd, LockTupleMode *lockmode,
						   TU_UpdateIndexes *update_indexes)
{
	bool		update_all;
	TM_Result	result = table_tuple_update(rel, otid, slot, cid, snapshot, crosscheck, wait,
											tmfd, lockmode, &update_all);

	*update_indexes = update_all ? TU_All : TU_None;
	return result;
}
#else
#define cellenc_index_summarizes(info) ((info)->ii_Summarizing)
#define cellenc_table_tuple_update table_tuple_update
#endif

/* 16 has input functions that report an error to their caller; before, all throw it. */
#if PG_VERSION_NUM < 160000
#include "fmgr.h"
#include "nodes/nodes.h"

typedef struct ErrorSaveContext
{
	NodeTag		type;
	bool		error_occurred;
	bool		details_wanted;
	ErrorData  *error_data;
} ErrorSaveContext;

#define cellenc_save_context(context) ((ErrorSaveContext *) NULL)
#define T_ErrorSaveContext T_Invalid
#define errsave(context, ...) ereport(ERROR, __VA_ARGS__)

static inline bool
InputFunctionCallSafe(FmgrInfo *flinfo, char *str, Oid typioparam, int32 typmod,
					  fmNodePtr escontext, Datum *result)
{
	*result = InputFunctionCall(flinfo, str, typioparam, typmod);
	return true;
}
#else
#include "nodes/miscnodes.h"

#define cellenc_save_context(context) \
	((context) != NULL && IsA(context, ErrorSaveContext) ? (ErrorSaveContext *) (context) : NULL)
#endif

/* 16 lets the parser of names report errors to its caller, and renamed what makes new files. */
#if PG_VERSION_NUM < 160000
#define stringToQualifiedNameList(string, context) stringToQualifiedNameList(string)
#define RelationSetNewRelfilenumber RelationSetNewRelfilenode
#define cellenc_owns(classid, objectid, role) pg_class_ownercheck(objectid, role)
#define cellenc_may_create_in(schema, role) (pg_namespace_aclcheck(schema, role, ACL_CREATE) == ACLCHECK_OK)
#else
#define cellenc_owns(classid, objectid, role) object_ownercheck(classid, objectid, role)
#define cellenc_may_create_in(schema, role) \
	(object_aclcheck(NamespaceRelationId, schema, role, ACL_CREATE) == ACLCHECK_OK)
#endif

/* 16 renamed what a relation remembers of files made in this transaction. */
#if PG_VERSION_NUM < 160000
#define cellenc_forget_new_file(rel) \
	((rel)->rd_createSubid = (rel)->rd_newRelfilenodeSubid = (rel)->rd_firstRelfilenodeSubid = InvalidSubTransactionId)
#else
#define cellenc_forget_new_file(rel) \
	((rel)->rd_createSubid = (rel)->rd_newRelfilelocatorSubid = (rel)->rd_firstRelfilelocatorSubid = InvalidSubTransactionId)
#endif

/* CREATE INDEX as of a superuser: without checks of permissions, quiet. */
#if PG_VERSION_NUM < 160000
#define cellenc_define_index(relid, stmt) \
	DefineIndex(relid, stmt, InvalidOid, InvalidOid, InvalidOid, false, false, false, false, true)
#else
#define cellenc_define_index(relid, stmt) \
	DefineIndex(relid, stmt, InvalidOid, InvalidOid, InvalidOid, -1, false, false, false, false, true)
#endif

/* 18 counts frozen pages. */
#if PG_VERSION_NUM < 180000
#define cellenc_swap_relallfrozen(form1, form2) ((void) 0)
#else
#define cellenc_swap_relallfrozen(form1, form2) \
	do { \
		int32		swap_ = (form1)->relallfrozen; \
		(form1)->relallfrozen = (form2)->relallfrozen; \
		(form2)->relallfrozen = swap_; \
	} while (0)
#endif

/* 17 needs no care for storage handles when files change places. */
#if PG_VERSION_NUM >= 170000
#define RelationCloseSmgrByOid(relid) ((void) 0)
#endif

/* 16 took what a statement does to a relation out of its range table entry. */
#if PG_VERSION_NUM < 160000
#include "nodes/parsenodes.h"

typedef RangeTblEntry RTEPermissionInfo;

#define CELLENC_CHECK_PERMS_PARAMS List *perminfos, bool ereport_on_violation
#define CELLENC_CHECK_PERMS_ARGS perminfos, ereport_on_violation
#define cellenc_clear_perminfos(query) ((void) 0)
#else
#define cellenc_clear_perminfos(query) ((query)->rteperminfos = NIL)
#define CELLENC_CHECK_PERMS_PARAMS List *rtable, List *perminfos, bool ereport_on_violation
#define CELLENC_CHECK_PERMS_ARGS rtable, perminfos, ereport_on_violation
#endif

/* 17 numbers processes from 0 by another name, and BRIN keeps state between insertions. */
#if PG_VERSION_NUM < 170000
#define cellenc_vxid_proc(vxid) BackendIdGetProc((vxid).backendId)
#define index_insert_cleanup(index, info) ((void) 0)
#else
#define cellenc_vxid_proc(vxid) ProcNumberGetProc((vxid).procNumber)
#endif

/* 17 parted the join condition of MERGE from WHERE; NULL where they are one. */
#if PG_VERSION_NUM >= 170000
#define cellenc_merge_condition(query) \
	((query)->mergeJoinCondition)
#else
#define cellenc_merge_condition(query) NULL
#endif

/* 17 moved the statistics target out of pg_attribute's struct (4f622503d). */
#if PG_VERSION_NUM >= 170000
#define cellenc_compat_stats_target(stats) ((stats)->attstattarget)
#else
#define cellenc_compat_stats_target(stats) ((stats)->attr->attstattarget)
#endif

/* 16 has its own memory for what check hooks of settings keep. */
#if PG_VERSION_NUM < 160000
#define cellenc_guc_malloc(size) malloc(size)
#else
#define cellenc_guc_malloc(size) guc_malloc(LOG, size)
#endif

/* 16 moved the macros of varlena out of postgres.h. */
#if PG_VERSION_NUM >= 160000
#include "varatt.h"
#endif

/* 17 lets an extension name what it waits for; the number is kept in the variable. */
#if PG_VERSION_NUM >= 170000
#include "utils/wait_event.h"
#define cellenc_wait_event(variable, name) \
	((variable) != 0 ? (variable) : ((variable) = WaitEventExtensionNew(name)))
#else
#define cellenc_wait_event(variable, name) ((void) (variable), PG_WAIT_EXTENSION)
#endif

/* 18 tells what a pause is made for. */
#if PG_VERSION_NUM < 180000
#define vacuum_delay_point(is_analyze) vacuum_delay_point()
#endif

/* 18 keeps with a sort operator whether it is a descending one. */
#if PG_VERSION_NUM >= 180000
#define cellenc_set_reverse_sort(sort, reverse) ((sort)->reverse_sort = (reverse))
#else
#define cellenc_set_reverse_sort(sort, reverse) ((void) 0)
#endif

/* 18 has a specifier in place of the attribute. */
#if PG_VERSION_NUM < 180000
#define pg_noreturn pg_attribute_noreturn()
#endif

#endif							/* CELLENC_COMPAT_H */
