/* SPDX-License-Identifier: BSD-3-Clause */
/* The pool: domains made in advance, for creates. */
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
struct mapping;
struct xen_domain_info;

/* --- pool.c --- */
/* Functions of the room of VMs' lives. */
struct pool_ops {
	struct vm *(*vm_new)(struct engine *en); /* a VM in no list; NULL: out of memory */
	void (*vm_free)(struct vm *vm);
};
int pool_open(struct engine *en, const struct pool_ops *ops, struct err *e); /* -ENOMEM */
void pool_close(struct engine *en); /* destroys all shells; no effect if it is not open */
void pool_free(struct engine *en);  /* call it after the VMs are gone */
/* Destroys all shells at once to free their memory; they are made again when there is room.
 * False: there are no flavors. */
bool pool_drop(struct engine *en);
/* Makes one shell, if one is due. */
enum idle_next pool_refill(struct engine *en);
/* There may be room for shells now. */
void pool_refill_soon(struct engine *en);

/* --- flavors.c --- */
/* Memory of all shells, KiB. */
uint64_t pool_held(const struct engine *en);
/* Whether the domain is a shell, also one that is being made. */
bool pool_has_domain(const struct engine *en, const struct xen_domain_info *info);

/* --- take.c --- */
/* What a create needs; the image may be NULL. */
struct shell_want {
	const struct vm_config *cfg;
	struct image *img;
	bool saved;		    /* a shell without any image: it is filled from a file */
	struct device_set *devices; /* empty: receives the devices of the shell, connected */
	/* Gives the shell's domain the identity of the VM, or the VM that of the domain. -errno:
	 * the shell is ended. */
	int (*identify)(void *arg, uint32_t domid, const uint8_t uuid[16]);
	void *arg;
};

/* The parts of a shell that the VM gets. */
struct shell_parts {
	struct dom dom;
	struct slot slot;
	uint8_t *map;	     /* device and control page; NULL: not mapped yet */
	uint32_t guest_port; /* allocated: Linux, copies; 0: the guest binds to the slot's port */
	uint32_t store_port; /* allocated for Linux; 0: none */
	uint32_t port;	     /* dom0's port, bound to guest_port; 0: not bound */
	bool warm;	     /* the image is loaded */
	bool at_gate;	     /* ... and its guest waits at its gate */
	const struct pool_flavor *low; /* set if it was the last shell of this flavor */
};

/* The beginning of struct pool; the rest is known to the pool's own files. */
struct pool_head {
	struct flavor *flavors;
};

static inline bool pool_is_empty(const struct pool *p)
{
	return ((const struct pool_head *)(const void *)p)->flavors == NULL;
}

/* Takes the best fitting shell, whose domain has not started, out of the pool. False: there is
 * none. *why: why there is none, or why it is not a warm one; "" for a warm one. */
bool pool_take(struct engine *en, const struct shell_want *want, struct shell_parts *out,
	       const char **why);

/* The configuration of a snapshot's VM, if a copy of it waits in the pool; valid until the loop
 * continues. NULL: *why has the reason. */
const struct vm_config *pool_copy_waits(struct engine *en, const char *from, const char **why);
/* Takes that copy; of `want`, devices, identify and arg are used. Its device page was written
 * with its own uuid. -errno: it could not be used, and was ended. */
int pool_take_copy(struct engine *en, const char *from, const struct shell_want *want,
		   struct shell_parts *out, struct err *e);

/* The flavor whose shells are copies of that snapshot that have run: use pool_booted_next(), not
 * pool_take_copy(). NULL: there is none. */
const struct pool_flavor *pool_boots(const struct engine *en, const char *from);
/* The copy that will be taken next, with the MAC and IP address of `vif` (NULL: any); the pool
 * still owns it. NULL: *why has the reason. */
struct vm *pool_booted_next(struct engine *en, const char *from, const struct vif_config *vif,
			    const char **why);
/* Takes it: the caller owns the VM, which is complete, paused, in no list, and whose id is in no
 * table. *low as in struct shell_parts. */
void pool_booted_take(struct engine *en, const char *from, const struct pool_flavor **low);

/* --- gate.c --- */
/* A domain without a known VM has shut down, or is dying: it may be a shell at its gate. */
void pool_has_ended(struct engine *en, const struct xen_domain_info *info);

/* --- devices.c --- */
/* Handles shells whose devices are connected, or never will be: adds them to the pool, or ends
 * them. */
void pool_reap(struct engine *en);

/* --- mapping.c: pages of a claimed shell that are still mapped --- */
/* The pages are not needed any more: they are unmapped in idle time. No effect if there are
 * none. */
void mapping_close_later(struct engine *en, struct mapping *w, struct dom *d);
/* The pages stay mapped until mapping_close_now(). */
void mapping_keep(struct engine *en, struct mapping *w);
/* Unmaps them now; no effect if there are none. */
void mapping_close_now(struct engine *en, struct mapping *w, struct dom *d);
/* Idle time: unmaps those of mapping_close_later(). */
void mappings_close(struct engine *en);

#endif
