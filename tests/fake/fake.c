/* SPDX-License-Identifier: BSD-3-Clause */
/* The fake's state and the hands on it: failing calls, deaths, events. */
#include "tests/fake/private.h"

#include <sys/eventfd.h>
#include <sys/mman.h>
#include <unistd.h>

pthread_mutex_t fake_lock = PTHREAD_MUTEX_INITIALIZER;
struct domain fake_domains[DOMAINS];
struct port fake_ports[PORTS];
struct fake_count fake_held;
static uint32_t calls, fail_nth;
uint32_t fake_next_domid = 1;
static int fail_error;
static const char *failed_call;
uint64_t fake_free = 1u << 20;
bool fake_dirty;
static pthread_cond_t held_change = PTHREAD_COND_INITIALIZER;
static uint32_t hold_domid;
static bool is_held;

int fake_may_fail(const char *name)
{
	calls++;
	if (fail_nth == 0 || calls != fail_nth)
		return 0;
	failed_call = name;
	return -fail_error;
}

int fake_leave(int rc)
{
	(void)pthread_mutex_unlock(&fake_lock);
	return rc;
}

struct domain *fake_find(uint32_t id)
{
	for (uint32_t i = 0; i < DOMAINS; i++)
		if (fake_domains[i].id == id && id != 0)
			return &fake_domains[i];
	return NULL;
}

/* --- controls --- */

void fake_count(struct fake_count *out)
{
	(void)pthread_mutex_lock(&fake_lock);
	*out = fake_held;
	(void)pthread_mutex_unlock(&fake_lock);
}

void fake_fail_at(uint32_t nth, int error)
{
	(void)pthread_mutex_lock(&fake_lock);
	calls = 0;
	fail_nth = nth;
	fail_error = error;
	failed_call = NULL;
	(void)pthread_mutex_unlock(&fake_lock);
}

uint32_t fake_calls(void)
{
	return calls;
}

const char *fake_failed(void)
{
	return failed_call;
}

void fake_set_dirty(bool dirty)
{
	fake_dirty = dirty;
}

void fake_set_free(uint64_t pages)
{
	fake_free = pages;
}

void fake_hold_destroy(uint32_t domid)
{
	(void)pthread_mutex_lock(&fake_lock);
	hold_domid = domid;
	is_held = false;
	(void)pthread_cond_broadcast(&held_change);
	(void)pthread_mutex_unlock(&fake_lock);
}

void fake_await_destroy(void)
{
	(void)pthread_mutex_lock(&fake_lock);
	while (!is_held)
		(void)pthread_cond_wait(&held_change, &fake_lock);
	(void)pthread_mutex_unlock(&fake_lock);
}

void fake_while_held(uint32_t domid)
{
	while (domid && hold_domid == domid) {
		is_held = true;
		(void)pthread_cond_broadcast(&held_change);
		(void)pthread_cond_wait(&held_change, &fake_lock);
	}
}

void fake_raise(struct port *p)
{
	p->pending = true;
	if (!p->masked && p->x)
		(void)eventfd_write(p->x->fd, 1);
}

static void raise_virq(void)
{
	for (uint32_t i = 0; i < PORTS; i++)
		if (fake_ports[i].used && fake_ports[i].virq)
			fake_raise(&fake_ports[i]);
}

void fake_remove(struct domain *d)
{
	(void)close(d->mem);
	/* dom0's end of a channel to the dead waits for the next domain of that id. */
	for (uint32_t i = 0; i < PORTS; i++) {
		struct port *p = &fake_ports[i];

		if (!p->used || p->virq || p->reserved || p->domid != d->id)
			continue;
		p->reserved = true;
		fake_held.ports--;
		fake_held.reserved++;
	}
	fake_held.domains--;
	fake_held.guest_ports -= d->guest_ports;
	fake_held.populated_pages -= (uint32_t)d->is.pages;
	fake_free += d->is.pages;
	memset(d, 0, sizeof(*d));
}

void fake_end(uint32_t domid, uint32_t reason)
{
	struct domain *d;

	(void)pthread_mutex_lock(&fake_lock);
	d = fake_find(domid);
	if (d) {
		d->shutdown = true;
		d->reason = reason;
		raise_virq();
	}
	(void)pthread_mutex_unlock(&fake_lock);
}

void fake_vanish(uint32_t domid)
{
	struct domain *d;

	(void)pthread_mutex_lock(&fake_lock);
	d = fake_find(domid);
	if (d)
		fake_remove(d);
	raise_virq();
	(void)pthread_mutex_unlock(&fake_lock);
}

void fake_event(uint32_t domid)
{
	(void)pthread_mutex_lock(&fake_lock);
	for (uint32_t i = 0; i < PORTS; i++)
		if (fake_ports[i].used && !fake_ports[i].virq && fake_ports[i].domid == domid)
			fake_raise(&fake_ports[i]);
	(void)pthread_mutex_unlock(&fake_lock);
}

bool fake_domain(uint32_t domid, struct fake_domain *out)
{
	const struct domain *d;

	(void)pthread_mutex_lock(&fake_lock);
	d = fake_find(domid);
	if (d)
		*out = d->is;
	(void)pthread_mutex_unlock(&fake_lock);
	return d != NULL;
}

void *fake_page(uint32_t domid, uint64_t frame)
{
	struct domain *d = fake_find(domid);
	void *at = d ? mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, d->mem,
			    (off_t)(frame % FRAMES * PAGE))
		     : MAP_FAILED;

	return at == MAP_FAILED ? NULL : at;
}

void fake_process_died(void)
{
	(void)pthread_mutex_lock(&fake_lock);
	memset(fake_ports, 0, sizeof(fake_ports));
	fake_held.ports = 0;
	fake_held.reserved = 0;
	fake_held.mapped_pages = 0;
	fake_held.handles = 0;
	(void)pthread_mutex_unlock(&fake_lock);
}

void fake_reset(void)
{
	fake_dirty = false;
	(void)pthread_mutex_lock(&fake_lock);
	for (uint32_t i = 0; i < DOMAINS; i++)
		if (fake_domains[i].id)
			fake_remove(&fake_domains[i]);
	memset(fake_ports, 0, sizeof(fake_ports));
	memset(&fake_held, 0, sizeof(fake_held));
	calls = fail_nth = 0;
	failed_call = NULL;
	fake_free = 1u << 20;
	fake_set_cpus(NULL, 0);
	fake_set_xsm(false);
	fake_set_gate(FAKE_WAITS);
	(void)pthread_mutex_unlock(&fake_lock);
}
