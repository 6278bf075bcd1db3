/* SPDX-License-Identifier: BSD-3-Clause */
/* Values that a peer must not be able to guess: random numbers and first TCP sequence numbers,
 * from one seed. */
#ifndef CHAOS_GUEST_LWIP_SECRET_H
#define CHAOS_GUEST_LWIP_SECRET_H

#include <stddef.h>
#include <stdint.h>

#define SECRET_SEED 32u /* bytes */

struct secret {
	uint64_t isn_key[2];
	uint64_t draw_key[2];
	uint64_t drawn; /* number of values made with this key */
};

/* SipHash-2-4 (Aumasson, Bernstein 2012) of len bytes. */
uint64_t siphash(const uint64_t key[2], const void *data, size_t len);

/* Makes new keys from a seed, which differs in each copy of a guest, and from the old keys, so
 * that a seed that becomes known later does not reveal the keys. */
void secret_renew(struct secret *s, const uint8_t seed[SECRET_SEED]);

uint32_t secret_random(struct secret *s);

/* The first sequence number of a connection (RFC 6528): a clock of 4 us plus a keyed hash of
 * `id`, which identifies the connection. now_ns must not decrease. */
uint32_t secret_isn(const struct secret *s, const void *id, size_t len, uint64_t now_ns);

#endif
