/*-------------------------------------------------------------------------
 *
 * guarded.c
 *	  Work that may fail without ending the transaction.
 *
 * Touches nothing of ours.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/xact.h"
#include "utils/memutils.h"
#include "utils/resowner.h"

#include "guarded.h"

bool
cellenc_guarded_run(void (*work) (void *context, void *arg), void *context, void *arg,
					bool (*survives) (int sqlerrcode), ErrorData **failure)
{
	MemoryContext oldcxt = CurrentMemoryContext;
	ResourceOwner oldowner = CurrentResourceOwner;
	volatile bool done = false;

	BeginInternalSubTransaction(NULL);
	MemoryContextSwitchTo(oldcxt);
	PG_TRY();
	{
		work(context, arg);
		ReleaseCurrentSubTransaction();
		done = true;
	}
	PG_CATCH();
	{
		MemoryContextSwitchTo(oldcxt);
		if (!survives(geterrcode()))
			PG_RE_THROW();
		if (failure)
			*failure = CopyErrorData();
		FlushErrorState();
		RollbackAndReleaseCurrentSubTransaction();
	}
	PG_END_TRY();
	MemoryContextSwitchTo(oldcxt);
	CurrentResourceOwner = oldowner;
	return done;
}

bool
cellenc_guarded_is_corruption(int sqlerrcode)
{
	return sqlerrcode == ERRCODE_DATA_CORRUPTED;
}
