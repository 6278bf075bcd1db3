/* SPDX-License-Identifier: BSD-3-Clause */
/* The control channel: the guest's console output and words, and input for it. */
#include "split-toolstack/engine/guest/control.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <utlist.h>

#include "base/clock.h"
#include "base/log.h"
#include "dom0/devtree.h"
#include "libdom/save.h"
#include "noxs/page.h"
#include "split-toolstack/engine/guest/console_log.h"
#include "split-toolstack/engine/guest/fork.h"
#include "split-toolstack/engine/guest/guest-t.h"
#include "split-toolstack/engine/guest/guests-t.h"
#include "split-toolstack/engine/guest/guests.h"
#include "split-toolstack/engine/guest/storehost.h"
#include "split-toolstack/engine/parts/parts.h"
#include "split-toolstack/engine/services/deaths.h"
#include "split-toolstack/engine/services/ports.h"
#include "split-toolstack/engine/services/slots.h"
#include "split-toolstack/engine/vm/parts.h"
#include "split-toolstack/engine/vm/vm.h"
#include "split-toolstack/engine/vm/vms.h"

/* Copies console output into the log; the guest gets an event for the room in the ring. */
static void take_console(struct vm *vm)
{
	struct guest *g = vm_guest(vm);
	uint8_t buf[NOXS_CONSOLE_OUT_SIZE];
	bool took = false;
	int n = noxs_console_take(&g->con, buf, sizeof(buf));

	if (n == -EPROTO)
		log_line(LOG_WARN, "op=console dom=%u name=%s: the guest broke its console ring",
			 vm_domid(vm), vm_name(vm));
	if (n > 0) {
		(void)console_log_write(vm, buf, (uint32_t)n, g->con.out_cons);
		noxs_console_release(&g->con);
		took = true;
	}
	if (took) {
		(void)xen_evtchn_notify(engine_xen(vm_engine(vm)), g->port);
		if (vm_is_listed(vm)) /* else it waits in the pool */
			vm_announce_console(vm);
	}
}

static void read_words(struct vm *vm)
{
	struct noxs_guest_words w;

	if (!vm_has_noxs(vm))
		return;
	noxs_control_words(&vm_guest(vm)->con, &w);
	if (w.state == NOXS_STATE_STOPPING)
		deaths_hint(engine_deaths(vm_engine(vm)));
	if (!vm_said_ready(vm) && w.state != NOXS_STATE_BOOTING)
		engine_guests(vm_engine(vm))->ops->ready(vm);
}

static bool push_input(struct vm *vm)
{
	struct guest *g = vm_guest(vm);

	if (g->still || !input_push(&g->input, &g->con))
		return false;
	(void)xen_evtchn_notify(engine_xen(vm_engine(vm)), g->port);
	return true;
}

void vm_look(struct vm *vm)
{
	struct guest *g = vm_guest(vm);
	double rest;

	if (g->still)
		return;
	read_words(vm); /* first: a create may wait for it */
	take_console(vm);
	rest = input_rest(&g->input, push_input(vm));
	if (rest > 0.)
		ports_rest(engine_ports(vm_engine(vm)), &g->control, rest);
}

static void on_event(struct port_user *u)
{
	struct vm *vm = ((struct guest *)(void *)((char *)u - offsetof(struct guest, control)))->vm;

	vm_look(vm);
	if (fork_is_wanted(vm))
		engine_guests(vm_engine(vm))->ops->fork(vm);
}

static int listen_to_port(struct vm *vm)
{
	struct guest *g = vm_guest(vm);

	g->control.event = on_event;
	g->control.resumed = on_event;
	g->control.credit = &g->credit;
	return ports_listen(engine_ports(vm_engine(vm)), g->port, &g->control);
}

/* --- the channel --- */

/* A guest that had not bound its end when the last daemon ended still can: to a new port. */
static int reserve_again(struct vm *vm)
{
	struct guest *g = vm_guest(vm);
	int rc = xen_evtchn_reserve(engine_xen(vm_engine(vm)), vm_domid(vm), &g->port);

	if (rc == 0)
		noxs_page_set_remote(vm_map(vm), g->port);
	return rc;
}

/* A backend that has not come yet binds to it. */
static bool is_device_port(struct vm *vm, uint32_t port)
{
	bool is = false;

	for (uint32_t i = 0; i < vm_cfg(vm)->ndevice; i++) {
		const struct device_config *c = &vm_cfg(vm)->device[i];
		struct devtree_id id = {device_kind_name(c->kind), vm_domid(vm), c->devid};
		char at[DEVTREE_PATH_MAX];
		uint32_t n = 0;

		devtree_front(&id, "event-channel", at);
		is = is || (store_get_u32(engine_store(vm_engine(vm)), at, &n) == 0 && n == port);
	}
	return is;
}

/* The guest's end of the channel of the last daemon, or an end that is not bound. */
static int find_port(struct vm *vm, uint32_t *port)
{
	uint32_t end = dom_evtchn_port_max(&vm_cfg(vm)->limits, vm_has_noxs(vm)) + 1;
	int rc;

	*port = 0;
	do
		rc = xen_evtchn_find(engine_xen(vm_engine(vm)), vm_domid(vm), *port + 1, end, port);
	while (rc == 0 && is_device_port(vm, *port));
	return rc;
}

static int bind_port(struct vm *vm, bool adopt, struct err *e)
{
	struct guest *g = vm_guest(vm);
	uint32_t guest_port = vm_guest_port(vm);
	int rc = 0;

	if (g->port)
		return 0;
	if (guest_port == 0 && !adopt) {
		g->port = vm_slot_port(vm); /* the guest binds to it */
		return 0;
	}
	if (guest_port == 0)
		rc = find_port(vm, &guest_port);
	if (rc == -ENOENT)
		rc = reserve_again(vm);
	else if (rc == 0)
		rc = xen_evtchn_bind(engine_xen(vm_engine(vm)), vm_domid(vm), guest_port, &g->port);
	if (rc < 0) {
		g->port = 0;
		return err_sys(e, -rc, "bind to event channel %u of domain %u", guest_port,
			       vm_domid(vm));
	}
	return 0;
}

static void unlist(struct vm *vm)
{
	struct guest *g = vm_guest(vm);

	if (g->unheard_prev)
		DL_DELETE2(engine_guests(vm_engine(vm))->unheard, g, unheard_prev, unheard_next);
	g->unheard_prev = NULL;
}

int vm_listen(struct vm *vm, struct err *e)
{
	struct guest *g = vm_guest(vm);
	bool adopted = g->unheard_prev != NULL;
	int rc = bind_port(vm, adopted, e);

	if (rc == 0 && listen_to_port(vm) < 0) {
		if (adopted) { /* else control_close() does: the port is the slot's */
			(void)xen_evtchn_unbind(engine_xen(vm_engine(vm)), g->port);
			g->port = 0;
		}
		rc = err_set(e, ENOMEM, "out of memory");
	}
	if (rc < 0)
		return rc;
	unlist(vm);
	/* it was recorded as running, but the last daemon had not opened its gate */
	if (adopted && vm_has_noxs(vm) && noxs_page_open(vm_map(vm)))
		(void)xen_evtchn_notify(engine_xen(vm_engine(vm)), g->port);
	if (adopted && vm_guest_port(vm) == 0) /* its id keeps the port when it ends */
		vm_keep_port(vm, g->port);
	return 0;
}

int control_open(struct vm *vm, struct err *e)
{
	noxs_control_init(&vm_guest(vm)->con, vm_map(vm) + 4096);
	fork_begin_new(vm);
	return vm_listen(vm, e);
}

int control_resume(struct vm *vm, struct err *e)
{
	struct guest *g = vm_guest(vm);

	noxs_control_adopt(&g->con, vm_map(vm) + 4096);
	fork_begin_saved(vm);
	console_log_new_ring(vm, g->con.out_cons);
	return vm_listen(vm, e);
}

void control_adopt(struct vm *vm)
{
	struct guest *g = vm_guest(vm);

	noxs_control_adopt(&g->con, vm_map(vm) + 4096);
	fork_begin_adopted(vm);
	DL_APPEND2(engine_guests(vm_engine(vm))->unheard, g, unheard_prev, unheard_next);
}

void control_take_port(struct vm *vm, uint32_t port)
{
	vm_guest(vm)->port = port;
}

void control_keep_port(struct vm *vm)
{
	if (!vm_slot_port(vm))
		vm_keep_port(vm, vm_guest(vm)->port);
}

void control_close(struct vm *vm)
{
	struct guest *g = vm_guest(vm);

	unlist(vm);
	g->con.page = NULL;
	ports_ignore(engine_ports(vm_engine(vm)), &g->control);
	if (g->port && g->port != vm_slot_port(vm))
		(void)xen_evtchn_unbind(engine_xen(vm_engine(vm)), g->port);
	g->port = 0;
	input_clear(&g->input);
	g->still = false;
}

bool control_is_open(const struct vm *vm)
{
	return vm_guest(vm)->con.page != NULL;
}

bool control_is_unheard(const struct vm *vm)
{
	return vm_guest(vm)->unheard_prev != NULL;
}

struct vm *control_first_unheard(const struct engine *en)
{
	const struct guest *g = engine_guests(en)->unheard;

	return g ? g->vm : NULL;
}

int control_open_gate(struct vm *vm)
{
	vm_leaves_gate(vm);
	(void)noxs_page_open(vm_map(vm));
	return xen_evtchn_notify(engine_xen(vm_engine(vm)), vm_guest(vm)->port);
}

/* --- requests to the guest --- */

void control_words(const struct vm *vm, struct noxs_guest_words *w)
{
	noxs_control_words(&vm_guest(vm)->con, w);
}

int control_request(struct vm *vm, uint32_t request, struct err *e)
{
	struct guest *g = vm_guest(vm);
	int rc = control_is_unheard(vm) ? vm_listen(vm, e) : 0;

	if (rc < 0)
		return rc;
	g->suspend_asked = g->suspend_asked || request == NOXS_REQ_SUSPEND;
	noxs_control_request(&g->con, request);
	rc = xen_evtchn_notify(engine_xen(vm_engine(vm)), g->port);
	if (rc < 0)
		return err_sys(e, -rc, "send the event of a request to \"%s\"", vm_name(vm));
	return 0;
}

/* --- being saved --- */

int control_check_save(const struct vm *vm, struct err *e)
{
	return save_check(vm_guest(vm)->con.page, e);
}

int control_needs(const struct vm *vm, struct save_needs *out, struct err *e)
{
	if (vm_has_noxs(vm) && !control_is_open(vm))
		return err_set(e, EOPNOTSUPP, "\"%s\" does not run", vm_name(vm));
	return save_needs(engine_xen(vm_engine(vm)), vm_cfg(vm)->type,
			  vm_has_noxs(vm) ? vm_guest(vm)->con.page : NULL, out, e);
}

bool control_can_devices(const struct vm *vm)
{
	return control_is_open(vm) && save_can_devices(vm_guest(vm)->con.page);
}

bool control_suspend_was_asked(struct vm *vm)
{
	struct guest *g = vm_guest(vm);
	bool asked = g->suspend_asked;

	g->suspend_asked = false;
	return asked;
}

void control_expect_suspend(struct vm *vm)
{
	vm_guest(vm)->suspend_asked = true;
}

bool control_can_suspend(const struct vm *vm)
{
	return control_is_open(vm) && save_can_suspend(vm_guest(vm)->con.page);
}

void control_still(struct vm *vm, bool still)
{
	if (still)
		vm_look(vm);
	vm_guest(vm)->still = still;
}

/* --- input --- */

int vm_console_write(struct vm *vm, const void *buf, uint32_t len, struct err *e)
{
	struct guest *g = vm_guest(vm);
	int n;

	if (vm_state(vm) == VM_UNKNOWN)
		return err_set(e, EAGAIN, "\"%s\" was not adopted yet: %s", vm_name(vm),
			       vm_why_unknown(vm));
	if (!g->con.page)
		return err_set(e, EPIPE, "\"%s\" has ended", vm_name(vm));
	if (control_is_unheard(vm)) {
		int rc = vm_listen(vm, e);

		if (rc < 0)
			return rc;
		vm_look(vm);
	}
	n = input_add(&g->input, buf, len);
	if (n < 0)
		return err_set(e, ENOMEM, "out of memory");
	(void)push_input(vm);
	return n;
}
