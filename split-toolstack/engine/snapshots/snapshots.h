/* SPDX-License-Identifier: BSD-3-Clause */
/* Snapshots: saved VMs with names, which chaosd stores in the folder of its images. */
#ifndef CHAOS_ENGINE_SNAPSHOTS_H
#define CHAOS_ENGINE_SNAPSHOTS_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "libdom/libdom.h"
#include "split-toolstack/engine/config/vm_config.h"
#include "split-toolstack/engine/images/imagestore.h"

/*
 * A snapshot has a file DIGEST.vm (man 5 chaos-save, mode 0600), named by its content
 * (save_digest()), and a small file NAME.snap for each of its names. The names are in memory.
 * All functions are called on the loop; threads do the work that waits for the disk. The rules
 * for names are those of images, but the two kinds of names are independent.
 *
 * A snapshot has the digest of its parent: the snapshot that its VM was made from, or the one
 * that was made of that VM before. The parent may be missing on this host.
 */
struct snapshots;
struct opener;

struct snapshot_hold;

/* Other rooms only read it; its address does not change until it is removed. */
struct snapshot {
	char name[IMAGE_NAME_MAX + 1];
	char digest[65]; /* hex */
	char parent[65]; /* digest of the parent; "": none */
	char vm[VM_NAME_MAX + 1];
	enum dom_type type;
	bool foreign; /* made on another host: paths in it are not used */
	uint32_t vcpus;
	uint64_t mem_kib, pages, present; /* memory of the guest, and its pages in the file */
	uint64_t bytes;			  /* size of the file */
	uint64_t created_ns;		  /* wall clock, ns since 1970 */
	/* used by this room only */
	struct snapshot *prev, *next;
	struct snapshot *digest_prev, *digest_next; /* list of a bucket of digests, by name */
	struct snapshot_hold *holds;
	bool leaving;
};

/* Reads all snapshots and removes leftovers of a killed daemon: files without a name, and names
 * without a file. A damaged NAME.snap is logged and ignored; while there is one, no file is
 * removed. */
int snapshots_open(struct opener *opener, struct imagestore *store, struct snapshots **out,
		   struct err *e);
/* `ended`: no thread uses it any more. NULL is allowed. */
void snapshots_close(struct snapshots *s, bool ended);

/* NULL: there is none; `e` has -ENOENT and the reason. */
const struct snapshot *snapshots_find(const struct snapshots *s, const char *name, struct err *e);
const struct snapshot *snapshots_by_digest(const struct snapshots *s, const char *digest);

/* A walk over all snapshots, in the order of names, in as many turns of the loop as it needs:
 * others may be made and removed meanwhile. */
struct snapshot_walk {
	struct snapshot_walk *prev, *next;
	struct snapshot *at;
};
void snapshots_walk_begin(struct snapshots *s, struct snapshot_walk *w);
const struct snapshot *snapshots_walk_next(struct snapshot_walk *w); /* NULL: that was all */
void snapshots_walk_end(struct snapshots *s, struct snapshot_walk *w);

/* Whether the name exists, or is being made or removed. */
bool snapshot_name_taken(const struct snapshots *s, const char *name);

/* Opens the snapshot's file for reading, for engine_restore() or save_open(); close-on-exec; the
 * caller closes it. */
int snapshots_file(const struct snapshots *s, const struct snapshot *x, int *fd, struct err *e);

/* Embedded in a struct that uses a snapshot for longer than a request. The snapshot cannot be
 * removed before snapshot_release(). */
struct snapshot_hold {
	struct snapshot_hold *prev, *next;
	struct snapshot *of; /* NULL: nothing is held */
	char holder[160];    /* for messages: "pool flavor \"web\"" */
};
void snapshot_hold(const struct snapshot *x, struct snapshot_hold *h, const char *holder);
void snapshot_release(struct snapshot_hold *h); /* no effect if it holds none */

/*
 * --- making a snapshot ---
 *
 * snapshot_new() reserves the name and makes an empty file, open for reading and writing as
 * `fd`, which this room closes. Write the stream into it; then snapshot_finish() makes it a
 * snapshot, or snapshot_give_up() removes it. Both free `n`.
 */
struct snapshot_new;
typedef void snapshot_file_fn(void *arg, int rc, struct snapshot_new *n, int fd,
			      const struct err *e);
/* `fn` is called later, unless this fails. -EEXIST, -EINVAL: the name; -ENOSPC: the quota is
 * full, which snapshot_finish() also reports for a file that is too large. */
int snapshot_new(struct snapshots *s, const char *name, snapshot_file_fn *fn, void *arg,
		 struct err *e);
/* Reserves so many bytes of the quota until `n` is freed: -ENOSPC. */
int snapshot_reserve(struct snapshot_new *n, uint64_t bytes, struct err *e);
/* Called when the snapshot is on the disk; `x` is NULL if rc < 0. */
typedef void snapshot_named_fn(void *arg, int rc, const struct snapshot *x, const struct err *e);
/* Uses these members of `what`: parent, vm, type, foreign, vcpus, mem_kib, pages, present. */
void snapshot_finish(struct snapshot_new *n, const struct snapshot *what, snapshot_named_fn *fn,
		     void *arg);
void snapshot_give_up(struct snapshot_new *n);

/* Removes the name, and the file with its last name. -ENOENT; -EBUSY: it is in use, or is the
 * parent of other snapshots (the message names them). `fn` is called when that is on the disk;
 * if this returns -errno, it is not called. */
typedef void snapshot_rm_fn(void *arg, int rc, const struct err *e);
int snapshot_rm(struct snapshots *s, const char *name, snapshot_rm_fn *fn, void *arg,
		struct err *e);

#endif
