/*-------------------------------------------------------------------------
 *
 * secret.c
 *	  Key bytes in a memory context, wiped when the context goes.
 *
 * Touches palloc and the cipher's wipe only.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "cipher.h"
#include "secret.h"

typedef struct Secret
{
	MemoryContextCallback callback;
	Size		size;
	char		bytes[FLEXIBLE_ARRAY_MEMBER];
} Secret;

static void
wipe_secret(void *arg)
{
	Secret	   *secret = arg;

	cellenc_cipher_wipe(secret->bytes, secret->size);
}

void *
cellenc_secret_alloc(MemoryContext cxt, Size size)
{
	Secret	   *secret;

	secret = MemoryContextAllocZero(cxt, offsetof(Secret, bytes) + size);
	secret->size = size;
	secret->callback.func = wipe_secret;
	secret->callback.arg = secret;
	MemoryContextRegisterResetCallback(cxt, &secret->callback);
	return secret->bytes;
}
