/* SPDX-License-Identifier: BSD-3-Clause */
/* Event channels: from a pending port to the VM it belongs to, with credit against storms. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "split-toolstack/engine/private.h"

/* One wake-up handles so many events before clients get their turn. */
#define BATCH 64
/* A VM may cause so many events in a window; then its port stays masked until the next. */
#define WINDOW_S 0.01
#define CREDIT	 50u

struct ports {
	struct vm **vm; /* by port */
	uint32_t n;
	ev_io io;
	ev_timer credit; /* until the next window */
};

static void window_over(struct ev_loop *loop, ev_timer *t, int revents)
{
	struct engine *en = t->data;

	(void)loop;
	(void)revents;
	ev_timer_stop(en->loop, t);
	for (struct vm *vm = en->alive, *next; vm; vm = next) {
		next = vm->next;
		if (!vm->masked && !vm->view.masked)
			continue;
		vm->events = 0;
		if (vm->masked)
			(void)xen_evtchn_unmask(en->x, vm->port);
		vm->masked = false;
		if (!vm->view.masked)
			continue;
		vm->view.masked = false;
		(void)xen_evtchn_unmask(en->x, vm->view.port);
		vm_view_poll(vm);
	}
}

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
		death_hint(vm->en);
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
	look_at_words(vm); /* first: somebody may be waiting for it */
	take_console(vm);
	if (vm->input_len)
		push_input(vm);
}

void vm_spend(struct vm *vm, bool *masked)
{
	struct engine *en = vm->en;

	if (ev_now(en->loop) - vm->window > WINDOW_S) {
		vm->window = ev_now(en->loop);
		vm->events = 0;
	}
	if (++vm->events <= CREDIT)
		return;
	*masked = true; /* a storm: the next events wait */
	if (!ev_is_active(&en->ports->credit)) {
		ev_timer_set(&en->ports->credit, WINDOW_S, 0.);
		ev_timer_start(en->loop, &en->ports->credit);
	}
}

static void one_event(struct engine *en, uint32_t port)
{
	const struct ports *p = en->ports;
	struct vm *vm = port < p->n ? p->vm[port] : NULL;
	bool *masked;

	if (storehost_event(en, port) || death_event(en, port))
		return;
	if (!vm) { /* a late one: its VM is gone */
		(void)xen_evtchn_unmask(en->x, port);
		return;
	}
	masked = port == vm->view.port ? &vm->view.masked : &vm->masked;
	if (port == vm->view.port)
		vm_view_poll(vm);
	else
		vm_look(vm);
	vm_spend(vm, masked);
	if (!*masked)
		(void)xen_evtchn_unmask(en->x, port);
}

static void on_events(struct ev_loop *loop, ev_io *io, int revents)
{
	struct engine *en = io->data;
	uint32_t port;

	(void)loop;
	(void)revents;
	for (int i = 0; i < BATCH && xen_evtchn_pending(en->x, &port) == 0; i++)
		one_event(en, port);
}

int events_watch(struct engine *en, uint32_t port, struct vm *vm)
{
	struct ports *p = en->ports;

	if (!p) /* closed */
		return vm ? -EBADF : 0;
	if (port >= p->n) {
		uint32_t n = (port + 64) & ~63u;
		struct vm **grown;

		if (!vm)
			return 0;
		grown = realloc(p->vm, n * sizeof(struct vm *));
		if (!grown)
			return -ENOMEM;
		memset(grown + p->n, 0, (n - p->n) * sizeof(struct vm *));
		p->vm = grown;
		p->n = n;
	}
	p->vm[port] = vm;
	return 0;
}

int events_open(struct engine *en, struct err *e)
{
	struct ports *p = calloc(1, sizeof(*p));

	if (!p)
		return err_set(e, ENOMEM, "out of memory");
	en->ports = p;
	ev_init(&p->credit, window_over);
	p->credit.data = en;
	ev_io_init(&p->io, on_events, xen_evtchn_fd(en->x), EV_READ);
	p->io.data = en;
	ev_io_start(en->loop, &p->io);
	return 0;
}

void events_close(struct engine *en)
{
	struct ports *p = en->ports;

	if (!p)
		return;
	ev_timer_stop(en->loop, &p->credit);
	ev_io_stop(en->loop, &p->io);
	free(p->vm);
	free(p);
	en->ports = NULL;
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
