/* SPDX-License-Identifier: BSD-3-Clause */
/* Snapshots: saved VMs that chaosd keeps, by name, in the folder of its images. */
#ifndef CHAOS_ENGINE_SNAPSHOTS_H
#define CHAOS_ENGINE_SNAPSHOTS_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "libdom/libdom.h"
#include "split-toolstack/engine/config/vm_config.h"
#include "split-toolstack/engine/images/imagestore.h"

/*
 * A snapshot is a file DIGEST.vm (man 5 chaos-save, mode 0600), called by its content
 * (save_digest()), and a small file NAME.snap for each name it has. Names are in memory; all
 * functions are called on the loop, and threads do what waits for the disk. Names follow the rules
 * for images, but are names of their own.
 *
 * A snapshot knows its parent: the snapshot that its VM was made from, or was last kept as. The
 * parent may be unknown here.
 */
struct snapshots;
struct opener;

struct snapshot_hold;

/* Read only for others; stays where it is until it is removed. */
struct snapshot {
	char name[IMAGE_NAME_MAX + 1];
	char digest[65]; /* hex */
	char parent[65]; /* digest; "": none */
	char vm[VM_NAME_MAX + 1];
	enum dom_type type;
	bool foreign; /* came from elsewhere: paths of this host in it do not count */
	uint32_t vcpus;
	uint64_t mem_kib, pages, present; /* of the guest, and of these in the file */
	uint64_t bytes;			  /* of the file */
	uint64_t created_ns;		  /* wall clock */
	/* of the room */
	struct snapshot *prev, *next;
	struct snapshot_hold *holds;
	bool leaving;
};

/* Reads what there is; what a kill left goes: files that no name has, names without a file. A
 * damaged NAME.snap is logged and passed over, and then no file is removed. */
int snapshots_open(struct opener *opener, struct imagestore *store, struct snapshots **out,
		   struct err *e);
/* `ended`: no thread uses it any more. NULL is fine. */
void snapshots_close(struct snapshots *s, bool ended);

/* NULL, with -ENOENT and the reason in `e`: there is none. */
const struct snapshot *snapshots_find(const struct snapshots *s, const char *name, struct err *e);
const struct snapshot *snapshots_by_digest(const struct snapshots *s, const char *digest);
/* In the order of names. */
void snapshots_each(const struct snapshots *s, void (*fn)(const struct snapshot *x, void *arg),
		    void *arg);

/* There is one, or it is being made or removed. */
bool snapshot_name_taken(const struct snapshots *s, const char *name);

/* Opens its file for reading, for engine_restore() or save_open(); close-on-exec, the caller's. */
int snapshots_file(const struct snapshots *s, const struct snapshot *x, int *fd, struct err *e);

/* Embedded in what uses a snapshot for longer than a request. While there is one it cannot be
 * removed. */
struct snapshot_hold {
	struct snapshot_hold *prev, *next;
	struct snapshot *of; /* NULL: holds none */
	char holder[160];    /* for people: "pool flavor \"web\"" */
};
void snapshot_hold(const struct snapshot *x, struct snapshot_hold *h, const char *holder);
void snapshot_release(struct snapshot_hold *h); /* one that holds none is fine */

/* --- a new one ---
 * snapshot_new() reserves the name and makes an empty file, open for reading and writing at `fd`,
 * which stays the room's; what has been written into it becomes the snapshot by snapshot_finish(),
 * or goes by snapshot_give_up(). Both take `n`. */
struct snapshot_new;
typedef void snapshot_file_fn(void *arg, int rc, struct snapshot_new *n, int fd,
			      const struct err *e);
/* `fn` comes later, unless this fails. -EEXIST, -EINVAL: the name; -ENOSPC: nothing
 * more fits, which snapshot_finish() says of one that is too large, too. */
int snapshot_new(struct snapshots *s, const char *name, snapshot_file_fn *fn, void *arg,
		 struct err *e);
/* So many bytes of the quota are this one's until it ends: -ENOSPC. */
int snapshot_reserve(struct snapshot_new *n, uint64_t bytes, struct err *e);
/* `x` is NULL when rc < 0. The snapshot is on the disk. */
typedef void snapshot_named_fn(void *arg, int rc, const struct snapshot *x, const struct err *e);
/* Out of `what`: parent, vm, type, foreign, vcpus, mem_kib, pages, present. */
void snapshot_finish(struct snapshot_new *n, const struct snapshot *what, snapshot_named_fn *fn,
		     void *arg);
void snapshot_give_up(struct snapshot_new *n);

/* The name goes, and with the last one its file. -ENOENT; -EBUSY: it is held, or it is the parent
 * of others, which are named. `fn` comes when that is on the disk; with -errno it does not. */
typedef void snapshot_rm_fn(void *arg, int rc, const struct err *e);
int snapshot_rm(struct snapshots *s, const char *name, snapshot_rm_fn *fn, void *arg,
		struct err *e);

#endif
