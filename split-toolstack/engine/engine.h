/* SPDX-License-Identifier: BSD-3-Clause */
/* The engine of chaosd: VMs, from their create to the history. It has no sockets and parses no
 * texts. */
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
 * The engine uses libdom (domains) and noxs (device page, console, control page), and keeps records
 * for the next daemon (LMDB in the run directory). It runs on one libev loop; long calls run on
 * threads of its worker, which call back on the loop. All functions are called on the loop's
 * thread. A domain id may be used again for another domain: a domain belongs to a VM if the VM's
 * record has both its id and its uuid, and this is checked before each call that changes the
 * domain.
 */

struct engine;
struct imagestore;
struct snapshots;
struct vm;

/* --- the engine
 * ------------------------------------------------------------------------------------ */

const char *store_mode_name(enum store_mode mode); /* "auto", "own", "beside", "none" */

/* Settings that can change while the engine is open. */
struct engine_limits {
	uint64_t store_kib;	  /* images and snapshots; 0: no limit */
	uint64_t pool_kib;	  /* memory that all shells together may have */
	uint64_t branch_kib;	  /* memory for states of branches; 0: a quarter of dom0's */
	uint32_t console_log_kib; /* size of each VM's console log; applies to new logs */
	uint32_t history_max;	  /* ended VMs in the history */
	bool rcu_expedited;	  /* set the kernel's rcu_expedited while backends are removed */
};

struct engine_conf {
	const char *run_dir;   /* registry (LMDB): /run/chaos */
	const char *log_dir;   /* console logs: /var/log/chaos/console */
	const char *cache_dir; /* unpacked kernels: /var/cache/chaos */
	const char *image_dir; /* imported images: /var/lib/chaos/images */
	const char *sleep_dir; /* VMs that sleep: /var/lib/chaos/asleep; NULL: VMs cannot sleep */
	enum store_mode store;
	const char *store_socket; /* own: socket for dom0's tools; NULL: dom0 is not served */
	struct engine_limits limits;
	const char *backend_exe;  /* chaos-backend */
	const char *backend_user; /* the user that it runs as: a name or number; NULL: root */
	enum tail_guard tail_guard;
	const char *preempt_file; /* preemption of dom0's kernel; NULL: debugfs' sched/preempt */
};

/*
 * Opens Xen, the notification of ended domains (own: VIRQ_DOM_EXC; beside: polling, ADR 0002; auto:
 * beside if xenstored answers, otherwise own) and the registry, adopts VMs that run, and removes
 * unfinished ones. Watchers are started on `loop`.
 */
int engine_open(struct ev_loop *loop, const struct engine_conf *conf, struct engine **out,
		struct err *e);
/* All VMs continue. NULL is allowed. */
void engine_close(struct engine *en);
/* If the pool becomes smaller, shells are destroyed at once. */
void engine_set_limits(struct engine *en, const struct engine_limits *l);
enum store_mode engine_store_mode(const struct engine *en); /* never STORE_AUTO */
struct xen *engine_xen(struct engine *en);
struct imagestore *engine_imagestore(struct engine *en); /* images/imagestore.h */
struct snapshots *engine_snapshots(struct engine *en);	 /* snapshots/snapshots.h */
/* Space for the store's journal in the run directory: "fine", "tight" (full: guests cannot add
 * nodes), "none" (requests are not answered until there is space). */
const char *engine_store_room(const struct engine *en);

struct engine_host {
	struct xen_host xen;
	uint32_t vms;	      /* living VMs */
	uint32_t slots;	      /* free domain ids with a channel */
	uint64_t pool_kib;    /* memory of shells */
	char tail_guard[256]; /* its settings as text; "off" */
};
int engine_host(struct engine *en, struct engine_host *out, struct err *e);

/* --- VMs
 * --------------------------------------------------------------------------------------------- */

const char *vm_state_name(enum vm_state s); /* "building", "running", ... "ended" */
const char *vm_reason_name(enum vm_reason r);

/* A VM as it is now. Strings are valid until the next call of the engine, at most as long as this
 * structure. */
struct vm_info {
	const char *name;
	uint8_t uuid[16];
	uint32_t domid; /* 0: ended or being built */
	enum vm_state state;
	enum vm_reason reason; /* of the last end */
	const char *unknown;   /* VM_UNKNOWN: the reason; otherwise NULL */
	int exit_code;	       /* 0..255, -1 unknown */
	bool ready;	       /* a noxs guest has reported that it is ready */
	bool noxs;	       /* has a device page */
	enum dom_type type;
	uint64_t mem_kib, maxmem_kib;
	uint32_t vcpus, maxvcpus;
	uint32_t online; /* vCPUs that are online (changed by "xl vcpu-set" and the guest); 0: not
			    known */
	const struct dom_cpus *cpus;
	const char *kernel, *ramdisk, *cmdline; /* NULL: not known */
	/* name of the snapshot that it was made from or last saved as, or the digest if it is not
	 * on this host; NULL: none */
	const char *snapshot;
	/* name of the VM of which it is a branch or child, or the uuid if that VM is not here any
	 * more; NULL: none */
	const char *copy_of;
	char copy_of_uuid[37]; /* what copy_of may point to */
	enum vm_action on_poweroff, on_reboot, on_crash;
	uint64_t created_ns; /* wall clock */
	uint64_t started_ns; /* wall clock of the last start */
	uint64_t ended_ns;   /* 0 while alive */
	uint32_t restarts;
	uint64_t cpu_ns;	/* read from Xen during the call; 0: ended */
	uint64_t console_bytes; /* written by the guest so far */
};

/* Finds a VM by name, domid ("17") or uuid: a living one, otherwise the newest ended one with that
 * name or uuid. NULL: none. Foreign domains are not found. */
struct vm *engine_find(struct engine *en, const char *what);
struct vm *engine_find_uuid(struct engine *en, const uint8_t uuid[16]);
void vm_get_info(struct vm *vm, struct vm_info *out);
/* The same without a call of Xen: cpu_ns is that of the last one. */
void vm_known_info(const struct vm *vm, struct vm_info *out);
/* Single members, without a call of Xen. */
const char *vm_name(const struct vm *vm);
uint32_t vm_domid(const struct vm *vm);
void vm_uuid(const struct vm *vm, uint8_t out[16]);
enum vm_state vm_state(const struct vm *vm);
/* Of the last end; exit code -1: unknown. */
enum vm_reason vm_reason(const struct vm *vm, int *exit_code);

/* --- listing.c: lists of VMs, with CPU times, and of foreign domains --- */

struct listing;
typedef void listing_vm_fn(const struct vm_info *i, void *arg);
/* `name`: its name in the store, or NULL. */
typedef void listing_foreign_fn(const struct xen_domain_info *info, const char *name, void *arg);
/* A list of the VMs that exist now. A VM that is deleted before its turn and a VM that is made
 * later are missing; none is listed twice. The caller closes it, before the engine. -ENOMEM. */
int listing_open(struct engine *en, bool ended, bool foreign, struct listing **out, struct err *e);
/* Reads at most so many domains from Xen, or calls back for so many: living VMs, with `ended` the
 * history, and foreign domains. 1: there are more; 0: the end. */
int listing_more(struct listing *l, uint32_t most, listing_vm_fn *fn, listing_foreign_fn *foreign,
		 void *arg, struct err *e);
void listing_close(struct listing *l); /* NULL is allowed */

/* --- create
 * ------------------------------------------------------------------------------------------ */

#define VM_CREATE_PAUSED     (1u << 0)
#define VM_CREATE_WAIT_READY (1u << 1) /* call back when a noxs guest is ready, or has ended */
/* The create fails if the backend of a device does not connect. Without it the VM runs without such
 * devices. */
#define VM_CREATE_WAIT_DEVICES (1u << 2)
#define VM_CREATE_RESTART      (1u << 3) /* a restart under its own name */
#define VM_CREATE_ARRIVING     (1u << 4) /* engine_restore(): vm_arrival_end() will follow */

/* How a VM was made: without the pool, from a shell, from a shell with its image, from one at its
 * gate, or as a copy of a snapshot that waited in the pool. */
enum vm_way { VM_COLD, VM_SHELL, VM_WARM, VM_GATED, VM_BOOTED };
const char *vm_way_name(enum vm_way w); /* "cold", ... */

/* Where the time of a create went, in ns. */
struct vm_timings {
	enum vm_way way;
	const char *why; /* why not in a faster way; "": the fastest */
	uint32_t phase_ns[DOM_T_COUNT];
	uint32_t image_ns;   /* opening and parsing, or cache lookup */
	uint32_t record_ns;  /* registry */
	uint32_t devices_ns; /* event channel, device page, console */
	uint32_t ready_ns;   /* from the unpause to the ready event; 0: none */
	uint32_t total_ns;   /* from engine_create() to the callback */
};

/* rc 0: `vm` lives and `t` is filled. < 0: `vm` is NULL, `e` has the reason, and nothing is left.
 */
typedef void vm_create_fn(void *arg, int rc, struct vm *vm, const struct vm_timings *t,
			  const struct err *e);

/*
 * Checks `cfg` and moves it, reserves the name, records the intent, builds and starts the VM. `fn`
 * is called once, possibly before this returns: small guests are built on the loop, large ones and
 * Linux on the worker. The create continues if its client disconnects, so `arg` must stay valid
 * until `fn`.
 */
void engine_create(struct engine *en, struct vm_config *cfg, uint32_t flags, vm_create_fn *fn,
		   void *arg);

/* --- the pool
 * ------------------------------------------------------------------------------ */

/* Adds a flavor (a copy of *f), or changes the marks of an existing one; high 0 removes it.
 * -EINVAL: *f is wrong; -ENOMEM: the targets need more than the pool's memory. Reads the image, so
 * it is for the start only. */
int pool_set(struct engine *en, const struct pool_flavor *f, struct err *e);
/* The same while the loop runs: 0 or an error, or 1: `fn` is called when the image has been read.
 */
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
/* Requests the guest to end, by the control page of noxs guests or the store. -EOPNOTSUPP: the
 * guest cannot receive requests. An event follows when it has ended. */
int vm_shutdown(struct vm *vm, bool reboot, struct err *e);
/* When this returns the guest does not run any more and the name is free; the worker frees the
 * memory later. A VM that is being built is moved into the history at once, and its create fails
 * with -ECANCELED. */
int vm_destroy(struct vm *vm, struct err *e);
/* Deletes an ended VM from the history, with its console log; -EBUSY: it lives. */
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
	VM_EV_EXITED,	 /* reason and exit code are known; the on_* action follows */
	VM_EV_PRESERVED, /* it has ended, its domain is kept */
	VM_EV_DESTROYED, /* it has no domain any more, and is in the history */
	VM_EV_REMOVED,	 /* deleted from the history; vm is freed after the callback */
	VM_EV_CONSOLE,	 /* new console output was logged */
	VM_EV_POOL_LOW,	 /* the last shell of flavor `f` was taken; vm is NULL */
	VM_EV_SAVING,	 /* it is stopped and written; unpaused, paused, exited or asleep follows */
	VM_EV_ASLEEP,	 /* it has no domain any more; started follows when it is woken */
	VM_EV_COUNT,
};

const char *vm_event_name(enum vm_event ev); /* "created", ... */

struct engine_observer { /* embedded in the observer's structure */
	void (*fn)(struct engine_observer *ob, enum vm_event ev, struct vm *vm,
		   const struct pool_flavor *f);
	struct engine_observer *next, **prev; /* used by the engine */
};
/* Observers can be added and removed at any time, also inside a callback. */
void engine_observe(struct engine *en, struct engine_observer *ob);
void engine_unobserve(struct engine_observer *ob);

/* --- console
 * ------------------------------------------------------------------------------------------------
 */

/*
 * The log is a byte stream with absolute positions: the first byte that the VM wrote has position
 * 0. Its size is limited, so the oldest bytes are dropped. It is kept until vm_rm(), also over a
 * restart of the daemon.
 */
struct vm_console_range {
	uint64_t start; /* the oldest byte that is kept */
	uint64_t end;	/* after the last one */
};
void vm_console_range(struct vm *vm, struct vm_console_range *out);
/* Copies up to len bytes from position `pos` (start <= pos <= end) and returns how many. */
int vm_console_read(struct vm *vm, uint64_t pos, void *buf, uint32_t len, struct err *e);
/* Sends input to the guest; returns how many bytes fitted into the ring and a queue of limited
 * size. -EPIPE: the guest has ended. */
int vm_console_write(struct vm *vm, const void *buf, uint32_t len, struct err *e);

/* --- the second console of a Linux guest (agent=1); it has no log --- */

/* How often the guest has connected it; each time, bytes in it are lost. 0: not yet. -EOPNOTSUPP:
 * it has none. */
int vm_channel_epoch(const struct vm *vm, uint32_t *out, struct err *e);
/* Reads bytes that the guest has written; 0: none. Bytes that are not read stay in the guest's
 * ring. */
int vm_channel_read(struct vm *vm, void *buf, uint32_t len);
/* As vm_console_write(). */
int vm_channel_write(struct vm *vm, const void *buf, uint32_t len, struct err *e);

#endif
