/* SPDX-License-Identifier: BSD-3-Clause */
/* The pool's functions for the other files of the engine; private.h includes it,
 * at its end. */
#ifndef CHAOS_ENGINE_POOL_H
#define CHAOS_ENGINE_POOL_H

/* --- pool.c --- */
/* After a failure (no memory, no image) a flavor waits. */
#define POOL_RETRY_S IDLE_RETRY_S
void pool_open(struct engine *en);
void pool_close(struct engine *en); /* destroys all shells */
/* Gives all memory of shells back, at once; they come again when there is room. */
void pool_drop(struct engine *en);
/* Makes one of the shells that are to be made ahead. */
enum idle_next pool_refill(struct engine *en);
/* What of a flavor is to be opened, not opened yet. -ENOMEM. */
int flavor_files(struct engine *en, const struct pool_flavor *f, struct files **out, struct err *e);
/* A request wanted a shell of it. */
void flavor_wanted(struct engine *en, struct flavor *f);
/* There may be room for a shell that had none. */
void pool_refill_soon(struct engine *en);
/* KiB of all shells. */
uint64_t pool_held(const struct engine *en);
/* A shell's, also of the one that is being made. */
bool pool_has_domain(const struct engine *en, const struct xen_domain_info *info);

/* --- shells.c --- */
/* Begins with one more of a flavor; what fails is not tried again at once. */
void pool_make_shell(struct engine *en, struct flavor *f);
bool pool_makes(const struct engine *en, const uint8_t uuid[16]);
/* Ends a shell that was not claimed, or whose claim failed. */
void shell_end(struct engine *en, struct shell *s);
/* All but so many shells of a flavor go. */
void flavor_drop_shells(struct engine *en, struct flavor *f, uint32_t keep);
/* The flavor, which is in no list any more, goes. */
void flavor_ends(struct engine *en, struct flavor *f);
/* -EOPNOTSUPP: it cannot be made ahead. */
int flavor_check_image(const struct image *img, struct err *e);
void flavor_add_shell(struct flavor *f, struct shell *s);
/* What failed is not tried again at once. */
void flavor_back_off(struct flavor *f, const struct err *e);

/* --- flavors.c --- */
/* Both may be NULL. */
static inline bool flavor_same_text(const char *a, const char *b)
{
	return a == b || (a && b && strcmp(a, b) == 0);
}

/* --- pool_take.c --- */
/* What a create wants of a shell; the image may be NULL. */
struct shell_want {
	const struct vm_config *cfg;
	struct image *img;
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
	uint32_t guest_port;	       /* allocated for Linux; 0: it binds to the slot's */
	uint32_t store_port;	       /* likewise */
	bool warm;		       /* the image is loaded */
	const struct pool_flavor *low; /* it was the last one of this flavor; NULL: it was not */
};

/* Takes the best fitting shell, whose domain is not started yet, out of the pool. False: none.
 * *why: says why none, or why it is not a warm one; "" for a warm one. */
bool pool_take(struct engine *en, const struct shell_want *want, struct shell_parts *out,
	       const char **why);

/* --- pool_devices.c --- */
uint32_t flavor_rings(const struct pool_flavor *f);
int flavor_check_devices(struct engine *en, const struct pool_flavor *f, struct err *e);
bool flavor_same_devices(const struct pool_flavor *a, const struct pool_flavor *b);
/* The wanted devices are those that the flavor has. */
bool flavor_fits_devices(const struct engine *en, const struct pool_flavor *f,
			 const struct shell_want *want);
/* A shell of a flavor with devices: into the pool when they are connected. */
void shell_connect(struct engine *en, struct flavor *f, struct shell *s);
bool pool_may_connect(const struct engine *en);
void pool_reap(struct engine *en);
/* All of them go. */
void pool_connecting_drop(struct engine *en);
void pool_connecting_ends(struct engine *en, const struct flavor *f);
uint64_t pool_connecting_kib(const struct engine *en);
bool pool_connects(const struct engine *en, uint32_t domid);

/* --- window.c --- */
/* Of a shell so much stays mapped; larger images are mapped when they are loaded. */
#define WINDOW_PAGES 16u
/* Unmaps what a shell had kept mapped; nothing is fine. */
void window_close(struct engine *en, struct dom *d);
void vm_close_window(struct vm *vm);
/* Not needed any more: it is unmapped when there is time. */
void vm_list_window(struct vm *vm);
/* That time is now. */
void windows_close(struct engine *en);

#endif
