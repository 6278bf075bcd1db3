/* SPDX-License-Identifier: BSD-3-Clause */
/* The backend of device/console/1: Linux grants a page that is laid out as its first console's, and
 * names it in the store. */
#include "split-toolstack/engine/guest/channel.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "dom0/devtree.h"
#include "split-toolstack/engine/engine-t.h"
#include "split-toolstack/engine/engine.h"
#include "split-toolstack/engine/services/ports.h"
#include "split-toolstack/engine/vm/vms.h"

#define INPUT_QUEUE_MAX 65536u

static void front(char path[DEVTREE_PATH_MAX], const struct vm *vm, const char *leaf)
{
	const struct devtree_id id = {"console", vm->domid, 1};

	devtree_front(&id, leaf, path);
}

static void back(char path[DEVTREE_PATH_MAX], const struct vm *vm, const char *leaf)
{
	const struct devtree_id id = {"console", vm->domid, 1};

	devtree_back(&id, leaf, path);
}

/* --- nodes --- */

static int put_front(const struct vm *vm)
{
	struct store_perm own[] = {{vm->domid, STORE_NONE}, {0, STORE_READ}};
	struct store *s = vm->en->guests.tree;
	char path[DEVTREE_PATH_MAX];
	char other[DEVTREE_PATH_MAX];
	int rc;

	front(path, vm, NULL);
	rc = store_putf_quiet(s, path, "%s", "");
	if (rc == 0)
		rc = store_set_perms(s, path, own, 2);
	back(other, vm, NULL);
	front(path, vm, "backend");
	if (rc == 0)
		rc = store_putf_quiet(s, path, "%s", other);
	front(path, vm, "backend-id");
	if (rc == 0)
		rc = store_putf_quiet(s, path, "0");
	front(path, vm, "state");
	if (rc == 0)
		rc = store_putf_quiet(s, path, "%d", DEVTREE_INITIALISING);
	return rc;
}

static int put_back(const struct vm *vm)
{
	struct store_perm read[] = {{0, STORE_NONE}, {vm->domid, STORE_READ}};
	struct store *s = vm->en->guests.tree;
	char path[DEVTREE_PATH_MAX];
	char other[DEVTREE_PATH_MAX];
	int rc;

	back(path, vm, NULL);
	rc = store_putf_quiet(s, path, "%s", "");
	if (rc == 0)
		rc = store_set_perms(s, path, read, 2);
	front(other, vm, NULL);
	back(path, vm, "frontend");
	if (rc == 0)
		rc = store_putf_quiet(s, path, "%s", other);
	back(path, vm, "frontend-id");
	if (rc == 0)
		rc = store_putf_quiet(s, path, "%u", vm->domid);
	back(path, vm, "online");
	if (rc == 0)
		rc = store_putf_quiet(s, path, "1");
	back(path, vm, "state");
	if (rc == 0)
		rc = store_putf_quiet(s, path, "%d", DEVTREE_INITIALISING);
	return rc;
}

/* --- the ring --- */

static void push_input(struct channel *c, struct vm *vm)
{
	int n = c->con.page ? noxs_console_put(&c->con, c->input, c->input_len) : 0;

	if (n <= 0)
		return;
	memmove(c->input, c->input + n, c->input_len - (uint32_t)n);
	c->input_len -= (uint32_t)n;
	(void)xen_evtchn_notify(vm->en->x, c->port);
}

static void on_event(struct port_user *u)
{
	struct vm *vm = (struct vm *)(void *)((char *)u - offsetof(struct vm, guest.channel.user));

	if (vm->guest.channel.input_len)
		push_input(&vm->guest.channel, vm);
	vm_announce(vm, VM_EV_CONSOLE);
}

static void disconnect(struct channel *c, struct vm *vm)
{
	ports_ignore(vm->en->ports, &c->user);
	if (c->port)
		(void)xen_evtchn_unbind(vm->en->x, c->port);
	c->port = 0;
	c->con.page = NULL;
	if (c->page)
		xen_grant_unmap(vm->en->x, c->page);
	c->page = NULL;
}

/* What the guest says of its ring. */
static int map_ring(struct channel *c, struct vm *vm)
{
	struct store *s = vm->en->guests.tree;
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
		rc = xen_grant_map(vm->en->x, vm->domid, ref, &c->page);
	if (rc == 0)
		rc = xen_evtchn_bind(vm->en->x, vm->domid, port, &c->port);
	if (rc < 0)
		return rc;
	c->user.event = on_event;
	c->user.resumed = on_event;
	c->user.credit = &vm->guest.credit;
	return ports_listen(vm->en->ports, c->port, &c->user);
}

static void connect_ring(struct channel *c, struct vm *vm, bool again)
{
	char path[DEVTREE_PATH_MAX];
	int rc;

	disconnect(c, vm);
	rc = map_ring(c, vm);
	if (rc < 0) {
		log_line(LOG_WARN, "op=channel dom=%u name=%s: cannot be connected: %s", vm->domid,
			 vm->name, strerror(-rc));
		disconnect(c, vm);
		return;
	}
	noxs_control_adopt(&c->con, c->page);
	if (!again)
		c->input_len = 0; /* it was for the ring that is gone */
	c->epoch++;
	back(path, vm, "state");
	(void)store_putf(vm->en->guests.tree, path, "%d", DEVTREE_CONNECTED);
	on_event(&c->user);
}

/* The guest connects, at its start and after it was restored, or lets go. */
static void on_state(struct store_hook *h, const char *path, bool removed, uint32_t by)
{
	struct vm *vm = (struct vm *)(void *)((char *)h - offsetof(struct vm, guest.channel.hook));
	uint32_t state = DEVTREE_UNKNOWN;

	(void)by;
	if (removed || store_get_u32(vm->en->guests.tree, path, &state) < 0)
		return;
	if (state == DEVTREE_INITIALISED)
		connect_ring(&vm->guest.channel, vm, false);
	else if (state == DEVTREE_CLOSING || state == DEVTREE_CLOSED)
		disconnect(&vm->guest.channel, vm);
}

int channel_open(struct vm *vm, bool adopt, struct err *e)
{
	struct channel *c = &vm->guest.channel;
	struct store *s = vm->en->guests.tree;
	char path[DEVTREE_PATH_MAX];
	uint32_t state = DEVTREE_UNKNOWN;
	int rc = adopt ? 0 : put_back(vm);

	if (rc == 0 && !adopt)
		rc = put_front(vm);
	front(path, vm, "state");
	c->hook.fn = on_state;
	if (rc == 0)
		rc = store_hook(s, &c->hook, path);
	if (rc < 0)
		return err_sys(e, -rc, "agent's channel of domain %u", vm->domid);
	c->open = true;
	if (adopt && store_get_u32(s, path, &state) == 0 &&
	    (state == DEVTREE_INITIALISED || state == DEVTREE_CONNECTED))
		connect_ring(c, vm, true);
	return 0;
}

void channel_close(struct vm *vm)
{
	struct channel *c = &vm->guest.channel;

	if (!c->open)
		return;
	c->open = false;
	store_unhook(vm->en->guests.tree, &c->hook);
	disconnect(c, vm);
	free(c->input);
	c->input = NULL;
	c->input_len = 0;
}

/* --- its one client --- */

int vm_channel_epoch(const struct vm *vm, uint32_t *out, struct err *e)
{
	*out = vm->guest.channel.epoch;
	if (!vm->cfg.agent)
		return err_set(e, EOPNOTSUPP, "\"%s\" has no channel for an agent: agent=1",
			       vm->name);
	return 0;
}

int vm_channel_read(struct vm *vm, void *buf, uint32_t len)
{
	struct channel *c = &vm->guest.channel;
	int n = c->con.page ? noxs_console_take(&c->con, buf, len) : 0;

	if (n == -EPROTO)
		log_line(LOG_WARN, "op=channel dom=%u name=%s: the guest broke its ring", vm->domid,
			 vm->name);
	if (n > 0) {
		noxs_console_release(&c->con);
		(void)xen_evtchn_notify(vm->en->x, c->port);
	}
	return n > 0 ? n : 0;
}

int vm_channel_write(struct vm *vm, const void *buf, uint32_t len, struct err *e)
{
	struct channel *c = &vm->guest.channel;
	uint32_t room;

	if (!c->open)
		return err_set(e, EPIPE, "\"%s\" has ended", vm->name);
	if (!c->input)
		c->input = malloc(INPUT_QUEUE_MAX);
	if (!c->input)
		return err_set(e, ENOMEM, "out of memory");
	room = INPUT_QUEUE_MAX - c->input_len;
	if (len > room)
		len = room;
	memcpy(c->input + c->input_len, buf, len);
	c->input_len += len;
	push_input(c, vm);
	return (int)len;
}
