/* SPDX-License-Identifier: BSD-3-Clause */
/* Beside xenstored: the nodes of kernel-backed devices, shown there and followed from there. */
#ifndef CHAOS_ENGINE_DEVICES_MIRROR_H
#define CHAOS_ENGINE_DEVICES_MIRROR_H

#include <stdbool.h>
#include <stdint.h>

#include <ev.h>

#include "base/err.h"

/*
 * dom0's xenbus talks to xenstored there, so the kernel's backends look for their devices in its
 * tree. A thread of its own speaks to xenstored (each request is a round trip of 0.1 ms and more);
 * the loop hands it changes and hears of changes in directories that it follows. Everything
 * happens in the order it was asked for. When the loop does not take the news, the thread stops
 * until it does: what waits is bounded.
 */
struct mirror;

/* A node in a followed directory is now so; value NULL: it is gone. It was read when `done`
 * requests had been done: with less than mirror_asked() what was asked for since may have changed
 * it. On the loop. */
typedef void mirror_fn(void *arg, const char *path, const char *value, uint32_t len, uint64_t done);

/* Where toolstacks keep what VMs are called: following it tells of "/vm/UUID/name" alone, and at
 * first of "/vm/UUID/" MIRROR_MARK, too. */
#define MIRROR_NAMES "/vm"
#define MIRROR_MARK  "chaosd" /* a node that says that the VM is ours, and its domain's id */

/* All that was asked for before mirror_tell(key) is done. On the loop. */
typedef void mirror_told_fn(void *arg, uint32_t key);

int mirror_open(struct ev_loop *loop, mirror_fn *fn, mirror_told_fn *told, void *arg,
		struct mirror **out, struct err *e);
void mirror_close(struct mirror *m); /* what was asked for is done first; NULL is fine */

/* Writes a node; between begin and end as one transaction. -ENOMEM. */
int mirror_put(struct mirror *m, const char *path, const char *value, uint32_t len);
int mirror_begin(struct mirror *m);
int mirror_end(struct mirror *m);
int mirror_rm(struct mirror *m, const char *path);
/* All of what is below `path` now, and each change. */
int mirror_follow(struct mirror *m, const char *path);
int mirror_unfollow(struct mirror *m, const char *path);
/* Calls `told` with `key`, unless the mirror is closed before. -ENOMEM. */
int mirror_tell(struct mirror *m, uint32_t key);
/* xenstored is gone: nothing that is asked for is done any more. */
bool mirror_is_dead(const struct mirror *m);
/* So many requests are not done yet. */
uint32_t mirror_backlog(struct mirror *m);
/* So many were made, ever; a transaction is one. */
uint64_t mirror_asked(const struct mirror *m);

#endif
