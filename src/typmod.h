/*-------------------------------------------------------------------------
 *
 * typmod.h
 *	  Type modifiers: which key a column is under, and what it reveals.
 *
 *-------------------------------------------------------------------------
 */
#ifndef CELLENC_TYPMOD_H
#define CELLENC_TYPMOD_H

#include "twin.h"

/*
 * Typmod of a key's name and a search (NULL: none).  22023 for an invalid
 * one, 42704 for an unknown key unless the settings allow it.
 */
extern int32 cellenc_typmod_make(const char *key, const char *search);

/* Name of the key, or "#<8 hex digits>" while this database does not have it. */
extern char *cellenc_typmod_key_name(int32 typmod);

#endif							/* CELLENC_TYPMOD_H */
