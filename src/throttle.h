/*-------------------------------------------------------------------------
 *
 * throttle.h
 *	  What holds back a job, so that a loaded server stays usable.
 *
 *-------------------------------------------------------------------------
 */
#ifndef CELLENC_THROTTLE_H
#define CELLENC_THROTTLE_H

#include "datatype/timestamp.h"
#include "utils/guc.h"

/*
 * May no job go on now?  Then the palloc'd text says what for: the window, or
 * a standby.
 */
extern bool cellenc_throttle_hold(char **what);

/*
 * A batch begins, which should not last longer than ms; so long it keeps locks
 * or a snapshot.
 */
extern void cellenc_throttle_begin_batch(int ms);

/*
 * Should the batch end here, because its time is over, or because of what it has
 * written so far?
 */
extern bool cellenc_throttle_batch_over(void);

/*
 * When may a job go on that wrote wal_bytes of WAL since began?  At once (a
 * time in the past) where no rate is set.
 */
extern TimestampTz cellenc_throttle_next(TimestampTz began, uint64 wal_bytes);

/*
 * From now on, what wakes up may take the processor from this process at once,
 * where the kernel can do that; elsewhere nothing changes.
 */
extern void cellenc_throttle_prepare_process(void);

/*
 * Let others have the processor, if some wait for it and it is not a job's turn;
 * for loops over rows, where no buffer is locked.
 */
extern void cellenc_throttle_give_way(void);

/* Check hook of cellenc.job_lag_standbys. */
extern bool cellenc_throttle_check_standbys(char **newval, void **extra, GucSource source);

#endif							/* CELLENC_THROTTLE_H */
