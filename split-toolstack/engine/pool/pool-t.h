/* SPDX-License-Identifier: BSD-3-Clause */
/* Domains made ahead, as the pool's own files see them. */
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

/* A paused domain that no VM has used: connected (but for a Linux one without its image, whose
 * pages are placed by the image), and for warm ones loaded and armed. */
struct shell {
	struct shell *next;
	struct dom dom;
	uint8_t uuid[16];
	struct slot slot;
	uint8_t *map;
	struct image *img;	 /* warm */
	uint32_t guest_port;	 /* allocated: Linux, copies; 0: it binds to the slot's */
	uint32_t store_port;	 /* allocated for Linux; 0: none */
	uint32_t port;		 /* dom0's, bound to guest_port; 0: it is not */
	struct file_key ramdisk; /* all zero: none */
	struct engine *en;
	struct device_set devices;
	/* devices.c: while they are being connected */
	struct shell *conn_prev, *conn_next;
	struct flavor *flavor; /* NULL: ended in the meantime */
	uint32_t lacks;	       /* vifs that are not connected yet, and its gate */
	bool failed;
	/* gate.c */
	bool at_gate;		    /* it runs, and its guest waits at its gate, or comes to it: */
	bool comes;		    /* not there yet */
	double until;		    /* loop's time: then it is late */
	uint64_t cpu_ns;	    /* that it had used when it was looked at; 0: it was not */
	struct port_user gate_user; /* hears of it */
	struct port_credit gate_credit;
	/* booted.c: a VM without a name, to which all above but the id belongs; NULL: it is none */
	struct booted *booted;
	void (*end)(struct engine *en, struct shell *s); /* ends one such */
};

struct flavor {
	struct flavor *next;
	struct pool_flavor f;
	struct shell *shells;
	struct copies *copies;	 /* what they are copies of; NULL: of nothing */
	struct booted_plan plan; /* of copies that run until they are ready */
	uint64_t retry_at;	 /* ns: after a failure not before */
	uint64_t wanted_at;	 /* ns: a request wanted one */
	uint32_t backoff;
	uint32_t connecting; /* shells that wait for their devices, or come to their gate */
	uint32_t broken;     /* shells that did not wait at their gate as they were to */
	uint32_t burst;	     /* wanted since it was last full */
};

struct pool {
	struct flavor *flavors;
	const struct pool_ops *ops;
	struct shell_job *job; /* the shell that is being made */
	ev_timer booting;      /* booted.c: shells that are not ready yet are looked at */
	ev_timer sink;
	ev_timer gate;		  /* those that are late */
	ev_timer gate_cpu;	  /* ... or use CPU time there */
	uint32_t gate_next;	  /* the shell at a gate that is looked at next */
	struct shell *connecting; /* utlist head: they wait for their devices */
	uint32_t nconnecting;
	struct window *windows; /* utlist head */
	bool closed;
};

_Static_assert(offsetof(struct pool, flavors) == offsetof(struct pool_head, flavors),
	       "a pool begins with its head");

/* --- pool.c --- */
/* After a failure (no memory, no image) a flavor waits. */
#define POOL_RETRY_S IDLE_RETRY_S
/* A request wanted a shell of it. */
void flavor_wanted(struct engine *en, struct flavor *f);

/* --- shell.c --- */
/* Ends a shell that was not claimed, or whose claim failed. */
void shell_end(struct engine *en, struct shell *s);
/* All but so many shells of a flavor go. */
void flavor_drop_shells(struct engine *en, struct flavor *f, uint32_t keep);
void flavor_add_shell(struct flavor *f, struct shell *s);
/* What failed is not tried again at once. */
void flavor_back_off(struct flavor *f, const struct err *e);

/* --- shells.c --- */
/* What of a flavor is to be opened, not opened yet. -ENOMEM. */
int flavor_files(struct engine *en, const struct pool_flavor *f, struct files **out, struct err *e);
/* Begins with one more of a flavor; what fails is not tried again at once. */
void pool_make_shell(struct engine *en, struct flavor *f);
bool pool_makes(const struct engine *en, const uint8_t uuid[16]);
bool pool_makes_of(const struct engine *en, const struct copies *c);
/* The flavor, which is in no list any more, goes. */
void flavor_ends(struct engine *en, struct flavor *f);
/* -EOPNOTSUPP: it cannot be made ahead. */
int flavor_check_image(const struct image *img, struct err *e);

/* --- copies.c: flavors of a snapshot --- */
/* A snapshot that is in use: what its copies are made with. Threads have references. */
struct copies *copies_ref(struct copies *c);
void copies_put(struct copies *c); /* NULL is fine; on the loop */
/* copies_put() of its flavor: from now on the snapshot can be removed. */
void copies_end(struct copies *c);
/* Says of a flavor what its snapshot does; takes the reference when it succeeds. */
typedef void copies_fn(void *arg, struct copies *c, int rc, const struct err *e);
/* Reads a snapshot's description: here, or by a thread: `fn` is called on the loop, with a
 * reference. */
int copies_read_now(struct engine *en, const char *name, struct copies **out, struct err *e);
int copies_read(struct engine *en, const char *name, copies_fn *fn, void *arg, struct err *e);
/* Type, vCPUs and memory. */
void copies_describe(const struct copies *c, struct pool_flavor *f);
const struct vm_config *copies_config(const struct copies *c);
/* They run until they are ready, and are paused then: guests without a noxs entry. */
bool copies_boot(const struct copies *c);
/* Whether a flavor's words suit them. -EINVAL, -EBUSY, -EPERM. */
int copies_suit(const struct copies *c, const struct pool_flavor *f, struct err *e);
/* Opens its file once more: -errno of it. */
int copies_open(struct copies *c, struct transfer *file, struct err *e);
/* The next copy needs a second shell, for the first domain of all: where copies can share its pages
 * it rests, else it is the copy itself. */
bool copies_want_template(const struct copies *c);
/* Thread-safe, one at a time: makes the domain of a shell, which has id and uuid, from the file; of
 * both shells if `first` is not NULL. What a failure leaves is in them. */
int copies_make(struct copies *c, struct xen *x, struct transfer *file, struct shell *shell,
		struct shell *first, struct err *e);
/* On the loop, behind it: which of both is the copy now; the other one is of `c`, or has ended. */
struct shell *copies_made(struct copies *c, struct shell *shell, struct shell *first, int rc);
/* The domain is that at rest, the template; what it holds. */
bool copies_rest(const struct copies *c, uint32_t domid);
uint64_t copies_template_kib(const struct copies *c);
/* They get what they come to need when they need it: it is not set aside. Before the first is made.
 */
void copies_overcommit(struct copies *c, bool overcommit);
/* What a copy holds, and what one more will. */
uint64_t copies_kib(const struct copies *c);
uint64_t copies_next_kib(const struct copies *c);
/* A VM has one of the copies. */
void copies_taken(struct copies *c);
/* The template goes, and the next copy makes another one; no copy is being made. None is fine. */
void copies_end_template(struct copies *c);

/* --- flavors.c --- */
/* Pages for the rings of its devices. */
static inline uint32_t flavor_rings(const struct pool_flavor *f)
{
	return f->vifs * 2 + f->vbds;
}

/* For a template beside its copies, which are made as others if there is none. */
bool flavor_has_room(const struct engine *en, const struct flavor *f);

/* Both may be NULL. */
static inline bool flavor_same_text(const char *a, const char *b)
{
	return a == b || (a && b && strcmp(a, b) == 0);
}

/* --- devices.c --- */
int flavor_check_devices(struct engine *en, const struct pool_flavor *f, struct err *e);
bool flavor_same_devices(const struct pool_flavor *a, const struct pool_flavor *b);
/* The wanted devices are those that the flavor has. */
bool flavor_fits_devices(const struct engine *en, const struct pool_flavor *f,
			 const struct shell_want *want);
/* A shell of a flavor with devices: into the pool when they are connected. */
void shell_connect(struct engine *en, struct flavor *f, struct shell *s);
bool pool_may_connect(const struct engine *en);
/* All of them go. */
void pool_connecting_drop(struct engine *en);
void pool_connecting_ends(struct engine *en, const struct flavor *f);
uint64_t pool_connecting_kib(const struct engine *en);
bool pool_connects(const struct engine *en, uint32_t domid);

/* Of one in the pool, or on its way into it: it ends. */
void shell_failed(struct shell *s, const struct err *e);

/* --- gate.c --- */
void gate_open(struct engine *en);
void gate_close(struct engine *en);
/* Shells of this flavor and image run ahead, to the gate of their guest. */
bool flavor_gates(const struct flavor *f, const struct image *img);
/* Lets a shell that is loaded, and whose two pages are mapped, run to its gate: shell_connect()
 * follows. What a failure leaves goes with the shell. */
int gate_run(struct engine *en, struct flavor *f, struct shell *s, struct err *e);
/* Whether a shell that is to be claimed waits at its gate still; it is out of its flavor. If not
 * it has ended. */
bool gate_holds(struct engine *en, struct flavor *f, struct shell *s);
/* Its events are heard no more; none is fine. */
void gate_ignore(struct engine *en, struct shell *s);

/* --- booted.c --- */
void booted_open(struct engine *en);
void booted_close(struct engine *en);
/* Lets a copy, whose two pages are mapped, run until it is ready: shell_connect() follows. What a
 * failure leaves goes with the shell. */
int booted_run(struct engine *en, struct flavor *f, struct shell *s, struct err *e);
struct vm *booted_vm(const struct shell *s);
/* The shell goes; its VM, which is as any that is not in a list yet, is the caller's. */
struct vm *booted_release(struct shell *s);

/* --- booted_config.c --- */
/* What the VM of the snapshot had, with addresses of its own: the first vif's are of the flavor.
 * `c` is to be cleared in any case. */
int booted_config(struct engine *en, const struct flavor *f, struct vm_config *c, struct err *e);

/* --- booted_ready.c --- */
/* 1: the guest is as its flavor asks for; 0: not yet. `since`: its devices are connected. */
int booted_is_ready(struct tcp_probe *p, const struct booted_plan *plan, const struct vm *vm,
		    double since, double now);

/* --- window.c --- */
/* Of a shell so much stays mapped; larger images are mapped when they are loaded. */
#define WINDOW_PAGES 16u
/* Unmaps what a shell had kept mapped; nothing is fine. */
void window_close(struct engine *en, struct dom *d);

#endif
