/* SPDX-License-Identifier: BSD-3-Clause */
/* An engine on the fake hypervisor, for the tests of the engine. */
#ifndef CHAOS_ENGINE_HELP_H
#define CHAOS_ENGINE_HELP_H

#include "split-toolstack/engine/engine.h"

#include "tests/fake/fake.h"
#include "tests/unit/unit.h"

extern struct ev_loop *loop;
extern struct engine *en;

struct result {
	bool called;
	int rc;
	enum vm_way way;
	struct vm *vm;
	struct err err;
};

struct engine_conf conf(void);
int setup(void **state);
/* Without an image in the cache: the first create from it is the worker's. */
int setup_cold(void **state);
void know_image(const char *path);
int teardown(void **state);
/* Lets the loop run until *flag, or without one for a moment, and until no thread opens or closes
 * files any more; not so long when the test makes some hang. */
extern bool files_hang;
void files_settle(void); /* the latter alone */
/* Whether the host has a mount that may ask a server: then nothing is opened on the loop. */
extern bool mounts_remote;
void turn(const bool *flag);
/* Lets the loop take one event after the other until the condition holds, which is looked at now
 * and then, too: what a thread has done need not wake the loop. That a minute passes without ends
 * the test: nothing else depends on time. */
struct until_guard {
	struct ev_timer timer;
	const char *what;
	ev_tstamp end;
};

#define until(condition)                                                                           \
	do {                                                                                       \
		struct until_guard until_guard;                                                    \
		until_begin(&until_guard, #condition);                                             \
		while (!(condition))                                                               \
			(void)ev_run(loop, EVRUN_ONCE);                                            \
		until_end(&until_guard);                                                           \
	} while (0)
void until_begin(struct until_guard *guard, const char *what);
void until_end(struct until_guard *guard);
/* A millisecond of the loop's time: its other timers and idle watchers have their turn. */
void tick(void);
/* Shells of all flavors that wait. */
uint32_t pool_ready(void);
/* Until so many domains are left: the worker destroys the rest. */
void settle(uint32_t domains);
struct vm_config guest(const char *name, enum dom_type type, uint64_t kib);
/* Takes the configuration; returns when the engine has called back. */
struct result create(struct vm_config c, uint32_t flags);
/* The same without turning the loop: *r is filled when the engine calls back. */
void create_begin(struct vm_config c, uint32_t flags, struct result *r);
/* The same configuration with another kernel. */
struct vm_config with_kernel(struct vm_config c, const char *kernel);
/* The daemon is killed: it leaves its folder as it is now. */
void daemon_dies(void);
/* The next one starts there; the dead one's mappings and ports are gone. */
void daemon_starts(void);
/* For a create whose outcome does not matter. */
vm_create_fn ignore_created;
uint32_t open_files(void);
/* Slots with a port that no domain uses. */
uint32_t free_slots(void);
uint32_t ports_reserved(
	void); /* for slots: those of a destroyed domain are free when the loop hears of it */
void only_the_daemon_is_left(void);

#define LIFE(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

#endif
