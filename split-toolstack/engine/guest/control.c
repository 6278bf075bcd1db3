/* SPDX-License-Identifier: BSD-3-Clause */
/* The control channel: the guest's console output and words, and input for it. */
#include "split-toolstack/engine/guest/control.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "split-toolstack/engine/engine-t.h"
#include "split-toolstack/engine/guest/console_log.h"
#include "split-toolstack/engine/life/life.h"
#include "split-toolstack/engine/services/deaths.h"
#include "split-toolstack/engine/services/ports.h"
#include "split-toolstack/engine/vm/vm-t.h"
#include "split-toolstack/engine/vm/vm.h"

#define INPUT_QUEUE_MAX 65536u

/* Takes console output into the log; the guest hears of the room it got. */
static void take_console(struct vm *vm)
{
	uint8_t buf[NOXS_CONSOLE_OUT_SIZE];
	bool took = false;
	int n = noxs_console_take(&vm->con, buf, sizeof(buf));

	if (n == -EPROTO)
		log_line(LOG_WARN, "op=console dom=%u name=%s: the guest broke its console ring",
			 vm->domid, vm->name);
	if (n > 0) {
		(void)console_log_write(vm, buf, (uint32_t)n, vm->con.out_cons);
		noxs_console_release(&vm->con);
		took = true;
	}
	if (took) {
		(void)xen_evtchn_notify(vm->en->x, vm->port);
		vm_announce(vm, VM_EV_CONSOLE);
	}
}

static void look_at_words(struct vm *vm)
{
	struct noxs_guest_words w;

	if (!vm->noxs)
		return;
	noxs_control_words(&vm->con, &w);
	if (w.state == NOXS_STATE_STOPPING)
		deaths_hint(vm->en->deaths);
	if (vm->ready || w.state == NOXS_STATE_BOOTING)
		return;
	vm->ready = true;
	vm->t.ready_ns = (uint32_t)(clock_ns() - vm->unpaused);
	vm_announce(vm, VM_EV_READY);
	vm_create_done(vm, 0, NULL);
}

static void push_input(struct vm *vm)
{
	int n = noxs_console_put(&vm->con, vm->input, vm->input_len);

	if (n <= 0)
		return;
	memmove(vm->input, vm->input + n, vm->input_len - (uint32_t)n);
	vm->input_len -= (uint32_t)n;
	(void)xen_evtchn_notify(vm->en->x, vm->port);
}

void vm_look(struct vm *vm)
{
	look_at_words(vm); /* first: a create may wait for it */
	take_console(vm);
	if (vm->input_len)
		push_input(vm);
}

static void on_event(struct port_user *u)
{
	vm_look((struct vm *)(void *)((char *)u - offsetof(struct vm, control)));
}

int vm_hear(struct vm *vm)
{
	vm->control.event = on_event;
	vm->control.credit = &vm->credit;
	return ports_listen(vm->en->ports, vm->port, &vm->control);
}

/* --- input --- */

int vm_console_write(struct vm *vm, const void *buf, uint32_t len, struct err *e)
{
	uint32_t room;

	if (vm_state(vm) == VM_UNKNOWN)
		return err_set(e, EAGAIN, "\"%s\" was not taken over yet: %s", vm->name,
			       vm->left.why);
	if (!vm->con.page)
		return err_set(e, EPIPE, "\"%s\" has ended", vm->name);
	if (vm->unheard_prev) {
		int rc = vm_listen(vm, e);

		if (rc < 0)
			return rc;
		vm_look(vm);
	}
	if (!vm->input) {
		vm->input = malloc(INPUT_QUEUE_MAX);
		if (!vm->input)
			return err_set(e, ENOMEM, "out of memory");
	}
	room = INPUT_QUEUE_MAX - vm->input_len;
	if (len > room)
		len = room;
	memcpy(vm->input + vm->input_len, buf, len);
	vm->input_len += len;
	push_input(vm);
	return (int)len;
}
