/*-------------------------------------------------------------------------
 *
 * barrier.h
 *	  Wait until every transaction that runs now has ended.
 *
 *-------------------------------------------------------------------------
 */
#ifndef CELLENC_BARRIER_H
#define CELLENC_BARRIER_H

#include "datatype/timestamp.h"

typedef struct CellencBarrier CellencBarrier;

/*
 * Note the transactions that run in this database now, the caller's own and
 * VACUUM's excepted.  Allocated as one chunk in CurrentMemoryContext.
 */
extern CellencBarrier *cellenc_barrier_begin(void);

/*
 * Have all of them ended?  If not, *holder is a palloc'd text that names one
 * that has not, and *since the time its transaction began (at the latest).
 * Never waits: the caller sleeps, outside of any transaction, because who
 * holds up the barrier may be waiting for transactions to end himself.
 */
extern bool cellenc_barrier_passed(CellencBarrier *barrier, char **holder, TimestampTz *since);

#endif							/* CELLENC_BARRIER_H */
