/* SPDX-License-Identifier: BSD-3-Clause */
/* Setting up, turning the loop, creating, and counting what is held. */
#include "tests/unit/engine/engine_help.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/log.h"
#include "split-toolstack/engine/files/files.h"
#include "split-toolstack/engine/parts/parts.h"

bool files_hang;
bool mounts_remote;
static char dir[64];
struct ev_loop *loop;
struct engine *en;

struct engine_conf conf(void)
{
	static char run[96], logs[96], cache[96], images[96], asleep[96];

	(void)snprintf(run, sizeof(run), "%s/run", dir);
	(void)snprintf(logs, sizeof(logs), "%s/log/console", dir);
	(void)snprintf(cache, sizeof(cache), "%s/cache", dir);
	(void)snprintf(images, sizeof(images), "%s/images", dir);
	(void)snprintf(asleep, sizeof(asleep), "%s/asleep", dir);
	return (struct engine_conf){.run_dir = run,
				    .log_dir = logs,
				    .cache_dir = cache,
				    .image_dir = images,
				    .sleep_dir = asleep,
				    .store = STORE_OWN,
				    .limits.pool_kib = 1u << 20,
				    .limits.console_log_kib = 16,
				    .limits.history_max = 4};
}

/* The engine knows the image from then on, so that creates from it are not left to the worker. */
void know_image(const char *path)
{
	char image[256];
	char ramdisk[] = "/dev/null";
	struct pool_flavor f = {.type = DOM_PV,
				.vcpus = 1,
				.mem_kib = 256,
				.low = 1,
				.high = 1,
				.image = image,
				.ramdisk = ramdisk};

	(void)snprintf(image, sizeof(image), "%s", path);
	assert_true(pool_set(en, &f, NULL) < 0); /* it takes no ramdisk, but was read */
}

int setup(void **state)
{
	int rc = setup_cold(state);

	know_image(GUEST_NOOP);
	know_image(GUEST_VIEW);
	return rc;
}

int setup_cold(void **state)
{
	struct engine_conf c;
	struct err e = {0};

	(void)state;
	(void)snprintf(dir, sizeof(dir), "/tmp/chaos-engine-XXXXXX");
	assert_non_null(mkdtemp(dir));
	log_set_level(LOG_ERROR);
	fake_reset();
	loop = ev_loop_new(EVFLAG_AUTO);
	c = conf();
	assert_int_equal(engine_open(loop, &c, &en, &e), 0);
	return 0;
}

int teardown(void **state)
{
	char command[128];

	(void)state;
	engine_close(en);
	en = NULL;
	ev_loop_destroy(loop);
	(void)snprintf(command, sizeof(command), "rm -rf %s", dir);
	return system(command) == 0 ? 0 : -1;
}

static void on_created(void *arg, int rc, struct vm *vm, const struct vm_timings *t,
		       const struct err *e)
{
	struct result *r = arg;

	assert_false(r->called);
	assert_non_null(t);
	r->called = true;
	r->rc = rc;
	r->way = t->way;
	r->vm = vm;
	if (e)
		r->err = *e;
}

void ignore_created(void *arg, int rc, struct vm *vm, const struct vm_timings *t,
		    const struct err *e)
{
	(void)arg;
	(void)rc;
	(void)vm;
	(void)t;
	(void)e;
}

/* In place of what this machine has mounted: the tests know what is opened at once. */
bool __wrap_mounts_are_local(void);
bool __wrap_mounts_are_local(void)
{
	return !mounts_remote;
}

static void look_again(struct ev_loop *l, struct ev_timer *timer, int events)
{
	const struct until_guard *g = timer->data;

	(void)events;
	if (ev_now(l) >= g->end)
		fail_msg("still not: %s", g->what);
}

void until_begin(struct until_guard *guard, const char *what)
{
	ev_timer_init(&guard->timer, look_again, 0.01, 0.01);
	guard->timer.data = guard;
	guard->what = what;
	ev_now_update(loop);
	guard->end = ev_now(loop) + 60;
	ev_timer_start(loop, &guard->timer);
}

void until_end(struct until_guard *guard)
{
	ev_timer_stop(loop, &guard->timer);
}

static void on_tick(struct ev_loop *l, ev_timer *t, int events)
{
	(void)l;
	(void)events;
	*(bool *)t->data = true;
}

void tick(void)
{
	struct ev_timer t;
	bool over = false;

	ev_timer_init(&t, on_tick, 0.001, 0.);
	t.data = &over;
	ev_now_update(loop);
	ev_timer_start(loop, &t);
	until(over);
}

static void add_ready(const struct pool_flavor *f, void *arg)
{
	*(uint32_t *)arg += f->ready;
}

uint32_t pool_ready(void)
{
	uint32_t n = 0;

	pool_for_each(en, add_ready, &n);
	return n;
}

void files_settle(void)
{
	until(!en || opener_is_idle(engine_opener(en)) || files_hang);
}

/* Lets the loop run until *flag, or for a few turns. */
void turn(const bool *flag)
{
	if (flag)
		until(*flag);
	for (int i = 0; !flag && i < 20; i++) {
		(void)ev_run(loop, EVRUN_NOWAIT);
		files_settle();
	}
}

static uint32_t domains_now(void)
{
	struct fake_count n;

	fake_count(&n);
	return n.domains;
}

/* The worker has nothing left to do when the domains it destroys are gone. */
void settle(uint32_t domains)
{
	until(domains_now() == domains);
	turn(NULL);
}

struct vm_config guest(const char *name, enum dom_type type, uint64_t kib)
{
	struct vm_config c;

	vm_config_init(&c);
	(void)snprintf(c.name, sizeof(c.name), "%s", name);
	c.type = type;
	c.kernel = strdup(GUEST_NOOP);
	c.mem_kib = kib;
	return c;
}

struct vm_config with_kernel(struct vm_config c, const char *kernel)
{
	free(c.kernel);
	c.kernel = strdup(kernel);
	return c;
}

void create_begin(struct vm_config c, uint32_t flags, struct result *r)
{
	*r = (struct result){0};
	engine_create(en, &c, flags, on_created, r);
	vm_config_clear(&c);
}

struct result create(struct vm_config c, uint32_t flags)
{
	struct result r;

	create_begin(c, flags, &r);
	turn(&r.called);
	assert_true(r.called);
	return r;
}

void daemon_dies(void)
{
	struct engine_conf c = conf();
	char command[512];

	(void)snprintf(command, sizeof(command), "cp -r %s %s.then", c.run_dir, c.run_dir);
	assert_int_equal(system(command), 0);
	engine_close(en);
	(void)snprintf(command, sizeof(command), "rm -rf %s && mv %s.then %s", c.run_dir, c.run_dir,
		       c.run_dir);
	assert_int_equal(system(command), 0);
}

void daemon_starts(void)
{
	struct engine_conf c = conf();
	struct err e = {0};

	fake_process_died();
	if (engine_open(loop, &c, &en, &e) < 0)
		fail_msg("%s", e.msg);
}

uint32_t open_files(void)
{
	uint32_t n = 0;
	DIR *d;

	files_settle();
	d = opendir("/proc/self/fd");
	assert_non_null(d);
	while (readdir(d))
		n++;
	(void)closedir(d);
	return n;
}

uint32_t free_slots(void)
{
	struct engine_host h;

	assert_int_equal(engine_host(en, &h, NULL), 0);
	return h.slots;
}

uint32_t ports_reserved(void)
{
	struct fake_count n;

	fake_count(&n);
	return n.reserved;
}

static uint32_t pages_mapped(void)
{
	struct fake_count n;

	fake_count(&n);
	return n.mapped_pages;
}

void only_the_daemon_is_left(void)
{
	struct fake_count n;

	/* The worker's domains are gone from Xen before the loop hears of it, and gives their slots
	 * back. */
	until(ports_reserved() == free_slots());
	until(pages_mapped() == 0); /* a thread that was copying a domain's may still be at it */
	fake_count(&n);
	assert_int_equal(n.domains, 0);
	assert_int_equal(n.ports, 1); /* the VIRQ */
	assert_int_equal(n.populated_pages, 0);
	assert_int_equal(n.guest_ports, 0);
}
