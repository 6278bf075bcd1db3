/* SPDX-License-Identifier: BSD-3-Clause */
/* The pool's functions for the other files of the engine; private.h includes it,
 * at its end. */
#ifndef CHAOS_ENGINE_POOL_H
#define CHAOS_ENGINE_POOL_H

/* --- pool.c --- */
/* After a failure (no memory, no image) a flavor waits. */
#define POOL_RETRY_S 2.0
void pool_open(struct engine *en);
void pool_close(struct engine *en); /* destroys all shells */
/* Gives all memory of shells back, at once; they come again when there is room. */
void pool_drop(struct engine *en);
/* As soon as the loop has nothing else to do. */
void pool_idle_now(struct engine *en);
/* What of a flavor is to be opened, not opened yet. -ENOMEM. */
int flavor_files(struct engine *en, const struct pool_flavor *f, struct files **out, struct err *e);
/* Somebody wanted a shell of it. */
void flavor_wanted(struct engine *en, struct flavor *f);
/* A request came in: what is made ahead is made when its answer was sent. */
void pool_idle_later(struct engine *en);
/* When a refill is due anyway, no later than that. */
void pool_idle_soon(struct engine *en);
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

/* --- pool_claim.c --- */
/* Moves the best fitting shell into the vm, whose image and configuration are known: the domain is
 * not started yet. False: none; t.why says why. */
bool pool_claim(struct vm *vm);

/* --- pool_devices.c --- */
uint32_t flavor_rings(const struct pool_flavor *f);
int flavor_check_devices(struct engine *en, const struct pool_flavor *f, struct err *e);
bool flavor_same_devices(const struct pool_flavor *a, const struct pool_flavor *b);
/* The VM's devices are those that the flavor has. */
bool flavor_fits_devices(const struct pool_flavor *f, const struct vm *vm);
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
