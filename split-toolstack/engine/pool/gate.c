/* SPDX-License-Identifier: BSD-3-Clause */
/* Shells that have been started: their guest waits at its gate (noxs/abi.h) until a claim opens
 * it by an event. The image runs here before its VM exists, so its behaviour is checked. */
#include <errno.h>
#include <stddef.h>

#include <utlist.h>

#include "base/log.h"
#include "noxs/control.h"
#include "split-toolstack/engine/config/vm_config.h"
#include "split-toolstack/engine/parts/parts.h"
#include "split-toolstack/engine/guest/guest_start.h"
#include "split-toolstack/engine/pool/pool-t.h"
#include "split-toolstack/engine/services/ports.h"

/* Longer than a guest needs to reach its gate while other guests never block. */
#define GATE_S 2.0
/* After this many shells of a flavor that were not at their gate, further ones stay paused. */
#define BROKEN_MOST 3u
/* Interval at which some of those in the pool are checked, and the CPU time that each may have
 * used since. */
#define CPU_S	    5.0
#define CPU_AT_ONCE 16u
#define CPU_MOST_NS 10000000u

bool flavor_gates(const struct flavor *f, const struct image *img)
{
	return img && image_info(img)->gate && !f->f.no_gate && f->broken < BROKEN_MOST;
}

static void count_broken(struct flavor *f, uint32_t domid, const char *what)
{
	bool last = ++f->broken == BROKEN_MOST;

	log_line(LOG_WARN, "op=refill dom=%u: a guest of \"%s\" %s, and is destroyed%s", domid,
		 f->f.image, what, last ? "; shells of this flavor stay paused from now on" : "");
}

static void is_broken(struct shell *s, const char *what)
{
	if (s->failed)
		return;
	if (s->flavor)
		count_broken(s->flavor, s->dom.domid, what);
	shell_failed(s, NULL);
}

static const char left_it[] = "does not wait at its gate as it is to";

/* --- on its way there, and there --- */

static void read_guest_state(struct shell *s)
{
	int rc = noxs_control_waits(s->map + 4096);

	if (rc < 0 || (rc == 0 && !s->comes)) {
		is_broken(s, left_it);
		return;
	}
	if (rc == 0 || !s->comes)
		return;
	s->comes = false;
	if (s->lacks && --s->lacks == 0)
		idle_now(engine_idle(s->en));
}

static void on_event(struct port_user *u)
{
	read_guest_state((struct shell *)(void *)((char *)u - offsetof(struct shell, gate_user)));
}

static void on_late(struct ev_loop *loop, ev_timer *t, int revents)
{
	struct engine *en = t->data;
	ev_tstamp next = 0.;

	(void)revents;
	ev_timer_stop(loop, t);
	for (struct shell *s = engine_pool(en)->connecting; s; s = s->conn_next) {
		if (!s->comes || s->failed)
			continue;
		if (ev_now(loop) >= s->until)
			is_broken(s, "has not come to its gate");
		else if (next == 0. || s->until < next)
			next = s->until;
	}
	if (next != 0.) {
		ev_timer_set(t, next - ev_now(loop), 0.);
		ev_timer_start(loop, t);
	}
}

/* --- while they wait --- */

/* False: it must be ended. */
static bool rests(struct engine *en, struct shell *s)
{
	struct xen_domain_info info;
	int rc = xen_domain_info(engine_xen(en), s->dom.domid, &info);

	if (rc < 0 && rc != -ESRCH)
		return true; /* not known: the next time */
	if (rc < 0 || info.shutdown || info.dying) {
		is_broken(s, "has ended at its gate");
		return false;
	}
	if (s->cpu_ns && info.cpu_ns - s->cpu_ns > CPU_MOST_NS) {
		is_broken(s, "uses CPU time at its gate");
		return false;
	}
	s->cpu_ns = info.cpu_ns;
	return true;
}

/* The nth of those in the pool; NULL: there are not so many. */
static struct shell *nth_at_gate(struct engine *en, uint32_t n)
{
	for (struct flavor *f = engine_pool(en)->flavors; f; f = f->next)
		for (struct shell *s = f->shells; s; s = s->next)
			if (s->at_gate && n-- == 0)
				return s;
	return NULL;
}

static void on_cpu(struct ev_loop *loop, ev_timer *t, int revents)
{
	struct engine *en = t->data;
	struct pool *p = engine_pool(en);

	(void)revents;
	for (uint32_t i = 0; i < CPU_AT_ONCE; i++) {
		struct shell *s = nth_at_gate(en, p->gate_next);

		if (!s) {
			if (p->gate_next == 0 && !p->connecting) /* there are none */
				ev_timer_stop(loop, t);
			p->gate_next = 0;
			return;
		}
		p->gate_next += rests(en, s);
	}
}

void gate_open(struct engine *en)
{
	ev_init(&engine_pool(en)->gate, on_late);
	ev_timer_init(&engine_pool(en)->gate_cpu, on_cpu, 0., CPU_S);
	engine_pool(en)->gate.data = engine_pool(en)->gate_cpu.data = en;
}

void gate_close(struct engine *en)
{
	ev_timer_stop(engine_loop(en), &engine_pool(en)->gate);
	ev_timer_stop(engine_loop(en), &engine_pool(en)->gate_cpu);
}

void gate_ignore(struct engine *en, struct shell *s)
{
	if (s->at_gate)
		ports_ignore(engine_ports(en), &s->gate_user);
}

int gate_run(struct engine *en, struct flavor *f, struct shell *s, struct err *e)
{
	struct vm_config none;
	struct guest_page g = {.dom = &s->dom,
			       .cfg = &none,
			       .uuid = s->uuid,
			       .map = s->map,
			       .port = slot_port(&s->slot)};
	int rc;

	vm_config_init(&none);
	none.vcpus = f->f.vcpus;
	rc = guest_page_gate(en, &g, e);
	if (rc < 0)
		return rc;
	s->gate_user = (struct port_user){.event = on_event, .credit = &s->gate_credit};
	if (ports_listen(engine_ports(en), slot_port(&s->slot), &s->gate_user) < 0)
		return err_set(e, ENOMEM, "out of memory");
	s->at_gate = true;
	s->comes = true;
	rc = xen_domain_unpause(engine_xen(en), s->dom.domid);
	if (rc < 0)
		return err_sys(e, -rc, "unpause domain %u", s->dom.domid);
	s->until = ev_now(engine_loop(en)) + GATE_S;
	if (!ev_is_active(&engine_pool(en)->gate_cpu))
		ev_timer_again(engine_loop(en), &engine_pool(en)->gate_cpu);
	if (!ev_is_active(&engine_pool(en)->gate)) {
		ev_timer_set(&engine_pool(en)->gate, GATE_S, 0.);
		ev_timer_start(engine_loop(en), &engine_pool(en)->gate);
	}
	return 0;
}

/* --- a claim --- */

/* Beside xenstored there is no notification of ended domains. */
static bool is_alive(struct engine *en, const struct shell *s)
{
	struct xen_domain_info info;

	return engine_store_mode(en) != STORE_BESIDE ||
	       (xen_domain_info(engine_xen(en), s->dom.domid, &info) == 0 && !info.shutdown &&
		!info.dying);
}

bool gate_holds(struct engine *en, struct flavor *f, struct shell *s)
{
	bool holds = noxs_control_waits(s->map + 4096) == 1;

	if (holds && is_alive(en, s))
		return true;
	count_broken(f, s->dom.domid, holds ? "has ended at its gate" : left_it);
	shell_end(en, s);
	return false;
}

/* --- its end --- */

static struct shell *find(struct engine *en, uint32_t domid)
{
	struct shell *s;

	DL_FOREACH2(engine_pool(en)->connecting, s, conn_next)
	if (s->dom.domid == domid)
		return s;
	for (struct flavor *f = engine_pool(en)->flavors; f; f = f->next)
		for (s = f->shells; s; s = s->next)
			if (s->dom.domid == domid)
				return s;
	return NULL;
}

void pool_has_ended(struct engine *en, const struct xen_domain_info *info)
{
	struct shell *s = engine_pool(en) ? find(en, info->domid) : NULL;
	struct err e = {0};

	if (s && s->booted) {
		(void)err_set(&e, ESRCH, "the guest of domain %u, which is no VM yet, has ended",
			      info->domid);
		shell_failed(s, &e);
	} else if (s && s->at_gate) {
		is_broken(s, "has ended at its gate");
	}
}
