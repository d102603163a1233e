/*-------------------------------------------------------------------------
 *
 * masterkey_find.h
 *	  A master key by its check value: private to masterkey*.c.
 *
 *-------------------------------------------------------------------------
 */
#ifndef CELLENC_MASTERKEY_FIND_H
#define CELLENC_MASTERKEY_FIND_H

#include "masterkey_store.h"

/*
 * Set key to one that this server has, or can list, under another name than
 * row's and that matches row's check value; false if there is none.
 */
extern bool cellenc_masterkey_find_other(const CellencMasterKey *row, uint8 *key);

#endif							/* CELLENC_MASTERKEY_FIND_H */
