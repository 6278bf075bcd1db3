/* SPDX-License-Identifier: BSD-3-Clause */
/* Checksums of streams: xxhash, whose code is in its header. */
#include "libdom/save_stream.h"

#include <stdlib.h>

#define XXH_INLINE_ALL
#include <xxhash.h>

struct save_hash {
	XXH3_state_t state;
};

struct save_hash *save_hash_new(void)
{
	struct save_hash *h = aligned_alloc(64, sizeof(*h));

	if (h)
		(void)XXH3_64bits_reset(&h->state);
	return h;
}

void save_hash_add(struct save_hash *h, const void *data, size_t bytes)
{
	(void)XXH3_64bits_update(&h->state, data, bytes);
}

uint64_t save_hash_end(struct save_hash *h)
{
	uint64_t hash = XXH3_64bits_digest(&h->state);

	free(h);
	return hash;
}

void save_hash_drop(struct save_hash *h)
{
	free(h);
}

uint64_t save_hash_of(const void *data, size_t bytes)
{
	return XXH3_64bits(data, bytes);
}
