/* SPDX-License-Identifier: BSD-3-Clause */
/* The engine of chaosd: VMs by name, uuid and id, from create to history. No socket, no syntax. */
#ifndef CHAOS_ENGINE_H
#define CHAOS_ENGINE_H

#include <stdbool.h>
#include <stdint.h>

#include <ev.h>

#include "base/err.h"
#include "libdom/libdom.h"
#include "split-toolstack/engine/config/pool_flavor.h"
#include "split-toolstack/engine/config/vm_config.h"
#include "split-toolstack/engine/config/vm_state.h"
#include "split-toolstack/engine/devices/devices.h"
#include "split-toolstack/engine/services/store_mode.h"
#include "split-toolstack/engine/services/tail.h"

/*
 * The engine composes libdom (domains) with noxs (device page, console, control) and owns what must
 * survive the daemon (LMDB under the run directory). It lives on one libev loop; long hypercalls
 * run on its worker thread and come back as callbacks on the loop. All functions are called on the
 * loop's thread. Nothing here trusts a domid to stay the same VM: a domain is a VM's when its
 * record has both the id and the uuid, and calls that change it are made only after that was seen
 * to be so still.
 */

struct engine;
struct imagestore;
struct snapshots;
struct vm;

/* --- the engine
 * ------------------------------------------------------------------------------------ */

const char *store_mode_name(enum store_mode mode); /* "auto", "own", "beside", "none" */

struct engine_conf {
	const char *run_dir;   /* registry (LMDB): /run/chaos */
	const char *log_dir;   /* console logs: /var/log/chaos/console */
	const char *cache_dir; /* unpacked kernels: /var/cache/chaos */
	const char *image_dir; /* imported images: /var/lib/chaos/images */
	const char *sleep_dir; /* VMs that sleep: /var/lib/chaos/asleep; NULL: none can */
	enum store_mode store;
	const char *store_socket; /* own: of dom0's tools; NULL: dom0 is not served at all */
	uint64_t store_kib;	  /* images and snapshots; 0: no limit */
	uint64_t pool_kib;	  /* memory that all shells together may hold */
	uint64_t branch_kib; /* that states of VMs being branched may; 0: a quarter of dom0's */
	uint32_t console_log_kib; /* bound of one VM's kept console output */
	uint32_t history_max;	  /* ended VMs remembered */
	const char *backend_exe;  /* chaos-backend */
	const char *backend_user; /* the user that it runs as: a name or number; NULL: root */
	enum tail_guard tail_guard;
	const char *preempt_file; /* of dom0's kernel; NULL: debugfs' sched/preempt */
	bool rcu_expedited;	  /* the kernel is told to hurry while backends are removed */
};

/*
 * Opens Xen, takes the death notices (own: VIRQ_DOM_EXC; beside: by looking, ADR 0002;
 * auto: beside when xenstored answers, else own), opens the registry, adopts what runs, removes
 * what was half made. Watchers are started on `loop`.
 */
int engine_open(struct ev_loop *loop, const struct engine_conf *conf, struct engine **out,
		struct err *e);
/* Lets all VMs run on; flushes and frees. NULL is fine. */
void engine_close(struct engine *en);
/* What can change while it is open. A smaller pool gives shells back at once. */
struct engine_limits {
	uint32_t console_log_kib; /* of logs to come */
	uint32_t history_max;
	bool rcu_expedited;
	uint64_t pool_kib;
	uint64_t branch_kib;
	uint64_t store_kib;
};
void engine_set_limits(struct engine *en, const struct engine_limits *l);
enum store_mode engine_store_mode(const struct engine *en); /* never STORE_AUTO */
struct xen *engine_xen(struct engine *en);
struct imagestore *engine_imagestore(struct engine *en); /* images/imagestore.h */
struct snapshots *engine_snapshots(struct engine *en);	 /* snapshots/snapshots.h */
/* Of the store's journal, in the run directory: "fine", "tight" (full: guests may not grow in the
 * store), "none" (nothing is answered until there is room). */
const char *engine_store_room(const struct engine *en);

struct engine_host {
	struct xen_host xen;
	uint32_t vms;	      /* that live */
	uint32_t slots;	      /* domain ids with a channel, for VMs to come */
	uint64_t pool_kib;    /* shells hold */
	char tail_guard[256]; /* its settings as text; "off" */
};
int engine_host(struct engine *en, struct engine_host *out, struct err *e);

/* --- VMs
 * --------------------------------------------------------------------------------------------- */

const char *vm_state_name(enum vm_state s); /* "building", "running", ... "ended" */
const char *vm_reason_name(enum vm_reason r);

/* One VM as it is now, for readers; strings live until the next call into the engine, or as long as
 * this does. */
struct vm_info {
	const char *name;
	uint8_t uuid[16];
	uint32_t domid; /* 0 when ended or building */
	enum vm_state state;
	enum vm_reason reason; /* of the last end */
	const char *unknown;   /* VM_UNKNOWN: why; else NULL */
	int exit_code;	       /* 0..255, -1 unknown */
	bool ready;	       /* a noxs guest has said so */
	bool noxs;	       /* has a device page */
	enum dom_type type;
	uint64_t mem_kib, maxmem_kib;
	uint32_t vcpus, maxvcpus;
	uint32_t online; /* vCPUs that Xen runs, 0: not known; "xl vcpu-set" and the guest decide */
	const struct dom_cpus *cpus;
	const char *kernel, *ramdisk, *cmdline; /* NULL when not known */
	/* what it was made from or last kept as: its name, or its digest when it is not here; NULL:
	 * none */
	const char *snapshot;
	/* the VM whose branch or child it is: its name, or its uuid when it is not here any more;
	 * NULL: of none */
	const char *copy_of;
	char copy_of_uuid[37]; /* what copy_of may point to */
	enum vm_action on_poweroff, on_reboot, on_crash;
	uint64_t created_ns; /* wall clock */
	uint64_t started_ns; /* wall clock of the last start */
	uint64_t ended_ns;   /* 0 while alive */
	uint32_t restarts;
	uint64_t cpu_ns;	/* asked from Xen at the time of the call; 0 when ended */
	uint64_t console_bytes; /* ever written by the guest */
};

/* By name, domid ("17") or uuid. Alive first (a name or id means the living VM), then the newest
 * ended one with that name or uuid. NULL when there is none. Never a foreign domain. */
struct vm *engine_find(struct engine *en, const char *what);
struct vm *engine_find_uuid(struct engine *en, const uint8_t uuid[16]);
void vm_get_info(struct vm *vm, struct vm_info *out);
/* Likewise, without asking Xen: cpu_ns as it was seen last. */
void vm_known_info(const struct vm *vm, struct vm_info *out);
/* Parts of it that cost nothing. */
const char *vm_name(const struct vm *vm);
uint32_t vm_domid(const struct vm *vm);
void vm_uuid(const struct vm *vm, uint8_t out[16]);
enum vm_state vm_state(const struct vm *vm);
/* Of the last end; the exit code is -1 when unknown. */
enum vm_reason vm_reason(const struct vm *vm, int *exit_code);

/* --- listing.c: VMs in pieces, with CPU times, and domains that are not ours --- */

struct listing;
typedef void listing_vm_fn(const struct vm_info *i, void *arg);
/* `name`: what the store calls it, or NULL. */
typedef void listing_foreign_fn(const struct xen_domain_info *info, const char *name, void *arg);
/* A list of the VMs that there are now. A VM that goes before its turn is missing, one that comes
 * later, too; none is listed twice. The caller closes it, before the engine. -ENOMEM. */
int listing_open(struct engine *en, bool ended, bool foreign, struct listing **out, struct err *e);
/* Asks Xen about as many domains, or tells as many: the living, with `ended` the history, foreign
 * domains (id, uuid, state as Xen told). 1: there are more; 0: that was all. */
int listing_more(struct listing *l, uint32_t most, listing_vm_fn *fn, listing_foreign_fn *foreign,
		 void *arg, struct err *e);
void listing_close(struct listing *l); /* NULL is fine */

/* --- create
 * ------------------------------------------------------------------------------------------ */

#define VM_CREATE_PAUSED     (1u << 0)
#define VM_CREATE_WAIT_READY (1u << 1) /* call back when a noxs guest is ready (or has ended) */
/* The backends of all its devices are there before it runs, or the create fails. Without, it runs
 * without those that do not come. */
#define VM_CREATE_WAIT_DEVICES (1u << 2)
#define VM_CREATE_RESTART      (1u << 3) /* a restart under its own name: the next daemon goes on */
#define VM_CREATE_ARRIVING     (1u << 4) /* engine_restore(): filled, it waits for vm_arrival_end() */

/* How a VM was made: built, from a shell, from a shell that had its image already, or as a copy of
 * a snapshot that waited in the pool. */
enum vm_way { VM_COLD, VM_SHELL, VM_WARM, VM_GATED, VM_BOOTED };
const char *vm_way_name(enum vm_way w); /* "cold", ... */

/* Where the time of a create went, in ns. */
struct vm_timings {
	enum vm_way way;
	const char *why; /* why not a better way, "" for the best */
	uint32_t phase_ns[DOM_T_COUNT];
	uint32_t image_ns;   /* opening and parsing, or cache lookup */
	uint32_t record_ns;  /* registry */
	uint32_t devices_ns; /* event channel, device page, console */
	uint32_t ready_ns;   /* unpause .. ready event, 0 = not seen */
	uint32_t total_ns;   /* engine_create() .. callback */
};

/* rc 0: `vm` lives and `t` is filled; else `vm` is NULL and `e` says why, and nothing is left. */
typedef void vm_create_fn(void *arg, int rc, struct vm *vm, const struct vm_timings *t,
			  const struct err *e);

/*
 * Checks, reserves the name, records the intent, builds, starts. Takes what is in `cfg` (it is
 * cleared). The callback comes exactly once, possibly before this function returns (small guests
 * are built inline; Linux and big ones on the worker). A client that goes away does not stop a
 * create: pass an arg that outlives it.
 */
void engine_create(struct engine *en, struct vm_config *cfg, uint32_t flags, vm_create_fn *fn,
		   void *arg);

/* --- the pool
 * ------------------------------------------------------------------------------ */

/* Adds a flavor or changes the water marks of the same one; high 0 ends it. Takes a copy. -EINVAL
 * names what is wrong; -ENOMEM when the targets need more than the pool may hold. Reads its image:
 * it is for the start. */
int pool_set(struct engine *en, const struct pool_flavor *f, struct err *e);
/* The same while the loop runs: 0 or an error at once, or 1, and `fn` is called when its image has
 * been read. */
typedef void pool_set_fn(void *arg, int rc, const struct err *e);
int pool_set_later(struct engine *en, const struct pool_flavor *f, pool_set_fn *fn, void *arg,
		   struct err *e);
void pool_for_each(struct engine *en, void (*fn)(const struct pool_flavor *f, void *arg),
		   void *arg);

/* --- operations on one VM
 * ------------------------------------------------------------------------------ */

int vm_pause(struct vm *vm, struct err *e);
int vm_unpause(struct vm *vm, struct err *e);
int vm_rename(struct vm *vm, const char *name, struct err *e);
/* Asks the guest to end; noxs guests by the control page. -EOPNOTSUPP for guests that have no way
 * to be asked. Completion is seen by vm_wait or engine events. */
int vm_shutdown(struct vm *vm, bool reboot, struct err *e);
/* On return the guest executes nothing more and the name is free; memory follows on the worker. One
 * that is being built is in the history at once, and its create has failed with -ECANCELED. */
int vm_destroy(struct vm *vm, struct err *e);
/* Forgets an ended VM and deletes its console log; -EBUSY while it lives. */
int vm_rm(struct vm *vm, struct err *e);

/* --- observers
 * ------------------------------------------------------------------------------------------- */

enum vm_event {
	VM_EV_CREATED,
	VM_EV_STARTED,
	VM_EV_READY,
	VM_EV_PAUSED,
	VM_EV_UNPAUSED,
	VM_EV_RENAMED,
	VM_EV_EXITED,	 /* reason and exit code known; before the on_* action */
	VM_EV_PRESERVED, /* has ended, its domain is kept */
	VM_EV_DESTROYED, /* no domain any more; in history now */
	VM_EV_REMOVED,	 /* out of the history; vm is invalid after the callback */
	VM_EV_CONSOLE,	 /* new console output was logged */
	VM_EV_POOL_LOW,	 /* the last shell of a flavor was taken: no VM, but the flavor */
	VM_EV_SAVING,	 /* it stands still and is written: unpaused, paused or exited follows */
	VM_EV_ASLEEP,	 /* ... or this: it has no domain any more; started follows when it wakes */
	VM_EV_COUNT,
};

const char *vm_event_name(enum vm_event ev); /* "created", ... */

struct engine_observer { /* embedded in the observer's own struct */
	void (*fn)(struct engine_observer *ob, enum vm_event ev, struct vm *vm,
		   const struct pool_flavor *f);
	struct engine_observer *next, **prev; /* the engine's */
};
/* May be added and removed at any time, also inside a callback. */
void engine_observe(struct engine *en, struct engine_observer *ob);
void engine_unobserve(struct engine_observer *ob);

/* --- console
 * ------------------------------------------------------------------------------------------------
 */

/*
 * The log is a byte stream with absolute positions: the first byte the VM ever wrote is 0. Bounded:
 * old bytes fall out. Both survive the daemon and the VM (until vm_rm()).
 */
struct vm_console_range {
	uint64_t start; /* first byte still kept */
	uint64_t end;	/* one past the last */
};
void vm_console_range(struct vm *vm, struct vm_console_range *out);
/* Copies up to len bytes from position `pos` (start <= pos <= end) and returns how many. */
int vm_console_read(struct vm *vm, uint64_t pos, void *buf, uint32_t len, struct err *e);
/* Queues input to the guest; returns how many bytes were taken (a guest that does not read fills
 * the ring and a bounded queue). -EPIPE when it has ended. */
int vm_console_write(struct vm *vm, const void *buf, uint32_t len, struct err *e);

/* --- the second console of a Linux guest (agent=1), which nothing keeps a log of --- */

/* How often the guest has connected it: what was in it before is lost. 0: not yet. -EOPNOTSUPP: it
 * has none. */
int vm_channel_epoch(const struct vm *vm, uint32_t *out, struct err *e);
/* Takes what the guest wrote; 0: nothing. What is not taken stays with the guest, which waits. */
int vm_channel_read(struct vm *vm, void *buf, uint32_t len);
/* As vm_console_write(). */
int vm_channel_write(struct vm *vm, const void *buf, uint32_t len, struct err *e);

#endif
