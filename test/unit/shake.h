/*-------------------------------------------------------------------------
 *
 * shake.h
 *	  SHAKE-128 of nothing, as a stream without an end: C2SP's test data.
 *
 * OpenSSL can squeeze only once before 3.3.
 *
 *-------------------------------------------------------------------------
 */
#ifndef SHAKE_H
#define SHAKE_H

#include <stddef.h>
#include <stdint.h>

/* Begin anew. */
extern void shake_start(void);

extern void shake_read(uint8_t *out, size_t len);

#endif							/* SHAKE_H */
