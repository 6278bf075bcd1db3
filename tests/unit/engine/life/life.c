/* SPDX-License-Identifier: BSD-3-Clause */
/* All of the table of a VM's life: each event in each state does what the table says and leaves the
 * VM in a state that it names, or is refused and changes nothing. */
#include "split-toolstack/engine/domain/memory.h"
#include "split-toolstack/engine/life/life.h"
#include "split-toolstack/engine/life/migrate.h"
#include "split-toolstack/engine/life/sleep.h"
#include "split-toolstack/engine/life/saving.h"
#include "split-toolstack/engine/parts/parts.h"
#include "split-toolstack/engine/registry/registry.h"
#include "split-toolstack/engine/vm/parts.h"
#include "split-toolstack/engine/vm/record.h"
#include "split-toolstack/engine/vm/state.h"
#include "split-toolstack/engine/vm/vms.h"
#include "tests/unit/engine/devices_help.h"

#include <xen/sched.h>

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define BIG_KIB (64u << 10) /* built by the worker */

static const char *const state_name[NOW_COUNT] = {
	"new",	  "waiting",  "building",  "connecting", "gated", "running", "paused", "saving",
	"moving", "arriving", "preserved", "abandoned",	 "ended", "unknown", "asleep", "waking"};
static const char *const event_name[LIFE_EVENTS] = {
	"placed", "built",   "connected", "freed",   "timer", "ended", "unheard", "run",
	"pause",  "destroy", "save",	  "written", "taken", "move",  "wake"};

static struct vm *ask(struct vm_config c, uint32_t flags)
{
	engine_create(en, &c, flags, ignore_created, NULL);
	return engine_find(en, "web");
}

static struct vm *new_one(void)
{
	struct vm *vm;

	mounts_remote = true; /* its disk is opened by a thread */
	vm = ask(net_and_disk("web"), 0);
	mounts_remote = false;
	return vm;
}

static struct vm *crashed(enum vm_action then)
{
	struct vm_config c = guest("web", DOM_PV, 256);
	struct vm *vm;

	c.on_crash = then;
	vm = ask(c, 0);
	fake_end(vm_domid(vm), SHUTDOWN_crash);
	until(life_now(vm) != NOW_RUNNING);
	return vm;
}

static struct vm *with_devices(uint32_t flags, enum vm_now now)
{
	struct vm *vm = ask(net_and_disk("web"), flags);

	until(life_now(vm) == now);
	return vm;
}

static struct vm *destroyed(struct vm *vm)
{
	assert_int_equal(vm_destroy(vm, NULL), 0);
	return vm;
}

static struct vm *unknown(void)
{
	struct vm *vm = ask(guest("web", DOM_PV, 256), 0);
	struct err e = {0};
	struct life_news n = {.e = &e};

	(void)err_set(&e, ENOMEM, "for this test");
	assert_int_equal(life_event(vm, LIFE_UNHEARD, &n), 0);
	return vm;
}

static void note_saved(void *arg, int rc, const struct stream_stats *s, const struct err *e)
{
	if (arg)
		*(bool *)arg = true;
	(void)rc;
	(void)s;
	(void)e;
}

static struct vm *save_into(int fd, uint32_t flags, bool *written, stream_id *id)
{
	struct vm *vm = ask(guest("web", DOM_PV, 256), 0);
	volatile struct noxs_control *c = fake_page(vm_domid(vm), vm_control_frame(vm));

	c->can = NOXS_CAN_SAVE | NOXS_CAN_PLAIN;
	assert_int_equal(vm_save(vm, fd, flags, note_saved, written, id, NULL), 0);
	return vm;
}

static struct vm *saving(void)
{
	stream_id id;

	return save_into(open("/dev/null", O_WRONLY | O_CLOEXEC), 0, NULL, &id);
}

static struct vm *moving(void)
{
	bool written = false;
	stream_id id;
	struct vm *vm = save_into(open("/dev/null", O_WRONLY | O_CLOEXEC), 0, &written, &id);

	until(written);
	assert_int_equal(vm_save_move(en, id, NULL), 0);
	return vm;
}

static struct vm *arriving(void)
{
	int file = memfd_create("saved", MFD_CLOEXEC);
	static struct stream_stats stats;
	bool written = false;
	stream_id id;
	struct vm *vm = save_into(dup(file), VM_SAVE_KEEP, &written, &id);

	until(written);
	assert_int_equal(vm_destroy(vm, NULL), 0);
	assert_int_equal(vm_rm(vm, NULL), 0);
	assert_int_equal(lseek(file, 0, SEEK_SET), 0);
	assert_int_equal(engine_restore(en, file, NULL, VM_CREATE_ARRIVING, ignore_created, NULL,
					&stats, &id, NULL),
			 0);
	until((vm = vm_arriving(en, id)) != NULL);
	return vm;
}

static void ignore_saved(void *arg, int rc, const struct stream_stats *s, const struct err *e)
{
	(void)arg;
	(void)rc;
	(void)s;
	(void)e;
}

static struct vm *asleep(void)
{
	struct vm *vm = ask(guest("web", DOM_PV, 256), 0);
	volatile struct noxs_control *c = fake_page(vm_domid(vm), vm_control_frame(vm));

	c->can = NOXS_CAN_SAVE | NOXS_CAN_PLAIN;
	c->state = NOXS_STATE_READY;
	assert_int_equal(vm_sleep(vm, ignore_saved, NULL, NULL), 0);
	until(life_now(vm) == NOW_ASLEEP);
	return vm;
}

static int wake(struct vm *vm)
{
	static struct stream_stats st; /* its test may end before */

	return vm_wake(vm, "test", 0, ignore_created, NULL, &st, NULL);
}

static struct vm *waking(void)
{
	struct vm *vm = asleep();

	assert_int_equal(wake(vm), 0);
	return vm;
}

static struct vm *vm_in(enum vm_now now)
{
	switch (now) {
	case NOW_NEW:
		return new_one();
	case NOW_WAITING:
		return crashed(VM_RESTART);
	case NOW_BUILDING:
		return ask(guest("web", DOM_PV, BIG_KIB), 0);
	case NOW_CONNECTING:
		return with_devices(VM_CREATE_WAIT_DEVICES, NOW_CONNECTING);
	case NOW_GATED:
		return with_devices(0, NOW_GATED);
	case NOW_RUNNING:
		return ask(guest("web", DOM_PV, 256), 0);
	case NOW_PAUSED:
		return ask(guest("web", DOM_PV, 256), VM_CREATE_PAUSED);
	case NOW_SAVING:
		return saving();
	case NOW_MOVING:
		return moving();
	case NOW_ARRIVING:
		return arriving();
	case NOW_PRESERVED:
		return crashed(VM_PRESERVE);
	case NOW_ABANDONED:
		return destroyed(ask(guest("web", DOM_PV, BIG_KIB), 0));
	case NOW_ENDED:
		return destroyed(ask(guest("web", DOM_PV, 256), 0));
	case NOW_UNKNOWN:
		return unknown();
	case NOW_ASLEEP:
		return asleep();
	case NOW_WAKING:
		return waking();
	case NOW_COUNT:
		break;
	}
	return NULL;
}

/* The VM's state as a bit of the table: by its uuid, since it may be freed. */
static uint32_t bit_of(const uint8_t uuid[16])
{
	const struct vm *vm = engine_find_uuid(en, uuid);

	return vm ? 1u << life_now(vm) : LIFE_FREE;
}

/* What threads report comes by itself; all else is raised here. */
static bool comes_by_itself(enum vm_now now, enum life_event ev)
{
	return (ev == LIFE_PLACED && (now == NOW_NEW || now == NOW_WAITING)) ||
	       (ev == LIFE_BUILT &&
		(now == NOW_BUILDING || now == NOW_ABANDONED || now == NOW_WAKING));
}

static int raise_event(struct vm *vm, enum life_event ev)
{
	struct xen_domain_info info;
	struct vm_save none = {0}; /* its guests cannot be saved: refused */
	struct err e = {0};
	struct life_news n = {.e = &e, .save = ev == LIFE_SAVE ? &none : NULL};

	if (ev == LIFE_WAKE && life_now(vm) == NOW_ASLEEP)
		return wake(vm);
	if (ev == LIFE_UNHEARD)
		(void)err_set(&e, ENOMEM, "for this test");
	if (ev == LIFE_ENDED && xen_domain_info(engine_xen(en), vm_domid(vm), &info) == 0)
		n.info = &info;
	return life_event(vm, ev, &n);
}

static void is_refused(enum vm_now now, enum life_event ev, struct vm *vm)
{
	uint32_t domid = vm_domid(vm);

	if (raise_event(vm, ev) != -EINVAL || life_now(vm) != now || vm_domid(vm) != domid)
		fail_msg("%s x %s was not refused", state_name[now], event_name[ev]);
}

static void leads_on(enum vm_now now, enum life_event ev, struct vm *vm)
{
	uint32_t may = life_table[now][ev].to;
	uint8_t uuid[16];

	vm_uuid(vm, uuid);
	if (now == NOW_WAITING && ev == LIFE_PLACED)
		(void)raise_event(vm, LIFE_TIMER);
	if (comes_by_itself(now, ev))
		until(bit_of(uuid) != 1u << now);
	else
		(void)raise_event(vm, ev);
	if (!(bit_of(uuid) & may))
		fail_msg("%s x %s: leads to 0x%x, not 0x%x", state_name[now], event_name[ev],
			 bit_of(uuid), may);
}

/* Whatever has become of it: all of it goes. */
static void clean_up(const uint8_t uuid[16])
{
	struct vm *vm = engine_find_uuid(en, uuid);

	if (vm && !life_is_over(vm))
		assert_int_equal(vm_destroy(vm, NULL), 0);
	if (vm)
		assert_int_equal(vm_rm(vm, NULL), 0);
	assert_null(engine_find(en, "web"));
	files_settle();
	nothing_is_left(0);
}

static void every_event_in_every_state(void **state)
{
	(void)state;
	for (enum vm_now now = 0; now < NOW_COUNT; now++) {
		for (enum life_event ev = 0; ev < LIFE_EVENTS; ev++) {
			struct vm *vm = vm_in(now);
			uint8_t uuid[16];

			assert_non_null(vm);
			if (life_now(vm) != now)
				fail_msg("%s: it is %s", state_name[now], state_name[life_now(vm)]);
			vm_uuid(vm, uuid);
			if (!life_table[now][ev].fn)
				is_refused(now, ev, vm);
			else if (now != NOW_ABANDONED || ev != LIFE_PLACED)
				leads_on(now, ev, vm);
			clean_up(uuid);
		}
	}
}

/* Destroyed while threads read its image, and removed, too. */
static void an_image_comes_too_late(void **state)
{
	(void)state;
	for (int removed = 0; removed < 2; removed++) {
		struct vm_config c = guest("web", DOM_PV, 256);
		uint8_t uuid[16];
		struct vm *vm;

		engine_close(en);
		{
			struct engine_conf again = conf();

			fake_process_died();
			assert_int_equal(engine_open(loop, &again, &en, NULL), 0);
		}
		vm = ask(c, 0);
		assert_int_equal(life_now(vm), NOW_NEW);
		assert_int_equal(life_wait(vm), WAIT_IMAGE);
		vm_uuid(vm, uuid);
		assert_int_equal(vm_destroy(vm, NULL), 0);
		assert_int_equal(life_now(vm), NOW_ABANDONED);
		if (removed)
			assert_int_equal(vm_rm(vm, NULL), 0);
		until(!memory_builds(en) && bit_of(uuid) != 1u << NOW_ABANDONED);
		assert_int_equal(bit_of(uuid), removed ? LIFE_FREE : 1u << NOW_ENDED);
		clean_up(uuid);
	}
}

struct reading {
	const uint8_t *uuid;
	bool old; /* as a daemon that knew of no want has written it */
	enum vm_want want;
};

static int read_one(void *arg, const struct vm_record *r, struct vm_config *cfg)
{
	struct reading *reading = arg;
	struct vm_record now = *r;
	struct vm *vm;

	if (memcmp(r->uuid, reading->uuid, sizeof(r->uuid)) != 0)
		return 0;
	if (reading->old)
		now.want = WANT_UNSAID;
	vm = vm_of_record(en, &now, cfg);
	assert_non_null(vm);
	reading->want = life_want(vm);
	assert_int_equal(life_is_kept(vm), life_want(vm) != WANT_GONE);
	vm_free(vm);
	return 0;
}

static enum vm_want read_back(const struct vm *vm, bool old)
{
	struct reading r = {.uuid = vm_uuid_bytes(vm), .old = old};

	assert_int_equal(vm_record(vm, NULL), 0);
	assert_int_equal(registry_load(engine_registry(en), read_one, &r, NULL), 0);
	return r.want;
}

static void the_next_daemon_hears_what_is_wanted(void **state)
{
	static const enum vm_want want[NOW_COUNT] = {
		[NOW_NEW] = WANT_GONE,	    [NOW_WAITING] = WANT_RUN,
		[NOW_BUILDING] = WANT_GONE, [NOW_CONNECTING] = WANT_GONE,
		[NOW_GATED] = WANT_RUN,	    [NOW_RUNNING] = WANT_RUN,
		[NOW_PAUSED] = WANT_PAUSED, [NOW_PRESERVED] = WANT_RUN,
		[NOW_SAVING] = WANT_RUN,    [NOW_MOVING] = WANT_RUN,
		[NOW_ARRIVING] = WANT_GONE, [NOW_ABANDONED] = WANT_GONE,
		[NOW_ENDED] = WANT_GONE,    [NOW_UNKNOWN] = WANT_RUN,
		[NOW_ASLEEP] = WANT_RUN,    [NOW_WAKING] = WANT_RUN,
	};

	(void)state;
	for (enum vm_now now = 0; now < NOW_COUNT; now++) {
		struct vm *vm = vm_in(now);
		uint8_t uuid[16];

		vm_uuid(vm, uuid);
		for (int old = 0; old < 2; old++)
			if (read_back(vm, old) != want[now])
				fail_msg("%s: %u", state_name[now], read_back(vm, old));
		clean_up(uuid);
	}
}

/* A state without an event that leads out of it would keep its VM for ever. */
static void every_state_has_a_way_in_and_out(void **state)
{
	uint32_t reached = 1u << NOW_NEW | 1u << NOW_UNKNOWN; /* where lives begin */

	(void)state;
	for (enum vm_now now = 0; now < NOW_COUNT; now++) {
		uint32_t out = 0;

		for (enum life_event ev = 0; ev < LIFE_EVENTS; ev++) {
			const struct life_cell *c = &life_table[now][ev];

			assert_int_equal(c->fn != NULL, c->to != 0);
			out |= c->to;
		}
		reached |= out;
		assert_int_equal(!(out & ~(1u << now)), now == NOW_ENDED);
	}
	assert_int_equal(reached, (1u << NOW_COUNT) - 1 + LIFE_FREE);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		DEVICES(every_event_in_every_state),
		DEVICES(an_image_comes_too_late),
		DEVICES(the_next_daemon_hears_what_is_wanted),
		DEVICES(every_state_has_a_way_in_and_out),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
