/* SPDX-License-Identifier: BSD-3-Clause */
/* A guest that is moved while it runs: it writes memory all the time, looks whether all of it is as
 * it was written last, and at holes in its wall clock. */
#include "guest.h"

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <time.h>

#define PAGE	4096u
#define PAUSE	4000000l /* ns, between two looks at the clock */
#define BEAT_MS 500

static uint64_t now_us(void)
{
	struct timespec t;

	(void)clock_gettime(CLOCK_REALTIME, &t);
	return (uint64_t)t.tv_sec * 1000000 + (uint64_t)t.tv_nsec / 1000;
}

static volatile uint64_t *word_of(uint8_t *at, uint64_t page)
{
	return (volatile uint64_t *)(void *)(at + page * PAGE + page % 500 * 8);
}

static uint64_t mix(uint64_t page, uint64_t turn)
{
	return (page << 32 | turn) * 0x9e3779b97f4a7c15ull;
}

static uint64_t wrong(uint8_t *at, const uint64_t *turn, uint64_t pages)
{
	uint64_t n = 0;

	for (uint64_t i = 0; i < pages; i++)
		n += *word_of(at, i) != mix(i, turn[i]);
	return n;
}

void churn(const char *what)
{
	unsigned int mib, rate = 10;
	char *end;
	uint64_t pages, done = 0, next = 0, hole = 0, start, last, beat;
	uint64_t *turn;
	uint8_t *at;

	mib = (unsigned int)strtoul(what, &end, 10);
	if (*end == ':')
		rate = (unsigned int)strtoul(end + 1, NULL, 10);
	pages = (uint64_t)mib << 8;
	at = mmap(NULL, pages * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	turn = calloc(pages, sizeof(*turn));
	if (at == MAP_FAILED || !turn) {
		say("churn: no memory");
		return;
	}
	for (uint64_t i = 0; i < pages; i++)
		*word_of(at, i) = mix(i, 0);
	say("churns");
	start = last = beat = now_us();
	for (;;) {
		const struct timespec pause = {.tv_nsec = PAUSE};
		uint64_t now;

		(void)nanosleep(&pause, NULL);
		now = now_us();
		if (now - last > hole)
			hole = now - last;
		for (uint64_t want = (now - start) * rate * 256 / 1000000; done < want; done++) {
			next = (next + 1) % pages;
			*word_of(at, next) = mix(next, ++turn[next]);
		}
		if (now - beat > BEAT_MS * 1000) {
			say("churn wrong %llu written %llu hole_us %llu",
			    (unsigned long long)wrong(at, turn, pages), (unsigned long long)done,
			    (unsigned long long)hole);
			hole = 0;
			beat = now_us();
			now = beat;
		}
		last = now_us();
	}
}
