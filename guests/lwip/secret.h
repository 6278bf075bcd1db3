/* SPDX-License-Identifier: BSD-3-Clause */
/* What a peer must not guess: random numbers and first TCP sequence numbers, out of one seed. */
#ifndef CHAOS_GUEST_LWIP_SECRET_H
#define CHAOS_GUEST_LWIP_SECRET_H

#include <stddef.h>
#include <stdint.h>

#define SECRET_SEED 32u /* bytes */

struct secret {
	uint64_t isn_key[2];
	uint64_t draw_key[2];
	uint64_t drawn; /* numbers, with this key */
};

/* SipHash-2-4 (Aumasson, Bernstein 2012) of len bytes. */
uint64_t siphash(const uint64_t key[2], const void *data, size_t len);

/* New keys out of a seed, of which each copy of a guest has another. What the keys were before
 * counts, too: a seed that is known later tells nothing of them. */
void secret_renew(struct secret *s, const uint8_t seed[SECRET_SEED]);

uint32_t secret_random(struct secret *s);

/* The first sequence number of a connection (RFC 6528): a clock of 4 us, and a keyed hash of what
 * identifies the connection, `id`. now_ns must not go back. */
uint32_t secret_isn(const struct secret *s, const void *id, size_t len, uint64_t now_ns);

#endif
