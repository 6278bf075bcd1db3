/* SPDX-License-Identifier: BSD-3-Clause */
/* Time from Xen's shared info page (Xen public/xen.h, struct vcpu_time_info). */
#include "kit.h"

static uint64_t rdtsc(void)
{
	uint32_t low;
	uint32_t high;

	__asm__ volatile("lfence; rdtsc" : "=a"(low), "=d"(high));
	return (uint64_t)high << 32 | low;
}

/* The generation has changed: the values came from two domains. */
static uint64_t generation(void)
{
	return kit.page ? __atomic_load_n(&kit.page->generation, __ATOMIC_ACQUIRE) : 0;
}

/* Version 0: vCPU 0 has not run in this domain yet, so there is no time; it will be set soon. */
uint64_t kit_xen_ns(void)
{
	volatile struct vcpu_time_info *t = &kit.shared->vcpu_info[0].time;
	uint32_t version;
	uint64_t lived;
	uint64_t ns;

	do {
		uint64_t delta;

		lived = generation();

		version = __atomic_load_n(&t->version, __ATOMIC_ACQUIRE);
		delta = rdtsc() - t->tsc_timestamp;
		delta = t->tsc_shift < 0 ? delta >> -t->tsc_shift : delta << t->tsc_shift;
		ns = t->system_time +
		     (uint64_t)(((unsigned __int128)delta * t->tsc_to_system_mul) >> 32);
		__atomic_thread_fence(__ATOMIC_ACQUIRE);
	} while ((version & 1) || version == 0 || version != t->version || lived != generation());
	return ns;
}

#define ANOTHER_HOST_NS 1000000u /* two vCPUs are never so far apart */

uint64_t kit_time_ns(void)
{
	uint64_t last = kit.last_ns;
	uint64_t ns = kit_xen_ns() + kit.ahead_ns;

	if (ns < last) {
		if (last - ns > ANOTHER_HOST_NS)
			kit.ahead_ns += last - ns;
		return last;
	}
	kit.last_ns = ns;
	return ns;
}

/* Xen fills the wall clock of a PVH guest only when it requests a hypercall page, which a direct
 * entry does not need: then the clock of the device page is used. */
static uint64_t by_device_page(void)
{
	return kit.page ? kit.page->wallclock_ns + (kit_time_ns() - kit.start_ns) : 0;
}

uint64_t kit_wallclock_ns(void)
{
	volatile struct shared_info *s = kit.shared;
	uint32_t version;
	uint64_t ns;

	do {
		version = __atomic_load_n(&s->wc_version, __ATOMIC_ACQUIRE);
		ns = ((uint64_t)s->wc_sec_hi << 32 | s->wc_sec) * 1000000000ull + s->wc_nsec;
		__atomic_thread_fence(__ATOMIC_ACQUIRE);
	} while ((version & 1) || version != s->wc_version);
	return ns ? ns + kit_xen_ns() : by_device_page();
}
