/* SPDX-License-Identifier: BSD-3-Clause */
/* forker: forks as it is told to on its console. "f" makes a child that squares a number it is
 * sent, answers and ends with code 40 + depth; "h" one that stays until it is told to go ("g": all
 * of them); "d" one that itself does "f" before it answers; "c" one that crashes; "n" asks 20 times
 * without pause; "q" ends. What happened is a line each. */
#include "kit/dev.h"
#include "kit/fork.h"
#include "kit/kit.h"

#define HELD  32u
#define WORDS 512u
/* A host may be busy, and chaosd may be started anew meanwhile. */
#define WAIT_NS 120000000000u

static struct noxs_channel held[HELD];
static uint32_t nheld, depth;
static uint64_t pattern[WORDS];
static bool child;

static uint64_t wrong(void)
{
	uint64_t n = 0;

	for (uint64_t i = 0; i < WORDS; i++)
		n += pattern[i] != i * 0x9e3779b97f4a7c15ull;
	return n;
}

/* Waits for all of it; false: it did not come. */
static bool receive_all(struct noxs_channel *c, void *to, uint32_t len)
{
	uint64_t until = kit_time_ns() + WAIT_NS;
	uint32_t n = 0;

	while (n < len && kit_time_ns() < until) {
		n += noxs_receive(c, (uint8_t *)to + n, len - n);
		if (n < len)
			kit_wait(50000000);
	}
	return n == len;
}

static void use_child(struct noxs_channel *c, bool print)
{
	uint64_t number = 1000 + c->number;
	uint64_t answer = 0;
	int code;

	(void)noxs_send(c, &number, sizeof(number));
	if (!receive_all(c, &answer, sizeof(answer)))
		answer = 0;
	code = noxs_wait(c, WAIT_NS);
	if (print)
		kit_print("forker: depth %u child %u answer %s code %d wrong %lu\r\n", depth,
			  c->number, answer == number * number ? "right" : "wrong", code,
			  (unsigned long)wrong());
}

static void one(char how);

static int be_child(struct noxs_channel *c, char how)
{
	uint64_t number = 0;

	child = true;
	depth++;
	nheld = 0;
	kit_print("forker: is child %u dom %u wrong %lu\r\n", c->number, kit.page->domid,
		  (unsigned long)wrong());
	if (how == 'c')
		*(volatile uint64_t *)0x7000000000ull = 1;
	if (how == 'd')
		one('f');
	if (!receive_all(c, &number, sizeof(number)))
		return 99;
	number *= number;
	(void)noxs_send(c, &number, sizeof(number));
	return 40 + (int)depth;
}

static void one(char how)
{
	struct noxs_channel c;
	int rc = noxs_fork(&c);

	if (rc < 0)
		kit_print("forker: error %d\r\n", rc);
	else if (rc == 0)
		kit_shutdown(0, (uint32_t)be_child(&c, how)); /* SHUTDOWN_poweroff */
	else if (how == 'h' && nheld < HELD)
		held[nheld++] = c;
	else if (how == 'c')
		kit_print("forker: crashed child code %d\r\n", noxs_wait(&c, WAIT_NS));
	else
		use_child(&c, how != 'n');
	if (how == 'h')
		kit_print("forker: held %u\r\n", nheld);
}

int guest_main(void)
{
	for (uint64_t i = 0; i < WORDS; i++)
		pattern[i] = i * 0x9e3779b97f4a7c15ull;
	kit_ready();
	for (;;) {
		char key = 0;

		while (kit_read(&key, 1)) {
			uint64_t before = kit_time_ns();

			if (key == 'q')
				return 3;
			if (key == 'f' || key == 'h' || key == 'd' || key == 'c')
				one(key);
			for (uint32_t i = 0; key == 'n' && i < 20; i++)
				one(key);
			if (key == 'n')
				kit_print("forker: twenty in %lu us\r\n",
					  (unsigned long)((kit_time_ns() - before) / 1000));
			while (key == 'g' && nheld)
				use_child(&held[--nheld], true);
		}
		kit_wait(0);
	}
}
