/* SPDX-License-Identifier: BSD-3-Clause */
/* Random numbers and first sequence numbers: SipHash-2-4 with keys made from the seed. */
#include "guests/lwip/secret.h"

#include <string.h>

#define ISN_NS 4000u /* a step of its clock */

static uint64_t rotate(uint64_t v, uint32_t by)
{
	return v << by | v >> (64 - by);
}

static void rounds(uint64_t v[4], uint32_t n)
{
	while (n--) {
		v[0] += v[1];
		v[1] = rotate(v[1], 13) ^ v[0];
		v[0] = rotate(v[0], 32);
		v[2] += v[3];
		v[3] = rotate(v[3], 16) ^ v[2];
		v[0] += v[3];
		v[3] = rotate(v[3], 21) ^ v[0];
		v[2] += v[1];
		v[1] = rotate(v[1], 17) ^ v[2];
		v[2] = rotate(v[2], 32);
	}
}

static void mix(uint64_t v[4], uint64_t word)
{
	v[3] ^= word;
	rounds(v, 2);
	v[0] ^= word;
}

uint64_t siphash(const uint64_t key[2], const void *data, size_t len)
{
	uint64_t v[4] = {key[0] ^ 0x736f6d6570736575ull, key[1] ^ 0x646f72616e646f6dull,
			 key[0] ^ 0x6c7967656e657261ull, key[1] ^ 0x7465646279746573ull};
	const uint8_t *at = data;
	uint64_t last = (uint64_t)len << 56;
	uint64_t word;
	size_t left;

	for (left = len; left >= 8; left -= 8, at += 8) {
		memcpy(&word, at, 8);
		mix(v, word);
	}
	for (size_t i = 0; i < left; i++)
		last |= (uint64_t)at[i] << 8 * i;
	mix(v, last);
	v[2] ^= 0xff;
	rounds(v, 4);
	return v[0] ^ v[1] ^ v[2] ^ v[3];
}

void secret_renew(struct secret *s, const uint8_t seed[SECRET_SEED])
{
	struct {
		uint8_t seed[SECRET_SEED];
		uint64_t isn_key[2];
		uint64_t draw_key[2];
		uint64_t which;
	} all = {.which = 0};
	uint64_t *to[4] = {&s->isn_key[0], &s->isn_key[1], &s->draw_key[0], &s->draw_key[1]};
	uint64_t key[2];

	memcpy(all.seed, seed, sizeof(all.seed));
	memcpy(all.isn_key, s->isn_key, sizeof(all.isn_key));
	memcpy(all.draw_key, s->draw_key, sizeof(all.draw_key));
	memcpy(key, seed, sizeof(key));
	for (; all.which < 4; all.which++)
		*to[all.which] = siphash(key, &all, sizeof(all));
	s->drawn = 0;
}

uint32_t secret_random(struct secret *s)
{
	s->drawn++;
	return (uint32_t)siphash(s->draw_key, &s->drawn, sizeof(s->drawn));
}

uint32_t secret_isn(const struct secret *s, const void *id, size_t len, uint64_t now_ns)
{
	return (uint32_t)(now_ns / ISN_NS + siphash(s->isn_key, id, len));
}
