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
#include "split-toolstack/engine/engine-t.h"
#include "split-toolstack/engine/guest/console_log.h"
#include "split-toolstack/engine/guest/fork.h"
#include "split-toolstack/engine/guest/storehost.h"
#include "split-toolstack/engine/services/deaths.h"
#include "split-toolstack/engine/services/ports.h"
#include "split-toolstack/engine/vm/vm-t.h"
#include "split-toolstack/engine/vm/vm.h"
#include "split-toolstack/engine/vm/vms.h"

#define INPUT_QUEUE_MAX 65536u

/* Takes console output into the log; the guest hears of the room it got. */
static void take_console(struct vm *vm)
{
	uint8_t buf[NOXS_CONSOLE_OUT_SIZE];
	bool took = false;
	int n = noxs_console_take(&vm->guest.con, buf, sizeof(buf));

	if (n == -EPROTO)
		log_line(LOG_WARN, "op=console dom=%u name=%s: the guest broke its console ring",
			 vm->domid, vm->name);
	if (n > 0) {
		(void)console_log_write(vm, buf, (uint32_t)n, vm->guest.con.out_cons);
		noxs_console_release(&vm->guest.con);
		took = true;
	}
	if (took) {
		(void)xen_evtchn_notify(vm->en->x, vm->guest.port);
		if (vm_is_listed(vm)) /* else it waits in the pool */
			vm_announce(vm, VM_EV_CONSOLE);
	}
}

static void look_at_words(struct vm *vm)
{
	struct noxs_guest_words w;

	if (!vm->noxs)
		return;
	noxs_control_words(&vm->guest.con, &w);
	if (w.state == NOXS_STATE_STOPPING)
		deaths_hint(vm->en->deaths);
	if (!vm->ready && w.state != NOXS_STATE_BOOTING)
		vm_is_ready(vm);
}

static void push_input(struct vm *vm)
{
	bool still = vm->guest.still;
	int n = still ? 0 : noxs_console_put(&vm->guest.con, vm->guest.input, vm->guest.input_len);

	if (n <= 0)
		return;
	memmove(vm->guest.input, vm->guest.input + n, vm->guest.input_len - (uint32_t)n);
	vm->guest.input_len -= (uint32_t)n;
	(void)xen_evtchn_notify(vm->en->x, vm->guest.port);
}

void vm_look(struct vm *vm)
{
	if (vm->guest.still)
		return;
	look_at_words(vm); /* first: a create may wait for it */
	take_console(vm);
	if (vm->guest.input_len)
		push_input(vm);
}

static void on_event(struct port_user *u)
{
	struct vm *vm = (struct vm *)(void *)((char *)u - offsetof(struct vm, guest.control));

	vm_look(vm);
	if (fork_is_wanted(vm))
		vm->en->guests.ops->fork(vm);
}

static int hear(struct vm *vm)
{
	vm->guest.control.event = on_event;
	vm->guest.control.credit = &vm->guest.credit;
	return ports_listen(vm->en->ports, vm->guest.port, &vm->guest.control);
}

/* --- the channel --- */

/* A guest that had not bound its end when the last daemon went still can: to a new port. */
static int reserve_again(struct vm *vm)
{
	int rc = xen_evtchn_reserve(vm->en->x, vm->domid, &vm->guest.port);

	if (rc == 0)
		noxs_page_set_remote(vm->map, vm->guest.port);
	return rc;
}

/* A backend that has not come yet binds to it. */
static bool is_device_port(struct vm *vm, uint32_t port)
{
	bool is = false;

	for (uint32_t i = 0; i < vm->cfg.ndevice; i++) {
		const struct device_config *c = &vm->cfg.device[i];
		struct devtree_id id = {device_kind_name(c->kind), vm->domid, c->devid};
		char at[DEVTREE_PATH_MAX];
		uint32_t n = 0;

		devtree_front(&id, "event-channel", at);
		is = is || (store_get_u32(engine_store(vm->en), at, &n) == 0 && n == port);
	}
	return is;
}

/* The guest's end of the channel that the last daemon has left, or an end that is not bound. */
static int find_port(struct vm *vm, uint32_t *port)
{
	uint32_t end = dom_evtchn_port_max(&vm->cfg.limits, vm->noxs) + 1;
	int rc;

	*port = 0;
	do
		rc = xen_evtchn_find(vm->en->x, vm->domid, *port + 1, end, port);
	while (rc == 0 && is_device_port(vm, *port));
	return rc;
}

static int bind_port(struct vm *vm, bool adopt, struct err *e)
{
	uint32_t guest_port = vm->guest_port;
	int rc = 0;

	if (vm->guest.port)
		return 0;
	if (guest_port == 0 && !adopt) {
		vm->guest.port = vm->slot.port; /* the guest binds to it */
		return 0;
	}
	if (guest_port == 0)
		rc = find_port(vm, &guest_port);
	if (rc == -ENOENT)
		rc = reserve_again(vm);
	else if (rc == 0)
		rc = xen_evtchn_bind(vm->en->x, vm->domid, guest_port, &vm->guest.port);
	if (rc < 0) {
		vm->guest.port = 0;
		return err_sys(e, -rc, "bind to event channel %u of domain %u", guest_port,
			       vm->domid);
	}
	return 0;
}

static void unlist(struct vm *vm)
{
	if (vm->guest.unheard_prev)
		DL_DELETE2(vm->en->guests.unheard, vm, guest.unheard_prev, guest.unheard_next);
	vm->guest.unheard_prev = NULL;
}

int vm_listen(struct vm *vm, struct err *e)
{
	bool adopted = vm->guest.unheard_prev != NULL;
	int rc = bind_port(vm, adopted, e);

	if (rc == 0 && hear(vm) < 0) {
		if (adopted) { /* else control_close() does: the port is the slot's */
			(void)xen_evtchn_unbind(vm->en->x, vm->guest.port);
			vm->guest.port = 0;
		}
		rc = err_set(e, ENOMEM, "out of memory");
	}
	if (rc < 0)
		return rc;
	unlist(vm);
	/* recorded as running, but the last daemon had not opened its gate yet */
	if (adopted && vm->noxs && noxs_page_open(vm->map))
		(void)xen_evtchn_notify(vm->en->x, vm->guest.port);
	if (adopted && vm->guest_port == 0) /* its id keeps the port when it ends */
		vm->slot.port = vm->guest.port;
	return 0;
}

int control_open(struct vm *vm, struct err *e)
{
	noxs_control_init(&vm->guest.con, vm->map + 4096);
	fork_begin_new(vm);
	return vm_listen(vm, e);
}

int control_resume(struct vm *vm, struct err *e)
{
	noxs_control_adopt(&vm->guest.con, vm->map + 4096);
	fork_begin_saved(vm);
	console_log_new_ring(vm, vm->guest.con.out_cons);
	return vm_listen(vm, e);
}

void control_adopt(struct vm *vm)
{
	noxs_control_adopt(&vm->guest.con, vm->map + 4096);
	fork_begin_adopted(vm);
	DL_APPEND2(vm->en->guests.unheard, vm, guest.unheard_prev, guest.unheard_next);
}

void control_take_port(struct vm *vm, uint32_t port)
{
	vm->guest.port = port;
}

void control_keep_port(struct vm *vm)
{
	if (!vm->slot.port)
		vm->slot.port = vm->guest.port;
}

void control_close(struct vm *vm)
{
	unlist(vm);
	vm->guest.con.page = NULL;
	ports_ignore(vm->en->ports, &vm->guest.control);
	if (vm->guest.port && vm->guest.port != vm->slot.port)
		(void)xen_evtchn_unbind(vm->en->x, vm->guest.port);
	vm->guest.port = 0;
	vm->guest.input_len = 0;
	vm->guest.still = false;
}

void control_free(struct vm *vm)
{
	free(vm->guest.input);
}

int control_open_gate(struct vm *vm)
{
	vm->at_gate = false;
	(void)noxs_page_open(vm->map);
	return xen_evtchn_notify(vm->en->x, vm->guest.port);
}

/* --- what is asked of the guest --- */

void control_words(const struct vm *vm, struct noxs_guest_words *w)
{
	noxs_control_words(&vm->guest.con, w);
}

int control_request(struct vm *vm, uint32_t request, struct err *e)
{
	int rc = control_is_unheard(vm) ? vm_listen(vm, e) : 0;

	if (rc < 0)
		return rc;
	vm->guest.suspend_asked = vm->guest.suspend_asked || request == NOXS_REQ_SUSPEND;
	noxs_control_request(&vm->guest.con, request);
	rc = xen_evtchn_notify(vm->en->x, vm->guest.port);
	if (rc < 0)
		return err_sys(e, -rc, "ask \"%s\"", vm->name);
	return 0;
}

/* --- being saved --- */

int control_check_save(const struct vm *vm, struct err *e)
{
	return save_check(vm->guest.con.page, e);
}

int control_needs(const struct vm *vm, struct save_needs *out, struct err *e)
{
	if (vm->noxs && !control_is_open(vm))
		return err_set(e, EOPNOTSUPP, "\"%s\" does not run", vm->name);
	return save_needs(vm->en->x, vm->cfg.type, vm->noxs ? vm->guest.con.page : NULL, out, e);
}

bool control_can_devices(const struct vm *vm)
{
	return control_is_open(vm) && save_can_devices(vm->guest.con.page);
}

bool control_suspend_was_asked(struct vm *vm)
{
	bool asked = vm->guest.suspend_asked;

	vm->guest.suspend_asked = false;
	return asked;
}

void control_expect_suspend(struct vm *vm)
{
	vm->guest.suspend_asked = true;
}

bool control_can_suspend(const struct vm *vm)
{
	return control_is_open(vm) && save_can_suspend(vm->guest.con.page);
}

void control_still(struct vm *vm, bool still)
{
	if (still)
		vm_look(vm);
	vm->guest.still = still;
}

/* --- input --- */

int vm_console_write(struct vm *vm, const void *buf, uint32_t len, struct err *e)
{
	uint32_t room;

	if (vm_state(vm) == VM_UNKNOWN)
		return err_set(e, EAGAIN, "\"%s\" was not taken over yet: %s", vm->name,
			       vm_why_unknown(vm));
	if (!vm->guest.con.page)
		return err_set(e, EPIPE, "\"%s\" has ended", vm->name);
	if (control_is_unheard(vm)) {
		int rc = vm_listen(vm, e);

		if (rc < 0)
			return rc;
		vm_look(vm);
	}
	if (!vm->guest.input) {
		vm->guest.input = malloc(INPUT_QUEUE_MAX);
		if (!vm->guest.input)
			return err_set(e, ENOMEM, "out of memory");
	}
	room = INPUT_QUEUE_MAX - vm->guest.input_len;
	if (len > room)
		len = room;
	memcpy(vm->guest.input + vm->guest.input_len, buf, len);
	vm->guest.input_len += len;
	push_input(vm);
	return (int)len;
}
