/* SPDX-License-Identifier: BSD-3-Clause */
/* Events are stored in a ring at once, and sent after the loop has answered requests. */
#include "split-toolstack/chaosd/feed.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "split-toolstack/chaosd/fields.h"

struct event {
	enum vm_event ev;
	uint64_t when;
	uint8_t uuid[16];
	char name[VM_NAME_MAX + 1];
	uint32_t domid;
	enum vm_state state;
	enum vm_reason reason;
	int exit_code;
	/* of a flavor, and its image, or the snapshot that it is of, in `name`, cut */
	bool copies;
	enum dom_type type;
	uint32_t vcpus, target, ready;
	uint64_t mem_kib;
};

static struct {
	struct event *ring;
	uint64_t first, next;
	uint64_t count[VM_EV_COUNT];
	struct ev_loop *loop;
	ev_prepare tell;
	void (*news)(void);
	struct engine_observer observer;
} feed;

static void note(struct engine_observer *ob, enum vm_event ev, struct vm *vm,
		 const struct pool_flavor *f)
{
	struct event *to = &feed.ring[feed.next % FEED_KEPT];

	(void)ob;
	feed.count[ev]++;
	if (ev == VM_EV_CONSOLE)
		return;
	to->ev = ev;
	to->when = clock_wall_ns();
	if (vm) {
		vm_uuid(vm, to->uuid);
		(void)snprintf(to->name, sizeof(to->name), "%s", vm_name(vm));
		to->domid = vm_domid(vm);
		to->state = vm_state(vm);
		to->reason = vm_reason(vm, &to->exit_code);
	} else {
		(void)snprintf(to->name, sizeof(to->name), "%s",
			       f->image	 ? f->image
			       : f->from ? f->from
					 : "");
		to->copies = f->from != NULL;
		to->type = f->type;
		to->vcpus = f->vcpus;
		to->target = f->target;
		to->ready = f->ready;
		to->mem_kib = f->mem_kib;
	}
	feed.next++;
	if (feed.next - feed.first > FEED_KEPT)
		feed.first++;
	ev_prepare_start(feed.loop, &feed.tell);
}

static void on_prepare(struct ev_loop *loop, ev_prepare *p, int revents)
{
	(void)revents;
	ev_prepare_stop(loop, p);
	feed.news();
}

int feed_open(struct engine *en, struct ev_loop *loop, void (*news)(void), struct err *e)
{
	feed.ring = malloc(FEED_KEPT * sizeof(*feed.ring));
	if (!feed.ring)
		return err_set(e, ENOMEM, "out of memory");
	/* Touches the pages now, so that the first requests do not have to. */
	memset(feed.ring, 0, FEED_KEPT * sizeof(*feed.ring));
	feed.first = feed.next = clock_wall_ns() / 1000;
	feed.loop = loop;
	feed.news = news;
	ev_prepare_init(&feed.tell, on_prepare);
	feed.observer.fn = note;
	engine_observe(en, &feed.observer);
	return 0;
}

void feed_close(void)
{
	if (!feed.ring)
		return;
	engine_unobserve(&feed.observer);
	ev_prepare_stop(feed.loop, &feed.tell);
	free(feed.ring);
	feed.ring = NULL;
}

uint64_t feed_oldest(void)
{
	return feed.first;
}

uint64_t feed_next(void)
{
	return feed.next;
}

uint64_t feed_count(enum vm_event ev)
{
	return feed.count[ev];
}

/* A VM that crashed has its own event. */
static const char *name_of(const struct event *ev)
{
	if (ev->ev == VM_EV_EXITED &&
	    (ev->reason == VM_REASON_CRASH || ev->reason == VM_REASON_WATCHDOG))
		return "crashed";
	return vm_event_name(ev->ev);
}

void feed_put(uint64_t id, struct wire_out *w)
{
	const struct event *ev = &feed.ring[id % FEED_KEPT];
	uint32_t mark;

	wire_text(w, PROTO_EVENT, name_of(ev));
	wire_u64(w, PROTO_EVENT_ID, id);
	wire_u64(w, PROTO_WHEN, ev->when);
	if (ev->ev == VM_EV_POOL_LOW) {
		char *name = ev->name[0] ? (char *)(uintptr_t)ev->name : NULL;
		const struct pool_flavor f = {
			.type = ev->type,
			.vcpus = ev->vcpus,
			.mem_kib = ev->mem_kib,
			.target = ev->target,
			.ready = ev->ready,
			.image = ev->copies ? NULL : name,
			.from = ev->copies ? name : NULL,
		};

		fields_flavor(w, &f);
		return;
	}
	mark = wire_open(w, PROTO_VM);
	wire_text(w, PROTO_NAME, ev->name);
	wire_bytes(w, PROTO_UUID, ev->uuid, sizeof(ev->uuid));
	wire_u32(w, PROTO_DOMID, ev->domid);
	wire_text(w, PROTO_STATE, vm_state_name(ev->state));
	wire_text(w, PROTO_REASON, vm_reason_name(ev->reason));
	if (ev->exit_code >= 0)
		wire_u32(w, PROTO_EXIT_CODE, (uint32_t)ev->exit_code);
	wire_close(w, mark);
}
