/*-------------------------------------------------------------------------
 *
 * shake.c
 *	  SHAKE-128 of nothing, as a stream without an end: C2SP's test data.
 *
 * OpenSSL can squeeze only once before 3.3.
 *
 *-------------------------------------------------------------------------
 */
#include <string.h>

#include "shake.h"

static uint64_t shake_state[25];
static uint8_t shake_block[168];
static size_t shake_used;

static uint64_t
rotate(uint64_t x, int n)
{
	return n == 0 ? x : x << n | x >> (64 - n);
}

/* Keccak-f[1600], FIPS 202 section 3, with the constants computed */
static void
keccak(uint64_t *a)
{
	unsigned int lfsr = 1;
	int			round;
	int			x;
	int			y;
	int			t;

	for (round = 0; round < 24; round++)
	{
		uint64_t	c[5];
		uint64_t	current;

		for (x = 0; x < 5; x++)
			c[x] = a[x] ^ a[x + 5] ^ a[x + 10] ^ a[x + 15] ^ a[x + 20];
		for (x = 0; x < 5; x++)
			for (y = 0; y < 25; y += 5)
				a[y + x] ^= c[(x + 4) % 5] ^ rotate(c[(x + 1) % 5], 1);

		x = 1;
		y = 0;
		current = a[x];
		for (t = 0; t < 24; t++)
		{
			int			next_y = (2 * x + 3 * y) % 5;
			uint64_t	moved;

			x = y;
			y = next_y;
			moved = a[5 * y + x];
			a[5 * y + x] = rotate(current, (t + 1) * (t + 2) / 2 % 64);
			current = moved;
		}

		for (y = 0; y < 25; y += 5)
		{
			for (x = 0; x < 5; x++)
				c[x] = a[y + x];
			for (x = 0; x < 5; x++)
				a[y + x] = c[x] ^ (~c[(x + 1) % 5] & c[(x + 2) % 5]);
		}

		for (t = 0; t < 7; t++)
		{
			if (lfsr & 1)
				a[0] ^= (uint64_t) 1 << ((1 << t) - 1);
			lfsr <<= 1;
			if (lfsr & 0x100)
				lfsr ^= 0x171;
		}
	}
}

void
shake_start(void)
{
	memset(shake_state, 0, sizeof(shake_state));
	shake_state[0] = 0x1f;		/* the padding of an empty input */
	shake_state[20] = (uint64_t) 0x80 << 56;
	shake_used = sizeof(shake_block);
}

void
shake_read(uint8_t *out, size_t len)
{
	while (len > 0)
	{
		size_t		n;

		if (shake_used == sizeof(shake_block))
		{
			size_t		i;

			keccak(shake_state);
			for (i = 0; i < sizeof(shake_block); i++)
				shake_block[i] = (uint8_t) (shake_state[i / 8] >> 8 * (i % 8));
			shake_used = 0;
		}
		n = sizeof(shake_block) - shake_used;
		n = n < len ? n : len;
		memcpy(out, shake_block + shake_used, n);
		shake_used += n;
		out += n;
		len -= n;
	}
}
