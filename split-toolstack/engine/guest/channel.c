/* SPDX-License-Identifier: BSD-3-Clause */
/* The backend of device/console/1: Linux grants a page with the layout of its first console's,
 * and writes its reference into the store. */
#include "split-toolstack/engine/guest/channel.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "dom0/devtree.h"
#include "split-toolstack/engine/guest/guest-t.h"
#include "split-toolstack/engine/guest/guests-t.h"
#include "split-toolstack/engine/parts/parts.h"
#include "split-toolstack/engine/engine.h"
#include "split-toolstack/engine/services/ports.h"
#include "split-toolstack/engine/vm/parts.h"
#include "split-toolstack/engine/vm/vm.h"
#include "split-toolstack/engine/vm/vms.h"

#define LINES_MAX 8u /* lines in the log about one guest */

static struct devtree_id id_of(const struct vm *vm)
{
	return (struct devtree_id){"console", vm_domid(vm), 1};
}

static void front(char path[DEVTREE_PATH_MAX], const struct vm *vm, const char *leaf)
{
	const struct devtree_id id = id_of(vm);

	devtree_front(&id, leaf, path);
}

static void back(char path[DEVTREE_PATH_MAX], const struct vm *vm, const char *leaf)
{
	const struct devtree_id id = id_of(vm);

	devtree_back(&id, leaf, path);
}

/* A guest may break its ring and connect again any number of times. */
static void log_fault(struct channel *c, const struct vm *vm, const char *what, int rc)
{
	if (c->lines >= LINES_MAX)
		return;
	c->lines++;
	log_line(LOG_WARN, "op=channel dom=%u name=%s: %s: %s%s", vm_domid(vm), vm_name(vm), what,
		 strerror(-rc), c->lines == LINES_MAX ? "; further faults are not logged" : "");
}

/* --- the ring --- */

static bool push_input(struct channel *c, struct vm *vm)
{
	if (!c->con.page || !input_push(&c->input, &c->con))
		return false;
	(void)xen_evtchn_notify(engine_xen(vm_engine(vm)), c->port);
	return true;
}

static void on_event(struct port_user *u)
{
	struct vm *vm =
		((struct guest *)(void *)((char *)u - offsetof(struct guest, channel.user)))->vm;
	struct channel *c = &vm_guest(vm)->channel;
	double rest = input_rest(&c->input, push_input(c, vm));

	if (rest > 0.)
		ports_rest(engine_ports(vm_engine(vm)), u, rest);
	vm_announce_console(vm);
}

static void disconnect(struct channel *c, struct vm *vm)
{
	ports_ignore(engine_ports(vm_engine(vm)), &c->user);
	if (c->port)
		(void)xen_evtchn_unbind(engine_xen(vm_engine(vm)), c->port);
	c->port = 0;
	c->con.page = NULL;
	if (c->page)
		xen_grant_unmap(engine_xen(vm_engine(vm)), c->page);
	c->page = NULL;
}

/* Data about the ring that the guest has written. */
static int map_ring(struct channel *c, struct vm *vm)
{
	struct store *s = engine_guests(vm_engine(vm))->tree;
	char path[DEVTREE_PATH_MAX];
	uint32_t ref = 0;
	uint32_t port = 0;
	int rc;

	front(path, vm, "ring-ref");
	rc = store_get_u32(s, path, &ref);
	front(path, vm, "port");
	if (rc == 0)
		rc = store_get_u32(s, path, &port);
	if (rc == 0)
		rc = xen_grant_map(engine_xen(vm_engine(vm)), vm_domid(vm), ref, &c->page);
	if (rc == 0)
		rc = xen_evtchn_bind(engine_xen(vm_engine(vm)), vm_domid(vm), port, &c->port);
	if (rc < 0)
		return rc;
	c->user.event = on_event;
	c->user.resumed = on_event;
	c->user.credit = &vm_guest(vm)->credit;
	return ports_listen(engine_ports(vm_engine(vm)), c->port, &c->user);
}

static void connect_ring(struct channel *c, struct vm *vm, bool again)
{
	char path[DEVTREE_PATH_MAX];
	int rc;

	disconnect(c, vm);
	rc = map_ring(c, vm);
	if (rc < 0) {
		log_fault(c, vm, "the guest's ring cannot be connected", rc);
		disconnect(c, vm);
		return;
	}
	noxs_control_adopt(&c->con, c->page);
	if (!again)
		input_clear(&c->input); /* it was for the ring that was closed */
	c->epoch++;
	back(path, vm, "state");
	(void)store_putf(engine_guests(vm_engine(vm))->tree, path, "%d", DEVTREE_CONNECTED);
	on_event(&c->user);
}

/* The guest connects, when it starts and after it was restored, or disconnects. */
static void on_state(struct store_hook *h, const char *path, bool removed, uint32_t by)
{
	struct vm *vm =
		((struct guest *)(void *)((char *)h - offsetof(struct guest, channel.hook)))->vm;
	uint32_t state = DEVTREE_UNKNOWN;

	(void)by;
	if (removed || store_get_u32(engine_guests(vm_engine(vm))->tree, path, &state) < 0)
		return;
	if (state == DEVTREE_INITIALISED)
		connect_ring(&vm_guest(vm)->channel, vm, false);
	else if (state == DEVTREE_CLOSING || state == DEVTREE_CLOSED)
		disconnect(&vm_guest(vm)->channel, vm);
}

int channel_open(struct vm *vm, bool adopt, struct err *e)
{
	struct channel *c = &vm_guest(vm)->channel;
	struct store *s = engine_guests(vm_engine(vm))->tree;
	char path[DEVTREE_PATH_MAX];
	uint32_t state = DEVTREE_UNKNOWN;
	const struct devtree_id id = id_of(vm);
	int rc = adopt ? 0 : devtree_make_console(s, &id);

	c->lines = 0;
	front(path, vm, "state");
	c->hook.fn = on_state;
	if (rc == 0)
		rc = store_hook(s, &c->hook, path);
	if (rc < 0)
		return err_sys(e, -rc, "agent's channel of domain %u", vm_domid(vm));
	c->open = true;
	if (adopt && store_get_u32(s, path, &state) == 0 &&
	    (state == DEVTREE_INITIALISED || state == DEVTREE_CONNECTED))
		connect_ring(c, vm, true);
	return 0;
}

void channel_close(struct vm *vm)
{
	struct channel *c = &vm_guest(vm)->channel;

	if (!c->open)
		return;
	c->open = false;
	if (c->page) /* the client gives up what it has of the guest's, too */
		c->epoch++;
	store_unhook(engine_guests(vm_engine(vm))->tree, &c->hook);
	disconnect(c, vm);
	input_free(&c->input);
}

/* --- its one client --- */

int vm_channel_epoch(const struct vm *vm, uint32_t *out, struct err *e)
{
	*out = vm_guest(vm)->channel.epoch;
	if (!vm_cfg(vm)->agent)
		return err_set(e, EOPNOTSUPP,
			       "\"%s\" has no channel for an agent: create it with agent=1",
			       vm_name(vm));
	return 0;
}

int vm_channel_read(struct vm *vm, void *buf, uint32_t len)
{
	struct channel *c = &vm_guest(vm)->channel;
	int n = c->con.page ? noxs_console_take(&c->con, buf, len) : 0;

	if (n == -EPROTO)
		log_fault(c, vm, "the guest's ring has impossible indexes", n);
	if (n > 0) {
		noxs_console_release(&c->con);
		(void)xen_evtchn_notify(engine_xen(vm_engine(vm)), c->port);
	}
	return n > 0 ? n : 0;
}

int vm_channel_write(struct vm *vm, const void *buf, uint32_t len, struct err *e)
{
	struct channel *c = &vm_guest(vm)->channel;
	int n;

	if (!c->open)
		return err_set(e, EPIPE, "\"%s\" has ended", vm_name(vm));
	n = input_add(&c->input, buf, len);
	if (n < 0)
		return err_set(e, ENOMEM, "out of memory");
	(void)push_input(c, vm);
	return n;
}
