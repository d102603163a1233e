/*-------------------------------------------------------------------------
 *
 * upgrade.h
 *	  Order of partition bounds while pg_upgrade restores a schema.
 *
 *-------------------------------------------------------------------------
 */
#ifndef CELLENC_UPGRADE_H
#define CELLENC_UPGRADE_H

/*
 * In pg_upgrade only: less than, equal to or greater than zero, as two sealed
 * values, which no key opens then, have to be taken for.
 */
extern int	cellenc_upgrade_compare(Datum left, Datum right);

/* Only from _PG_init. */
extern void cellenc_upgrade_init(void);

#endif							/* CELLENC_UPGRADE_H */
