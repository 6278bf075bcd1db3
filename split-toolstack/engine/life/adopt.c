/* SPDX-License-Identifier: BSD-3-Clause */
/* After a restart of the daemon: all VMs of the registry (adopt_vm.c: one of them), and further
 * tries for those that could not be adopted. */
#include <stdlib.h>

#include "split-toolstack/engine/devices/set.h"
#include "split-toolstack/engine/domain/drop.h"
#include "split-toolstack/engine/guest/control.h"
#include "split-toolstack/engine/guest/fork.h"
#include "split-toolstack/engine/guest/names.h"
#include "split-toolstack/engine/guest/storehost.h"
#include "split-toolstack/engine/life/adoption.h"
#include "split-toolstack/engine/life/half_made.h"
#include "split-toolstack/engine/life/life-t.h"
#include "split-toolstack/engine/life/life.h"
#include "split-toolstack/engine/life/sleepers.h"
#include "split-toolstack/engine/parts/parts.h"
#include "split-toolstack/engine/services/deaths.h"
#include "split-toolstack/engine/services/domains.h"
#include "split-toolstack/engine/vm/adopt_later.h"
#include "split-toolstack/engine/vm/parts.h"
#include "split-toolstack/engine/vm/state.h"
#include "split-toolstack/engine/vm/vm.h"
#include "split-toolstack/engine/vm/vms.h"

#include <xen/sched.h> /* behind xenctrl.h */

/* Seconds until the next try after a failed call: the first value, then doubled each time. */
#define AGAIN_MIN_S 0.1
#define AGAIN_MAX_S 10.0
#define LISTEN_TURN 4u /* channels bound in a turn of the loop (LISTEN_FIRST) */

static void again_in(struct adoption *a, double seconds)
{
	ev_timer_stop(engine_loop(a->en), &a->again);
	ev_timer_set(&a->again, seconds, 0.);
	ev_timer_start(engine_loop(a->en), &a->again);
}

void adopt_try_later(struct engine *en)
{
	struct adoption *a = engine_adoption(en);

	if (!ev_is_active(&a->again))
		again_in(a, a->wait_s);
}

void adopt_soon(struct engine *en)
{
	struct adoption *a = engine_adoption(en);

	a->changed = true;
	if (!ev_is_active(&a->again) ||
	    ev_timer_remaining(engine_loop(en), &a->again) > AGAIN_MIN_S)
		again_in(a, AGAIN_MIN_S);
}

bool adopt_has_domain(const struct engine *en, const struct xen_domain_info *info)
{
	return half_made_has(engine_adoption(en)->half_made, info);
}

static void listen_soon(struct engine *en)
{
	ev_timer *t = &engine_adoption(en)->listen;

	if (!control_first_unheard(en) || ev_is_active(t))
		return;
	ev_timer_set(t, 0., 0.);
	ev_timer_start(engine_loop(en), t);
}

static void on_listen(struct ev_loop *loop, ev_timer *t, int revents)
{
	struct engine *en = t->data;

	(void)revents;
	ev_timer_stop(loop, t);
	engine_adoption(en)->heard = 0;
	for (uint32_t i = 0; i < LISTEN_TURN && control_first_unheard(en); i++) {
		struct vm *vm = control_first_unheard(en);
		struct err e = {0};
		const struct life_news n = {.e = &e};

		if (vm_listen(vm, &e) == 0) {
			vm_look(vm);
			continue;
		}
		(void)life_event(vm, LIFE_UNHEARD, &n);
		return; /* on_again() continues with this VM, and then with the others */
	}
	listen_soon(en);
}

/* VMs were adopted or have ended: removes what belongs to no VM, and scans for domains that have
 * ended since. */
static void settle(struct engine *en)
{
	engine_adoption(en)->changed = false;
	devices_adopted(en);
	storehost_tidy(en);
	names_adopted(en);
	deaths_scan(engine_deaths(en));
	deaths_hint(engine_deaths(en));
	fork_adopt(en);
	listen_soon(en);
}

static void on_again(struct ev_loop *loop, ev_timer *t, int revents)
{
	struct engine *en = t->data;
	struct adoption *a = engine_adoption(en);
	bool unknown = false;
	struct vm *next;

	(void)revents;
	ev_timer_stop(loop, t);
	a->wait_s = a->wait_s * 2 < AGAIN_MAX_S ? a->wait_s * 2 : AGAIN_MAX_S;
	half_made_again(en, &a->half_made);
	for (struct vm *vm = vms_alive(en); vm; vm = next) {
		next = vm_next(vm);
		if (life_now(vm) != NOW_UNKNOWN)
			continue;
		unknown = true;
		if (vm_known_life(vm)->unread)
			sleeper_read_again(vm);
		else
			adopt_try(vm);
	}
	if (a->changed)
		settle(en);
	listen_soon(en);
	if (!unknown && !a->half_made)
		a->wait_s = AGAIN_MIN_S;
	else if (!ev_is_active(t))
		again_in(a, a->wait_s);
}

int adopt_all(struct engine *en, struct err *e)
{
	struct adoption *a = calloc(1, sizeof(*a));
	int rc;

	if (!a)
		return err_set(e, ENOMEM, "out of memory");
	engine_set_adoption(en, a);
	a->en = en;
	a->wait_s = AGAIN_MIN_S;
	ev_init(&a->again, on_again);
	a->again.data = en;
	ev_init(&a->listen, on_listen);
	a->listen.data = en;
	a->census = census_take(engine_xen(en));
	rc = vms_recorded(en, adopt_recorded, e);
	census_free(a->census);
	a->census = NULL;
	if (rc == 0)
		rc = sleepers_adopt(en, e);
	if (rc < 0)
		return rc;
	drops_adopt(en);
	settle(en);
	if (a->half_made || rc > 0)
		adopt_try_later(en);
	return 0;
}

void adopt_close(struct engine *en)
{
	struct adoption *a = engine_adoption(en);

	if (!a)
		return;
	ev_timer_stop(engine_loop(en), &a->again);
	ev_timer_stop(engine_loop(en), &a->listen);
	half_made_free(&a->half_made);
	free(a);
	engine_set_adoption(en, NULL);
}
