/* SPDX-License-Identifier: BSD-3-Clause */
/* Beside xenstored: copies the nodes of kernel-backed devices into xenstored, and changes from
 * there. */
#ifndef CHAOS_ENGINE_DEVICES_MIRROR_H
#define CHAOS_ENGINE_DEVICES_MIRROR_H

#include <stdbool.h>
#include <stdint.h>

#include <ev.h>

#include "base/err.h"

/* In that mode dom0's xenbus uses xenstored, so the kernel's backends look for their devices in
 * its tree. A separate thread talks to xenstored, because each request takes 0.1 ms or more. The
 * loop gives it changes, and gets changes in the directories that it follows. All is done in the
 * order of the requests. If the loop does not take the changes, the thread stops until it does,
 * so that the queue has a limit. */
struct mirror;

/* Called on the loop: a node in a followed directory has this value; NULL: it does not exist. It
 * was read when `done` requests were done: if that is less than mirror_asked(), a later request
 * may have changed it since. */
typedef void mirror_fn(void *arg, const char *path, const char *value, uint32_t len, uint64_t done);

/* Where toolstacks store the names of VMs. Following it only reports "/vm/UUID/name", and at
 * first also "/vm/UUID/" MIRROR_MARK. */
#define MIRROR_NAMES "/vm"
#define MIRROR_MARK                                                                                \
	"chaosd" /* a node that marks the VM as one of chaosd; its value is the domain id */

/* All requests before mirror_tell(key) are done. Called on the loop. */
typedef void mirror_told_fn(void *arg, uint32_t key);

int mirror_open(struct ev_loop *loop, mirror_fn *fn, mirror_told_fn *told, void *arg,
		struct mirror **out, struct err *e);
void mirror_close(struct mirror *m); /* first completes all requests; NULL is allowed */

/* Writes a node; between begin and end all writes are one transaction. -ENOMEM. */
int mirror_put(struct mirror *m, const char *path, const char *value, uint32_t len);
/* Writes it unless there is one. */
int mirror_put_new(struct mirror *m, const char *path, const char *value, uint32_t len);
int mirror_begin(struct mirror *m);
int mirror_end(struct mirror *m);
int mirror_rm(struct mirror *m, const char *path);
/* Reports everything below `path` now, and each change later. */
int mirror_follow(struct mirror *m, const char *path);
int mirror_unfollow(struct mirror *m, const char *path);
/* Calls `told` with `key`, unless the mirror is closed before. -ENOMEM. */
int mirror_tell(struct mirror *m, uint32_t key);
/* Whether xenstored has ended: no further request is done. */
bool mirror_is_dead(const struct mirror *m);
/* Number of requests that are not done yet. */
uint32_t mirror_backlog(struct mirror *m);
/* Number of requests so far; a transaction is one. */
uint64_t mirror_asked(const struct mirror *m);

#endif
