/* SPDX-License-Identifier: BSD-3-Clause */
/* Saves guests into a stream, and fills shells from a stream. */
#ifndef CHAOS_LIBDOM_SAVE_H
#define CHAOS_LIBDOM_SAVE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "base/transfer.h"
#include "libdom/libdom.h"

/*
 * For images with a noxs entry, and for Linux (`linux_guest`). A stream (man 5
 * chaos-save) has a header, a block of bytes of the toolstack, vCPU states, runs of pages, and
 * the pages. It can be a file or a pipe. The device page is never in it: a restore writes a new
 * one.
 *
 * THREADS. save_write(), save_open(), save_verify() and save_restore() wait for the file and
 * take time in proportion to the pages. Call them on a worker thread with its own xen handle;
 * transfer_cancel() makes them return -ECANCELED. No other thread may use the same struct dom or
 * save_stream meanwhile. The other functions do not block.
 *
 * ERRORS are negative errnos, with one line in `e` that says what is wrong ("the file is cut",
 * "... is damaged", "... not one of chaos"). -EOPNOTSUPP: this guest cannot be saved, or this
 * host cannot run it; -EPROTO: damaged, cut, or not a saved VM; -EINVAL: does not fit the shell;
 * errors of the file are those of transfer_read() and transfer_write().
 */

/* Numbers of pages of 4 KiB; bytes of the stream. All except `done` and `bytes` are known before
 * the first page is copied; other threads may read those two meanwhile with shared_load(). */
struct save_stats {
	uint64_t pages;	    /* of the guest */
	uint64_t present;   /* in the stream */
	uint64_t zero;	    /* left out because they are zero */
	uint64_t untouched; /* left out because the guest says that it never used them */
	uint64_t done;	    /* of `present`, so far */
	uint64_t bytes;	    /* written or read so far */
};

/* --- saving --------------------------------------------------------------------------------------
 */

/* Maximal size of the toolstack's block. */
#define SAVE_OWNER_MAX (256u << 10)

/* A domain to be saved. All of it stays the caller's. */
/* A limit of the memory of all states that were taken with it together (libdom/template.h); for
 * any threads. */
struct save_budget {
	uint64_t most, used; /* bytes */
};

struct save_source {
	uint32_t domid;
	enum dom_type type;
	uint32_t vcpus;
	uint64_t pages;		  /* RAM */
	uint32_t ring_pages;	  /* as the domain was prepared with; 0: it has no devices */
	struct dom_limits limits; /* the limits with which it was made */
	const volatile void *device, *control; /* its two noxs pages, mapped by the caller */
	uint64_t dev_frame, control_frame; /* where they lie, in the form that xen_map() takes */
	/* It has no such pages (`device` and `control` are NULL), but a store: the frames are
	 * those of the store ring and the console ring. It has shut down with SHUTDOWN_suspend. */
	bool linux_guest;
	struct dom_frames frames; /* frames of struct dom; zeroed: not known, then a save of a PV
				     guest takes longer */
	/* A guest that may have touched more pages is refused with -EFBIG. 0: no limit. */
	uint64_t most;
	struct save_budget *budget; /* of a template, which must not exist longer; NULL: none */
	/* save_write(): pages may stay mapped for save_unmap(), because unmapping takes a
	 * quarter of the whole time. NULL: all are unmapped. */
	struct live_maps **left;
};

/* Pages of a domain that are still mapped. */
struct live_maps;
/* Unmaps some of them; false: all are unmapped, and `m` is freed. NULL is allowed. */
bool save_unmap(struct xen *x, struct live_maps *m);

/* Whether the guest says in its control page that it can be saved (abi.h, NOXS_CAN_SAVE): 0, or
 * -EOPNOTSUPP. Check it before the guest is stopped. */
int save_check(const volatile void *control, struct err *e);
/* Whether its drivers can continue with the devices of another device page (NOXS_CAN_DEVICES). */
bool save_can_devices(const volatile void *control);
/* How many of `pages` the guest may have used, as it says itself. */
uint64_t save_pages_touched(const volatile void *control, uint64_t pages);
/* Whether it obeys NOXS_REQ_SUSPEND. */
bool save_can_suspend(const volatile void *control);

/* Writes the domain to `to`, from its current offset. The domain must not run: either the caller
 * has paused it while all of its vCPUs were blocked (struct xen_domain_info, `blocked`), or it
 * has shut down with SHUTDOWN_suspend. (A guest that is stopped at another moment may have read
 * only a part of values that are about to change.) The domain is not changed; afterwards it may
 * be unpaused, or continued by xen_domain_resume(). -EBUSY: it ran meanwhile. save_info()
 * returns `owner` (owner_bytes of it, at most SAVE_OWNER_MAX) unchanged. The file should have
 * mode 0600 and get its name after this has succeeded; it is not synced here. *st is filled also
 * on failure. Ignore SIGPIPE: then a pipe without a reader is -EPIPE. */
int save_write(struct xen *x, const struct save_source *from, const void *owner,
	       uint32_t owner_bytes, struct transfer *to, struct save_stats *st, struct err *e);

/* --- restoring -----------------------------------------------------------------------------------
 */

/* A stream whose header, vCPU states and list of pages have been read and checked. */
struct save_stream;

struct save_info {
	enum dom_type type;
	uint32_t vcpus;
	uint64_t pages;	  /* RAM */
	uint64_t present; /* pages in the stream */
	uint64_t bytes;	  /* of the whole stream */
	uint32_t ring_pages;
	uint64_t saved_ns; /* when it was saved: since 1970-01-01 UTC, by the clock of that host */
	struct dom_limits limits;
	bool linux_guest;
	const void *owner; /* memory of the stream, valid until save_close() */
	uint32_t owner_bytes;
};

/* Reads and checks everything except the pages: magic, version, checksums, sizes against limits
 * and (for a regular file) against its length, every frame number, and what the host must
 * support. No domain is needed, and little memory: at most some MiB, for any stream. The caller
 * must keep `from` open until save_close(). With `x` NULL the host is not checked: to show what
 * a stream has. */
int save_open(struct xen *x, struct transfer *from, struct save_stream **out, struct err *e);
/* The size of the whole stream, from its first SAVE_HEADER_BYTES; errors as in save_open(). */
#define SAVE_HEADER_BYTES 256u
int save_size(const void *header, uint64_t *bytes, struct err *e);
const struct save_info *save_info(const struct save_stream *s);
/* The spec of a shell for it; domid, uuid, weight, cap and cpus are not changed. */
void save_spec(const struct save_stream *s, struct dom_spec *spec);
/* Reads the pages of a regular file and compares their checksum, so that damage is found before
 * a domain is made. Returns 0 for a pipe, which cannot be read twice: there save_restore() finds
 * damage. */
int save_verify(struct save_stream *s, struct err *e);
/* Writes a stream of a regular file, which save_verify() has read, with other bytes of the
 * toolstack into `to`. */
int save_write_for(struct save_stream *s, const void *owner, uint32_t owner_bytes,
		   struct transfer *to, struct err *e);
/* With at most this many bytes of pages, save_verify() of a file is short and keeps them in
 * memory; then save_is_read() is true, and save_restore() does not need the file. */
#define SAVE_SMALL_BYTES (1u << 20)
bool save_is_small(const struct save_stream *s);
bool save_is_read(const struct save_stream *s);

/* Fills a shell. `d` was prepared by dom_prepare() for save_spec(), without an image; it has not
 * been loaded and does not run. Afterwards it is as after dom_load() (d->build is NULL,
 * dom_arm() is not needed), except for the device page, which the caller must write before
 * xen_domain_unpause() (struct noxs_facts: resumed; a generation that this VM never had; domid,
 * uuid, ports, seed; frames from `d`, image_end_gfn included). The control page has the contents
 * that the guest left: see noxs_control_adopt(). Pages outside of the window (dom_window()) are
 * mapped temporarily. On failure the shell must be destroyed; it has not run. Call it once for
 * each stream. */
int save_restore(struct xen *x, struct save_stream *s, struct dom *d, struct save_stats *st,
		 struct err *e);
/* Linux: the restored guest is not a copy. It keeps its VM generation id (Microsoft's, of ACPI),
 * which save_restore() otherwise changes. */
void save_keep_generation(struct save_stream *s);
/* Allows save_restore() to leave pages mapped for save_unmap_restored(). */
void save_leave_mapped(struct save_stream *s);
/* Unmaps some of these pages, and of those that live_read() left; false: none is mapped. */
bool save_unmap_restored(struct xen *x, struct save_stream *s);
bool save_is_mapped(const struct save_stream *s);
void save_close(struct save_stream *s); /* NULL is allowed */
/* Whether all pages are in memory, so that save_restore() does not read the file. Also true for
 * a template. */
bool save_in_memory(const struct save_stream *s);

/* --- CPUs --------------------------------------------------------------------------------------
 */

#define SAVE_NEEDS_MAX 64u
/* The CPU features that a guest may use and that another host must have. */
struct save_needs {
	uint32_t vendor; /* 1 AMD, 2 Intel; for PVH */
	uint32_t words;	 /* at most SAVE_NEEDS_MAX */
	uint32_t feature[SAVE_NEEDS_MAX];
};
/* `control`: the guest's control page; NULL: it has none. */
int save_needs(struct xen *x, enum dom_type type, const volatile void *control,
	       struct save_needs *out, struct err *e);
/* Whether this host has these features; -EOPNOTSUPP: the message names those that are missing.
 * save_open() checks it, too. */
int save_check_needs(struct xen *x, enum dom_type type, const struct save_needs *needs,
		     struct err *e);

/* --- names ---------------------------------------------------------------------------------------
 */

/* The name of a stream in a regular file, and its length: the SHA-256 of header and end, which
 * have checksums of everything between. Reads only these two; save_open() and save_verify()
 * check the rest. -EPROTO: not such a stream. */
int save_digest(int fd, uint64_t *bytes, char hex[65], struct err *e);

#endif
