/* SPDX-License-Identifier: BSD-3-Clause */
/* The structures of the pool, for its own files. */
#ifndef CHAOS_POOL_POOL_T_H
#define CHAOS_POOL_POOL_T_H

#include <stddef.h>

#include <ev.h>

#include "split-toolstack/engine/config/booted_plan.h"
#include "split-toolstack/engine/config/pool_flavor.h"
#include "split-toolstack/engine/devices/set-t.h"
#include "split-toolstack/engine/files/file_key.h"
#include "split-toolstack/engine/pool/pool.h"
#include "split-toolstack/engine/services/ports-t.h"

struct booted;
struct copies;
struct files;
struct shell_job;
struct tcp_probe;
struct transfer;
struct xen;

/* A paused domain that no VM has used. Its channels are connected (except for Linux without its
 * image, which determines where these pages are); a warm one has its image loaded and is armed. */
struct shell {
	struct shell *next;
	struct dom dom;
	uint8_t uuid[16];
	struct slot slot;
	uint8_t *map;
	struct image *img;   /* warm */
	uint32_t guest_port; /* allocated: Linux, copies; 0: the guest binds to the slot's port */
	uint32_t store_port; /* allocated for Linux; 0: none */
	uint32_t port;	     /* dom0's port, bound to guest_port; 0: not bound */
	struct file_key ramdisk; /* all zero: none */
	struct engine *en;
	struct device_set devices;
	/* devices.c: list of shells whose devices are being connected */
	struct shell *conn_prev, *conn_next;
	struct flavor *flavor; /* NULL: the flavor was removed meanwhile */
	uint32_t lacks; /* number of vifs that are not connected yet, plus one for its gate */
	bool failed;
	/* gate.c */
	bool at_gate;	 /* it runs, and its guest waits at its gate, or runs towards it: */
	bool comes;	 /* not there yet */
	double until;	 /* loop's time at which it is late */
	uint64_t cpu_ns; /* CPU time at the last check; 0: not checked */
	struct port_user gate_user; /* for its events */
	struct port_credit gate_credit;
	/* booted.c: a VM without a name, which owns all of the above except the id; NULL: not
	 * such a shell */
	struct booted *booted;
	void (*end)(struct engine *en, struct shell *s); /* ends such a shell */
};

struct flavor {
	struct flavor *next;
	struct pool_flavor f;
	struct shell *shells;
	struct copies *copies;	 /* the snapshot that the shells are copies of; NULL: none */
	struct booted_plan plan; /* copies that run until they are ready: when they are */
	uint64_t retry_at;	 /* ns: after a failure, no try before this time */
	uint64_t wanted_at;	 /* ns: time of the last create that needed one */
	uint64_t lacks_at;	 /* ns: time of the first one since the flavor was full */
	uint32_t backoff;
	uint32_t connecting; /* number of shells that wait for their devices or run towards their
				gate */
	uint32_t broken;     /* number of shells that did not wait correctly at their gate */
	uint32_t burst;	     /* number of creates since the flavor was full */
};

struct pool {
	struct flavor *flavors;
	const struct pool_ops *ops;
	struct shell_job *job; /* the shell that is being made */
	ev_timer booting;      /* booted.c: next check of the shells that are not ready */
	ev_timer sink;
	ev_timer gate;		  /* next check for late ones */
	ev_timer gate_cpu;	  /* next check of CPU time used at gates */
	uint32_t gate_next;	  /* the next shell at a gate to be checked */
	struct shell *connecting; /* utlist head: shells that wait for their devices */
	uint32_t nconnecting;
	struct mapping *mappings; /* utlist head */
	bool closed;
};

_Static_assert(offsetof(struct pool, flavors) == offsetof(struct pool_head, flavors),
	       "a pool begins with its head");

/* --- pool.c --- */
/* After a failure (no memory, no image) a flavor waits this long. */
#define POOL_RETRY_S IDLE_RETRY_S
/* A create needed a shell of this flavor. */
void flavor_wanted(struct engine *en, struct flavor *f);

/* --- shell.c --- */
/* Destroys a shell that was not claimed, or whose claim failed. */
void shell_end(struct engine *en, struct shell *s);
/* Destroys all but so many shells of a flavor. */
void flavor_drop_shells(struct engine *en, struct flavor *f, uint32_t keep);
void flavor_add_shell(struct flavor *f, struct shell *s);
/* Makes the flavor wait before the next try. */
void flavor_back_off(struct flavor *f, const struct err *e);

/* --- shells.c --- */
/* Adds the files of a flavor to a set, which is not opened yet. -ENOMEM. */
int flavor_files(struct engine *en, const struct pool_flavor *f, struct files **out, struct err *e);
/* Begins to make one more shell of a flavor; after a failure the flavor waits. */
void pool_make_shell(struct engine *en, struct flavor *f);
bool pool_makes(const struct engine *en, const uint8_t uuid[16]);
bool pool_makes_of(const struct engine *en, const struct copies *c);
/* Frees a flavor that was removed from the list. */
void flavor_ends(struct engine *en, struct flavor *f);
/* -EOPNOTSUPP: no shells can be made for this image. */
int flavor_check_image(const struct image *img, struct err *e);

/* --- copies.c: flavors of a snapshot --- */
/* A snapshot in use, with what is needed to make copies of it. Threads have references. */
struct copies *copies_ref(struct copies *c);
void copies_put(struct copies *c); /* NULL is allowed; on the loop */
/* copies_put() of its flavor: from then on the snapshot can be removed. */
void copies_end(struct copies *c);
/* Called with the flavor's snapshot; takes the reference if it succeeds. */
typedef void copies_fn(void *arg, struct copies *c, int rc, const struct err *e);
/* Reads a snapshot's description: here, or on a thread, and then calls `fn` on the loop with a
 * reference. */
int copies_read_now(struct engine *en, const char *name, struct copies **out, struct err *e);
int copies_read(struct engine *en, const char *name, copies_fn *fn, void *arg, struct err *e);
/* Sets type, vCPUs and memory. */
void copies_describe(const struct copies *c, struct pool_flavor *f);
const struct vm_config *copies_config(const struct copies *c);
/* Whether copies run until they are ready and are then paused: guests without a noxs entry. */
bool copies_boot(const struct copies *c);
/* Whether the words of a flavor are allowed for this snapshot. -EINVAL, -EBUSY, -EPERM. */
int copies_suit(const struct copies *c, const struct pool_flavor *f, struct err *e);
/* Opens its file again; -errno. */
int copies_open(struct copies *c, struct transfer *file, struct err *e);
/* Whether the next copy needs a second shell, for the first domain: it becomes the template if
 * pages can be shared, otherwise it is itself the copy. */
bool copies_want_template(const struct copies *c);
/* Thread-safe, one call at a time: makes the domain of a shell, which has id and uuid, from the
 * file; of both shells if `first` is not NULL. After a failure the shells have what is left. */
int copies_make(struct copies *c, struct xen *x, struct transfer *file, struct shell *shell,
		struct shell *first, struct err *e);
/* On the loop, after copies_make(): returns the shell that is the copy; the other one belongs to
 * `c`, or was ended. */
struct shell *copies_made(struct copies *c, struct shell *shell, struct shell *first, int rc);
/* Whether the domain is the template; the memory of the template. */
bool copies_rest(const struct copies *c, uint32_t domid);
uint64_t copies_template_kib(const struct copies *c);
/* Makes copies reserve no memory for shared pages. Call it before the first copy is made. */
void copies_overcommit(struct copies *c, bool overcommit);
/* Memory of a copy, and of the next copy. */
uint64_t copies_kib(const struct copies *c);
uint64_t copies_next_kib(const struct copies *c);
/* A VM has taken one of the copies. */
void copies_taken(struct copies *c);
/* Ends the template; the next copy makes another one. No copy must be in the making. No effect
 * if there is none. */
void copies_end_template(struct copies *c);

/* --- flavors.c --- */
/* Ring pages for the devices of its shells. */
static inline uint32_t flavor_rings(const struct pool_flavor *f)
{
	return f->vifs * 2 + f->vbds;
}

/* Whether there is room for a template in addition to its copies; without it the copies do not
 * share. */
bool flavor_has_room(const struct engine *en, const struct flavor *f);

/* Both texts may be NULL. */
static inline bool flavor_same_text(const char *a, const char *b)
{
	return a == b || (a && b && strcmp(a, b) == 0);
}

/* --- devices.c --- */
int flavor_check_devices(struct engine *en, const struct pool_flavor *f, struct err *e);
bool flavor_same_devices(const struct pool_flavor *a, const struct pool_flavor *b);
/* Whether the devices of a create are those of the flavor. */
bool flavor_fits_devices(const struct engine *en, const struct pool_flavor *f,
			 const struct shell_want *want);
/* Adds a shell with devices to the pool when they are connected. */
void shell_connect(struct engine *en, struct flavor *f, struct shell *s);
bool pool_may_connect(const struct engine *en);
/* Destroys all shells whose devices are being connected. */
void pool_connecting_drop(struct engine *en);
void pool_connecting_ends(struct engine *en, const struct flavor *f);
uint64_t pool_connecting_kib(const struct engine *en);
bool pool_connects(const struct engine *en, uint32_t domid);

/* Ends a shell that is in the pool, or on its way into it. */
void shell_failed(struct shell *s, const struct err *e);

/* --- gate.c --- */
void gate_open(struct engine *en);
void gate_close(struct engine *en);
/* Whether shells of this flavor and image are started and wait at their gate. */
bool flavor_gates(const struct flavor *f, const struct image *img);
/* Starts a shell that is loaded, and whose two pages are mapped, up to its gate; shell_connect()
 * follows. After a failure end the shell. */
int gate_run(struct engine *en, struct flavor *f, struct shell *s, struct err *e);
/* Whether a shell that was taken out of its flavor still waits at its gate; if not, it was
 * ended. */
bool gate_holds(struct engine *en, struct flavor *f, struct shell *s);
/* Stops listening to its events; no effect if it did not. */
void gate_ignore(struct engine *en, struct shell *s);

/* --- booted.c --- */
void booted_open(struct engine *en);
void booted_close(struct engine *en);
/* Lets a copy, whose two pages are mapped, run until it is ready; shell_connect() follows. After
 * a failure end the shell. */
int booted_run(struct engine *en, struct flavor *f, struct shell *s, struct err *e);
struct vm *booted_vm(const struct shell *s);
/* Frees the shell; the caller owns its VM, which is in no list yet. */
struct vm *booted_release(struct shell *s);

/* --- booted_config.c --- */
/* The configuration of the snapshot's VM, with own addresses; those of the first vif are from
 * the flavor's ranges. `c` must be cleared in any case. */
int booted_config(struct engine *en, const struct flavor *f, struct vm_config *c, struct err *e);

/* --- booted_ready.c --- */
/* 1: the guest is ready as its flavor requires; 0: not yet. `since`: when its devices were
 * connected. */
int booted_is_ready(struct tcp_probe *p, const struct booted_plan *plan, const struct vm *vm,
		    double since, double now);

/* --- mapping.c --- */
/* Pages of a shell that stay mapped; for larger images more are mapped when they are loaded. */
#define WINDOW_PAGES 16u
/* Unmaps the pages of a shell; no effect if there are none. */
void mapping_close(struct engine *en, struct dom *d);

#endif
