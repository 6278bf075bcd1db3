/* SPDX-License-Identifier: BSD-3-Clause */
/* The pool: domains made ahead, for creates to take. */
#ifndef CHAOS_ENGINE_POOL_H
#define CHAOS_ENGINE_POOL_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "libdom/libdom.h"
#include "split-toolstack/engine/services/idle.h"
#include "split-toolstack/engine/services/slots.h"

struct device_set;
struct engine;
struct image;
struct flavor;
struct pool;
struct pool_flavor;
struct vif_config;
struct vm;
struct vm_config;
struct window;
struct xen_domain_info;

/* --- pool.c --- */
/* What it asks of the room of VMs' lives. */
struct pool_ops {
	struct vm *(*vm_new)(struct engine *en); /* in no list; NULL: no memory */
	void (*vm_free)(struct vm *vm);
};
int pool_open(struct engine *en, const struct pool_ops *ops, struct err *e); /* -ENOMEM */
void pool_close(struct engine *en); /* destroys all shells; not open is fine */
void pool_free(struct engine *en);  /* when the VMs are gone, too */
/* Gives all memory of shells back, at once; they come again when there is room. False: it has no
 * flavors. */
bool pool_drop(struct engine *en);
/* Makes one of the shells that are to be made ahead. */
enum idle_next pool_refill(struct engine *en);
/* There may be room for a shell that had none. */
void pool_refill_soon(struct engine *en);

/* --- flavors.c --- */
/* KiB of all shells. */
uint64_t pool_held(const struct engine *en);
/* A shell's, also of the one that is being made. */
bool pool_has_domain(const struct engine *en, const struct xen_domain_info *info);

/* --- take.c --- */
/* What a create asks of a shell; the image may be NULL. */
struct shell_want {
	const struct vm_config *cfg;
	struct image *img;
	bool saved;		    /* one without any image: it is filled from a file */
	struct device_set *devices; /* empty: gets those of the shell, connected */
	/* Gives the shell's domain the taker's identity, or the taker the domain's. -errno: the
	 * shell ends. */
	int (*identify)(void *arg, uint32_t domid, const uint8_t uuid[16]);
	void *arg;
};

/* What was the shell's is the taker's. */
struct shell_parts {
	struct dom dom;
	struct slot slot;
	uint8_t *map;		       /* device and control page; NULL: not mapped yet */
	uint32_t guest_port;	       /* allocated: Linux, copies; 0: it binds to the slot's */
	uint32_t store_port;	       /* allocated for Linux; 0: none */
	uint32_t port;		       /* dom0's, bound to guest_port; 0: it is not */
	bool warm;		       /* the image is loaded */
	bool at_gate;		       /* ... and its guest waits at its gate */
	const struct pool_flavor *low; /* it was the last one of this flavor; NULL: it was not */
};

/* What struct pool begins with; the rest is of the pool's own files. */
struct pool_head {
	struct flavor *flavors;
};

static inline bool pool_is_empty(const struct pool *p)
{
	return ((const struct pool_head *)(const void *)p)->flavors == NULL;
}

/* Takes the best fitting shell, whose domain is not started yet, out of the pool. False: none.
 * *why: says why none, or why it is not a warm one; "" for a warm one. */
bool pool_take(struct engine *en, const struct shell_want *want, struct shell_parts *out,
	       const char **why);

/* The configuration of the VM that a snapshot is of, when a copy of it waits in the pool: until the
 * loop goes on; NULL: *why says why none does. */
const struct vm_config *pool_copy_waits(struct engine *en, const char *from, const char **why);
/* Takes it: of `want` devices, identify and arg count. What was written into its device page is
 * of its uuid. -errno: it could not be used, and has ended. */
int pool_take_copy(struct engine *en, const char *from, const struct shell_want *want,
		   struct shell_parts *out, struct err *e);

/* The flavor whose shells are copies of that snapshot which have run: pool_booted_next(), not
 * pool_take_copy(). NULL: there is none. */
const struct pool_flavor *pool_boots(const struct engine *en, const char *from);
/* The one that is taken next, with the MAC and IP address of `vif` (NULL: any); it stays the
 * pool's. NULL: *why says why none is. */
struct vm *pool_booted_next(struct engine *en, const char *from, const struct vif_config *vif,
			    const char **why);
/* It is the caller's: complete, paused, in no list, its id in no table. *low as in struct
 * shell_parts. */
void pool_booted_take(struct engine *en, const char *from, const struct pool_flavor **low);

/* --- gate.c --- */
/* A domain of no known VM has shut down, or is dying: it may be a shell's at its gate. */
void pool_has_ended(struct engine *en, const struct xen_domain_info *info);

/* --- devices.c --- */
/* Shells whose devices are connected, or never will be: into the pool, or away. */
void pool_reap(struct engine *en);

/* --- window.c: pages of a claimed shell that are still mapped --- */
/* They are not needed any more: they are unmapped when there is time. None is fine. */
void window_close_later(struct engine *en, struct window *w, struct dom *d);
/* They stay, until window_close_now(). */
void window_keep(struct engine *en, struct window *w);
/* Now; none is fine. */
void window_close_now(struct engine *en, struct window *w, struct dom *d);
/* That time has come. */
void windows_close(struct engine *en);

#endif
