/* SPDX-License-Identifier: BSD-3-Clause */
/* Restores PV guests without noxs, mainly Linux: this thread moves the stream from the file to a
 * child process of libxenguest, which reads it into the domain. */
#include "libdom/save_pvlinux.h"

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <unistd.h>

#include "base/shared.h"
#include "libdom/save_linux.h"
#include "libdom/save_passing.h"

static int write_pipe(struct passing *p, const uint8_t *from, size_t n, struct err *e)
{
	while (n) {
		ssize_t put = write(p->fd, from, n);
		int rc;

		if (put >= 0) {
			from += put;
			n -= (size_t)put;
			p->moved += (uint64_t)put;
			continue;
		}
		if (errno == EPIPE) /* the child says why */
			return -EPIPE;
		if (errno != EAGAIN && errno != EINTR)
			return err_sys(e, errno, "write to the child process");
		rc = passing_wait(p, POLLOUT, e);
		if (rc < 0)
			return rc;
	}
	return 0;
}

/* The last record is given to the child only when all is checked: with it the child gives the
 * domain its vCPUs. */
static int give_piece(struct passing *p, uint64_t *seen, size_t n, struct err *e)
{
	uint64_t most = UINT64_MAX;
	size_t used = 0;
	int rc = 0;

	if (!records_over(&p->records))
		rc = records_check(&p->records, p->piece, n, &used, e);
	*seen += used;
	if (records_over(&p->records))
		most = *seen - RECORDS_END;
	if (rc < 0 || used == 0)
		return rc;
	/* without bytes that are before this piece */
	if (*seen > most)
		used = p->moved < most ? (size_t)(most - p->moved) : 0;
	return write_pipe(p, p->piece, used, e);
}

static int read_stream(struct passing *p, uint64_t blocks, uint64_t *seen, struct save_stats *st,
		       struct err *e)
{
	uint64_t left = blocks * PAGE_BYTES;
	int rc = 0;

	while (rc == 0 && left) {
		size_t want = left < PASSING_PIECE ? (size_t)left : PASSING_PIECE;
		struct iovec iov = {p->piece, want};
		ssize_t n = transfer_read(p->file, &iov, 1);

		if (n < 0)
			return err_sys(e, (int)-n, "read the saved VM");
		if ((size_t)n < want)
			return err_set(e, EPROTO, "the file is cut: it ends within its pages");
		save_hash_add(p->hash, p->piece, want);
		rc = give_piece(p, seen, want, e);
		left -= want;
		shared_store(&st->bytes, st->bytes + want);
		shared_store(&st->done, p->records.pages);
	}
	if (rc == 0 && !records_over(&p->records))
		return err_set(e, EPROTO, "the file is damaged: its stream of Xen is cut");
	return rc;
}

static int read_end(struct passing *p, struct err *e)
{
	struct save_end end;
	struct iovec iov = {&end, sizeof(end)};
	ssize_t got = transfer_read(p->file, &iov, 1);
	uint64_t hash = save_hash_end(p->hash);

	p->hash = NULL;
	if (got < 0)
		return err_sys(e, (int)-got, "read the saved VM");
	if (got != sizeof(end))
		return err_set(e, EPROTO, "the file is cut: its end is missing");
	if (memcmp(end.magic, SAVE_END_MAGIC, sizeof(end.magic)) != 0 || hash != end.pages_hash)
		return err_set(e, EPROTO,
			       "the file is damaged: the checksum of its pages is wrong");
	return 0;
}

/* The checksums say that it is what was written, but it need not be by chaos. */
static int restore_failed(const struct dom *d, int rc, const struct xen_stream_result *r,
			  struct err *e)
{
	if (rc == -ENOMEM)
		return err_set(e, ENOMEM, "not enough memory to restore domain %u", d->domid);
	return err_set(e, rc == -EINTR ? EIO : EPROTO,
		       "libxenguest could not restore domain %u: %s", d->domid,
		       r->why[0] ? r->why : strerror(-rc));
}

static int feed_child(struct passing *p, const struct save_stream *s, const struct dom *d,
		      struct save_stats *st, struct xen_stream_result *r, struct err *e)
{
	static const uint8_t end[RECORDS_END];
	uint64_t seen = 0;
	int rc = read_stream(p, s->h.present, &seen, st, e);

	if (rc == 0)
		rc = read_end(p, e);
	if (rc == 0)
		rc = write_pipe(p, end, (size_t)(seen - p->moved), e);
	if (rc == 0 || rc == -EPIPE) {
		rc = passing_result(p, r);
		if (rc == -ECANCELED)
			(void)err_set(e, ECANCELED, "cancelled");
		else if (rc < 0)
			rc = restore_failed(d, rc, r, e);
	}
	return rc;
}

/* Its balloon driver keeps a target in whole MiB. */
#define TARGET_PAGES 256u

static int note_pages(struct xen *x, struct dom *d, struct err *e)
{
	struct xen_domain_info info;
	uint64_t had;
	int rc = xen_domain_info(x, d->domid, &info);

	if (rc < 0)
		return err_sys(e, -rc, "get the state of domain %u", d->domid);
	had = (info.pages + TARGET_PAGES - 1) / TARGET_PAGES * TARGET_PAGES;
	d->had_pages = had < d->pages ? had : 0;
	return 0;
}

int save_pv_linux_restore(struct xen *x, struct save_stream *s, struct dom *d,
			  struct save_stats *st, struct err *e)
{
	const struct xen_stream_want w = {.restore = true,
					  .domid = d->domid,
					  .frames = s->h.param[0],
					  .store_port = d->store_port,
					  .console_port = d->console_port};
	struct xen_stream_result r = {0};
	struct passing *p = NULL;
	int rc = build_memory_map_pv(x, d, e);

	st->present = s->h.pages; /* until they are counted */
	if (rc == 0)
		rc = passing_begin(&w, s->h.vcpus, s->from, &p, e);
	if (rc == 0) {
		transfer_at(s->from, s->pages_at);
		rc = feed_child(p, s, d, st, &r, e);
		transfer_at(s->from, -1);
	}
	if (rc == 0)
		st->present = p->records.pages;
	passing_end(p);
	if (rc == 0)
		rc = save_linux_empty_rings(x, d->domid, r.store_mfn, r.console_mfn, e);
	if (rc == 0) {
		d->dev_frame = r.store_mfn;
		d->control_frame = r.console_mfn;
		rc = note_pages(x, d, e);
	}
	if (rc == 0)
		dom_release(d);
	return rc;
}
