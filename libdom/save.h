/* SPDX-License-Identifier: BSD-3-Clause */
/* Saved guests: out of a domain into a stream, and out of a stream into a shell. */
#ifndef CHAOS_LIBDOM_SAVE_H
#define CHAOS_LIBDOM_SAVE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "base/transfer.h"
#include "libdom/libdom.h"

/*
 * For images with a noxs entry, and for Linux in a PVH container (`linux_guest`). A stream (man 5
 * chaos-save) has a header, a block of bytes of its owner, the state of the vCPUs, runs of pages,
 * and the pages. It may be a file or a pipe. The device page is never in it: a restore writes a new
 * one.
 *
 * THREADS. save_write(), save_open(), save_verify() and save_restore() wait for the file and take
 * time in proportion to the pages: they are for a worker thread, with an xen handle of its own;
 * transfer_cancel() ends them with -ECANCELED. Nothing else may use the same struct dom or
 * save_stream meanwhile. The other functions do not block and call nothing.
 *
 * ERRORS are negative errnos, with one line in `e`; what makes no sense in a stream is said there
 * ("the file is cut", "... is damaged", "... not one of chaos"). -EOPNOTSUPP: this guest cannot be
 * saved, or this host cannot run it; -EPROTO: damaged, cut, or not a saved VM; -EINVAL: does not
 * fit the shell; of the file what transfer_read() and transfer_write() say.
 */

/* Numbers of pages of 4 KiB; bytes of the stream. All but `done` and `bytes` are known before the
 * first page is moved; other threads may look at those two by shared_load() meanwhile. */
struct save_stats {
	uint64_t pages;	    /* that the guest has */
	uint64_t present;   /* in the stream: these are carried */
	uint64_t zero;	    /* left out because all of the page is zero */
	uint64_t untouched; /* left out because the guest has said that it never used them */
	uint64_t done;	    /* of `present`, so far */
	uint64_t bytes;	    /* written or read so far */
};

/* --- saving --------------------------------------------------------------------------------------
 */

/* The most that an owner's block may have. */
#define SAVE_OWNER_MAX (256u << 10)

/* A domain to be saved. All of it stays the caller's. */
/* Memory that all states which are taken by it may have together (libdom/template.h); any threads.
 */
struct save_budget {
	uint64_t most, used; /* bytes */
};

struct save_source {
	uint32_t domid;
	enum dom_type type;
	uint32_t vcpus;
	uint64_t pages;		  /* of RAM */
	uint32_t ring_pages;	  /* as the domain was prepared with; 0: it has no devices */
	struct dom_limits limits; /* what was asked for as it was made */
	const volatile void *device, *control; /* its two noxs pages, mapped by the caller */
	uint64_t dev_frame, control_frame; /* where they lie, in the form that xen_map() takes */
	/* It has no such pages (`device` and `control` are NULL), but a store: the frames are those
	 * of store and console ring, and it has shut down with SHUTDOWN_suspend. PVH. */
	bool linux_guest;
	struct dom_frames
		frames; /* of struct dom; zeroed: not known, which costs a PV guest time */
	/* So many pages are looked at; a guest that may have touched more is -EFBIG. 0: any number.
	 */
	uint64_t most;
	struct save_budget *budget; /* of a template; it outlives that. NULL: none */
	/* save_write(): what it has mapped may stay so, for save_unmap(): to unmap it takes a
	 * quarter of the time of all. NULL: nothing stays. */
	struct live_maps **left;
};

/* Pages of a domain that are mapped still. */
struct live_maps;
/* Unmaps a little of it; false: nothing is left, and it is freed. NULL is fine. */
bool save_unmap(struct xen *x, struct live_maps *m);

/* Whether the guest says in its control page that it can live on in another domain (abi.h,
 * NOXS_CAN_SAVE): 0, or -EOPNOTSUPP. To be asked before the guest is disturbed. */
int save_check(const volatile void *control, struct err *e);
/* Its drivers go on with the devices of another device page (NOXS_CAN_DEVICES). */
bool save_can_devices(const volatile void *control);
/* Of `pages`, those that it may have used, by its own word. */
uint64_t save_pages_touched(const volatile void *control, uint64_t pages);
/* It answers NOXS_REQ_SUSPEND. */
bool save_can_suspend(const volatile void *control);

/*
 * Writes the domain into `to`, from where its offset is. The domain does not run and stays so: it
 * is paused by the caller, and all of its vCPUs were blocked (struct xen_domain_info, `blocked`),
 * or it has shut down with SHUTDOWN_suspend. (A guest that is stopped anywhere else may have read
 * half of what is about to change.) The domain is not changed: it may be unpaused, or
 * xen_domain_resume()d, afterwards. -EBUSY: it ran meanwhile. `owner` (owner_bytes of them, at most
 * SAVE_OWNER_MAX) comes out of save_info() as it went in. The file should be of mode 0600 and get
 * its name when this has succeeded; nothing here syncs it. *st is filled, also on failure. A pipe
 * without a reader is -EPIPE where SIGPIPE is ignored.
 */
int save_write(struct xen *x, const struct save_source *from, const void *owner,
	       uint32_t owner_bytes, struct transfer *to, struct save_stats *st, struct err *e);

/* --- restoring -----------------------------------------------------------------------------------
 */

/* A stream whose header, vCPU states and list of pages have been read and checked. */
struct save_stream;

struct save_info {
	enum dom_type type;
	uint32_t vcpus;
	uint64_t pages;	  /* of RAM */
	uint64_t present; /* of them in the stream */
	uint64_t bytes;	  /* of the whole stream */
	uint32_t ring_pages;
	uint64_t saved_ns; /* when: since 1970-01-01 UTC, on the host that saved it */
	struct dom_limits limits;
	bool linux_guest;
	const void *owner; /* the stream's, until save_close() */
	uint32_t owner_bytes;
};

/*
 * Reads and checks all but the pages: magic, version, checksums, sizes against limits and (of a
 * regular file) against its length, every frame number, what the host must be able to do. No domain
 * is needed, and little memory: at most some MiB, whatever the stream says of itself. `from` is to
 * be kept open by the caller until the stream is closed with save_close(). `x` NULL: what the host
 * can do is not checked: for a look at what the stream is of.
 */
int save_open(struct xen *x, struct transfer *from, struct save_stream **out, struct err *e);
/* Bytes of the whole stream, of its first SAVE_HEADER_BYTES; what it has of nonsense is an error as
 * in save_open(). */
#define SAVE_HEADER_BYTES 256u
int save_size(const void *header, uint64_t *bytes, struct err *e);
const struct save_info *save_info(const struct save_stream *s);
/* What a shell for it has to be; domid, uuid, weight, cap and cpus stay as the caller set them. */
void save_spec(const struct save_stream *s, struct dom_spec *spec);
/* Reads the pages of a regular file once and compares their checksum, so that damage is found
 * before there is a domain. 0 for what cannot be read twice (a pipe): there save_restore() finds
 * it. */
int save_verify(struct save_stream *s, struct err *e);
/* Its pages are few: save_verify() of a file keeps them, and is short; then save_is_read(), and
 * save_restore() needs the file no more. */
#define SAVE_SMALL_BYTES (1u << 20)
bool save_is_small(const struct save_stream *s);
bool save_is_read(const struct save_stream *s);

/*
 * Fills a shell: `d` was prepared by dom_prepare() for save_spec(), without an image, has not been
 * loaded, and does not run. Afterwards it is as after dom_load() (d->build is NULL, nothing is left
 * to be armed), but for the device page, which the caller writes anew (struct noxs_facts: resumed,
 * another generation than any that this VM had; domid, uuid, ports, seed; where things lie from
 * `d`, image_end_gfn included) before xen_domain_unpause(). The control page is as the guest left
 * it: noxs_control_adopt(). Pages that the window (dom_window()) does not have are mapped for a
 * moment. On failure the shell is spoilt and must be destroyed; it has not run. Once for each
 * stream.
 */
int save_restore(struct xen *x, struct save_stream *s, struct dom *d, struct save_stats *st,
		 struct err *e);
/* Of Linux: what is restored is no copy, but the one and only: it keeps its generation id, which
 * save_restore() makes anew otherwise (Microsoft's, of ACPI). */
void save_keep_generation(struct save_stream *s);
/* save_restore() may leave pages mapped, for save_unmap_restored(). */
void save_leave_mapped(struct save_stream *s);
/* Unmaps a little of that, and of what live_read() left; false: nothing is. */
bool save_unmap_restored(struct xen *x, struct save_stream *s);
bool save_is_mapped(const struct save_stream *s);
void save_close(struct save_stream *s); /* NULL is fine */
/* save_verify() has read all pages: a save_restore() waits for no file. Also of a template. */
bool save_in_memory(const struct save_stream *s);

/* --- CPUs --------------------------------------------------------------------------------------
 */

#define SAVE_NEEDS_MAX 64u
/* What a guest may use of its CPU, which another host's has to have. */
struct save_needs {
	uint32_t vendor; /* 1 AMD, 2 Intel: of PVH */
	uint32_t words;	 /* at most SAVE_NEEDS_MAX */
	uint32_t feature[SAVE_NEEDS_MAX];
};
/* `control`: the guest's control page; NULL: it has none. */
int save_needs(struct xen *x, enum dom_type type, const volatile void *control,
	       struct save_needs *out, struct err *e);
/* This host has it; -EOPNOTSUPP: and what it has not. save_open() asks, too. */
int save_check_needs(struct xen *x, enum dom_type type, const struct save_needs *needs,
		     struct err *e);

/* --- names ---------------------------------------------------------------------------------------
 */

/* What a whole stream that begins at the start of a regular file is called by, and its length: the
 * SHA-256 of its header and end, which have checksums of all that lies between. Reads these alone;
 * whether the rest fits them, save_open() and save_verify() say. -EPROTO: not one. */
int save_digest(int fd, uint64_t *bytes, char hex[65], struct err *e);

#endif
