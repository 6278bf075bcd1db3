/* SPDX-License-Identifier: BSD-3-Clause */
/* lives: a guest that is saved and restored. Fills pages=N pages with a pattern (all that are
 * free), counts, on all its vCPUs (spin=1: without a pause), writes write=N of these pages anew
 * every 2 ms, each time with something else, and whenever it finds itself another domain says what
 * it has. A "q" on the console ends it; a "?" asks for the same words. */
#include "kit/dev.h"
#include "kit/kit.h"

#include <xen/sched.h>

#include "kit/hypercall.h"

#define MAX_VCPUS 32u
#define TICK_NS	  2000000u
#define WORDS	  (PAGE_SIZE / sizeof(uint64_t))

static volatile uint64_t counter[MAX_VCPUS];
static char stacks[MAX_VCPUS][1024] __attribute__((aligned(16)));
static bool resumed, spin;
static uint32_t vcpus;

static void pause_vcpu(void)
{
	struct sched_poll poll = {.nr_ports = 0, .timeout = kit_xen_ns() + TICK_NS};

	(void)hypercall2(__HYPERVISOR_sched_op, SCHEDOP_poll, &poll);
	kit_look_around();
}

static void other(void *arg)
{
	volatile uint64_t *mine = arg;

	for (;;) {
		*mine += 1;
		if (!spin)
			pause_vcpu();
	}
}

static uint64_t word(uint64_t at)
{
	uint64_t x = at * 0x9e3779b97f4a7c15ull;

	return x ^ x >> 29;
}

#define TURNS 1024u	     /* pages that can be written anew */
static uint64_t turn[TURNS]; /* how often each was */
static uint64_t next;

static uint64_t turn_of(uint64_t page)
{
	return page < TURNS ? turn[page] : 0;
}

static void fill(uint64_t *at, uint64_t pages)
{
	for (uint64_t i = 0; i < pages * WORDS; i++)
		at[i] = word((uint64_t)&at[i]);
}

static void write_some(uint64_t *at, uint64_t pages, uint64_t n)
{
	uint64_t most = pages < TURNS ? pages : TURNS;

	while (n--) {
		next = (next + 1) % most;
		turn[next]++;
		for (uint64_t i = next * WORDS; i < (next + 1) * WORDS; i++)
			at[i] = word((uint64_t)&at[i]) + turn[next];
	}
}

static uint64_t wrong(const uint64_t *at, uint64_t pages)
{
	uint64_t n = 0;

	for (uint64_t i = 0; i < pages * WORDS; i++)
		n += at[i] != word((uint64_t)&at[i]) + turn_of(i / WORDS);
	return n;
}

/* PV: page tables that are not as the builder made them. */
static void swap(uint64_t *a, uint64_t *b)
{
	uint64_t frame_a = kit_frame(a);
	uint64_t frame_b = kit_frame(b);

	if (!kit.pv)
		return;
	(void)hypercall(__HYPERVISOR_update_va_mapping, (uint64_t)a, frame_b * PAGE_SIZE | 7,
			UVMF_INVLPG, 0);
	(void)hypercall(__HYPERVISOR_update_va_mapping, (uint64_t)b, frame_a * PAGE_SIZE | 7,
			UVMF_INVLPG, 0);
}

/* How many vCPUs count. */
static uint32_t alive(void)
{
	uint32_t n = 1;

	for (uint32_t id = 1; id < vcpus; id++) {
		uint64_t before = counter[id];

		for (int tries = 0; tries < 500 && counter[id] == before; tries++)
			kit_wait(TICK_NS);
		n += counter[id] != before;
	}
	return n;
}

static void on_resume(void)
{
	resumed = true;
}

/* The first bytes of what the page has; no other guest has the same. */
static uint64_t seed(void)
{
	return *(const volatile uint64_t *)(const volatile void *)kit.page->seed;
}

static void tell(const uint64_t *at, uint64_t pages, bool back)
{
	uint64_t bad = wrong(at, pages);

	kit_print("lives: dom %u generation %lu count %lu wrong %lu vcpus %u clock %s wall %lu "
		  "seed %lx\r\n",
		  kit.page->domid, (unsigned long)kit.page->generation, (unsigned long)counter[0],
		  (unsigned long)bad, alive(), back ? "went back" : "ok",
		  (unsigned long)(kit_wallclock_ns() / 1000000), (unsigned long)seed());
}

int guest_main(void)
{
	uint64_t pages = kit_option("pages", kit_pages_left());
	uint64_t *at = kit_pages((uint32_t)pages);
	uint64_t last = kit_time_ns();
	uint64_t anew;
	bool back = false;

	kit_traps();
	if (!kit.page || !at)
		return 3;
	spin = kit_option("spin", 0);
	vcpus = kit.page->vcpus < MAX_VCPUS ? kit.page->vcpus : MAX_VCPUS;
	if (kit_option("swap", 0) && pages > 1)
		swap(at, at + WORDS);
	if (kit_option("mute", 0))
		kit_cannot_save();
	fill(at, pages);
	kit.at_resume = on_resume;
	for (uint32_t id = 1; id < vcpus; id++)
		(void)kit_vcpu_start(id, other, (void *)(uintptr_t)&counter[id],
				     stacks[id] + sizeof(stacks[id]));
	anew = kit_option("write", 0);
	kit_ready();
	for (;;) {
		uint64_t now = kit_time_ns();
		char key = 0;

		back |= now < last;
		last = now;
		counter[0]++;
		write_some(at, pages, anew);
		if (resumed || (kit_read(&key, 1) && key == '?')) {
			resumed = false;
			tell(at, pages, back);
		}
		if (key == 'q')
			return 0;
		kit_wait(TICK_NS);
	}
}
